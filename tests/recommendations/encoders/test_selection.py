import pytest

from recommendations.encoders import selection
from recommendations.encoders.manifest import EncoderManifest, EncoderUnavailable
from recommendations.indexing import embedding_jobs
from recommendations.indexing.tasks import embed_pending
from recommendations.models.trained_models import TrainedModel
from tests import factories


@pytest.fixture
def wishes(settings, weights_file):
    settings.ENVIRONMENT = settings.ENVIRONMENT.model_copy(
        update={"image_backbone": "shufflenet_v2_x0_5", "image_weights": weights_file}
    )


class TestAFreshInstallation:
    def test_the_worker_of_a_fresh_installation_chooses_the_encoder_and_embeds(self, alice, wishes):
        factories.listing(alice)
        assert not embedding_jobs.is_complete()
        assert embed_pending() == {"embedded": 1}
        assert embedding_jobs.is_complete()
        assert selection.active_encoder().metrics["backbone"] == "shufflenet_v2_x0_5"

    def test_the_chosen_encoder_records_the_origin_of_its_weights(self, encoder, weights_file):
        record = EncoderManifest.read(encoder)
        assert (
            record.source == f"shufflenet_v2_x0_5 with the weights in {weights_file.name}, from IMAGE_WEIGHTS"
        )
        assert record.weights == str(weights_file)


class TestAChoiceThatIsGone:
    def test_an_encoder_with_a_missing_manifest_is_refused_and_chosen_anew(self, encoder, settings):
        file = settings.MODEL_ROOT / encoder.path
        file.unlink()
        with pytest.raises(EncoderUnavailable, match="manage.py embed"):
            selection.blocks_of(encoder)
        again = selection.ensure_encoder(lambda line: None)
        assert again == encoder
        assert file.exists()

    def test_an_edited_manifest_of_an_encoder_is_refused(self, encoder, settings):
        file = settings.MODEL_ROOT / encoder.path
        file.write_text(file.read_text().replace("shufflenet", "mobilenet"))
        with pytest.raises(EncoderUnavailable, match="not what was recorded"):
            selection.blocks_of(encoder)


class TestWithoutPretrainedWeights:
    def test_without_pretrained_weights_a_small_backbone_is_trained_on_drawn_photos(
        self, db, settings, monkeypatch
    ):
        from recommendations.encoders import backbones

        monkeypatch.setattr(backbones, "DRAWN_PHOTO_COUNT", 60)
        monkeypatch.setattr(backbones, "DRAWN_TRAINING_S", 2.0)
        settings.ENVIRONMENT = settings.ENVIRONMENT.model_copy(update={"image_weights": None})
        lines = []
        model = selection.ensure_encoder(lines.append)
        assert "trained here on 60 drawn photos" in lines[-1]
        assert model.status == TrainedModel.Status.ACTIVE
        assert selection.ensure_encoder(lines.append) == model
        assert "chosen before" in lines[-1]
