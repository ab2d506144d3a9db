"""Pages of one feed, the slates that they leave, boosts and impression fatigue."""

from datetime import timedelta

import pytest

from listings import services
from listings.announcing import catalogue_transaction
from recommendations.models.boosts import Boost
from recommendations.models.feature_names import FEATURES
from recommendations.models.slates import Impression, Slate
from recommendations.ranking import boosts
from recommendations.slates import store
from tests import factories

FEED = "/api/v1/feed/"


@pytest.fixture
def chairs(alice, encoder):
    with catalogue_transaction():
        return [factories.listing(alice, f"Chair number {number}", price=10 + number) for number in range(12)]


@pytest.fixture
def page_of(follow):
    def request_feed(client, status: int = 200, headers: dict | None = None, **query) -> dict:
        follow()
        response = client.get(FEED, query, headers=headers)
        assert response.status_code == status, response.content
        return response.json()

    return request_feed


def ids(page: dict) -> list[str]:
    return [item["listing"]["id"] for item in page["items"]]


class TestPages:
    def test_the_pages_of_a_feed_hold_every_listing_once(self, as_bob, chairs, page_of):
        pages = [page_of(as_bob, limit=5)]
        while pages[-1]["next_cursor"]:
            pages.append(page_of(as_bob, limit=5, cursor=pages[-1]["next_cursor"]))
        assert [len(page["items"]) for page in pages] == [5, 5, 2]
        shown = [pk for page in pages for pk in ids(page)]
        assert sorted(shown) == sorted(chair.external_id for chair in chairs)
        assert len({page["slate_id"] for page in pages}) == 1

    def test_the_second_page_keeps_the_order_without_what_was_sold_or_hidden(
        self, as_bob, bob, chairs, page_of, now
    ):
        first = page_of(as_bob, limit=4)
        by_id = {chair.external_id: chair for chair in chairs}
        id_of = {chair.pk: chair.external_id for chair in chairs}
        whole = [id_of[pk] for pk in Slate.objects.get().listing_ids]
        assert ids(first) == whole[:4]
        services.mark_sold(listing=by_id[whole[4]], buyer=None, now=now)
        factories.event(bob, by_id[whole[5]], "hide", at=now)
        factories.event(bob, by_id[whole[11]], "favourite", at=now)
        second = page_of(as_bob, limit=4, cursor=first["next_cursor"])
        assert ids(second) == whole[6:10]

    def test_a_seller_who_logs_in_between_pages_is_not_shown_their_own_listings(
        self, anyone, as_alice, chairs, page_of
    ):
        first = page_of(anyone, limit=4)
        assert first["next_cursor"]
        assert page_of(as_alice, limit=4, cursor=first["next_cursor"])["items"] == []

    @pytest.mark.parametrize("bad", [{"min_price": 5, "max_price": 1}, {"radius_km": 5}])
    def test_contradictory_filters_are_refused_beside_a_cursor_too(self, anyone, chairs, page_of, bad):
        page_of(anyone, 400, cursor=page_of(anyone, limit=4)["next_cursor"], **bad)

    def test_the_second_page_shows_the_stored_scores_and_reasons(self, as_bob, bob, chairs, page_of, now):
        factories.event(bob, chairs[0], at=now - timedelta(hours=1))
        first = page_of(as_bob, limit=4)
        again = page_of(as_bob, limit=4, cursor=first["next_cursor"])["items"]
        factories.event(bob, chairs[1], at=now + timedelta(minutes=1))
        later = page_of(as_bob, limit=4, cursor=first["next_cursor"])["items"]
        assert later == again
        kept = store.features_of(Slate.objects.get())[4:8, -1]
        assert [item["score"] for item in again] == pytest.approx(kept.tolist())

    def test_cursors_of_somebody_else_edited_ones_and_old_ones_are_refused(
        self, as_bob, as_charlie, anyone, chairs, page_of, bob, now
    ):
        page = page_of(as_bob, limit=4)
        cursor = page["next_cursor"]
        old = store.cursor_after(page["slate_id"], offset=4, actor=bob, now=now - timedelta(days=3))
        for client, text in [
            (as_charlie, cursor),
            (anyone, cursor),
            (as_bob, cursor[:-2] + "xx"),
            (as_bob, old),
        ]:
            refused = page_of(client, status=400, limit=4, cursor=text)
            assert refused["errors"][0]["field"] == "cursor"


