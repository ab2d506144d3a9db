"""Selling in the shop: the form, advice while it is filled in, and where the listing stands afterwards."""

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from listings.models import Listing
from tests import factories
from tests.marketplace.storefront.conftest import HTMX

CHAIR = {"title": "Oak chair", "price": "25", "category": "Home & Garden / Sofas", "condition": "good"}


def upload(data: bytes | None = None, name: str = "a.jpg") -> SimpleUploadedFile:
    return SimpleUploadedFile(name, data or factories.picture(), content_type="image/jpeg")


@pytest.fixture
def alices_browser(alice) -> Client:
    browser = Client()
    browser.force_login(alice.user)
    return browser


class TestPublishing:
    def test_a_listing_is_published_with_its_photos_and_shown_to_its_seller(self, alices_browser, chairs):
        reply = alices_browser.post("/sell/", CHAIR | {"photos": [upload(), upload()]})
        listing = Listing.objects.get(title="Oak chair")
        assert reply.headers["Location"] == f"/listing/{listing.external_id}/"
        assert (listing.status, listing.photos.count(), listing.seller.external_id) == ("active", 2, "alice")
        assert "This is yours" in alices_browser.get(reply.headers["Location"]).content.decode()

    def test_a_visitor_is_asked_to_log_in(self, client, chairs):
        assert "Log in" in client.get("/sell/").content.decode()
        assert client.post("/sell/", CHAIR).status_code == 403
        assert not Listing.objects.filter(title="Oak chair").exists()

    @pytest.mark.parametrize(
        ("change", "said"),
        [
            ({"price": "much"}, "price"),
            ({"category": "Nothing / Of That Kind"}, "There is no category"),
            ({"photos": [upload(b"no photo")]}, "is not a JPEG, PNG, WebP or AVIF image"),
        ],
    )
    def test_what_is_wrong_is_said_beside_what_was_written(self, alices_browser, chairs, change, said):
        page = alices_browser.post("/sell/", CHAIR | change)
        assert page.status_code == 400
        assert said in page.content.decode() and 'value="Oak chair"' in page.content.decode()
        assert not Listing.objects.filter(title="Oak chair").exists()


class TestAdvice:
    @pytest.fixture(autouse=True)
    def no_encode_worker(self, settings):
        settings.ENVIRONMENT = settings.ENVIRONMENT.model_copy(update={"encode_timeout_s": 0.02})

    def test_the_prices_of_comparable_listings_are_shown(self, alices_browser, chairs, follow):
        follow()
        advice = alices_browser.post("/sell/advice/", {"title": "chair"}, headers=HTMX).content.decode()
        assert "What others ask" in advice and "comparable listings" in advice

    def test_a_photo_that_is_here_already_is_pointed_out(self, alices_browser, alice, encoder):
        photo = factories.picture(size=(400, 300))
        factories.add_picture(factories.listing(alice, "Red lamp"), photo)
        advice = alices_browser.post("/sell/advice/", {"photos": [upload(photo)]}, headers=HTMX)
        assert "The same photo is here already" in advice.content.decode()
        assert "Red lamp" in advice.content.decode()

    def test_with_nothing_to_go_by_it_says_so(self, alices_browser, db):
        advice = alices_browser.post("/sell/advice/", {"title": "chair"}, headers=HTMX)
        assert "Nothing comparable" in advice.content.decode()


class TestStanding:
    def test_it_waits_for_the_vector_and_then_names_the_place(self, alices_browser, chairs, follow):
        follow()
        alices_browser.post("/sell/", CHAIR | {"title": "Chair number 3"})
        listing = Listing.objects.get(title="Chair number 3", price=25)
        address = f"/listing/{listing.external_id}/standing/"
        assert "in a few seconds" in alices_browser.get(address, headers=HTMX).content.decode()
        follow()
        standing = alices_browser.get(address, headers=HTMX).content.decode()
        assert "Shoppers find it now" in standing and "number 1" in standing
