"""Fuzzing from the OpenAPI document: no 500, and responses match the document."""

from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from types import SimpleNamespace

import pytest
import schemathesis
from django.core.handlers.wsgi import WSGIHandler
from django.core.signals import request_finished, request_started
from django.db import close_old_connections, transaction
from django.utils import timezone
from drf_spectacular.generators import SchemaGenerator
from hypothesis import given
from hypothesis import strategies as st
from schemathesis import GenerationMode
from schemathesis.specs.openapi import checks

from listings import services
from listings.announcing import catalogue_transaction
from listings.models import Listing, Place
from marketplace.models import PersonToken, ServiceKey
from marketplace.web.rate_limits import LIMITS
from recommendations.models.slates import Slate
from recommendations.query_parsing.parsed_query import parse_query
from recommendations.retrieval.filters import Filters
from recommendations.slates import store
from tests import factories
from tests.fuzzing import fuzz

SCHEMA = schemathesis.openapi.from_dict(SchemaGenerator().get_schema(request=None, public=True))
OPERATIONS = {result.ok().label: result.ok() for result in SCHEMA.get_all_operations()}
CHECKS = [
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_schema_conformance,
    checks.response_headers_conformance,
]
CATEGORY = "Home & Garden / Sofas"
# Operations that answer 503 while no worker encodes. All others have to succeed.
UNPREPARED = {"POST /api/v1/classify/", "POST /api/v1/search/"}
# Fixed examples for parameters whose random values are almost never valid.
PLAIN = {
    "POST /api/v1/recommend/": {"positive": ["active"]},
    "PATCH /api/v1/listings/{listing_id}/": {"title": "Green sofa"},
    "POST /api/v1/categories/move/": {"path": CATEGORY, "to": "Home & Garden / Beds"},
    "POST /api/v1/categories/remove/": {"path": CATEGORY},
    "POST /api/v1/listings/": {"title": "Green sofa", "price": "50", "category": CATEGORY},
}
UNHURRIED = {"encode_timeout_s": 0.01} | dict.fromkeys((limit.setting for limit in LIMITS.values()), 0)

LISTINGS = ("active", "draft", "reserved", "sold")
# Values that exist, for requests that pass the first check.
KNOWN = {
    **dict.fromkeys(("listing_id", "listing"), st.sampled_from(LISTINGS)),
    # No draft, which is not visible, and no listing that is both wanted and unwanted.
    "positive": st.lists(st.sampled_from(("active", "reserved")), min_size=1),
    "negative": st.lists(st.just("sold")),
    **dict.fromkeys(("actor", "seller", "buyer", "username"), st.just("alice")),
    **dict.fromkeys(("lat", "latitude"), st.floats(-90, 90)),
    **dict.fromkeys(("lon", "longitude"), st.floats(-180, 180)),
    **dict.fromkeys(("min_price", "price"), st.decimals(0, 100, places=2).map(str)),
    "max_price": st.decimals(100, 10**10 - 1, places=2).map(str),
    **dict.fromkeys(("category", "path"), st.just(CATEGORY)),
    "to": st.just("Home & Garden / Beds"),
    "place": st.just("Bath"),
    "photo": st.builds(factories.picture),
    "photo_id": st.just("photo"),
    "password": st.just(factories.PASSWORD),
}
PAIRS = ({"lat", "lon"}, {"latitude", "longitude"})


@st.composite
def requests_of(draw: st.DrawFn, label: str) -> schemathesis.Case:
    """A valid or invalid request; half of them with values that exist."""
    mode = draw(st.sampled_from(GenerationMode))
    case = draw(OPERATIONS[label].as_strategy(generation_mode=mode))
    if draw(st.booleans()):
        for part in (case.path_parameters, case.query, case.body):
            if isinstance(part, dict):
                part.update({name: draw(KNOWN[name]) for name in _named(part)})
    return case


def _named(part: dict) -> list[str]:
    """Names of a part of a request that have existing values, with the other half of a pair."""
    names = set(part).union(*(pair for pair in PAIRS if pair & set(part)))
    return sorted(name for name in names if name in KNOWN)


@pytest.fixture
def world(follow, settings, alice, as_staff, now) -> Iterator[SimpleNamespace]:
    """Alice's listings in every state, in the replica, and callers with credentials."""
    settings.ENVIRONMENT = settings.ENVIRONMENT.model_copy(update=UNHURRIED)
    Place.objects.create(name="Bath", country="GB", latitude=51.38, longitude=-2.36, population=90_000)
    with catalogue_transaction():
        made = {name: factories.listing(alice, f"Blue sofa {name}", external_id=name) for name in LISTINGS}
    Listing.objects.filter(external_id="draft").update(status="draft")
    services.reserve(listing=made["reserved"])
    services.mark_sold(listing=made["sold"], buyer=None, now=now)
    factories.photo(made["active"])
    made["active"].photos.update(external_id="photo")
    follow()
    _, secret = ServiceKey.issue(name="shop", scopes=["feed", "events", "catalogue", "staff"])
    callers = {
        "anyone": {},
        "alice": {"Authorization": f"Token {PersonToken.objects.create(alice.user)[1]}"},
        "staff": {"Authorization": as_staff._credentials["HTTP_AUTHORIZATION"]},
        "shop": {"Authorization": f"Api-Key {secret}"},
    }
    with in_one_transaction():
        yield SimpleNamespace(callers=callers, app=WSGIHandler())


