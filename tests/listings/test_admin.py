"""The catalogue's admin pages, through HTTP."""

import re
from pathlib import Path

import pytest
from django.contrib.messages import get_messages
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse

from listings.announcing import catalogue_transaction
from listings.models import Actor, Category, Listing, Photo
from tests import factories

CHANGELIST = "/admin/listings/listing/"


@pytest.fixture
def browser(admin_client) -> Client:
    """A client logged in as staff."""
    return admin_client


def change_page(listing: Listing) -> str:
    return reverse("admin:listings_listing_change", args=[listing.pk])


def form(**changes) -> dict:
    """The form data of a blue sofa."""
    fields = {
        "title": "Blue sofa",
        "description": "",
        "price": "50",
        "condition": "good",
        "category": Category.objects.get(path="Home & Garden / Sofas").pk,
        "place": "",
        "latitude": "",
        "longitude": "",
        "source_version": "",
    }
    return fields | changes


def messages_in(response) -> str:
    return " ".join(str(message) for message in get_messages(response.wsgi_request))


class TestTheList:
    def test_the_list_of_listings_shows_thumbnails(self, browser, sofa):
        photo = factories.photo(sofa)
        page = browser.get(CHANGELIST).content.decode()
        assert photo.file.name.replace(".jpg", "-256.jpg") in page

    def test_the_list_of_listings_takes_at_most_twelve_queries(
        self, browser, alice, django_assert_max_num_queries
    ):
        with catalogue_transaction():
            for number in range(6):
                factories.photo(factories.listing(alice, f"Sofa {number}"))
        with django_assert_max_num_queries(12):
            assert browser.get(CHANGELIST).content.decode().count('loading="lazy"') == 6

    @pytest.mark.parametrize(
        ("query", "is_listed"),
        [
            ({"status__exact": "active"}, True),
            ({"status__exact": "sold"}, False),
            ({"condition__exact": "unknown"}, True),
            ({"q": "blue"}, True),
            ({"q": "alice"}, True),
            ({"q": "green"}, False),
        ],
        ids=str,
    )
    def test_the_list_of_listings_is_filtered_and_searched(self, browser, sofa, query, is_listed):
        assert (change_page(sofa) in browser.get(CHANGELIST, query).content.decode()) == is_listed

    def test_the_list_of_listings_is_filtered_by_category_and_root_category(self, browser, alice, sofa):
        boat = factories.listing(alice, "Canoe", path="Boats / Canoes")
        for query in (
            {"category__id__exact": boat.category_id},
            {"category__root__id__exact": boat.category.root_id},
        ):
            page = browser.get(CHANGELIST, query).content.decode()
            assert change_page(boat) in page
            assert change_page(sofa) not in page

    def test_the_list_of_listings_is_for_staff_only(self, client, sofa):
        assert client.get(CHANGELIST).headers["Location"].startswith("/admin/login/")


