"""Redis stops, restarts empty and is full: no request is lost, and everything recovers by itself."""

import time

import pytest
import redis

from marketplace.servers.processes import BEAT, WEB, Supervisor
from recommendations.models.embeddings import EmbeddingJob, ListingEmbedding
from recommendations.models.events import Interaction
from tests.faults.conftest import assert_agrees
from tests.flows.conftest import EMBEDDINGS, EVENTS, eventually

AWAY_S = 60
HEALS_IN_S = 60


@pytest.fixture
def running(installation, own_redis):
    """The installation under its supervisor, without workers for queries and trainings."""
    supervisor = Supervisor(
        logs=installation.folder, environment=installation.environment, say=lambda name, line: None
    )
    # Linux kills a process when the thread that started it ends, so this thread lives as long as the test.
    for process in (WEB, EMBEDDINGS, EVENTS, BEAT):
        supervisor.start(process, bind=f"127.0.0.1:{installation.port}", var=str(installation.folder))
    eventually(installation._answers, "the web process answers")
    yield installation
    supervisor.hurry()
    supervisor.stop()


class Shop:
    """A marketplace that sends listings and events, and checks their state."""

    def __init__(self, installation, key):
        self._installation, self._key = installation, key
        self.count = 0

    def sends(self) -> str:
        """Send a listing and an event, both accepted. Returns the listing's id."""
        self.count += 1
        name = f"sofa-{self.count}"
        new = {"id": name, "seller": "alice", "title": f"Blue sofa {name}", "price": "50"}
        new["category"] = "Home / Sofas"
        assert self._installation.post("/api/v1/listings/", new, **self._key)[0] == 201
        event = {"event_id": name, "actor": "bob", "listing": name, "kind": "view"}
        status, reply = self._installation.post("/api/v1/interactions/", event, **self._key)
        assert (status, reply["results"][0]["outcome"]) == (200, "accepted")
        return name

    def feed(self) -> dict:
        status, page = self._installation.get("/api/v1/feed/", **self._key)
        assert status == 200
        return page

    def lacks(self) -> set[str]:
        return set(self.feed()["degraded"])

    def is_whole(self) -> bool:
        """Whether everything sent is embedded and shown, and no part of the feed is degraded."""
        page = self.feed()
        shown = {item["listing"]["id"] for item in page["items"]}
        is_lacking = {"broker", "trending", "catalogue", "embedding"} & set(page["degraded"])
        return len(shown) == self.count and not is_lacking and not EmbeddingJob.objects.exists()


def trending_count(own_redis) -> int:
    with redis.Redis.from_url(own_redis.url) as client:
        return client.zcard("trending:scores")


class TestRedis:
    def test_no_request_is_lost_while_redis_is_stopped_emptied_or_full(self, running, own_redis, key):
        shop = Shop(running, key)

        def heals(after: str) -> None:
            def is_whole() -> bool:
                return shop.is_whole() and trending_count(own_redis) == shop.count

            eventually(is_whole, f"all is shown and counted {after}", HEALS_IN_S)

        shop.sends()
        heals("at first")

        own_redis.stop()
        stopped_at = time.monotonic()
        eventually(lambda: {"broker", "trending"} <= shop.lacks(), "feeds say what they lack")
        shop.sends()
        time.sleep(max(AWAY_S - (time.monotonic() - stopped_at), 0))  # long enough for retries to become rare
        own_redis.start()
        heals("with a Redis that forgot everything")

        with redis.Redis.from_url(own_redis.url) as client:
            client.flushall()
            shop.sends()
            heals("with a Redis that was emptied")

            client.config_set("maxmemory", 1)
            shop.sends()
            eventually(lambda: {"broker"} <= shop.lacks(), "feeds say what they lack")
            client.config_set("maxmemory", 0)
            heals("with room in Redis again")
        assert Interaction.objects.count() == shop.count == ListingEmbedding.objects.count()
        assert_agrees(shop.count)
