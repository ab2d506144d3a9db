"""Search by positive and negative examples, over the API."""

import json

import pytest
from django.utils import timezone

from listings import services
from listings.announcing import catalogue_transaction
from recommendations.retrieval.filters import Filters
from recommendations.similar.examples import recommend_by_examples
from tests import factories

RECOMMEND = "/api/v1/recommend/"
OFFICE = "Home & Garden / Office"


@pytest.fixture
def world(alice, encoder):
    """Ten listings of each kind, which differ in a number."""
    kinds = {
        "sofas": ("Corner sofa in blue velvet", "Home & Garden / Sofas"),
        "bikes": ("Mountain bike with gears", "Sports / Bicycles"),
        "desks": ("Oak office desk", OFFICE),
        "lamps": ("Oak office lamp", OFFICE),
    }
    with catalogue_transaction():
        return {
            kind: [factories.listing(alice, f"{title} {n}", path=path, price=10 * n + 10) for n in range(10)]
            for kind, (title, path) in kinds.items()
        }


def names(listings) -> list[str]:
    return [listing.external_id for listing in listings]


def recommend(client, positive=(), negative=(), status: int = 200, **more) -> dict:
    body = {"positive": names(positive), "negative": names(negative), **more}
    response = client.post(RECOMMEND, body)
    assert response.status_code == status, response.content
    return response.json()


def result_ids(page: dict) -> list[str]:
    return [item["listing"]["id"] for item in page["items"]]


class TestMoreLikeThese:
    def test_listings_like_the_examples_come_first_and_never_the_examples(self, anyone, world, follow):
        follow()
        page = recommend(anyone, world["sofas"][:2], limit=8)
        assert set(result_ids(page)) == set(names(world["sofas"][2:]))
        assert (page["next_cursor"], page["degraded"]) == (None, [])

    def test_examples_of_several_kinds_bring_listings_of_each_kind(self, anyone, world, follow):
        follow()
        first = set(result_ids(recommend(anyone, [world["sofas"][0], world["bikes"][0]], limit=18)))
        assert len(first & set(names(world["sofas"]))) == 9
        assert len(first & set(names(world["bikes"]))) == 9

    def test_listings_like_a_negative_example_fall_behind(self, anyone, world, follow):
        follow()
        (desk, *desks), (lamp, unwanted, *_) = world["desks"], world["lamps"]
        assert set(result_ids(recommend(anyone, [desk, lamp], limit=9))) != set(names(desks))
        assert set(result_ids(recommend(anyone, [desk, lamp], [unwanted], limit=9))) == set(names(desks))

    def test_scores_by_example_combine_the_similarities_to_the_nearest_of_both_kinds(
        self, anyone, world, follow
    ):
        follow()
        item = recommend(anyone, world["desks"][:1], world["lamps"][:1])["items"][0]
        near, far = item["scores"]["positive"], item["scores"]["negative"]
        assert near > far
        assert item["score"] == pytest.approx(near - max(far, 0) / 2, abs=2e-4)
        assert recommend(anyone, world["desks"][:1])["items"][0]["scores"]["negative"] is None

    def test_sold_listings_may_be_examples_and_are_not_shown(self, anyone, world, follow):
        example, sold = world["sofas"][:2]
        for listing in (example, sold):
            services.mark_sold(listing=listing, buyer=None, now=timezone.now())
        follow()
        page = recommend(anyone, [example], limit=8)
        assert set(result_ids(page)) == set(names(world["sofas"][2:]))

    def test_filters_hold_for_recommendations_by_example(self, anyone, world, follow):
        follow()
        page = recommend(anyone, world["sofas"][:1], max_price=50, category="Home & Garden / Sofas")
        assert set(result_ids(page)) == set(names(world["sofas"][1:5]))

    def test_an_example_that_is_not_embedded_is_left_out_and_reported(self, anyone, alice, world, follow):
        follow()
        new = factories.listing(alice, "Corner sofa in blue velvet")
        page = recommend(anyone, [new])
        assert (page["items"], page["degraded"]) == ([], ["not_embedded_yet"])
        both = recommend(anyone, [new, world["sofas"][0]], limit=9)
        assert (len(both["items"]), both["degraded"]) == (9, ["not_embedded_yet"])

    def test_recommendations_by_example_take_few_queries_however_many_examples(
        self, world, follow, django_assert_max_num_queries
    ):
        follow()
        named = {"positive": names(world["sofas"] + world["bikes"]), "negative": names(world["lamps"])}
        with django_assert_max_num_queries(6):
            assert recommend_by_examples(**named, filters=Filters(), limit=10).items


class TestRefusals:
    def test_unknown_examples_are_passed_over_and_named(self, anyone, world, follow):
        follow()
        known = world["sofas"][0].external_id
        alone = anyone.post(RECOMMEND, {"positive": [known]}).json()
        reply = anyone.post(RECOMMEND, {"positive": [known, "nobody"], "negative": ["nothing"]})
        assert reply.status_code == 200
        assert reply.json()["notes"] == [
            "positive.1: there is no listing 'nobody'.",
            "negative.0: there is no listing 'nothing'.",
        ]
        assert [item["listing"]["id"] for item in reply.json()["items"]] == [
            item["listing"]["id"] for item in alone["items"]
        ]

    def test_unknown_positive_examples_alone_are_refused_with_their_field(self, anyone, world):
        reply = anyone.post(RECOMMEND, {"positive": ["nobody"]})
        assert reply.status_code == 400 and "'nobody'" in reply.json()["detail"]
        assert reply.json()["errors"][0]["field"] == "positive"

    def test_a_draft_is_refused_as_an_example(self, anyone, alice, world):
        recommend(anyone, [factories.listing(alice, status="draft")], status=400)

    def test_negative_examples_alone_are_refused(self, anyone, world):
        recommend(anyone, [], world["lamps"][:1], status=400)

    def test_a_listing_that_is_both_a_positive_and_a_negative_example_is_refused(self, anyone, world):
        recommend(anyone, world["sofas"][:1], world["sofas"][:1], status=400)

    def test_before_an_encoder_is_chosen_recommendations_by_example_are_a_503(self, anyone, world, encoder):
        encoder.delete()
        recommend(anyone, world["sofas"][:1], status=503)

    @pytest.mark.parametrize(
        "body",
        [
            {},
            [],
            {"positive": []},
            {"positive": "sofa"},
            {"positive": [{}]},
            {"positive": ["\ud800"]},
            {"positive": ["sofa\x00"]},
            {"positive": ["x" * 201]},
            {"positive": [str(n) for n in range(51)]},
            {"positive": ["a"], "negative": [str(n) for n in range(51)]},
            {"positive": ["a"], "limit": 0},
            {"positive": ["a"], "limit": 10**6},
            {"positive": ["a"], "k": 3},
            {"positive": ["a"], "min_price": 5, "max_price": 2},
        ],
    )
    def test_recommendations_by_example_refuse_invalid_bodies(self, anyone, db, body):
        reply = anyone.post(RECOMMEND, json.dumps(body), content_type="application/json")
        assert (reply.status_code, reply.headers["Content-Type"]) == (400, "application/problem+json")