class TestActions:
    def act(self, browser: Client, action: str, *listings: Listing):
        chosen = {"action": action, "_selected_action": [listing.pk for listing in listings]}
        return browser.post(CHANGELIST, chosen)

    @pytest.mark.parametrize(
        ("before", "action", "after"),
        [
            ("active", "mark_sold", "sold"),
            ("active", "reserve", "reserved"),
            ("reserved", "release", "active"),
            ("draft", "publish", "active"),
            ("active", "withdraw", "withdrawn"),
        ],
    )
    def test_admin_actions_change_the_status_and_announce_it(
        self, browser, sofa, announced, before, action, after
    ):
        Listing.objects.filter(pk=sofa.pk).update(status=before)
        response = self.act(browser, action, sofa)
        assert ": 1." in messages_in(response)
        assert Listing.objects.get().status == after
        assert announced == [[sofa.pk]]

    def test_an_admin_action_names_the_listings_it_refuses_and_changes_the_others(self, browser, alice, sofa):
        draft = factories.listing(alice, status="draft")
        messages = messages_in(self.act(browser, "mark_sold", sofa, draft))
        assert f"Left alone: Listing {draft.external_id} is draft" in messages
        assert "Sold: 1." in messages
        sofa.refresh_from_db()
        assert sofa.status == "sold"

    def test_staff_put_back_what_staff_withdrew(self, browser, sofa):
        self.act(browser, "withdraw", sofa)
        assert Listing.objects.get().withdrawn_by == "staff"
        self.act(browser, "publish", sofa)
        assert Listing.objects.get().status == "active"

    def test_staff_read_a_price_of_minus_nothing_as_nothing(self, browser, sofa):
        browser.post(change_page(sofa), form(price="-0"))
        assert str(Listing.objects.get().price) == "0.00"

    def test_staff_may_not_write_a_title_that_turns_the_direction_of_text(self, browser, sofa):
        page = browser.post(change_page(sofa), form(title="Blue \u202eafos")).content.decode()
        assert "turn the direction" in page
        assert Listing.objects.get().title == "Blue sofa"

    def test_listings_cannot_be_deleted_in_the_admin(self, browser, sofa):
        self.act(browser, "delete_selected", sofa)
        url = reverse("admin:listings_listing_delete", args=[sofa.pk])
        assert browser.post(url, {"post": "yes"}).status_code == 403
        assert Listing.objects.get() == sofa


class TestAdding:
    ADD = "/admin/listings/listing/add/"

    @pytest.fixture
    def sofas(self, db) -> Category:
        return factories.category()

    def test_staff_add_a_listing_with_a_photo(self, browser, alice, sofas, announced, settings):
        photo = SimpleUploadedFile("sofa.jpg", factories.picture(), "image/jpeg")
        fields = form(external_id="sofa-1", seller=alice.pk, add_photo=photo)
        assert browser.post(self.ADD, fields).status_code == 302
        sofa = Listing.objects.get()
        assert (sofa.external_id, sofa.seller, sofa.status) == ("sofa-1", alice, "active")
        assert (settings.MEDIA_ROOT / sofa.photos.get().file.name).is_file()
        assert announced == [[sofa.pk]]

    def test_the_form_for_a_new_listing_opens(self, browser, sofas):
        assert browser.get(self.ADD).status_code == 200

    @pytest.mark.parametrize("data", [b"", b"no photo", factories.picture()[:200]])
    def test_a_bad_photo_is_an_error_of_the_listing_form(self, browser, alice, sofas, settings, data):
        photo = SimpleUploadedFile("sofa.jpg", data, "image/jpeg")
        response = browser.post(self.ADD, form(external_id="x", seller=alice.pk, add_photo=photo))
        assert response.status_code == 200
        assert "add_photo" in response.context["adminform"].form.errors
        assert not Listing.objects.exists()
        assert not [path for path in Path(settings.MEDIA_ROOT).rglob("*") if path.is_file()]

    @pytest.mark.parametrize(
        "bad",
        [
            {"title": ""},
            {"price": "-1"},
            {"price": "NaN"},
            {"price": "100000.01"},
            {"latitude": "91", "longitude": "0"},
            {"latitude": "nan", "longitude": "0"},
            {"latitude": "1"},
            {"external_id": "a/b"},
            {"title": "a\0b"},
        ],
        ids=str,
    )
    def test_bad_values_are_errors_of_the_listing_form(self, browser, alice, sofas, bad):
        response = browser.post(self.ADD, form(external_id="x", seller=alice.pk) | bad)
        assert response.status_code == 200
        assert response.context["adminform"].form.errors
        assert not Listing.objects.exists()