class TestSlates:
    def test_a_feed_stores_its_whole_order_and_the_pages_that_were_served(self, as_bob, bob, chairs, page_of):
        page = page_of(as_bob, limit=5, max_price="18")
        page_of(as_bob, limit=5, cursor=page["next_cursor"])
        slate = Slate.objects.get()
        assert slate.pk.hex == page["slate_id"]
        assert (slate.surface, slate.actor, len(slate.listing_ids)) == ("feed", bob, 9)
        assert slate.feature_names == [*FEATURES, "adjusted", "score"]
        assert store.features_of(slate)[0, -1] == pytest.approx(page["items"][0]["score"], abs=1e-4)
        assert slate.parameters["filters"] == {"max_price": "18.00"}
        served = Impression.objects.order_by("offset").values_list("offset", "count")
        assert list(served) == [(0, 5), (5, 4)]

    def test_a_page_requested_again_logs_an_impression_only_for_what_it_grew_by(
        self, as_bob, chairs, page_of
    ):
        first = page_of(as_bob, limit=3)
        for limit in (3, 5, 3):
            page_of(as_bob, cursor=first["next_cursor"], limit=limit)
        pages = Impression.objects.order_by("offset").values_list("offset", "count")
        assert list(pages) == [(0, 3), (3, 3), (6, 2)]

    def test_crawlers_get_a_feed_and_leave_no_slate(self, anyone, chairs, page_of):
        page = page_of(anyone, headers={"User-Agent": "Googlebot/2.1 (+http://www.google.com/bot.html)"})
        assert len(page["items"]) == 12
        assert (page["slate_id"], page["next_cursor"]) == (None, None)
        assert not Slate.objects.exists()

    def test_anonymous_callers_above_the_limit_get_feeds_that_leave_no_slate(
        self, anyone, chairs, page_of, settings
    ):
        settings.ENVIRONMENT = settings.ENVIRONMENT.model_copy(update={"kept_pages_per_minute": 1})
        first = page_of(anyone, limit=4)
        assert page_of(anyone, limit=4)["slate_id"] is None
        assert len(page_of(anyone, limit=4, cursor=first["next_cursor"])["items"]) == 4
        assert (Slate.objects.count(), Impression.objects.count()) == (1, 2)  # what events may name is noted

    def test_an_empty_feed_logs_no_impression(self, anyone, encoder, page_of):
        page = page_of(anyone)
        assert (page["items"], page["next_cursor"]) == ([], None)
        assert not Impression.objects.exists()


def test_boosted_listings_come_first_and_dampened_ones_last(anyone, chairs, page_of, now):
    span = {"starts_at": now - timedelta(days=1), "ends_at": now + timedelta(days=1)}
    before = ids(page_of(anyone, limit=12))
    by_id = {chair.external_id: chair for chair in chairs}
    boosts.save_boost(Boost(listing=by_id[before[-1]], factor=10, **span), by="staff", now=now)
    boosts.save_boost(Boost(listing=by_id[before[0]], factor=0.1, **span), by="staff", now=now)
    boosts.forget()
    after = ids(page_of(anyone, limit=12))
    assert after[0] == before[-1]
    assert after[-1] == before[0]


class TestFatigue:
    @pytest.fixture
    def market(self, alice, encoder):
        with catalogue_transaction():
            return [
                factories.listing(alice, f"Chair number {number}", price=10 + number) for number in range(30)
            ]

    def test_a_listing_shown_three_times_is_not_shown_a_fourth_time(self, as_bob, market, page_of):
        for _ in range(3):
            shown = page_of(as_bob, limit=5)
        fourth = page_of(as_bob, limit=5)
        assert not set(ids(fourth)) & set(ids(shown))

    def test_a_catalogue_of_hardly_more_than_a_page_is_shown_again_and_again(self, as_bob, chairs, page_of):
        for _ in range(5):
            assert len(ids(page_of(as_bob, limit=20))) == len(chairs)
