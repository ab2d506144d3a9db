import os

import pytest
from django.utils import timezone

from listings import services
from recommendations.replica import follower
from tests import factories
from tests.recommendations.feed.items import OFFICE, ids, of_category


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