class TestEditing:
    def test_a_listings_page_shows_its_photos(self, browser, sofa):
        photo = factories.photo(sofa)
        assert photo.file.name.removesuffix(".jpg") in browser.get(change_page(sofa)).content.decode()

    def test_an_edit_in_the_admin_is_saved_and_announced(self, browser, sofa, announced):
        fields = form(title="Green sofa", price="45", latitude="53.8", longitude="-1.5")
        assert browser.post(change_page(sofa), fields).status_code == 302
        sofa.refresh_from_db()
        assert (sofa.title, sofa.price, sofa.latitude) == ("Green sofa", 45, 53.8)
        assert sofa.content_version == 2
        assert announced == [[sofa.pk]]

    def test_a_photo_can_be_added_on_a_listings_page(self, browser, sofa):
        photo = SimpleUploadedFile("sofa.png", factories.picture(image_format="PNG"), "image/png")
        browser.post(change_page(sofa), form(add_photo=photo))
        assert Photo.objects.get().listing == sofa

    def test_status_seller_and_id_cannot_be_edited_in_the_listing_form(self, browser, sofa, bob):
        browser.post(change_page(sofa), form(status="sold", seller=bob.pk, external_id="other"))
        after = Listing.objects.get()
        assert (after.status, after.seller, after.external_id) == ("active", sofa.seller, sofa.external_id)

    def test_an_edit_that_the_services_refuse_is_shown_as_a_message(self, browser, sofa):
        browser.post(change_page(sofa), form(source_version="5"))
        response = browser.post(change_page(sofa), form(title="Old", source_version="4"))
        assert "source_version 5" in messages_in(response)
        assert Listing.objects.get().title == "Blue sofa"


class TestCategories:
    ADD = "/admin/listings/category/add/"

    def test_a_category_added_in_the_admin_gets_its_parents(self, browser):
        assert browser.post(self.ADD, {"path": "Boats / Canoes"}).status_code == 302
        assert Category.objects.get(path="Boats / Canoes").parent.path == "Boats"

    def test_an_invalid_category_path_is_refused_in_the_admin(self, browser):
        assert "not a category path" in messages_in(browser.post(self.ADD, {"path": "Boats / "}))
        assert not Category.objects.exists()

    def test_a_categorys_path_cannot_be_edited(self, browser, sofa):
        url = reverse("admin:listings_category_change", args=[sofa.category_id])
        browser.post(url, {"path": "Elsewhere"})
        assert not Category.objects.filter(path="Elsewhere").exists()


class TestTheRest:
    @pytest.mark.parametrize("model", ["actor", "category", "place", "listing"])
    def test_every_list_of_the_catalogues_admin_opens_and_searches(self, browser, sofa, model):
        assert browser.get(f"/admin/listings/{model}/").status_code == 200
        assert browser.get(f"/admin/listings/{model}/", {"q": "a"}).status_code == 200

    def test_staff_can_edit_an_actor_but_not_their_id(self, browser, bob):
        url = reverse("admin:listings_actor_change", args=[bob.pk])
        assert browser.get(url).status_code == 200
        browser.post(url, {"external_id": "robert", "kind": "visitor", "user": "", "merged_into": ""})
        after = Actor.objects.get(pk=bob.pk)
        assert (after.external_id, after.kind) == ("bob", "visitor")

    def test_times_in_lists_are_relative_with_the_exact_one_on_hover(self, browser, sofa):
        page = browser.get("/admin/listings/listing/").content.decode()
        assert re.search(r'<time datetime="20[^"]+" title="20[^"]+">(now|[^<]+ ago)</time>', page)


class TestMovesOfCategories:
    LIST = "/admin/listings/category/"

    def test_the_action_asks_for_a_path_and_merges(self, browser, alice):
        factories.listing(alice, path="Home > Beds")
        other = factories.listing(alice, path="Sleeping / Beds").category
        chosen = {"action": "move_categories", "_selected_action": [other.pk]}
        assert "Sleeping / Beds" in browser.post(self.LIST, chosen).content.decode()
        browser.post(self.LIST, chosen | {"to": "home / beds"})
        assert set(Category.objects.values_list("path", flat=True)) == {"Home", "Home / Beds", "Sleeping"}
        assert Listing.objects.filter(category__path="Home / Beds").count() == 2
