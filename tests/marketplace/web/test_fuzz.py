"""Fuzzing from the OpenAPI document: no 500, and responses match the document."""

import csv
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace

import pytest
import schemathesis
from django.core.handlers.wsgi import WSGIHandler
from django.core.signals import request_finished, request_started
from django.db import close_old_connections, transaction
from drf_spectacular.generators import SchemaGenerator
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode
from schemathesis.specs.openapi import checks

from listings import services
from listings.importing import csv_import
from listings.importing.files import BadImport
from listings.importing.report import SOURCES, ImportReport, import_report
from listings.models import Listing, Place
from marketplace.models import PersonToken, ServiceKey
from marketplace.web.rate_limits import LIMITS
from recommendations.models.slates import Slate
from recommendations.retrieval.filters import Filters
from recommendations.search.query import parse_query
from recommendations.slates import store
from tests import factories


def fuzz(example_count: int) -> settings:
    """Settings for a number of examples, the same in each run."""
    return settings(
        max_examples=example_count,
        derandomize=True,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),  # examples share fixtures
        phases=[Phase.generate],
    )


SCHEMA = schemathesis.openapi.from_dict(SchemaGenerator().get_schema(request=None, public=True))
OPERATIONS = {result.ok().label: result.ok() for result in SCHEMA.get_all_operations()}
CHECKS = [
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_schema_conformance,
    checks.response_headers_conformance,
]
# Operations that answer 503 while no worker encodes. All others have to succeed.
UNPREPARED = {"POST /api/v1/classify/", "POST /api/v1/search/"}
# Fixed examples for parameters whose random values are almost never valid.
PLAIN = {"POST /api/v1/recommend/": {"positive": ["active"]}}
UNHURRIED = {"encode_timeout_s": 0.01} | dict.fromkeys((limit.setting for limit in LIMITS.values()), 0)

CATEGORY = "Home & Garden / Sofas"
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
    "category": st.just(CATEGORY),
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
            case = OPERATIONS[label].Case(body=PLAIN[label], media_type="application/json")
            reply = case.call(app=world.app, headers=world.callers["alice"])
            case.validate_response(reply, checks=CHECKS)
            statuses.add(reply.status_code)
        assert label in UNPREPARED or {200, 201, 204, 409} & statuses  # its service was called


CELLS = st.text(max_size=40) | st.sampled_from(
    ["", "n/a", "a1", "£1,200.00", "free", "£9,999,999,999", CATEGORY, " / ", "Bath, Somerset", "x" * 600]
)
COLUMNS = sorted(csv_import.PRODUCT_COLUMNS)
OPTIONS = csv_import.ImportOptions(maximum_price=Decimal(100_000), country="GB", seller_count=50)


@pytest.fixture
def folder(db, tmp_path, monkeypatch) -> Path:
    """An export without photos and without Products.csv; the gazetteer has one town."""
    monkeypatch.setattr("listings.places._cities_of", lambda country: [])
    Place.objects.create(name="Bath", country="GB", latitude=51.38, longitude=-2.36, population=90_000)
    (tmp_path / "images").mkdir()
    (tmp_path / "Images.csv").write_text("id,product_id\n")
    return tmp_path


class TestTheImporter:
    @fuzz(300)
    @given(st.fixed_dictionaries(dict.fromkeys(COLUMNS, CELLS)))
    def test_random_cells_of_an_advert_make_a_listing_or_a_bad_row(self, cells):
        try:
            row = csv_import.read_listing(cells, OPTIONS, {})
        except csv_import.BadRow as bad:
            assert bad.reason
        else:
            assert row.title and row.category and 0 <= row.price <= OPTIONS.maximum_price

    def test_every_random_row_of_an_import_is_accounted_for(self, folder):

        @fuzz(40)
        @given(st.lists(st.lists(CELLS, min_size=6, max_size=6) | st.lists(CELLS), max_size=4))
        def take_in(rows):
            with (folder / "Products.csv").open("w", newline="") as file:
                csv.writer(file).writerows([COLUMNS, *rows])
            report = imported(folder)
            assert all(report.adds_up(source) for source in SOURCES)

        take_in()

    def test_random_bytes_are_imported_or_refused_as_a_bad_source(self, folder):
        @fuzz(60)
        @given(st.sampled_from([b"", ",".join(COLUMNS).encode() + b"\n"]), st.binary(max_size=80))
        def take_in(start, rest):
            (folder / "Products.csv").write_bytes(start + rest)
            try:
                report = imported(folder)
            except BadImport:
                return
            assert all(report.adds_up(source) for source in SOURCES)

        take_in()


def imported(folder: Path) -> ImportReport:
    with transaction.atomic(), import_report(folder / "report.csv") as report:
        csv_import.import_folder(folder, OPTIONS, report, csv_import.Progress())
        transaction.set_rollback(True)
    return report


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
            wanted = parse_query(query, filters, understanding=understanding, mending=mending)
            assert isinstance(wanted.filters, Filters) and isinstance(wanted.has_search_words, bool)

        read()
