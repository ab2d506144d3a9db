"""Many buy and look at once: what is sold is seen by nobody who asks after the sale."""

import json
import random
import threading
import time
from dataclasses import dataclass

import pytest
from django.utils import timezone

from listings.models import Listing
from recommendations import embedding
from tests import factories
from tests.faults.asking import Asking, Reply, ask
from tests.faults.conftest import assert_agrees
from tests.flows.conftest import eventually
from tests.recommendations import pictures

LASTS_S = 8.0
PAUSE_S = 0.3  # the stock has to last
STOCK = 250
BUYERS, HOLDERS, LOOKERS = 6, 4, 16  # a buyer brings a rival: 32 threads
PAGES = (
    "/api/v1/feed/?limit=50",
    "/api/v1/feed/?actor=bob&limit=50",
    "/api/v1/search/?q=sofa&limit=50",
    "/api/v1/listings/{asked}/similar/?limit=50",
)


@pytest.fixture
def stock(installation) -> list[str]:
    """Ids of many sofas on the market, embedded; some show photos."""
    alice = factories.actor("alice")
    for name in ("bob", "buyer"):
        factories.actor(name)
    sofas = [factories.listing(alice, f"Blue sofa so{n}fa", external_id=f"so{n}fa") for n in range(STOCK)]
    for number, sofa in enumerate(sofas[:20]):
        factories.add_picture(sofa, pictures.saved(pictures.scene(number)))
    embedding.embed_claimed_batches(clock=timezone.now)
    return [sofa.external_id for sofa in sofas]


@dataclass
class Absence:
    """A time in which a listing was not for sale, from the reply that said so to the next request."""

    listing: str
    since: float
    until: float = float("inf")


class Market:
    """What people do to listings over HTTP, and when which of them could not be shown."""

    def __init__(self, port: int, key: dict[str, str], stock: list[str]):
        self._port, self._key = port, key
        self._stock, self._taking = list(stock), threading.Lock()
        self.absences: list[Absence] = []
        self.sold: set[str] = set()

    def buy(self, number: int) -> Reply:
        """Two buy the same at once; one of them gets it."""
        listing, others = self._take(), []
        rival = threading.Thread(target=lambda: others.append(self._buy(listing)))
        rival.start()
        reply = self._buy(listing)
        rival.join()
        self.absences.append(Absence(listing, since=time.monotonic()))
        self.sold.add(listing)
        assert sorted([reply.status, others[0].status]) == [200, 409]
        time.sleep(PAUSE_S)
        return reply

    def hold(self, number: int) -> Reply:
        """Reserve a listing for a moment; once it is free again, the next search shows it."""
        listing = self._take()
        assert self._post(f"{listing}/reserve/").status == 200
        absence = Absence(listing, since=time.monotonic())
        self.absences.append(absence)
        time.sleep(PAUSE_S)
        absence.until = time.monotonic()
        assert self._post(f"{listing}/release/").status == 200
        reply = self._get(f"/api/v1/search/?q={listing}")
        assert listing in shown(reply), "it is back at once"
        self._stock.append(listing)
        return reply

    def look(self, number: int) -> Reply:
        return self._get(PAGES[number % len(PAGES)].format(asked=self._stock[0]))

    def _take(self) -> str:
        """A listing that no other thread does anything to. The first ones are asked for their like."""
        with self._taking:
            return self._stock.pop(random.randrange(10, len(self._stock)))

    def _buy(self, listing: str) -> Reply:
        return self._post(f"{listing}/sold/", {"buyer": "buyer"})

    def _post(self, path: str, body: dict | None = None) -> Reply:
        return ask(self._port, "POST", f"/api/v1/listings/{path}", body or {}, self._key)

    def _get(self, path: str) -> Reply:
        return ask(self._port, "GET", path, None, self._key)


def shown(reply: Reply) -> set[str]:
    """Ids of all that a page names."""
    items = reply.body["items"]
    return {item["listing"]["id"] for item in items} | {other for item in items for other in item["copies"]}


def shown_while_absent(replies: list[Reply], absences: list[Absence]) -> list[tuple[str, str]]:
    """Which listing was shown by which page, although it was off the market from its request to its reply."""
    found = []
    for reply in replies:
        there = shown(reply)
        found += [
            (absence.listing, reply.what)
            for absence in absences
            if absence.listing in there and absence.since < reply.began and reply.ended < absence.until
        ]
    return found


class TestTheRace:
    def test_what_is_sold_or_reserved_is_on_no_page_that_is_asked_for_after_it(
        self, installation, stock, key
    ):
        installation.serve()
        market = Market(installation.port, key, stock)
        eventually(lambda: len(shown(market.look(0))) == 50, "the feed is full")
        asked = [market.buy] * BUYERS + [market.hold] * HOLDERS
        with Asking(*asked) as trading, Asking(*[market.look] * LOOKERS) as looking:
            time.sleep(LASTS_S)
        assert (trading.problems, looking.problems) == ([], [])
        assert {reply.status for reply in looking.replies} == {200}
        assert shown_while_absent(looking.replies, market.absences) == []
        assert len(market.sold) > BUYERS and len(looking.replies) > LOOKERS
        assert set(Listing.objects.filter(status="sold").values_list("external_id", flat=True)) == market.sold
        assert_agrees(STOCK - len(market.sold))


class TestTheCheck:
    @pytest.mark.parametrize(
        ("began", "ended", "is_wrong"),
        [(1.5, 1.8, True), (0.5, 1.5, False), (1.5, 2.5, False), (2.5, 2.6, False)],
    )
    def test_it_finds_what_was_shown_while_it_was_away(self, began, ended, is_wrong):
        page = {"items": [{"listing": {"id": "chair"}, "copies": ["sofa"]}]}
        reply = Reply(began, ended, "GET feed", 200, {}, json.dumps(page).encode())
        found = shown_while_absent([reply], [Absence("sofa", since=1.0, until=2.0)])
        assert found == ([("sofa", "GET feed")] if is_wrong else [])
