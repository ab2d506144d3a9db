"""The endpoints of feeds and events: who may request or send what for whom, and which queries are refused."""

import pytest

from listings.announcing import catalogue_transaction
from listings.models import Actor
from recommendations.models.events import Interaction
from tests import factories

FEED, EVENTS = "/api/v1/feed/", "/api/v1/interactions/"


@pytest.fixture
def chairs(alice, encoder, follow):
    with catalogue_transaction():
        made = [factories.listing(alice, f"Swivel office chair {number}") for number in range(8)]
    follow()
    return made


class TestFeed:
    def test_a_member_cannot_request_the_feed_of_another(self, as_charlie, bob, chairs):
        assert as_charlie.get(FEED, {"actor": "bob"}).status_code == 403

    def test_a_service_gets_the_feed_of_any_actor_and_a_new_actor_has_no_profile(
        self, as_service, bob, chairs
    ):
        for chair in chairs[:4]:
            factories.event(bob, chair, "favourite")
        of_bob = as_service.get(FEED, {"actor": "bob"}).json()["items"]
        assert of_bob[0]["scores"]["content"] is not None
        of_new_actor = as_service.get(FEED, {"actor": "nobody-yet"}).json()["items"]
        assert of_new_actor[0]["scores"]["content"] is None

    @pytest.mark.parametrize(
        ("query", "field"),
        [
            ({"limit": 0}, "limit"),
            ({"limit": -1}, "limit"),
            ({"limit": 10**9}, "limit"),
            ({"limit": "many"}, "limit"),
            ({"category": "No / Such"}, "category"),
            ({"min_price": 10, "max_price": 5}, "min_price"),
            ({"min_price": "NaN"}, "min_price"),
            ({"radius_km": 5}, "radius_km"),
            ({"lat": 5}, "lat"),
            ({"lon": 5}, "lon"),
            ({"lat": "nan", "lon": "nan", "radius_km": 5}, "lat"),
            ({"lat": 91, "lon": 0}, "lat"),
            ({"condition": "shiny"}, "condition"),
            ({"nonsense": 1}, "nonsense"),
        ],
    )
    def test_an_invalid_query_is_refused_with_400_and_the_name_of_the_field(
        self, anyone, chairs, query, field
    ):
        response = anyone.get(FEED, query)
        assert response.status_code == 400
        assert response["Content-Type"] == "application/problem+json"
        assert field in [error["field"] for error in response.json()["errors"]]


class TestEvents:
    @pytest.fixture
    def view(self, sofa):
        return {"event_id": "1", "listing": sofa.external_id, "kind": "view"}

    def test_an_event_of_a_member_for_another_actor_is_rejected(self, as_charlie, bob, view):
        answer = as_charlie.post(EVENTS, view | {"actor": "bob"}, format="json").json()
        assert [result["outcome"] for result in answer["results"]] == ["rejected"]
        assert not Interaction.objects.exists()

    def test_a_rejected_event_of_a_service_creates_no_actor(self, as_service, view):
        answer = as_service.post(EVENTS, view | {"actor": "newcomer", "kind": "glance"}, format="json").json()
        assert [result["outcome"] for result in answer["results"]] == ["rejected"]
        assert not Actor.objects.filter(external_id="newcomer").exists()

    def test_a_rejected_event_leaves_the_others_of_its_batch_accepted(self, as_bob, view):
        batch = {"events": [view, view | {"event_id": "2", "kind": "glance"}, view | {"event_id": "3"}]}
        answer = as_bob.post(EVENTS, batch, format="json").json()
        outcomes = [result["outcome"] for result in answer["results"]]
        assert outcomes == ["accepted", "rejected", "accepted"]
        assert list(Interaction.objects.order_by("event_id").values_list("event_id", flat=True)) == ["1", "3"]
