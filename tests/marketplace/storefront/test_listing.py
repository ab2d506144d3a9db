"""The page of a listing: for sale, sold, or nobody's business."""

import pytest

from listings import services
from recommendations.models.events import Interaction
from recommendations.models.slates import Slate
from tests import factories
from tests.marketplace.storefront.conftest import HTMX


class TestListingPage:
    def test_it_shows_the_details_similar_listings_and_those_of_the_seller(self, client, chairs, follow):
        follow()
        page = client.get(f"/listing/{chairs[0].external_id}/").content.decode()
        assert "<h1>Chair number 0</h1>" in page and "£10" in page
        assert "Message the seller" in page
        assert "From the same seller" in page
        assert Slate.objects.get().surface == "similar"

    def test_photos_have_alternative_texts_sizes_and_several_widths(self, client, alice, encoder):
        sofa = factories.listing(alice)
        factories.add_picture(sofa, factories.picture(size=(1300, 900)))
        factories.photo(sofa)
        page = client.get(f"/listing/{sofa.external_id}/").content.decode()
        assert 'alt="Blue sofa, photo 1 of 2"' in page
        assert "1280w" in page and 'width="1280"' in page

    @pytest.mark.parametrize("by", ["photo", "text", "both"])
    def test_the_basis_of_similarity_can_be_chosen(self, client, chairs, follow, by):
        follow()
        part = client.get(f"/listing/{chairs[0].external_id}/?by={by}", headers=HTMX).content.decode()
        assert "<html" not in part and f'by={by}#similar" hx-get' in part

    def test_a_sold_listing_says_so_shows_what_is_still_there_and_cannot_be_bought(
        self, client, chairs, follow, now
    ):
        follow()
        services.mark_sold(listing=chairs[0], buyer=None, now=now)
        page = client.get(f"/listing/{chairs[0].external_id}/").content.decode()
        assert "Sold." in page and "Similar, and still here" in page
        assert "Message the seller" not in page and page.count('<li class="card"') == 10

    def test_a_draft_is_shown_to_its_seller_only(self, client, bobs_browser, alice):
        draft = factories.listing(alice, status="draft")
        assert bobs_browser.get(f"/listing/{draft.external_id}/").status_code == 404
        client.force_login(alice.user)
        assert client.get(f"/listing/{draft.external_id}/").status_code == 200

    def test_message_and_buy_are_events(self, bobs_browser, chairs):
        address = f"/listing/{chairs[0].external_id}/events/"
        assert (
            "open a conversation"
            in bobs_browser.post(address, {"kind": "message"}, headers=HTMX).content.decode()
        )
        assert bobs_browser.post(address, {"kind": "purchase"}, headers=HTMX).status_code == 200
        assert set(Interaction.objects.values_list("kind", flat=True)) == {"message", "purchase"}

    def test_more_like_this_is_a_click_and_a_strip(self, bobs_browser, chairs, follow):
        follow()
        strip = bobs_browser.post(f"/listing/{chairs[0].external_id}/alike/", {}, headers=HTMX)
        assert "More like “Chair number 0”" in strip.content.decode()
        assert Interaction.objects.get().kind == "click"


class TestSearchPage:
    def test_the_address_holds_the_query_and_what_was_understood_can_be_removed(self, client, chairs, follow):
        follow()
        page = client.get("/search/?q=chair+under+£15").content.decode()
        assert page.count('<li class="card"') == 6
        assert 'aria-label="Search without under £15"' in page and 'href="?q=chair"' in page

    def test_nothing_found_is_explained(self, client, chairs, follow):
        follow()
        page = client.get("/search/?q=chair+under+£5").content.decode()
        assert "without “under £5”" in page

    def test_an_empty_search_asks_for_words(self, client, db):
        page = client.get("/search/")
        assert page.status_code == 200 and "Say what you look for" in page.content.decode()

    def test_a_price_that_is_none_is_explained(self, client, db):
        assert client.get("/search/?q=chair&min_price=much").status_code == 400


class TestLogin:
    def test_what_a_visitor_looked_at_is_kept(self, client, bob, chairs, follow):
        follow()
        client.post(f"/listing/{chairs[0].external_id}/events/", {"kind": "view"})
        client.post("/login/", {"username": "bob", "password": factories.PASSWORD})
        assert "You looked at" in client.get("/").content.decode()
        client.post("/logout/")
        assert "Log in" in client.get("/").content.decode()

    def test_a_wrong_password_is_said_so(self, client, bob):
        page = client.post("/login/", {"username": "bob", "password": "guess"})
        assert page.status_code == 200 and 'role="alert"' in page.content.decode()
