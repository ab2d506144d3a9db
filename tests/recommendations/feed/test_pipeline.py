import os

import pytest
from django.utils import timezone

from listings import services
from listings.announcing import catalogue_transaction
from recommendations.collaborative import model
from recommendations.interactions.simulation import simulate
from recommendations.model_registry.publication import activate
from recommendations.models.events import Interaction
from recommendations.models.trained_models import TrainedModel
from recommendations.replica import follower
from recommendations.training import collaborative
from recommendations.training.collaborative import train_collaborative
from tests import factories

OFFICE = "Home & Garden / Office Furniture & Equipment"
KINDS = [
    ("Blue three seater sofa", "Home & Garden / Sofas"),
    ("Mountain bike with gears", "Sports / Bicycles"),
    ("Winter coat for women", "Clothing / Coats"),
    ("Smart phone unlocked", "Electronics / Phones"),
    ("Swivel office chair adjustable", OFFICE),
    ("Office desk with drawers", OFFICE),
]


@pytest.fixture
def catalogue(alice, encoder):
    """Ten of each kind, which differ in a word and in price."""
    with catalogue_transaction():
        return [
            factories.listing(alice, f"{title} {number}", path=path, price=10 * number + 10)
            for number in range(10)
            for title, path in KINDS
        ]


@pytest.fixture
def feed_of(follow):
    """feed_of(client, **query) is the list of items."""

    def request_feed(client, **query):
        follow()
        response = client.get("/api/v1/feed/", query)
        assert response.status_code == 200, response.content
        return response.json()["items"]

    return request_feed


def of_category(items, path) -> int:
    return sum(item["listing"]["category"] == path for item in items)


def ids(items) -> list[str]:
    return [item["listing"]["id"] for item in items]


class TestAnyone:
    def test_an_anonymous_feed_has_twenty_items_scored_by_trending_and_freshness(
        self, anyone, catalogue, feed_of
    ):
        items = feed_of(anyone)
        assert len(items) == 20
        assert len(set(ids(items))) == 20
        unknown = {source for source, score in items[0]["scores"].items() if score is None}
        of_taste = {"content", "collaborative", "covisitation", "place", "affinity", "popularity"}
        assert unknown == of_taste, "nothing is known of a visitor"
        assert set(items[0]["scores"]) - unknown == {"trending", "fresh"}

    def test_an_empty_catalogue_has_an_empty_feed(self, anyone, feed_of):
        assert feed_of(anyone) == []

    def test_before_the_first_encoder_the_feed_is_the_newest_listings(self, anyone, alice, db, monkeypatch):
        own = follower.CatalogueFollower()
        own._pid = os.getpid()
        monkeypatch.setattr(follower, "_replica", own)
        old, new = factories.listing(alice, "Old chair"), factories.listing(alice, "New chair")
        page = anyone.get("/api/v1/feed/").json()
        assert ids(page["items"]) == [new.external_id, old.external_id]
        assert [item["reason"]["code"] for item in page["items"]] == ["new", "new"]
        assert (page["degraded"], page["slate_id"], page["next_cursor"]) == (["catalogue"], None, None)


