"""The feed as a page, by whom it is read, and what becomes of a shopper's buttons."""

import re

import pytest
from django.test import Client

from listings import services
from listings.models import Actor
from marketplace.web import rate_limits
from recommendations.interactions.own_listings import favourites_of
from recommendations.models.events import Interaction
from recommendations.models.slates import Impression, Slate
from tests import factories
from tests.marketplace.storefront.conftest import HTMX


def shown(page) -> list[str]:
    """Ids of the cards of a page, in order."""
    return re.findall(r'<li class="card" data-listing="([^"]+)"', page.content.decode())


def cursor_of(page) -> str:
    return re.search(r'href="(/\?cursor=[^"]+)"', page.content.decode())[1]


class TestTheFeed:
    def test_the_home_page_shows_the_feed_to_anyone_and_needs_no_script(self, client, chairs, follow):
        follow()
        page = client.get("/")
        assert page.status_code == 200
        assert len(shown(page)) == 20
        assert page.content.decode().count('class="reason reason-') == 20

    def test_the_next_page_repeats_nothing_and_is_only_cards_for_htmx(self, bobs_browser, chairs, follow):
        follow()
        first = bobs_browser.get("/")
        second = bobs_browser.get(cursor_of(first), headers=HTMX)
        assert not set(shown(first)) & set(shown(second)) and len(shown(second)) == 10
        assert "<html" not in second.content.decode()
        assert "<html" in bobs_browser.get(cursor_of(first)).content.decode()

    def test_a_page_is_stored_as_a_slate_and_a_crawlers_is_not(self, client, bobs_browser, chairs, follow):
        follow()
        client.get("/", headers={"User-Agent": "Googlebot/2.1"})
        assert Slate.objects.count() == 0
        bobs_browser.get("/")
        assert Impression.objects.get().count == 20

    def test_pages_with_cookies_are_cached_by_nobody_else(self, client, db):
        headers = client.get("/").headers
        assert "private" in headers["Cache-Control"]
        assert {"Cookie", "HX-Request"} <= {name.strip() for name in headers["Vary"].split(",")}

    def test_without_a_catalogue_the_page_says_so(self, client, db):
        assert "Nothing to show yet" in client.get("/").content.decode()

    def test_an_unknown_cursor_is_explained_on_a_page(self, client, db):
        page = client.get("/?cursor=made-up")
        assert page.status_code == 400
        assert "This cursor was not given out here" in page.content.decode()

    @pytest.mark.django_db
    def test_turned_off_the_address_leads_to_the_api_and_the_pages_are_gone(self, client, settings):
        settings.ENVIRONMENT = settings.ENVIRONMENT.model_copy(update={"storefront": False})
        assert client.get("/").headers["Location"] == "/api/docs/"
        assert client.get("/favourites/").status_code == 404
        assert client.get("/favourites/").headers["Content-Type"] == "application/problem+json"
        assert client.get("/login/").status_code == 404

    def test_the_number_of_queries_does_not_grow_with_the_cards(
        self, bobs_browser, chairs, follow, django_assert_max_num_queries
    ):
        follow()
        bobs_browser.get("/")
        with django_assert_max_num_queries(25):
            bobs_browser.get("/")


class TestEvents:
    def test_a_favourite_is_an_event_of_the_slate_and_can_be_taken_back(
        self, bobs_browser, bob, chairs, follow
    ):
        follow()
        listing_id = shown(bobs_browser.get("/"))[3]
        slate = Slate.objects.get().pk.hex
        form = {"kind": "favourite", "slate": slate, "position": "3"}
        heart = bobs_browser.post(f"/listing/{listing_id}/events/", form, headers=HTMX)
        assert 'aria-pressed="true"' in heart.content.decode()
        assert heart.headers["HX-Trigger"] == "feed-changed"
        event = Interaction.objects.get()
        assert (event.actor, event.kind, event.slate, event.position) == (bob, "favourite", slate, 3)
        assert not event.is_doubtful
        assert f'data-listing="{listing_id}"' in bobs_browser.get("/favourites/").content.decode()
        bobs_browser.post(f"/listing/{listing_id}/events/", {"kind": "unfavourite"}, headers=HTMX)
        assert favourites_of(bob, limit=5) == []

    def test_a_hidden_listing_is_gone_from_the_next_feed(self, bobs_browser, chairs, follow):
        follow()
        listing_id = shown(bobs_browser.get("/"))[0]
        gone = bobs_browser.post(f"/listing/{listing_id}/events/", {"kind": "hide"}, headers=HTMX)
        assert "Undo" in gone.content.decode()
        assert listing_id not in shown(bobs_browser.get("/"))
        bobs_browser.post(f"/listing/{listing_id}/events/", {"kind": "unhide"}, headers=HTMX)
        assert listing_id in [
            *shown(page := bobs_browser.get("/")),
            *shown(bobs_browser.get(cursor_of(page))),
        ]

    def test_without_script_a_button_leads_back_to_its_page_and_nowhere_else(self, bobs_browser, chairs):
        address = f"/listing/{chairs[0].external_id}/events/"
        reply = bobs_browser.post(address, {"kind": "favourite", "next": "/favourites/"})
        assert (reply.status_code, reply.headers["Location"]) == (302, "/favourites/")
        elsewhere = bobs_browser.post(address, {"kind": "favourite", "next": "https://elsewhere.example/"})
        assert elsewhere.headers["Location"] == f"/listing/{chairs[0].external_id}/"

    def test_a_visitors_first_event_makes_them_known_by_a_cookie(self, client, chairs, follow):
        follow()
        address = f"/listing/{chairs[0].external_id}/events/"
        assert "visitor" not in client.get("/").cookies
        assert "visitor" in client.post(address, {"kind": "view"}, headers=HTMX).cookies
        assert "You looked at" in client.get("/").content.decode()

    def test_visitors_events_are_doubted_beyond_the_share_of_their_address(self, chairs, monkeypatch):
        monkeypatch.setattr(rate_limits, "SHARE_OF_ADDRESS", 2)
        address = f"/listing/{chairs[0].external_id}/"
        for action in ("events/", "alike/", "events/"):
            assert Client().post(address + action, {"kind": "view"}, headers=HTMX).status_code < 300
        assert list(Interaction.objects.order_by("pk").values_list("is_doubtful", flat=True)) == [
            False,
            False,
            True,
        ]

    def test_a_form_without_its_token_is_refused_to_visitors_too(self, chairs):
        strict = Client(enforce_csrf_checks=True)
        reply = strict.post(f"/listing/{chairs[0].external_id}/events/", {"kind": "view"})
        assert reply.status_code == 403 and Interaction.objects.count() == 0

    def test_a_listing_that_is_not_public_takes_no_event_of_strangers(self, bobs_browser, alice, encoder):
        draft = factories.listing(alice, status="draft")
        address = f"/listing/{draft.external_id}/events/"
        assert bobs_browser.post(address, {"kind": "view"}).status_code == 404


