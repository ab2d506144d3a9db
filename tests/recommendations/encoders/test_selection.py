"""Selection of the encoder that listings are embedded with."""

import pytest

from marketplace.configuration.environment import Environment
from recommendations.encoders import selection
from recommendations.encoders.manifest import EncoderManifest
from recommendations.indexing import embedding_jobs
from recommendations.models.embeddings import ListingEmbedding
from tests.recommendations.indexed import embed


@pytest.mark.usefixtures("encoder")
class TestChoosingAnEncoder:
    def test_the_first_encoder_is_active_and_the_same_request_chooses_no_other(self):
        lines = []
        again = selection.ensure_encoder(lines.append)
        assert again == selection.active_encoder()
        assert "chosen before" in lines[0]

    def test_another_requested_encoder_is_a_candidate_that_listings_are_embedded_with(
        self, settings, sofa, tmp_path, weights_file, monkeypatch
    ):
        embed()
        other = tmp_path / "other.safetensors"
        other.write_bytes(weights_file.read_bytes())
        settings.ENVIRONMENT = settings.ENVIRONMENT.model_copy(update={"image_weights": other})
        monkeypatch.setattr(selection, "SEED", selection.SEED + 1)
        candidate = selection.ensure_encoder(lambda line: None)
        assert candidate.status == "candidate"
        assert selection.active_encoder() != candidate
        embedding_jobs.request_missing()
        embed()
        assert ListingEmbedding.objects.filter(encoder_version=candidate.version).count() == 1


@pytest.mark.usefixtures("encoder")
class TestAnotherBackbone:
    @pytest.fixture
    def updated(self, encoder, settings):
        """Settings of a release whose default is another backbone, with nothing set by the operator."""
        settings.ENVIRONMENT = Environment.model_construct(
            _fields_set=set(),
            **dict(settings.ENVIRONMENT) | {"image_backbone": "efficientnet_lite2", "image_weights": None},
        )

    @pytest.mark.usefixtures("updated")
    def test_an_update_keeps_the_encoder_until_one_is_trained_on_the_new_default(self):
        lines = []
        assert selection.ensure_encoder(lines.append) == selection.active_encoder()
        assert lines[-1].endswith("until an encoder is trained on efficientnet_lite2.")

    @pytest.mark.usefixtures("updated")
    def test_a_training_takes_the_backbone_that_is_asked_for(self):
        assert selection.requested_manifest(lambda line: None).backbone == "efficientnet_lite2"

    def test_a_training_keeps_a_backbone_that_is_still_asked_for(self):
        model = selection.active_encoder()
        assert selection.requested_manifest(lambda line: None) == EncoderManifest.read(model)
