"""Concurrent buyers and shoppers: no page requested after a sale shows the sold listing."""

import random
import threading
import time

import pytest
from django.utils import timezone

from listings.models import Listing
from recommendations.indexing import embedding_jobs
from tests import factories
from tests.faults.asking import Asking, Reply, ask, shown_on
from tests.faults.conftest import assert_agrees
from tests.faults.history import Entry, violations
from tests.flows.conftest import eventually
from tests.recommendations import pictures

LASTS_S = 30.0
PAUSE_S = 1.0  # the stock has to last for the test
STOCK = 250
BUYERS, HOLDERS, LOOKERS = 6, 4, 16  # each buyer has a rival: 32 threads
VERBS = {"sell": "sold"}  # names that differ in the URL
PAGES = (
    "/api/v1/feed/?limit=50",
    "/api/v1/feed/?actor=bob&limit=50",
    "/api/v1/search/?q=sofa&limit=50",
    "/api/v1/listings/{asked}/similar/?limit=50",
    "/api/v1/listings/?limit=50",
)


@pytest.fixture
def stock(installation) -> list[str]:
    """Ids of many embedded sofas on the market, some with photos."""
    alice = factories.actor("alice")
    for name in ("bob", "buyer"):
        factories.actor(name)
    sofas = [factories.listing(alice, f"Blue sofa so{n}fa", external_id=f"so{n}fa") for n in range(STOCK)]
    for number, sofa in enumerate(sofas[:20]):
        factories.add_picture(sofa, pictures.saved(pictures.scene(number)))
    embedding_jobs.embed_claimed_batches(clock=timezone.now)
    return [sofa.external_id for sofa in sofas]


class Market:
    """Actions of buyers and shoppers over HTTP, recorded."""

    def __init__(self, port: int, key: dict[str, str], stock: list[str]):
        self.history: list[Entry] = []
        self._port, self._key = port, key
        self._stock, self._taking = list(stock), threading.Lock()

    def buy(self, number: int) -> Reply:
        """Two buyers buy the same listing at once; one succeeds."""
        listing, others = self._take(), []
        rival = threading.Thread(target=lambda: others.append(self._change("sell", listing)))
        rival.start()
        reply = self._change("sell", listing)
        rival.join()
        assert sorted([reply.status, others[0].status]) == [200, 409]
        time.sleep(PAUSE_S)
        return reply

    def hold(self, number: int) -> Reply:
        """Reserve a listing briefly. After its release, the next search shows it."""
        listing = self._take()
        assert self._change("reserve", listing).status == 200
        time.sleep(PAUSE_S)
        assert self._change("release", listing).status == 200
        reply = self._look(f"/api/v1/search/?q={listing}")
        assert listing in shown_on(reply), "it is back at once"
        self._stock.append(listing)
        return reply

    def look(self, number: int) -> Reply:
        """Request a page and the next one."""
        page = PAGES[number % len(PAGES)].format(asked=self._stock[0])
        reply = self._look(page)
        if cursor := reply.body.get("next_cursor"):
            self._look(f"{page}&cursor={cursor}")
        return reply

    def _take(self) -> str:
        """A listing that no other thread uses.

        The first ones are reserved for requests of similar listings.
        """
        with self._taking:
            return self._stock.pop(random.randrange(10, len(self._stock)))

    def _change(self, what: str, listing: str) -> Reply:
        path = f"/api/v1/listings/{listing}/{VERBS.get(what, what)}/"
        reply = ask(self._port, "POST", path, {"buyer": "buyer"} if what == "sell" else {}, self._key)
        self.history.append(Entry(reply.began, reply.ended, what, listing, reply.status == 200))
        return reply

    def _look(self, path: str) -> Reply:
        reply = ask(self._port, "GET", path, None, self._key)
        assert reply.status == 200, reply
        self.history.append(Entry(reply.began, reply.ended, "look", path, shown=shown_on(reply)))
        return reply


class TestTheRace:
    def test_a_sold_or_reserved_listing_is_on_no_page_requested_afterwards(self, installation, stock, key):
        installation.serve()
        market = Market(installation.port, key, stock)
        eventually(lambda: len(shown_on(market.look(0))) == 50, "the feed is full")
        trades = [market.buy] * BUYERS + [market.hold] * HOLDERS
        with Asking(*trades) as trading, Asking(*[market.look] * LOOKERS) as looking:
            time.sleep(LASTS_S)
        assert (trading.problems, looking.problems) == ([], [])
        assert len(looking.replies) > LOOKERS
        statuses = dict(Listing.objects.values_list("external_id", "status"))
        assert violations(market.history, statuses=statuses, titles={}, event_ids=[]) == []
        sold_count = Listing.objects.filter(status="sold").count()
        assert sold_count > BUYERS
        assert_agrees(STOCK - sold_count)