class TestFeedFollowsTheShopper:
    def test_two_viewed_office_chairs_bring_more_office_furniture(self, bob, as_bob, catalogue, feed_of):
        before = of_category(feed_of(as_bob), OFFICE)
        chairs = [each for each in catalogue if "office chair" in each.title][:2]
        for chair in chairs:
            factories.event(bob, chair)
        after = feed_of(as_bob)
        assert of_category(after, OFFICE) > before
        assert after[0]["scores"]["content"] is not None

    def test_two_interests_are_both_served(self, bob, as_bob, catalogue, feed_of):
        for each in (catalogue[0], catalogue[1]):  # a sofa and a bike
            factories.event(bob, each, "favourite")
        items = feed_of(as_bob)
        assert of_category(items, "Home & Garden / Sofas") >= 3
        assert of_category(items, "Sports / Bicycles") >= 3

    def test_a_sold_listing_still_speaks_for_what_is_like_it(self, bob, as_bob, catalogue, feed_of):
        factories.event(bob, catalogue[1], "favourite")
        services.mark_sold(listing=catalogue[1], buyer=None, now=timezone.now())
        items = feed_of(as_bob)
        assert catalogue[1].external_id not in ids(items)
        assert of_category(items, "Sports / Bicycles") >= 5

    def test_a_recent_view_weighs_more_than_one_of_last_month(self, bob, as_bob, catalogue, feed_of, ago):
        factories.event(bob, catalogue[0], "view", at=ago(days=30))
        factories.event(bob, catalogue[1], "view", at=ago(hours=1))
        items = feed_of(as_bob)
        assert of_category(items, "Sports / Bicycles") > of_category(items, "Home & Garden / Sofas")

    def test_events_of_a_visitor_count_in_the_members_feed_after_login(
        self, anyone, bob, as_bob, catalogue, feed_of
    ):
        bikes = [each for each in catalogue if "bike" in each.title][:3]
        for number, bike in enumerate(bikes):
            body = {"event_id": f"v{number}", "listing": bike.external_id, "kind": "favourite"}
            anyone.post("/api/v1/interactions/", body)
        anyone.post("/api/v1/login/", {"username": "bob", "password": factories.PASSWORD})
        assert of_category(feed_of(as_bob), "Sports / Bicycles") >= 5

    def test_a_viewed_listing_that_was_hidden_afterwards_says_nothing_of_taste(
        self, bob, as_bob, catalogue, feed_of
    ):
        factories.event(bob, catalogue[1], "view")
        factories.event(bob, catalogue[1], "hide")
        assert feed_of(as_bob)[0]["scores"]["content"] is None

    def test_a_view_of_ones_own_listing_says_nothing_of_taste(self, alice, as_bob, bob, catalogue, feed_of):
        factories.event(bob, factories.listing(bob, "My own blue sofa"))
        assert feed_of(as_bob)[0]["scores"]["content"] is None


class TestWhatIsNeverShown:
    def test_a_seller_is_not_shown_their_own_listings(self, as_alice, catalogue, feed_of):
        assert feed_of(as_alice) == []

    @pytest.mark.parametrize("kind", ["hide", "report"])
    def test_a_hidden_or_reported_listing_is_not_shown_to_the_actor(
        self, bob, as_bob, catalogue, feed_of, kind
    ):
        factories.event(bob, catalogue[0], kind)
        assert catalogue[0].external_id not in ids(feed_of(as_bob, limit=100))

    def test_a_listing_hidden_long_ago_and_many_events_back_is_still_not_shown(
        self, bob, as_bob, catalogue, feed_of, ago
    ):
        factories.event(bob, catalogue[0], "hide", at=ago(days=300))
        for number in range(120):
            factories.event(bob, catalogue[1 + number % 5])
        assert catalogue[0].external_id not in ids(feed_of(as_bob, limit=100))

    @pytest.mark.parametrize("verb", [services.reserve, services.withdraw])
    def test_a_reserved_or_withdrawn_listing_is_gone_before_the_index_knows(
        self, anyone, catalogue, follow, verb
    ):
        follow()
        verb(listing=catalogue[0])
        items = anyone.get("/api/v1/feed/", {"limit": 100}).json()["items"]
        assert catalogue[0].external_id not in ids(items)
        assert len(items) == len(catalogue) - 1

    def test_a_released_listing_is_back_in_the_feed(self, anyone, catalogue, feed_of):
        services.reserve(listing=catalogue[0])
        assert catalogue[0].external_id not in ids(feed_of(anyone, limit=100))
        services.release(listing=catalogue[0])
        assert catalogue[0].external_id in ids(feed_of(anyone, limit=100))


