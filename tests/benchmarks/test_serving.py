"""The benchmark of serving on a small catalogue that this process serves: what is made, asked and counted."""

import json
import subprocess
import sys

import numpy as np
import pytest
from django.test import RequestFactory

from benchmarks.serving import __main__ as serving
from benchmarks.serving import catalogue
from benchmarks.serving.catalogue import Sizes, shopper
from benchmarks.serving.floor import floor
from benchmarks.serving.load import Load, encoded, run
from benchmarks.serving.material import read_material
from benchmarks.serving.requests import next_pages, requests_of
from listings.models import Listing
from marketplace.models import ServiceKey
from ml.encoder.projection import ProjectionEncoder
from recommendations.encoders import selection
from recommendations.models.events import Interaction

SIZES = Sizes(listings=150, actors=30)


@pytest.fixture
def material():
    return read_material(None)[:100]


@pytest.fixture
def market(transactional_db, material, encoder, still_replica, monkeypatch):
    """A filled catalogue, followed by this process."""
    record = selection.active_encoder()
    space = ProjectionEncoder.from_json(selection.EncoderManifest.read(record).projection)
    monkeypatch.setattr(catalogue, "_chosen_encoder", lambda: space)
    serving.fill(material, SIZES)
    still_replica.refresh()


@pytest.fixture
def headers(market):
    secret = ServiceKey.issue(name="serving", scopes=["feed", "events", "catalogue"])[1]
    return {"Authorization": f"Api-Key {secret}"}


class TestCatalogue:
    def test_it_has_the_listings_photos_and_events_that_were_asked_for(self, market):
        assert Listing.objects.count() == SIZES.listings
        assert Listing.objects.filter(photos__isnull=True).exists()
        assert Listing.objects.filter(photos__isnull=False).exists()
        assert Interaction.objects.values("actor").distinct().count() == SIZES.actors

    def test_the_snapshot_holds_all_of_it_with_a_model(self, market, still_replica):
        snapshot = still_replica.snapshot
        assert (snapshot.row_count, snapshot.alive.all()) == (SIZES.listings, True)
        assert (snapshot.items >= 0).any()


class TestRequests:
    def test_each_kind_of_request_is_answered(self, headers, material, live_server):
        requests = requests_of(material, SIZES, np.random.default_rng(1))
        requests.pop("floor")  # only the server of the benchmark knows it
        for kind, some in requests.items():
            sent = [encoded(*request, headers) for request in some[:3]]
            done = run(Load(live_server.thread.port, clients=2, seconds=0.01, requests=sent))
            assert set(done["statuses"]) == {200}, kind

    def test_queries_are_those_of_a_second_request(self, headers, material):
        requests = requests_of(material, SIZES, np.random.default_rng(1))
        assert serving.query_count(requests["detail"], headers) >= 1

    def test_second_pages_follow_the_cursors_of_first_ones(self):
        pages = next_pages({shopper(1): {"next_cursor": "abc"}, shopper(2): {"next_cursor": None}})
        assert pages == [("GET", "/api/v1/feed/?actor=shopper-1&cursor=abc", None)]

    def test_the_floor_shows_listings_with_their_photos(self, market):
        shown = json.loads(floor(RequestFactory().get("/floor/", {"ids": "1,2"})).content)["items"]
        assert [item["id"] for item in shown] == [1, 2]
        assert [len(item["photos"]) for item in shown] == [
            listing.photos.count() for listing in Listing.objects.filter(pk__in=[1, 2]).order_by("pk")
        ]


class TestFigures:
    def test_ratios_compare_a_kind_with_the_floor(self):
        floor_figures = {"rate_4": 100.0, "p50_ms_1": 2.0, "p99_ms_1": 9.0, "cpu_ms": 1.0, "errors": 0}
        slow = {"rate_4": 50.0, "p50_ms_1": 5.0, "p99_ms_1": 8.0, "cpu_ms": 3.0, "queries": 4, "errors": 1}
        found = serving.ratios({"floor": floor_figures, "feed": slow, "similar": slow, "search": slow})
        assert (found["ratio"], found["feed_p50_over_floor"], found["feed_cpu_over_floor"]) == (0.5, 2.5, 3.0)
        assert (found["feed_p99_over_floor_p50"], found["feed_queries"], found["errors"]) == (4.0, 4, 3)

    def test_a_run_is_summed_up_over_rounds(self):
        rounds = [{"latencies": [0.1, 0.2], "took_s": 1.0, "cpu_ms": 2.0}] * 2
        assert serving.summary(rounds, 1) == {
            "rate_1": 2.0,
            "p50_ms_1": 150.0,
            "p99_ms_1": 200.0,
            "cpu_ms": 2.0,
        }

    def test_the_options_are_explained(self):
        done = subprocess.run(
            [sys.executable, "-m", "benchmarks.serving", "--help"], capture_output=True, text=True, check=True
        )
        assert "--listings" in done.stdout


def test_made_adverts_have_categories_prices_and_places():
    adverts = read_material(None)
    assert len({advert.category for advert in adverts}) > 50
    assert all(advert.price > 0 and advert.latitude for advert in adverts)