@contextmanager
def in_one_transaction() -> Iterator[None]:
    """Requests keep the connection with the test's transaction, as Django's test client does."""
    signals = (request_started, request_finished)
    for signal in signals:
        signal.disconnect(close_old_connections)
    yield
    for signal in signals:
        signal.connect(close_old_connections)


class TestEveryRoute:
    @pytest.mark.parametrize("label", OPERATIONS)
    def test_every_operation_answers_random_requests_as_the_schema_describes(self, world, label):
        statuses = set()

        @fuzz(30)
        @given(requests_of(label), st.sampled_from(sorted(world.callers)))
        def ask(case, caller):
            with transaction.atomic():
                reply = case.call(app=world.app, headers=world.callers[caller])
                transaction.set_rollback(True)
            case.validate_response(reply, checks=CHECKS)
            statuses.add(reply.status_code)
            assert reply.status_code < 500 or (reply.status_code == 503 and label in UNPREPARED), reply.text

        ask()
        if label in PLAIN:
            names = {"path_parameters": {"listing_id": "active"}} if "{listing_id}" in label else {}
            case = OPERATIONS[label].Case(body=PLAIN[label], media_type="application/json", **names)
            for caller in ("alice", "shop"):
                reply = case.call(app=world.app, headers=world.callers[caller])
                case.validate_response(reply, checks=CHECKS)
                statuses.add(reply.status_code)
        assert label in UNPREPARED or {200, 201, 204, 409} & statuses  # its service was called


ANY_CHARACTER = st.characters() | st.sampled_from(
    "\ud800\udfff\0.%"
)  # includes rare characters that break parsers
ANY_TEXT = st.lists(ANY_CHARACTER, max_size=80).map("".join)


class TestCursors:
    @fuzz(300)
    @given(ANY_TEXT | st.text("abcABC019-_.", max_size=120))
    def test_random_text_is_no_feed_cursor(self, text):
        with pytest.raises(store.BadCursor):
            store.read_cursor(text, actor=None, now=None)

    def test_a_feed_cursor_with_any_change_is_refused(self, db, now):
        slate = Slate.objects.create(
            surface=Slate.Surface.FEED, listing_ids=[], feature_names=[], features=b"", propensities=b"",
            reasons=[], seed=1, versions={}, parameters={}, created_at=now,
        )  # fmt: skip
        cursor = store.cursor_after(slate.pk.hex, offset=20, actor=None, now=now)
        assert store.read_cursor(cursor, actor=None, now=now) == (slate, 20)

        @fuzz(300)
        @given(
            st.integers(0, len(cursor)), st.integers(0, 3), st.lists(ANY_CHARACTER, max_size=3).map("".join)
        )
        def read(start, length, between):
            changed = cursor[:start] + between + cursor[start + length :]
            if changed == cursor:
                return
            with pytest.raises(store.BadCursor):
                store.read_cursor(changed, actor=None, now=now)

        read()


WORDS = st.sampled_from(
    [
        *(
            "sofa",
            "soffa",
            "under",
            "over",
            "between",
            "and",
            "£",
            "100",
            "1.5k",
            "9" * 40,
            "-",
            "to",
            "near",
        ),
        *(
            "in",
            "within",
            "Bath",
            "5 miles of",
            ",",
            "\x00",
            "\ud800",
            "%",
            "\\",
            "'",
            '"',
            "(",
            "|",
            "&",
            ":*",
        ),
    ]
)
GIVEN = st.sampled_from(
    [
        Filters(),
        Filters(min_price=Decimal(50)),
        Filters(max_price=Decimal(50)),
        Filters(lat=51.4, lon=-2.4, radius_km=5),
    ]
)


class TestQueries:
    def test_random_search_queries_are_parsed(self, world):
        @fuzz(300)
        @given(ANY_TEXT | st.lists(WORDS, max_size=9).map(" ".join), GIVEN, st.booleans(), st.booleans())
        def read(query, filters, understanding, mending):
            wanted = parse_query(
                query, filters, understanding=understanding, mending=mending, now=timezone.now()
            )
            assert isinstance(wanted.filters, Filters) and isinstance(wanted.has_search_words, bool)

        read()
