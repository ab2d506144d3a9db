"""Selection of the encoder that listings are embedded with."""

import pytest

from recommendations.encoders import selection
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