class TestWhy:
    def test_the_reason_comes_with_its_evidence_and_what_each_source_added(
        self, bobs_browser, bob, chairs, follow
    ):
        follow()
        factories.event(bob, chairs[0], "favourite")
        page = bobs_browser.get("/").content.decode()
        # Some places are given to chance, which has no evidence.
        address = re.search(r'reason-because_you_viewed">\s*<a href="(/why/[^"]+)"', page)[1]
        why = bobs_browser.get(address, headers=HTMX).content.decode()
        assert "What spoke for it" in why and "<html" not in why
        assert sum(map(int, re.findall(r"(\d+) %", why))) in range(90, 105)
        assert "Chair number 0" in why

    def test_charlie_cannot_ask_why_something_is_in_bobs_feed(
        self, bobs_browser, client, charlie, chairs, follow
    ):
        follow()
        address = re.search(r'href="(/why/[^"]+)"', bobs_browser.get("/").content.decode())[1]
        client.force_login(charlie.user)
        assert client.get(address).status_code == 404

    @pytest.mark.django_db
    def test_a_slate_that_never_was_is_not_found(self, client):
        assert client.get("/why/nothing/nothing/").status_code == 404


class TestDemoShoppers:
    def test_the_page_says_what_each_shopper_likes_and_lets_anyone_be_one(self, client, shoppers, follow):
        follow()
        page = client.get("/shoppers/").content.decode()
        assert page.count("Look as shopper-2-") == 3 and "Likes Sofas" in page
        chosen = shoppers[1].external_id
        client.post("/shoppers/", {"shopper": chosen})
        assert f"What {chosen} sees" in client.get("/").content.decode()
        client.post("/shoppers/", {"shopper": ""})
        assert f"What {chosen} sees" not in client.get("/").content.decode()

    def test_nobody_becomes_a_real_person_or_a_shopper_where_it_is_not_a_demo(
        self, client, shoppers, bob, settings
    ):
        client.post("/shoppers/", {"shopper": bob.external_id})
        assert "shopper" not in client.cookies or not client.cookies["shopper"].value
        client.post("/shoppers/", {"shopper": shoppers[0].external_id})
        settings.ENVIRONMENT = settings.ENVIRONMENT.model_copy(update={"demo_shoppers": False})
        assert "What shopper" not in client.get("/").content.decode()
        assert client.get("/shoppers/").status_code == 404

    def test_an_event_of_a_chosen_shopper_is_theirs(self, client, shoppers, chairs):
        client.post("/shoppers/", {"shopper": shoppers[0].external_id})
        client.post(f"/listing/{chairs[0].external_id}/events/", {"kind": "favourite"})
        source = f"actor:{shoppers[0].external_id}"
        assert Interaction.objects.get(source=source).actor == shoppers[0]
        assert Actor.objects.filter(kind=Actor.Kind.VISITOR).count() == 0


class TestRecentlyViewed:
    def test_the_strip_shows_what_was_viewed_last_first_even_when_sold(
        self, bobs_browser, bob, chairs, follow, now, ago
    ):
        follow()
        factories.event(bob, chairs[1], at=ago(hours=2))
        factories.event(bob, chairs[2], at=ago(hours=1))
        services.mark_sold(listing=chairs[2], buyer=None, now=now)
        page = bobs_browser.get("/").content.decode()
        strip = page.partition('class="strip-row"')[2].partition("</ol>")[0]
        assert strip.index("Chair number 2") < strip.index("Chair number 1")
        assert "Sold" in strip
