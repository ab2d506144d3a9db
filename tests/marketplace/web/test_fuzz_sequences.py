"""Sequences of calls: publish, edit, sell, withdraw, events and feeds, in any order."""

from collections.abc import Callable

from django.db import transaction
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    invariant,
    rule,
    run_state_machine_as_test,
)

from marketplace.web.rate_limits import LIMITS
from tests import factories
from tests.conftest import client_of, service_client
from tests.fuzzing import fuzz

API = "/api/v1"
CATEGORIES = ["Home & Garden / Sofas", "home & garden > sofas", "Phones"]
TITLES = st.sampled_from(["Blue sofa", "Oak table", "Phone", "双人沙发床"]) | st.text(min_size=1, max_size=30)
PRICES = st.sampled_from(["5", "£12k", "12,50", "$5", "free", "-1", ""]) | st.decimals(
    0, 200_000, places=2
).map(str)
KINDS = st.sampled_from(["view", "click", "favourite", "message", "purchase", "hide", "unhide", "dance"])


class Marketplace(RuleBasedStateMachine):
    """Alice sells, Bob buys, and a service writes batches. The model knows what became of each listing."""

    listings = Bundle("listings")

    def __init__(self) -> None:
        super().__init__()
        self.rollback = transaction.atomic()
        self.rollback.__enter__()
        self.status: dict[str, str] = {}
        self.event_count = 0
        alice, bob = (factories.actor(name) for name in ("alice", "bob"))
        self.alice, self.bob, self.service = (
            client_of(alice),
            client_of(bob),
            service_client("shop", ["catalogue"]),
        )

    def teardown(self) -> None:
        transaction.set_rollback(True)
        self.rollback.__exit__(None, None, None)

    def call(self, send: Callable, address: str, body: dict | None = None) -> dict:
        answer = send(f"{API}/{address}", body) if body is not None else send(f"{API}/{address}")
        assert answer.status_code < 500, answer.content
        return (answer.json() if answer.content else {}) | {"code": answer.status_code}

    @rule(target=listings, title=TITLES, price=PRICES, path=st.sampled_from(CATEGORIES))
    def publish(self, title, price, path):
        listing_id = f"listing-{len(self.status)}"
        row = {"external_id": listing_id, "seller": "alice", "title": title, "price": price, "category": path}
        (result,) = self.call(self.service.put, "listings/batch/", {"listings": [row]})["results"]
        self.status[listing_id] = "active" if result["outcome"] == "created" else "refused"
        assert result["reason"] or result["outcome"] == "created"
        return listing_id

    @rule(listing=listings, title=TITLES, price=PRICES)
    def edit(self, listing, title, price):
        answer = self.call(self.alice.patch, f"listings/{listing}/", {"title": title, "price": price})
        if self.status[listing] in ("refused", "sold"):
            assert answer["code"] >= 400

    @rule(listing=listings)
    def sell(self, listing):
        answer = self.call(self.alice.post, f"listings/{listing}/sold", {"buyer": "bob"})
        if self.status[listing] == "active":
            assert answer["code"] == 200
            self.status[listing] = "sold"
        else:
            assert answer["code"] >= 400

    @rule(listing=consumes(listings))
    def withdraw(self, listing):
        answer = self.call(self.alice.delete, f"listings/{listing}/")
        if self.status[listing] == "active":
            assert answer["code"] == 204
            self.status[listing] = "withdrawn"

    @rule(listing=listings, kind=KINDS, is_again=st.booleans())
    def touch(self, listing, kind, is_again):
        self.event_count += not is_again
        event = {"event_id": f"event-{self.event_count}", "listing": listing, "kind": kind}
        (result,) = self.call(self.bob.post, "interactions/", {"events": [event]})["results"]
        if self.status[listing] == "refused":
            assert result["outcome"] in ("parked", "rejected", "duplicate", "conflict")

    @rule(limit=st.integers(1, 50))
    def read_the_feed(self, limit):
        answer = self.call(self.bob.get, f"feed/?limit={limit}")
        shown = [item["listing"]["id"] for item in answer["items"]]
        assert len(shown) == len(set(shown))
        assert {self.status[listing] for listing in shown} <= {"active"}

    @invariant()
    def only_what_is_for_sale_is_listed(self):
        answer = self.call(self.bob.get, "listings/?limit=100")
        shown = {card["id"] for card in answer["results"]}
        assert shown == {listing for listing, status in self.status.items() if status == "active"}


def test_no_sequence_of_calls_breaks_the_marketplace(db, settings):
    unlimited = dict.fromkeys((limit.setting for limit in LIMITS.values()), 0)
    settings.ENVIRONMENT = settings.ENVIRONMENT.model_copy(update=unlimited)
    run_state_machine_as_test(Marketplace, settings=_budget())


def _budget() -> settings:
    return settings(fuzz(12), stateful_step_count=20)
