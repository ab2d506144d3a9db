"""`make torture`: all kinds of requests while processes are killed and Redis is stopped and emptied."""

import contextlib
import functools
import http.client
import itertools
import os
import random
import threading
import time
from collections.abc import Callable

import pytest
import redis
from django.db import connections
from django.utils import timezone

from listings.models import Listing
from marketplace.servers.processes import BEAT, WEB
from recommendations.core.locks import AlreadyTraining
from recommendations.indexing import compaction, embedding_jobs
from recommendations.interactions import sales
from recommendations.interactions.simulation import SOURCE, simulate
from recommendations.models.embeddings import EmbeddingJob
from recommendations.models.events import Interaction
from recommendations.training.collaborative import train_collaborative
from tests import factories
from tests.faults.asking import Crowd, Reply, ask, shown_on
from tests.faults.conftest import FragileInstallation, assert_agrees
from tests.faults.history import WHATS, Entry, violations
from tests.flows.conftest import EMBEDDINGS, EVENTS, TRAINING, eventually, kill

LASTS_S = 60 * float(os.environ.get("TORTURE_MINUTES", "0.25"))
SEED = int(os.environ.get("TORTURE_SEED", "6"))
PAGES = (
    "feed/?limit=50",
    "feed/?actor=bob&limit=50",
    "search/?q=sofa&limit=50",
    "listings/{}/similar/?limit=50",
    "listings/?limit=50",
)
PEOPLE = {"publishing": 2, "editing": 1, "trading": 4, "sending": 2, "looking": 4}
LEFT = 30  # listings that are not traded


class Storm(Crowd):
    """Threads that send requests to two web processes and record the outcomes."""

    def __init__(self, ports: list[int], key: dict[str, str], stock: list[str]):
        self.history: list[Entry] = []
        self.problems: list[Exception | Reply] = []
        self._ports, self._key = ports, key
        self._stock = stock
        self._taking, self._numbers = threading.Lock(), itertools.count()
        super().__init__(
            *(
                functools.partial(self._live, getattr(self, name), random.Random(f"{SEED} {name} {n}"))
                for name, count in PEOPLE.items()
                for n in range(count)
            )
        )

    def _live(self, act: Callable[[random.Random], None], chance: random.Random) -> None:
        while not self.over.wait(chance.random() * 0.1):
            try:
                act(chance)
            except Exception as problem:
                self.problems.append(problem)
                raise

    def publishing(self, chance: random.Random) -> None:
        name = f"sofa-{next(self._numbers)}"
        new = {"id": name, "seller": "alice", "title": f"Blue sofa {name}", "price": "50"}
        if self._ask(chance, "publish", name, "POST", "listings/", new | {"category": "Home / Sofas"}):
            self._stock.append(name)

    def editing(self, chance: random.Random) -> None:
        if name := self._take(chance):
            title = f"Blue sofa {name}, edition {next(self._numbers)}"
            if self._ask(chance, "edit", name, "PATCH", f"listings/{name}/", {"title": title}):
                self._stock.append(name)

    def trading(self, chance: random.Random) -> None:
        """Two buyers buy at once, or one reserves briefly.

        A listing with an unknown outcome leaves the stock.
        """
        if not (name := self._take(chance)):
            return
        if chance.random() < 0.5:
            others = threading.Thread(target=self._sell, args=(random.Random(name), name))
            others.start()
            self._sell(chance, name)
            self.looking(chance)  # before the process has seen the sale
            others.join()
        elif self._ask(chance, "reserve", name, "POST", f"listings/{name}/reserve/", {}):
            self.looking(chance)
            time.sleep(chance.random() * 0.3)
            if self._ask(chance, "release", name, "POST", f"listings/{name}/release/", {}):
                self._stock.append(name)

    def _sell(self, chance: random.Random, name: str) -> None:
        self._ask(chance, "sell", name, "POST", f"listings/{name}/sold/", {"buyer": "buyer"})

    def sending(self, chance: random.Random) -> None:
        """Send an event until it is acknowledged, as a marketplace does."""
        if not self._stock:
            return
        event = {"event_id": f"event-{next(self._numbers)}", "actor": "bob", "kind": "view"}
        event["listing"] = chance.choice(self._stock[-20:])
        for _ in range(10):
            if (
                self._ask(chance, "send", event["event_id"], "POST", "interactions/", event)
                or self.over.is_set()
            ):
                return

    def looking(self, chance: random.Random) -> None:
        page = chance.choice(PAGES).format(chance.choice(self._stock[:5] or ["none"]))
        self._ask(chance, "look", page, "GET", page, None)

    def _take(self, chance: random.Random) -> str | None:
        """A listing that no other thread uses, from the older ones, which are indexed."""
        with self._taking:
            count = len(self._stock) - LEFT
            return self._stock.pop(chance.randrange(5, 5 + count)) if count > 0 else None

    def _ask(self, chance, what: str, name: str, method: str, path: str, body: dict | None) -> bool:
        """Send a request and record it. Returns whether it was acknowledged."""
        began, shown, is_done = time.monotonic(), frozenset(), False
        try:
            reply = ask(chance.choice(self._ports), method, f"/api/v1/{path}", body, self._key)
            is_done = is_acknowledged(what, reply)
            shown = shown_on(reply) if what == "look" and is_done else frozenset()
            if reply.status >= 500 and reply.status != 503:
                self.problems.append(reply)
        except (OSError, http.client.HTTPException):
            time.sleep(0.1)  # the web process was killed
        title = body["title"] if what == "edit" else ""
        self.history.append(Entry(began, time.monotonic(), what, name, is_done, shown, title))
        return is_done


