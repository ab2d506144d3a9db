"""Filters mean the same for the rows of the replica and for the database."""

from dataclasses import fields
from decimal import Decimal

import pytest

from listings.categories.tree import NoSuchCategory
from listings.errors import Invalid
from recommendations.retrieval.filters import Filters, allowed_rows, listings_passing
from tests import factories

LEEDS = {"latitude": 53.796, "longitude": -1.548}
YORK = {"latitude": 53.958, "longitude": -1.083}  # 36 km from Leeds
AROUND_LEEDS = {"lat": 53.796, "lon": -1.548}
# Each with the numbers of the listings that pass it.
CASES = [
    ({}, {0, 1, 2, 3}),
    ({"category": "Home & Garden"}, {0, 1, 3}),
    ({"category": "Home & Garden / Tables"}, {1}),
    ({"category": ("Home & Garden / Tables", "Sports")}, {1, 2}),
    ({"min_price": Decimal(80)}, {0, 2}),
    ({"max_price": Decimal("79.99")}, {1, 3}),
    ({"min_price": Decimal("79.99"), "max_price": Decimal("80.01")}, {0}),
    ({"condition": "new"}, {2}),
    (AROUND_LEEDS, {0, 1, 2, 3}),
    ({**AROUND_LEEDS, "radius_km": 30}, {0}),
    ({**AROUND_LEEDS, "radius_km": 40}, {0, 1}),
    ({**AROUND_LEEDS, "radius_km": 20_040}, {0, 1, 2}),
    ({"lat": -0.1, "lon": -179.9, "radius_km": 40}, {2}),  # over the date line
    ({"category": "Home & Garden", "max_price": Decimal(79), **AROUND_LEEDS, "radius_km": 40}, {1}),
]


@pytest.fixture
def listings(alice, bob, encoder):
    return [
        factories.listing(alice, "Sofa", price=80, **LEEDS),
        factories.listing(bob, "Oak table", path="Home & Garden / Tables", price=50, **YORK),
        factories.listing(
            alice, "Sledge", path="Sports", price=90, condition="new", latitude=0.1, longitude=179.9
        ),
        factories.listing(alice, "Red sofa", price=50),
    ]


@pytest.mark.parametrize(("given", "expected"), CASES, ids=[str(given) for given, _ in CASES])
def test_filters_pass_the_same_listings_in_the_snapshot_and_the_database(listings, follow, given, expected):
    snapshot, filters = follow(), Filters(**given)
    ids = {listings[number].pk for number in expected}
    assert set(snapshot.attributes["listing_id"][allowed_rows(snapshot, filters)].tolist()) == ids
    assert set(listings_passing(filters).values_list("pk", flat=True)) == ids


def test_own_listings_of_the_seller_are_left_out_of_the_snapshot_and_the_database(listings, alice, follow):
    snapshot = follow()
    rows = allowed_rows(snapshot, Filters(), excluded_seller=alice.pk)
    assert snapshot.attributes["listing_id"][rows].tolist() == [listings[1].pk]
    assert list(listings_passing(Filters(), alice.pk)) == [listings[1]]


def test_an_unknown_category_is_refused_by_the_snapshot_and_the_database(listings, follow):
    for passing in (lambda filters: allowed_rows(follow(), filters), listings_passing):
        with pytest.raises(NoSuchCategory):
            passing(Filters(category="Nothing"))


def test_every_filter_is_compared_between_the_snapshot_and_the_database():
    assert {field.name for field in fields(Filters)} == {name for given, _ in CASES for name in given}


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"radius_km": 5}, "radius_km"),
        ({"lat": 5}, "lat"),
        ({"lon": 5}, "lon"),
        ({"lat": 5, "radius_km": 5}, "lat"),
        ({"min_price": 9, "max_price": 8}, "min_price"),
    ],
)
def test_contradictory_filters_name_the_field(given, field):
    with pytest.raises(Invalid) as refused:
        Filters(**given)
    assert refused.value.field == field