class TestFilters:
    def test_a_category_filter_includes_the_categories_below_it(self, anyone, catalogue, feed_of):
        items = feed_of(anyone, category="Home & Garden", limit=100)
        assert {item["listing"]["category"] for item in items} == {"Home & Garden / Sofas", OFFICE}
        assert len(items) == 30

    def test_a_price_filter_keeps_listings_within_its_bounds(self, anyone, catalogue, feed_of):
        items = feed_of(anyone, min_price=30, max_price=50, limit=100)
        assert {float(item["listing"]["price"]) for item in items} == {30, 40, 50}

    def test_a_condition_filter_keeps_listings_of_that_condition(self, anyone, alice, catalogue, feed_of):
        new = factories.listing(alice, "Lamp", condition="new")
        assert ids(feed_of(anyone, condition="new")) == [new.external_id]

    def test_a_radius_filter_keeps_listings_within_the_distance(self, anyone, alice, catalogue, feed_of):
        leeds = factories.listing(alice, "Lamp", latitude=53.8, longitude=-1.55)
        factories.listing(alice, "Lamp", latitude=51.5, longitude=-0.12)
        items = feed_of(anyone, lat=53.79, lon=-1.75, radius_km=20)  # Bradford, 13 km from there
        assert ids(items) == [leeds.external_id]
        assert feed_of(anyone, lat=53.79, lon=-1.75, radius_km=10) == []

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
        self, anyone, catalogue, follow, query, field
    ):
        follow()
        response = anyone.get("/api/v1/feed/", query)
        assert response.status_code == 400
        assert response["Content-Type"] == "application/problem+json"
        assert field in [error["field"] for error in response.json()["errors"]]


class TestWhoMayAsk:
    def test_a_member_cannot_request_the_feed_of_another(self, as_charlie, bob, catalogue, follow):
        follow()
        assert as_charlie.get("/api/v1/feed/", {"actor": "bob"}).status_code == 403

    def test_a_service_gets_the_feed_of_any_actor_and_a_new_actor_has_no_profile(
        self, as_service, bob, catalogue, feed_of
    ):
        for chair in catalogue[4:60:6]:
            factories.event(bob, chair, "favourite")
        assert feed_of(as_service, actor="bob")[0]["scores"]["content"] is not None
        assert feed_of(as_service, actor="nobody-yet")[0]["scores"]["content"] is None


def scores_of(items, source) -> dict[str, float | None]:
    return {item["listing"]["id"]: item["scores"][source] for item in items}


class TestCollaborative:
    @pytest.fixture
    def shopped(self, catalogue, now):
        """Forty simulated shoppers have looked around. None bought: they would be shown no more of a kind."""
        simulate(shopper_count=40, seed=5, now=now)
        Interaction.objects.filter(kind="purchase").delete()

    @pytest.mark.parametrize("source", ["collaborative", "covisitation"])
    def test_an_untouched_listing_has_a_score_by_the_trained_prior(
        self, as_service, alice, shopped, feed_of, now, monkeypatch, source
    ):
        monkeypatch.setattr(model, "LEAST_FOR_PRIOR", 10)
        train_collaborative(now=now)
        newcomer = factories.listing(alice, "Blue three seater sofa 11", path="Home & Garden / Sofas")
        scores = scores_of(feed_of(as_service, actor="shopper-5-3", limit=100), source)
        assert scores[newcomer.external_id] is not None
        assert None not in scores.values()

    def test_an_untouched_listing_has_no_collaborative_score_without_a_prior(
        self, as_service, alice, shopped, feed_of, now, monkeypatch
    ):
        monkeypatch.setattr(model, "LEAST_FOR_PRIOR", 1000)
        train_collaborative(now=now)
        newcomer = factories.listing(alice, "Blue three seater sofa 11", path="Home & Garden / Sofas")
        scores = scores_of(feed_of(as_service, actor="shopper-5-3", limit=100), "collaborative")
        assert scores.pop(newcomer.external_id) is None
        assert any(score is not None for score in scores.values())

    def test_a_new_listing_like_what_others_viewed_next_outscores_one_unlike_it(
        self, as_service, alice, shopped, feed_of, now, bob, as_bob, catalogue
    ):
        train_collaborative(now=now)
        factories.event(bob, catalogue[1], "favourite")  # a bike
        bike = factories.listing(alice, "Mountain bike with gears 11", path="Sports / Bicycles")
        coat = factories.listing(alice, "Winter coat for women 11", path="Clothing / Coats")
        scores = scores_of(feed_of(as_bob, limit=100), "covisitation")
        assert scores[bike.external_id] > (scores[coat.external_id] or 0)

    def test_a_damaged_model_leaves_the_previous_one_serving(
        self, as_service, shopped, feed_of, now, settings
    ):
        first = train_collaborative(now=now)
        assert feed_of(as_service, actor="shopper-5-3")
        second = train_collaborative(now=timezone.now())
        (settings.MODEL_ROOT / second.path / "als.npz").write_bytes(b"not a model")
        assert feed_of(as_service, actor="shopper-5-3")
        assert follower.snapshot().collaborative.version == first.version
        activate(TrainedModel.objects.get(pk=first.pk))
        assert TrainedModel.objects.filter(kind="collaborative", status="active").get() == first


