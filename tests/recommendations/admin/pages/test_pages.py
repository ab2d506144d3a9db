"""Pages of an actor, a feed, a listing and a slate in the admin."""

import pytest
from django.contrib.auth.models import Permission, User
from django.db import connection
from django.test.utils import CaptureQueriesContext

from listings.announcing import catalogue_transaction
from listings.models import Listing
from marketplace.models import StaffAccess
from recommendations.models.embeddings import EmbeddingJob
from recommendations.models.slates import Impression, Slate
from recommendations.slates import store
from tests import factories
from tests.recommendations.slates.drafts import draft

MOST_QUERIES = 40


@pytest.fixture
def market(follow, alice, bob) -> list[Listing]:
    with catalogue_transaction():
        made = [factories.listing(alice, f"Blue sofa {number}") for number in range(6)]
    factories.photo(made[0])
    factories.event(bob, made[0], "favourite")
    factories.event(bob, made[1], "hide")
    follow()
    return made


@pytest.fixture
def slate(bob, market, now) -> Slate:
    made = store.write(draft([sofa.pk for sofa in market], bob), now=now)
    store.log_impression(made, offset=0, count=2, now=now)
    return Slate.objects.get(pk=made)


def actor_page(actor, name: str) -> str:
    return f"/admin/listings/actor/{actor.pk}/{name}/"


def listing_page(listing: Listing) -> str:
    return f"/admin/listings/listing/{listing.pk}/story/"


def plain_staff(client, charlie, *permissions: str):
    User.objects.filter(pk=charlie.user_id).update(is_staff=True)
    charlie.user.user_permissions.set(Permission.objects.filter(codename__in=permissions))
    client.force_login(charlie.user)
    return client


class TestActors:
    def test_the_page_shows_events_with_photos_taste_slates_and_what_is_hidden(
        self, admin_client, bob, market, slate
    ):
        page = admin_client.get(actor_page(bob, "story")).content.decode()
        assert "favourite" in page and market[0].photos.get().file.name.replace(".jpg", "-256.jpg") in page
        assert "Interests" in page and "Home &amp; Garden / Sofas" in page
        assert "Hidden or reported" in page and "2 of 6" in page
        assert f"/admin/recommendations/slate/{slate.pk}/look/" in page

    def test_the_feed_is_shown_with_reasons_and_what_was_left_out_and_nothing_is_stored(
        self, admin_client, bob, market
    ):
        page = admin_client.get(actor_page(bob, "feed")).content.decode()
        assert "Blue sofa 5" in page and "The actor hid or reported it" in page and "Score" in page
        assert not Slate.objects.exists() and not Impression.objects.exists()

    def test_looking_at_a_person_is_recorded(self, admin_client, bob, market):
        for name, what in (("story", "events"), ("feed", "feed")):
            admin_client.get(actor_page(bob, name))
            access = StaffAccess.objects.order_by("pk").last()
            assert (access.by, access.whose, access.what) == ("admin", bob, what)

    def test_a_visitor_who_logged_in_leads_to_the_member(self, admin_client, bob, market):
        visitor = type(bob).objects.create(external_id="visitor-1", kind="visitor", merged_into=bob)
        assert "Actor bob" in admin_client.get(actor_page(visitor, "story")).content.decode()

    def test_without_a_snapshot_the_pages_say_so(self, admin_client, bob, sofas):
        assert "cannot be read" in admin_client.get(actor_page(bob, "story")).content.decode()
        assert admin_client.get(actor_page(bob, "feed")).status_code == 200

    @pytest.mark.parametrize("name", ["story", "feed"])
    def test_events_of_others_need_the_permission_for_events(self, client, charlie, bob, market, name):
        plain_staff(client, charlie, "view_actor")
        assert client.get(actor_page(bob, name)).status_code == 403
        plain_staff(client, charlie, "view_actor", "view_interaction")
        assert client.get(actor_page(bob, name)).status_code == 200

    def test_list_and_form_lead_to_the_pages(self, admin_client, bob):
        for address in ("/admin/listings/actor/", f"/admin/listings/actor/{bob.pk}/change/"):
            page = admin_client.get(address).content.decode()
            assert actor_page(bob, "story") in page and actor_page(bob, "feed") in page

    def test_a_page_of_nobody_is_not_found(self, admin_client):
        assert admin_client.get("/admin/listings/actor/12345/story/").status_code == 404
        assert admin_client.get("/admin/listings/actor/x/story/").status_code == 404


class TestListings:
    def test_the_page_shows_similar_listings_charts_and_the_state_of_vectors(
        self, admin_client, market, slate
    ):
        page = admin_client.get(listing_page(market[0])).content.decode()
        assert "Blue sofa 3" in page and "<svg" in page and "Favourite" in page and "Showings" in page
        assert "Current, with 1 photos" in page

    @pytest.mark.parametrize(
        ("number", "name", "told"),
        [
            (1, "bob", "The actor hid or reported it."),
            (3, "bob", "Yes, at place"),
            (1, "eve", "no such actor"),
        ],
    )
    def test_it_says_why_an_actor_is_shown_it_or_not(self, admin_client, market, number, name, told):
        assert told in admin_client.get(listing_page(market[number]), {"actor": name}).content.decode()

    def test_it_says_when_an_actor_was_shown_it(self, admin_client, market, slate):
        page = admin_client.get(listing_page(market[1]), {"actor": "bob"}).content.decode()
        assert "place 2" in page
        assert StaffAccess.objects.filter(whose__external_id="bob").exists()

    def test_staff_embed_it_again(self, admin_client, market):
        admin_client.post(listing_page(market[0]))
        assert EmbeddingJob.objects.get().listing == market[0]
        assert "Waits for its vectors" in admin_client.get(listing_page(market[0])).content.decode()

    def test_who_may_not_change_listings_cannot_embed_one_again(self, client, charlie, market):
        plain_staff(client, charlie, "view_listing", "view_interaction", "view_slate")
        assert "Embed again" not in client.get(listing_page(market[0])).content.decode()
        client.post(listing_page(market[0]))
        assert not EmbeddingJob.objects.exists()

    def test_a_draft_has_a_page_too(self, admin_client, alice, market):
        draft_of_hers = factories.listing(alice, "Secret", status="draft")
        assert admin_client.get(listing_page(draft_of_hers)).status_code == 200


class TestSlates:
    def test_the_page_shows_the_order_chance_and_what_followed(self, admin_client, bob, market, slate):
        page = admin_client.get(f"/admin/recommendations/slate/{slate.pk}/look/").content.decode()
        titles = [page.index(sofa.title) for sofa in market]
        assert titles == sorted(titles)
        assert "By chance, with probability 50%" in page and "seen, nothing followed" in page
        assert actor_page(bob, "story") in page


def queries_of(client, address: str) -> int:
    with CaptureQueriesContext(connection) as asked:
        assert client.get(address).status_code == 200
    return len(asked)


def test_pages_take_no_more_queries_for_more_events(admin_client, alice, bob, market, slate, follow):
    addresses = (
        actor_page(bob, "story"),
        actor_page(bob, "feed"),
        listing_page(market[0]),
        f"/admin/recommendations/slate/{slate.pk}/look/",
    )
    few = {address: queries_of(admin_client, address) for address in addresses}
    with catalogue_transaction():
        more = [factories.listing(alice, f"Red sofa {number}") for number in range(12)]
    for sofa in more[:6]:
        factories.event(bob, sofa)
    follow()
    many = {address: queries_of(admin_client, address) for address in addresses}
    assert {address: (few[address], many[address]) for address in many if many[address] > few[address]} == {}
    assert max(many.values()) < MOST_QUERIES
