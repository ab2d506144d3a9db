"""Queries for listings: which filters they stand for, and which are refused."""

from decimal import Decimal

import pytest

from listings.errors import Invalid
from recommendations.api.serializers import ListQuery, SimilarQuery
from recommendations.retrieval.filters import Filters
from tests.problems import is_problem


def filters_of(**data) -> Filters:
    query = ListQuery(data=data)
    query.is_valid(raise_exception=True)
    return query.filters


def test_a_query_sets_only_the_filters_that_it_names():
    assert filters_of(limit=5) == Filters()
    expected = Filters(max_price=Decimal("80.00"), condition="new")
    assert filters_of(max_price="80", condition="new") == expected


@pytest.mark.parametrize(
    ("data", "field"), [({"min_price": 9, "max_price": 8}, "min_price"), ({"lat": 5}, "lat")]
)
def test_a_query_with_contradictory_filters_is_refused_with_the_name_of_the_field(data, field):
    with pytest.raises(Invalid) as refused:
        filters_of(**data)
    assert refused.value.field == field


@pytest.mark.parametrize(
    ("name", "value"), [("limit", 0), ("limit", 101), ("lat", 90.1), ("lon", -180.1), ("radius_km", 0.05)]
)
def test_a_query_with_a_value_out_of_range_is_refused(name, value):
    query = ListQuery(data={name: value})
    assert not query.is_valid()
    assert list(query.errors) == [name]


def test_similar_listings_are_by_photo_and_text_unless_the_query_says_otherwise():
    query = SimilarQuery(data={})
    query.is_valid(raise_exception=True)
    assert query.validated_data["by"] == "both"


class TestTheActorOfAQuery:
    @pytest.mark.parametrize("address", ["/api/v1/feed/", "/api/v1/search/"])
    @pytest.mark.parametrize("name", ["anyone", "as_bob", "as_service", "as_staff"])
    def test_an_empty_actor_is_refused(self, request, db, address, name):
        response = request.getfixturevalue(name).get(address, {"actor": ""})
        assert is_problem(response, 400)
        assert response.json()["errors"][0]["field"] == "actor"

    def test_an_empty_actor_in_a_form_is_refused(self, as_service):
        response = as_service.post("/api/v1/search/", {"q": "sofa", "actor": ""}, format="multipart")
        assert is_problem(response, 400)