def kinds_done(history: list[Entry]) -> set[str]:
    return {entry.what for entry in list(history) if entry.is_done}


def is_acknowledged(what: str, reply: Reply) -> bool:
    if what == "send" and reply.status == 200:
        return reply.body["results"][0]["outcome"] in ("accepted", "duplicate")
    return reply.status in (200, 201)


class Reaper:
    """Kills and restarts processes, stops and empties Redis, compacts the index and trains."""

    def __init__(self, homes: list[FragileInstallation], own_redis):
        self._redis, self.counts = own_redis, {}
        where = [(homes[0], WEB), (homes[1], WEB), *((homes[0], process) for process in WORK)]
        self._running = [(home, process, home.start(process)) for home, process in where]

    def strike(self, chance: random.Random) -> None:
        blow = chance.choice([self.kill] * 4 + [self.stop_redis, self.empty_redis, self.merge, self.train])
        self.counts[blow.__name__] = self.counts.get(blow.__name__, 0) + 1
        blow(chance)

    def kill(self, chance: random.Random) -> None:
        place = chance.randrange(len(self._running))
        home, process, running = self._running[place]
        kill(running)
        self._running[place] = (home, process, home.start(process))

    def stop_redis(self, chance: random.Random) -> None:
        self._redis.stop()
        time.sleep(chance.random() * 2)
        self._redis.start()

    def empty_redis(self, chance: random.Random) -> None:
        with redis.Redis.from_url(self._redis.url) as client:
            client.flushall()

    def merge(self, chance: random.Random) -> None:
        compaction.compact(least_changes=1)

    def train(self, chance: random.Random) -> None:
        with contextlib.suppress(AlreadyTraining):  # a worker is training
            train_collaborative(now=timezone.now(), force=True)


WORK = (EMBEDDINGS, EVENTS, TRAINING, BEAT)


@pytest.fixture
def homes(installation, own_redis, tmp_path, weights_file):
    """Two web processes of one installation on different ports."""
    other = FragileInstallation(tmp_path, weights_file)
    other.environment |= {"REDIS_URL": own_redis.url}
    yield [installation, other]
    other.stop()


@pytest.fixture
def stock(installation) -> list[str]:
    """Ids of the embedded listings on the market at the start."""
    alice, *_ = (factories.actor(name) for name in ("alice", "bob", "buyer"))
    sofas = [
        factories.listing(alice, f"Blue sofa {n}", external_id=f"first-sofa-{n}") for n in range(2 * LEFT)
    ]
    embedding_jobs.embed_claimed_batches(clock=timezone.now)
    simulate(shopper_count=30, seed=SEED, now=timezone.now())
    return [sofa.external_id for sofa in sofas]


class TestAStorm:
    def test_no_guarantee_is_violated_while_processes_are_killed_under_load(
        self, homes, own_redis, key, stock
    ):
        reaper = Reaper(homes, own_redis)
        for home in homes:
            eventually(home._answers, "both web processes answer")
        chance, until = random.Random(SEED), time.monotonic() + LASTS_S
        with Storm([home.port for home in homes], key, stock) as storm:
            while time.monotonic() < until:
                time.sleep(chance.random() * 4)
                reaper.strike(chance)
            eventually(lambda: kinds_done(storm.history) == set(WHATS), "all kinds of things were done")
        print(f"{len(storm.history)} requests, {reaper.counts}, seed {SEED}")
        self.assert_heals(homes)
        assert storm.problems == []
        connections.close_all()
        statuses = dict(Listing.objects.values_list("external_id", "status"))
        titles = dict(Listing.objects.values_list("external_id", "title"))
        sent = Interaction.objects.exclude(source__in=[SOURCE, sales.SOURCE])
        event_ids = list(sent.values_list("event_id", flat=True))
        kept = {"statuses": statuses, "titles": titles, "event_ids": event_ids}
        assert violations(storm.history, **kept) == [], SEED
        assert_agrees(Listing.objects.filter(status="active").count())

    def assert_heals(self, homes) -> None:
        for home in homes:
            eventually(home._answers, "both web processes answer")
        # Expire the leases of killed workers, which would take a minute or more.
        EmbeddingJob.objects.exclude(claimed_until=None).update(claimed_until=timezone.now())
        eventually(lambda: not EmbeddingJob.objects.exists(), "everything is embedded")
