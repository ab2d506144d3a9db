"""The task that embeds waiting listings."""

import pytest

from recommendations.encoders import selection
from recommendations.indexing import embedding_jobs
from recommendations.indexing.tasks import embed_pending
from tests import factories


@pytest.fixture
def wishes(settings, weights_file):
    settings.ENVIRONMENT = settings.ENVIRONMENT.model_copy(
        update={"image_backbone": "shufflenet_v2_x0_5", "image_weights": weights_file}
    )


class TestEmbedPending:
    def test_the_worker_of_a_fresh_installation_chooses_the_encoder_and_embeds(self, alice, wishes):
        factories.listing(alice)
        assert not embedding_jobs.is_complete()
        assert embed_pending() == {"embedded": 1}
        assert embedding_jobs.is_complete()
        assert selection.active_encoder().metrics["backbone"] == "shufflenet_v2_x0_5"

    @pytest.mark.parametrize(
        ("counts", "waiting", "is_queued"),
        [({"embedded": 32}, 5, True), ({"embedded": 32}, 0, False), ({}, 5, False)],
        ids=["some wait", "none waits", "none is free"],
    )
    def test_embed_pending_is_queued_again_while_work_remains_that_is_free(
        self, encoder, monkeypatch, counts, waiting, is_queued
    ):
        queued = []
        monkeypatch.setattr(embedding_jobs, "embed_claimed_batches", lambda **options: counts)
        monkeypatch.setattr(embedding_jobs, "waiting_count", lambda: waiting)
        monkeypatch.setattr(embed_pending, "apply_async", lambda **options: queued.append(options))
        assert embed_pending() == counts
        assert bool(queued) == is_queued
