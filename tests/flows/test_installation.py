"""The path of a listing or event from HTTP through real workers to the responses of other processes."""

import io
import json

import pytest
from django.core.management import call_command
from django.utils import timezone

from listings.announcing import catalogue_transaction
from listings.models import Listing
from marketplace.models import ServiceKey
from recommendations.indexing import compaction, embedding_jobs, wakeup
from recommendations.models.embeddings import EmbeddingJob, ListingEmbedding
from tests import factories
from tests.flows.conftest import EMBEDDINGS, eventually, free_port, kill
from tests.recommendations import pictures

CHAIRS = "Home & Garden / Office Furniture & Equipment"


@pytest.fixture
def key(transactional_db) -> dict[str, str]:
    return {
        "Authorization": f"Api-Key {ServiceKey.issue(name='shop', scopes=['feed', 'events', 'catalogue'])[1]}"
    }


def ids(page: dict) -> list[str]:
    return [item["listing"]["id"] for item in page["items"]]


class TestTheWholeWay:
    def test_a_listing_is_published_found_similar_sold_and_gone(self, installation, workers, key):
        installation.serve()
        for number in range(5):
            new = {
                **{"id": f"sofa-{number}", "seller": "alice", "title": f"Blue velvet sofa {number}"},
                **{"price": "50", "category": "Home / Sofas"},
            }
            assert installation.post("/api/v1/listings/", new, **key)[0] == 201
            photo = pictures.saved(pictures.scene(number))
            status, _ = installation.post_photo(f"/api/v1/listings/sofa-{number}/photos/", photo, **key)
            assert status == 201
        similar = "/api/v1/listings/sofa-0/similar/"

        def complete_everywhere() -> bool:
            """Whether several responses in a row satisfy a condition: both web processes answer in turn."""
            answers = [set(ids(installation.get(similar)[1])) for _ in range(6)]
            return all(similar_ids == {f"sofa-{n}" for n in range(1, 5)} for similar_ids in answers)

        eventually(complete_everywhere, "every process finds every sofa, photos and all")
        assert ListingEmbedding.objects.filter(content_version=2).count() == 5
        assert installation.post("/api/v1/listings/sofa-3/sold/", {"buyer": "bob"}, **key)[0] == 200
        for _ in range(10):
            assert "sofa-3" not in ids(installation.get(similar)[1])
            assert "sofa-3" not in ids(installation.get("/api/v1/feed/")[1])
        assert installation.get("/api/v1/listings/sofa-3/")[0] == 404

    def test_with_all_workers_stopped_the_next_feed_follows_the_shoppers_events(self, installation, key):
        alice = factories.actor("alice")
        with catalogue_transaction():
            for number in range(25):
                factories.listing(alice, f"Winter coat {number}", path="Clothing / Coats")
                factories.listing(alice, f"Swivel office chair {number}", path=CHAIRS)
                factories.listing(alice, f"Mountain bike {number}", path="Sports / Bicycles")
        call_command("embed", "--here", stdout=io.StringIO())
        installation.serve()

        def office_share() -> int:
            page = installation.get("/api/v1/feed/?actor=bob", **key)[1]
            return sum(item["listing"]["category"] == CHAIRS for item in page["items"])

        before = office_share()
        chairs = Listing.objects.filter(category__path=CHAIRS).order_by("pk")[:2]
        for number, chair in enumerate(chairs):
            body = {"event_id": str(number), "actor": "bob", "listing": chair.external_id, "kind": "view"}
            status, reply = installation.post("/api/v1/interactions/", body, **key)
            assert (status, reply["results"][0]["outcome"]) == (200, "accepted")
        assert office_share() > before


class TestAWorkerKilledInTheMiddle:
    def test_after_a_killed_embedding_worker_every_listing_is_embedded_and_indexed(
        self, installation, settings
    ):
        alice = factories.actor("alice")
        for number in range(500):
            listing = factories.listing(alice, f"Sofa number {number}")
            if number % 5 == 0:
                factories.photo(listing)
        first = installation.start(EMBEDDINGS)
        wakeup.notify_now()
        eventually(lambda: ListingEmbedding.objects.count() > 30, "some listings are embedded")
        kill(first)
        assert EmbeddingJob.objects.exists(), "it was killed in the middle"
        EmbeddingJob.objects.exclude(claimed_until=None).update(claimed_until=None)  # let the leases expire
        installation.start(EMBEDDINGS)
        wakeup.notify_now()
        eventually(lambda: not EmbeddingJob.objects.exists(), "every listing is embedded")
        assert ListingEmbedding.objects.count() == 500
        compaction.compact(least_changes=1)
        verdict = compaction.verify()
        assert (verdict.checked, verdict.agrees, verdict.waiting) == (500, True, 0)


class TestWithoutRedis:
    def test_without_redis_listings_and_events_are_accepted_and_the_feed_says_what_it_lacks(
        self, installation, key
    ):
        installation.environment["REDIS_URL"] = f"redis://127.0.0.1:{free_port()}/0"
        installation.serve()
        new = {"id": "sofa", "seller": "alice", "title": "Sofa", "price": "50", "category": "Home / Sofas"}
        assert installation.post("/api/v1/listings/", new, **key)[0] == 201
        event = {"event_id": "1", "actor": "bob", "listing": "sofa", "kind": "view"}
        assert installation.post("/api/v1/interactions/", event, **key)[0] == 200
        embedding_jobs.embed_claimed_batches(clock=timezone.now)
        eventually(
            lambda: ids(installation.get("/api/v1/feed/")[1]) == ["sofa"], "the feed shows the new listing"
        )
        assert installation.get("/api/v1/feed/")[1]["degraded"] == ["broker", "collaborative", "trending"]


class TestMovingACatalogue:
    def test_an_exported_catalogue_is_imported_by_the_batch_endpoint(self, as_service, alice, encoder):
        with catalogue_transaction():
            for number in range(3):
                factories.listing(
                    alice, f"Sofa {number}", latitude=53.8, longitude=-1.55, source_version=number
                )
        lines = io.StringIO()
        call_command("export_listings", stdout=lines)
        rows = [json.loads(line) for line in lines.getvalue().splitlines()]
        reply = as_service.put("/api/v1/listings/batch/", {"listings": rows})
        assert [result["outcome"] for result in reply.json()["results"]] == ["unchanged"] * 3
        changed = [row | {"external_id": f"copy-{row['external_id']}"} for row in rows]
        reply = as_service.put("/api/v1/listings/batch/", {"listings": changed})
        assert [result["outcome"] for result in reply.json()["results"]] == ["created"] * 3
