"""Choice of the image backbone and its weights."""

import pytest

from recommendations.encoders import backbones, selection
from recommendations.encoders.backbones import BadBackboneSetting
from recommendations.encoders.manifest import EncoderManifest
from recommendations.models.trained_models import TrainedModel

DEFAULTS = {"image_backbone": "efficientnet_lite2", "image_weights": None}


class TestChosenWeights:
    def test_the_chosen_encoder_records_the_origin_of_its_weights(self, encoder, weights_file):
        record = EncoderManifest.read(encoder)
        assert (
            record.source == f"shufflenet_v2_x0_5 with the weights in {weights_file.name}, from IMAGE_WEIGHTS"
        )
        assert record.weights == str(weights_file)

    def test_the_default_is_pretrained_and_needs_neither_a_download_nor_a_training(
        self, db, settings, monkeypatch
    ):
        monkeypatch.setattr(backbones, "_drawn", lambda: pytest.fail("taught a backbone on drawings"))
        settings.ENVIRONMENT = settings.ENVIRONMENT.model_copy(update=DEFAULTS)
        model = selection.ensure_encoder(lambda line: None)
        record = EncoderManifest.read(model)
        assert record.source == "efficientnet_lite2 with the pretrained weights of its package"
        assert (record.backbone, record.weights_file) == ("efficientnet_lite2", None)
        assert model.status == TrainedModel.Status.ACTIVE

    def test_weights_that_cannot_be_downloaded_are_replaced_by_the_packaged_backbone(self, settings):
        settings.ENVIRONMENT = settings.ENVIRONMENT.model_copy(
            update=DEFAULTS | {"image_backbone": "resnext50_32x4d", "weights_download_timeout_s": 0}
        )
        lines = []
        choice, _ = backbones.choose(lines.append)
        assert choice.backbone == "efficientnet_lite2"
        assert lines == [
            "No pretrained weights of resnext50_32x4d (WEIGHTS_DOWNLOAD_TIMEOUT_S is 0); efficientnet_lite2 "
            "is used instead."
        ]

    def test_a_small_backbone_is_taught_on_drawn_photos_where_that_is_wanted(self, db, settings, monkeypatch):
        monkeypatch.setattr(backbones, "DRAWN_PHOTO_COUNT", 60)
        monkeypatch.setattr(backbones, "DRAWN_TRAINING_S", 2.0)
        settings.ENVIRONMENT = settings.ENVIRONMENT.model_copy(update=DEFAULTS | {"image_backbone": "drawn"})
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
