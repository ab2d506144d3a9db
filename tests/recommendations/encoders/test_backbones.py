"""Choice of the image backbone and its weights."""

import pytest

from recommendations.encoders import backbones, selection
from recommendations.encoders.backbones import BadBackboneSetting
from recommendations.encoders.manifest import EncoderManifest
from recommendations.models.trained_models import TrainedModel


class TestChosenWeights:
    def test_the_chosen_encoder_records_the_origin_of_its_weights(self, encoder, weights_file):
        record = EncoderManifest.read(encoder)
        assert (
            record.source == f"shufflenet_v2_x0_5 with the weights in {weights_file.name}, from IMAGE_WEIGHTS"
        )
        assert record.weights == str(weights_file)

    def test_without_pretrained_weights_a_small_backbone_is_trained_on_drawn_photos(
        self, db, settings, monkeypatch
    ):
        monkeypatch.setattr(backbones, "DRAWN_PHOTO_COUNT", 60)
        monkeypatch.setattr(backbones, "DRAWN_TRAINING_S", 2.0)
        settings.ENVIRONMENT = settings.ENVIRONMENT.model_copy(update={"image_weights": None})
        lines = []
        model = selection.ensure_encoder(lines.append)
        assert "trained here on 60 drawn photos" in lines[-1]
        assert model.status == TrainedModel.Status.ACTIVE
        assert selection.ensure_encoder(lines.append) == model
        assert "chosen before" in lines[-1]


class TestBadSettings:
    def test_an_unknown_image_backbone_is_refused(self, settings, weights_file):
        settings.ENVIRONMENT = settings.ENVIRONMENT.model_copy(
            update={"image_backbone": "no_such_net", "image_weights": weights_file}
        )
        with pytest.raises(BadBackboneSetting, match='IMAGE_BACKBONE: found "no_such_net"'):
            backbones.choose(lambda line: None)

    def test_image_weights_that_are_no_weights_are_refused(self, settings, tmp_path):
        file = tmp_path / "weights.safetensors"
        file.write_bytes(b"no weights")
        settings.ENVIRONMENT = settings.ENVIRONMENT.model_copy(
            update={"image_backbone": "shufflenet_v2_x0_5", "image_weights": file}
        )
        with pytest.raises(BadBackboneSetting, match="IMAGE_WEIGHTS: found"):
            backbones.choose(lambda line: None)
