"""An encoder is trained while people search: until all is ready, the one before answers."""

from datetime import timedelta
from itertools import count

import numpy as np
import pytest
from django.utils import timezone

from listings import services
from listings.announcing import catalogue_transaction
from recommendations.encoders import selection
from recommendations.indexing import compaction, embedding_jobs
from recommendations.models.embeddings import EmbeddingJob, ListingEmbedding
from recommendations.models.trained_models import TrainedModel
from recommendations.replica import follower
from recommendations.taste.profile import vectors_of
from recommendations.training.encoder import train_encoder
from tests import factories
from tests.recommendations.market import QUICK, open_market


def compact() -> None:
    compaction.compact(least_changes=1)


def similar(client, listing) -> list[tuple[str, float]]:
    page = client.get(f"/api/v1/listings/{listing.external_id}/similar/").json()
    return [(item["listing"]["id"], item["score"]) for item in page["items"]]


def search(client, words: str) -> list[str]:
    page = client.get("/api/v1/search/", {"q": words}).json()
    return [item["listing"]["id"] for item in page["items"]]


def spaces_of(listing) -> set[str]:
    return set(ListingEmbedding.objects.filter(listing=listing).values_list("encoder_version", flat=True))


def embed_one_batch() -> None:
    start, ticks = timezone.now(), count()
    embedding_jobs.embed_claimed_batches(
        clock=lambda: start + next(ticks) * timedelta(seconds=1), budget=timedelta(seconds=2)
    )


@pytest.fixture
def market(encoder, settings, tmp_path, now):
    settings.VAR = tmp_path
    settings.ENVIRONMENT = settings.ENVIRONMENT.model_copy(
        update={"text_encoder": "ngrams", "encode_timeout_s": 0.02}
    )
    return open_market(now)


class TestTheSwitch:
    def test_the_old_encoder_answers_until_everything_is_embedded_and_indexed_by_the_new(
        self, market, follow, anyone, alice, encoder
    ):
        follow(), compact(), follow()
        kept, sold = market[0], market[1]
        services.mark_sold(listing=sold, buyer=None, now=timezone.now())
        follow()
        before = similar(anyone, kept)

        candidate = train_encoder(now=timezone.now(), options=QUICK)
        compact()
        assert follower.snapshot().encoder_version == encoder.version
        assert similar(anyone, kept) == before

        newcomer = factories.listing(alice, "velvet armchair", path="Home & Garden / Bargains")
        embed_one_batch()
        compact()
        follower._replica.tail(), follower._replica.refresh()
        assert EmbeddingJob.objects.exists(), "the switch is under way"
        assert spaces_of(newcomer) == {encoder.version, candidate.version}
        assert newcomer.external_id in search(anyone, "velvet armchair")
        assert similar(anyone, newcomer)
        assert follower.snapshot().encoder_version == encoder.version

        assert follow().encoder_version == encoder.version, "all is embedded, nothing is indexed yet"
        compact()
        view = follow()
        assert view.encoder_version == candidate.version
        assert TrainedModel.objects.get(pk=encoder.pk).status == "retired"
        after = similar(anyone, kept)
        assert after and after != before
        assert newcomer.external_id in search(anyone, "velvet armchair")

        assert spaces_of(sold) == {candidate.version}
        assert vectors_of(np.array([sold.pk]), view)[1].all(), "who liked it is still shown its like"
        assert sold.pk not in view.attributes["listing_id"][view.alive]
        assert compaction.verify().agrees


class TestWhatLeftTheMarket:
    @pytest.fixture
    def sofas(self, encoder, alice):
        """Embedded: one on the market, one reserved, one sold, one withdrawn. Not embedded: another sold."""
        with catalogue_transaction():
            made = [factories.listing(alice, f"Sofa {number}") for number in range(4)]
        embedding_jobs.embed_claimed_batches(clock=timezone.now)
        services.reserve(listing=made[1])
        services.mark_sold(listing=made[2], buyer=None, now=timezone.now())
        services.withdraw(listing=made[3])
        late = factories.listing(alice, "Sofa 4")
        services.mark_sold(listing=late, buyer=None, now=timezone.now())
        EmbeddingJob.objects.all().delete()
        factories.listing(alice, "Sofa 5", status="draft")
        return [*made, late]

    @pytest.fixture
    def candidate(self, sofas, monkeypatch) -> TrainedModel:
        """Another space, which waits for its vectors."""
        monkeypatch.setattr(selection, "SEED", selection.SEED + 1)
        monkeypatch.setattr(selection, "_usable", lambda model: None)
        return selection.ensure_encoder(lambda line: None)

    def waiting(self) -> list[int]:
        return list(EmbeddingJob.objects.order_by("listing").values_list("listing_id", flat=True))

    def test_without_a_candidate_encoder_no_sold_listing_is_embedded_again(self, sofas):
        assert embedding_jobs.is_complete()
        embedding_jobs.request_missing()
        assert self.waiting() == []

    def test_a_sold_listing_is_embedded_by_the_new_encoder_if_it_was_by_the_old(self, sofas, candidate):
        assert not embedding_jobs.is_complete()
        embedding_jobs.request_missing()
        assert self.waiting() == [sofa.pk for sofa in sofas[:4]]
        embedding_jobs.embed_claimed_batches(clock=timezone.now)
        assert embedding_jobs.is_complete()
        assert spaces_of(sofas[4]) == set()

    def test_the_new_encoder_does_not_serve_before_sold_listings_are_embedded(self, sofas, candidate):
        embedding_jobs.request_missing()
        EmbeddingJob.objects.filter(listing__in=sofas[2:]).delete()
        embedding_jobs.embed_claimed_batches(clock=timezone.now)
        compact()
        assert selection.active_encoder() != candidate
        embedding_jobs.request_missing()
        embedding_jobs.embed_claimed_batches(clock=timezone.now)
        compact()
        assert selection.active_encoder() == candidate
        assert compaction.verify().checked == 1, "an index holds what is on offer"
        assert embedding_jobs.is_complete()

    def test_a_listing_sold_while_encoders_switch_is_embedded_by_the_new_one(self, sofas, candidate):
        services.mark_sold(listing=sofas[0], buyer=None, now=timezone.now())
        assert self.waiting() == [sofas[0].pk]

    def test_new_words_of_a_sold_listing_need_no_new_embedding(self, sofas):
        sold = sofas[2]
        type(sold).objects.filter(pk=sold.pk).update(content_version=9)
        embedding_jobs.request_embeddings([sold.pk])
        assert self.waiting() == []