class TestCovisitation:
    """A handful of people, each of whom goes from the sofa to the bike and from the coat to the sofa."""

    @pytest.fixture
    def trained(self, catalogue, follow, now, ago, monkeypatch):
        monkeypatch.setattr(collaborative, "LEAST_EVENTS", 1)
        monkeypatch.setattr(collaborative, "LEAST_ACTORS", 1)
        monkeypatch.setattr(model, "LEAST_FOR_PRIOR", 1)
        sofa, bike, coat, phone = catalogue[:4]
        for number in range(3):
            person = factories.actor(f"person-{number}")
            for hours, what in enumerate([phone, coat, sofa, bike]):
                factories.event(person, what, at=ago(hours=48 - hours))
        train_collaborative(now=now)

    @pytest.fixture
    def covisited(self, bob, as_bob, catalogue, trained, feed_of):
        """covisited() is what co-visitation says to Bob, who looked at the sofa."""
        factories.event(bob, catalogue[0])
        return lambda **query: scores_of(feed_of(as_bob, limit=100, **query), "covisitation")

    def test_listings_touched_after_the_viewed_one_outscore_those_touched_before(self, catalogue, covisited):
        _, bike, coat, phone = (each.external_id for each in catalogue[:4])
        scores = covisited()
        assert scores[bike] > scores[coat] > scores[phone] > 0, "the nearer the more"

    def test_a_listing_touched_after_the_viewed_one_comes_first_in_its_category(
        self, catalogue, as_bob, covisited, feed_of
    ):
        assert covisited()
        items = feed_of(as_bob, category="Sports", limit=100)
        assert items[0]["listing"]["id"] == catalogue[1].external_id

    def test_a_sold_listing_still_scores_its_covisited_neighbours(self, catalogue, covisited):
        services.mark_sold(listing=catalogue[0], buyer=None, now=timezone.now())
        scores = covisited()
        assert catalogue[0].external_id not in scores
        assert scores[catalogue[1].external_id] > 0

    def test_a_sold_covisited_listing_is_not_shown(self, catalogue, covisited):
        services.mark_sold(listing=catalogue[1], buyer=None, now=timezone.now())
        assert catalogue[1].external_id not in covisited()

    def test_untouched_listings_like_a_covisited_one_have_lower_scores_than_it(self, catalogue, covisited):
        """No bike but the first was ever touched."""
        scores = covisited(category="Sports")
        assert len(scores) == 10
        first = scores.pop(catalogue[1].external_id)
        assert all(0 < score < first for score in scores.values())

    def test_a_new_favourite_changes_the_covisitation_scores_at_once(self, bob, catalogue, covisited):
        before = covisited()[catalogue[2].external_id]
        factories.event(bob, catalogue[3], "favourite")  # the phone, from which people went on to the coat
        assert covisited()[catalogue[2].external_id] > before


class TestQueries:
    def test_a_feed_takes_at_most_eighteen_queries_whatever_its_length(
        self, bob, as_bob, catalogue, feed_of, django_assert_max_num_queries
    ):
        for each in catalogue[:10]:
            factories.event(bob, each)
        feed_of(as_bob)
        for limit in (5, 50):
            with django_assert_max_num_queries(18):  # a slate and its impression in transactions of their own
                as_bob.get("/api/v1/feed/", {"limit": limit})
