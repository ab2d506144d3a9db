"""The catalogue over HTTP."""

import base64
import json
import re
from pathlib import Path
from urllib.parse import quote

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from rest_framework.test import APIClient

from listings import services
from listings.models import Actor, Category, Listing, Photo, Place
from tests import factories
from tests.conftest import service_client
from tests.problems import PROBLEM, is_problem

LISTINGS = "/api/v1/listings/"
BATCH = "/api/v1/listings/batch/"
SOFAS = "Home & Garden / Sofas"
NEW = {"title": "Blue sofa", "price": "50.00", "category": SOFAS}


@pytest.fixture
def draft(alice) -> Listing:
    return factories.listing(alice, "Draft sofa", status="draft")


@pytest.fixture
def leeds(db) -> Place:
    Place.objects.create(
        name="Leeds", county="Kent", country="GB", latitude=51.2467, longitude=0.6089, population=700
    )
    return Place.objects.create(
        name="Leeds",
        county="West Yorkshire",
        country="GB",
        latitude=53.79648,
        longitude=-1.54785,
        population=455123,
    )


def at(listing: Listing, *verb: str) -> str:
    return "/".join((f"{LISTINGS}{listing.external_id}", *verb, ""))


def ids(response) -> list[str]:
    assert response.status_code == 200, response.content
    return [card["id"] for card in response.json()["results"]]


def stored_files(media: Path) -> list[Path]:
    return [path for path in media.rglob("*") if path.is_file()]


def upload(data: bytes, name: str = "sofa.jpg", content_type: str = "image/jpeg") -> dict:
    return {"photo": SimpleUploadedFile(name, data, content_type)}


class TestReading:
    def test_anyone_reads_what_is_for_sale_newest_first(self, anyone, alice, ago):
        old = factories.listing(alice, created_at=ago(days=2))
        new = factories.listing(alice, created_at=ago(days=1))
        assert ids(anyone.get(LISTINGS)) == [new.external_id, old.external_id]

    def test_a_card_says_all_there_is_to_say(self, anyone, alice, leeds):
        sofa = factories.listing(alice, description="Two seats.", condition="good", place=leeds)
        photo = factories.photo(sofa)
        card = anyone.get(at(sofa)).json()
        assert card["id"] == sofa.external_id
        assert (card["seller"], card["title"], card["description"]) == ("alice", "Blue sofa", "Two seats.")
        assert (card["price"], card["currency"]) == ("50.00", "GBP")
        assert (card["condition"], card["category"], card["status"]) == ("good", SOFAS, "active")
        assert card["place"] == "Leeds, West Yorkshire"
        assert card["photos"][0]["id"] == photo.external_id

    def test_photos_are_served_in_every_size(self, anyone, sofa, settings):
        factories.photo(sofa)
        for url in anyone.get(at(sofa)).json()["photos"][0]["urls"].values():
            assert (settings.MEDIA_ROOT / url.removeprefix("/media/")).is_file()

    @pytest.mark.parametrize("status", ["draft", "reserved", "sold", "withdrawn"])
    def test_only_active_listings_are_listed(self, anyone, alice, as_alice, status):
        hidden = factories.listing(alice, status="draft")
        sold_at = hidden.created_at if status == "sold" else None
        Listing.objects.filter(pk=hidden.pk).update(status=status, sold_at=sold_at)
        for client in (anyone, as_alice):
            assert ids(client.get(LISTINGS)) == []

    @pytest.mark.parametrize("status", ["draft", "reserved", "sold", "withdrawn"])
    def test_what_is_not_for_sale_is_there_for_its_owner_staff_and_services_only(
        self, sofa, anyone, as_alice, as_charlie, as_staff, as_service, status
    ):
        sold_at = sofa.created_at if status == "sold" else None
        Listing.objects.filter(pk=sofa.pk).update(status=status, sold_at=sold_at)
        for client in (anyone, as_charlie, service_client("reader", ["feed"])):
            assert is_problem(client.get(at(sofa)), 404)
        for client in (as_alice, as_staff, as_service):
            assert client.get(at(sofa)).json()["status"] == status

    def test_coordinates_leave_rounded_to_a_hundredth(self, anyone, alice):
        sofa = factories.listing(alice, latitude=53.79648, longitude=-1.54785)
        card = anyone.get(at(sofa)).json()
        assert (card["latitude"], card["longitude"]) == (53.8, -1.55)

    def test_categories_are_listed_with_their_parents(self, anyone, sofa):
        assert [card["path"] for card in anyone.get("/api/v1/categories/").json()] == ["Home & Garden", SOFAS]

    def test_a_page_takes_as_many_queries_whatever_it_holds(
        self, anyone, alice, django_assert_max_num_queries
    ):
        for _ in range(5):
            factories.photo(factories.listing(alice))
        with django_assert_max_num_queries(3):
            assert len(ids(anyone.get(LISTINGS))) == 5

    def test_an_unknown_id_is_a_problem_that_names_it(self, anyone, db):
        response = anyone.get(f"{LISTINGS}nothing/")
        assert is_problem(response, 404)
        assert "nothing" in response.json()["detail"]


class TestFilters:
    @pytest.fixture
    def shelf(self, alice, bob) -> dict[str, Listing]:
        return {
            "sofa": factories.listing(alice, price=50, condition="good"),
            "chair": factories.listing(alice, path="Home & Garden / Chairs", price=20),
            "lamp": factories.listing(bob, path="Home & Garden", price=5),
            "phone": factories.listing(bob, path="Home & Garden & Phones", price=150),
        }

    @pytest.mark.parametrize(
        ("query", "expected"),
        [
            ({"category": "Home & Garden"}, {"sofa", "chair", "lamp"}),
            ({"category": SOFAS}, {"sofa"}),
            ({"min_price": "20"}, {"sofa", "chair", "phone"}),
            ({"max_price": "20.00"}, {"chair", "lamp"}),
            ({"min_price": "10", "max_price": "60"}, {"sofa", "chair"}),
            ({"condition": "good"}, {"sofa"}),
            ({"seller": "bob"}, {"lamp", "phone"}),
            ({"seller": "nobody"}, set()),
            ({"category": "Home & Garden", "seller": "bob"}, {"lamp"}),
        ],
        ids=str,
    )
    def test_they_narrow_the_list(self, anyone, shelf, query, expected):
        assert set(ids(anyone.get(LISTINGS, query))) == {shelf[name].external_id for name in expected}

    @pytest.mark.parametrize(
        "query",
        [
            {"category": "Nowhere"},
            {"category": "a\0b"},
            {"min_price": "cheap"},
            {"min_price": "NaN"},
            {"max_price": "Infinity"},
            {"max_price": "1e999999"},
            {"max_price": "9" * 400},
            {"condition": "shiny"},
            {"seller": "a\0b"},
        ],
        ids=lambda query: str(query)[:40],
    )
    def test_a_bad_one_is_refused_by_name(self, anyone, shelf, query):
        response = anyone.get(LISTINGS, query)
        assert is_problem(response, 400)
        assert [error["field"] for error in response.json()["errors"]] == list(query)


class TestPages:
    def test_they_follow_each_other_without_gap_or_repeat(self, anyone, alice, ago):
        expected = [factories.listing(alice, created_at=ago(hours=hour)).external_id for hour in range(7)]
        found, url = [], f"{LISTINGS}?limit=3"
        while url:
            page = anyone.get(url)
            found += ids(page)
            url = page.json()["next"]
        assert found == expected

    def test_a_batch_that_shares_one_time_is_paged_to_its_end(self, anyone, alice, now):
        for _ in range(7):
            factories.listing(alice, created_at=now)
        found, url = [], f"{LISTINGS}?limit=3"
        while url:
            page = anyone.get(url)
            found += ids(page)
            url = page.json()["next"]
        assert len(found) == len(set(found)) == 7

    def test_what_is_sold_in_between_is_not_on_the_next_page(self, anyone, alice, ago, now):
        shelf = [factories.listing(alice, created_at=ago(hours=hour)) for hour in range(4)]
        page = anyone.get(f"{LISTINGS}?limit=2")
        services.mark_sold(listing=shelf[2], buyer=None, now=now)
        assert ids(anyone.get(page.json()["next"])) == [shelf[3].external_id]

    def test_one_leads_back_to_the_other(self, anyone, alice, now, ago):
        shelf = [factories.listing(alice, created_at=now) for _ in range(4)]
        shelf += [factories.listing(alice, created_at=ago(hours=hour)) for hour in (3, 2, 1)]
        first = anyone.get(LISTINGS, {"limit": "3"})
        second = anyone.get(first.json()["next"])
        third = anyone.get(second.json()["next"])
        assert (first.json()["previous"], third.json()["next"]) == (None, None)
        assert len({*ids(first), *ids(second), *ids(third)}) == 7
        assert ids(anyone.get(third.json()["previous"])) == ids(second)
        back = anyone.get(second.json()["previous"])
        assert (ids(back), back.json()["previous"]) == (ids(first), None)
        assert ids(anyone.get(back.json()["next"])) == ids(second)

    def test_the_next_one_is_found_in_the_index(self, anyone, alice, now):
        for _ in range(3):
            factories.listing(alice, created_at=now)
        page = anyone.get(f"{LISTINGS}?limit=1").json()
        with CaptureQueriesContext(connection) as asked:
            anyone.get(page["next"])
        assert "OFFSET" not in str(asked.captured_queries)
        assert re.search(r'\("\w+"."created_at", "\w+"."id"\) < \(', str(asked.captured_queries))

    @pytest.mark.parametrize(
        "cursor",
        [
            *(
                "p=garbage",
                "p=a%00",
                "p=9999-99-99",
                "p=2026-01-01",
                "o=many",
                "o=20",
                "o=100000",
                "r=1",
                "",
                "x",
            ),
            *("p=2026-01-01T00:00:00Z", "p=2026-01-01T00:00:00+1", "p=2026-01-01T00:00:00Z+x"),
            *(
                "p=2026-01-01T00:00:00Z+1&o=1",
                "p=2026-01-01T00:00:00Z+" + "9" * 30,
                "p=2026-01-01T00:00:00Z+-1",
            ),
        ],
    )
    def test_a_cursor_of_ones_own_making_is_refused(self, anyone, sofa, cursor):
        encoded = base64.b64encode(cursor.encode()).decode()
        assert is_problem(anyone.get(LISTINGS, {"cursor": encoded}), 404)
        assert is_problem(anyone.get(LISTINGS, {"cursor": "garbage"}), 404)

    @pytest.mark.parametrize("limit", ["0", "-1", "many", "9" * 30])
    def test_a_strange_limit_does_no_harm(self, anyone, sofa, limit):
        assert ids(anyone.get(LISTINGS, {"limit": limit})) == [sofa.external_id]


class TestUnknownFields:
    def test_a_field_that_nobody_knows_is_refused_by_name(self, as_alice, sofa):
        address = f"{LISTINGS}{sofa.external_id}/"
        response = as_alice.patch(address, {"status": "sold", "colour": "red"})
        assert is_problem(response, 400)
        assert {error["field"] for error in response.json()["errors"]} == {"status", "colour"}


class TestWhoMayWrite:
    def test_nobody_without_a_credential(self, anyone, sofa):
        photo = factories.photo(sofa)
        for response in (
            anyone.post(LISTINGS, NEW),
            anyone.patch(at(sofa), {"price": 1}),
            anyone.delete(at(sofa)),
            anyone.put(BATCH, {"listings": [{}]}),
            anyone.post(at(sofa, "sold")),
            anyone.post(at(sofa, "photos"), upload(factories.picture()), format="multipart"),
            anyone.delete(at(sofa, "photos", photo.external_id)),
            *(anyone.post(at(sofa, verb)) for verb in ("publish", "reserve", "release", "withdraw")),
        ):
            assert is_problem(response, 401)
        assert Listing.objects.get().status == "active"

    def test_nor_a_visitor_who_has_sent_events(self, anyone, sofa):
        event = {"event_id": "1", "listing": sofa.external_id, "kind": "view"}
        assert anyone.post("/api/v1/interactions/", event).status_code == 200
        assert is_problem(anyone.post(LISTINGS, NEW), 401)

    def test_a_session_needs_its_csrf_token(self, alice, sofa):
        browser = Client(enforce_csrf_checks=True)
        browser.get("/admin/login/")
        browser.force_login(alice.user)
        body, token = json.dumps(NEW), browser.cookies["csrftoken"].value
        assert is_problem(browser.post(LISTINGS, body, content_type="application/json"), 403)
        response = browser.post(
            LISTINGS, body, content_type="application/json", headers={"X-CSRFToken": token}
        )
        assert response.status_code == 201
        assert response.json()["seller"] == "alice"

    def test_a_persons_token_writes_as_that_person(self, as_alice, sofa):
        response = as_alice.post(LISTINGS, NEW)
        assert response.status_code == 201
        assert response.json()["seller"] == "alice"

    def test_a_user_who_was_no_actor_becomes_one_by_selling(self, alice, as_alice, sofa):
        user_pk = alice.user_id
        Actor.objects.filter(pk=alice.pk).update(user=None)
        seller = as_alice.post(LISTINGS, NEW).json()["seller"]
        assert Actor.objects.get(external_id=seller).user_id == user_pk
        seller = as_alice.post(LISTINGS, NEW).json()["seller"]
        assert Actor.objects.get(external_id=seller).user_id == user_pk

    def test_a_service_publishes_for_the_seller_it_names(self, as_service):
        response = as_service.post(LISTINGS, NEW | {"seller": "shop-77", "id": "advert-5"})
        assert response.status_code == 201
        assert (response.json()["seller"], response.json()["id"]) == ("shop-77", "advert-5")

    def test_a_service_that_names_no_seller_is_told(self, as_service, db):
        assert is_problem(as_service.post(LISTINGS, NEW), 403)

    def test_a_service_without_the_scope_may_not(self, sofa):
        reader = service_client("reader", ["feed", "events"])
        assert is_problem(reader.post(LISTINGS, NEW | {"seller": "x"}), 403)
        assert is_problem(reader.patch(at(sofa), {"price": 1}), 403)

    def test_a_person_may_not_publish_for_somebody_else(self, as_alice, sofa):
        response = as_alice.post(LISTINGS, NEW | {"seller": "bob"})
        assert is_problem(response, 403)
        assert response.json()["errors"][0]["field"] == "seller"

    def test_charlie_may_not_change_what_alice_sells(self, as_charlie, sofa):
        photo = factories.photo(sofa)
        for response in (
            as_charlie.patch(at(sofa), {"price": 1}),
            as_charlie.delete(at(sofa)),
            as_charlie.post(at(sofa, "sold"), {}),
            as_charlie.post(at(sofa, "photos"), upload(factories.picture()), format="multipart"),
            as_charlie.delete(at(sofa, "photos", photo.external_id)),
            *(as_charlie.post(at(sofa, verb)) for verb in ("publish", "reserve", "release", "withdraw")),
        ):
            assert is_problem(response, 403)
        sofa.refresh_from_db()
        assert (sofa.status, sofa.price, sofa.photos.count()) == ("active", 50, 1)

    def test_charlie_does_not_even_learn_of_a_draft(self, as_charlie, draft):
        for response in (
            as_charlie.get(at(draft)),
            as_charlie.patch(at(draft), {"price": 1}),
            as_charlie.delete(at(draft)),
            as_charlie.post(at(draft, "publish")),
        ):
            assert is_problem(response, 404)

    def test_staff_and_services_may_change_any(self, as_staff, as_service, sofa):
        assert as_staff.patch(at(sofa), {"price": "49"}).json()["price"] == "49.00"
        assert as_service.patch(at(sofa), {"price": "48"}).json()["price"] == "48.00"


class TestPublishing:
    def test_it_is_for_sale_at_once(self, as_alice, anyone, sofa):
        created = as_alice.post(LISTINGS, NEW | {"id": "sofa-2", "source_version": 4}).json()
        assert (created["status"], created["source_version"]) == ("active", 4)
        assert "sofa-2" in ids(anyone.get(LISTINGS))

    def test_or_kept_as_a_draft_until_it_is_published(self, as_alice, anyone, sofa):
        draft = Listing.objects.get(
            external_id=as_alice.post(LISTINGS, NEW | {"status": "draft"}).json()["id"]
        )
        assert is_problem(anyone.get(at(draft)), 404)
        assert as_alice.post(at(draft, "publish")).json()["status"] == "active"
        assert anyone.get(at(draft)).status_code == 200

    def test_an_id_that_is_taken_is_a_conflict(self, as_alice, sofa):
        response = as_alice.post(LISTINGS, NEW | {"id": sofa.external_id})
        assert is_problem(response, 409)
        assert response.json()["errors"][0]["field"] == "id"

    @pytest.mark.parametrize("external_id", ["a/b", "a\nb", "..", ".", "batch", "a\0b", "x" * 201, ""])
    def test_an_id_that_cannot_stand_in_an_address_is_refused(self, as_alice, sofa, external_id):
        response = as_alice.post(LISTINGS, NEW | {"id": external_id})
        assert is_problem(response, 400)
        assert {error["field"] for error in response.json()["errors"]} == {"id"}

    @pytest.mark.parametrize("external_id", ["advert 5", "50%", "é?#&", "a.b"])
    def test_any_other_id_is_found_again(self, as_alice, anyone, sofa, external_id):
        assert as_alice.post(LISTINGS, NEW | {"id": external_id}).status_code == 201
        assert anyone.get(f"{LISTINGS}{quote(external_id, safe='')}/").json()["id"] == external_id

    def test_a_category_that_does_not_exist_is_refused_for_persons(self, as_alice, as_staff, sofa):
        for client in (as_alice, as_staff):
            response = client.post(LISTINGS, NEW | {"category": "Home & Garden / Sofass"})
            assert is_problem(response, 400)
            assert response.json()["errors"][0]["field"] == "category"
        assert not Category.objects.filter(path__endswith="Sofass").exists()

    def test_and_made_for_services(self, as_service):
        body = NEW | {"seller": "x", "category": "Boats / Canoes"}
        assert as_service.post(LISTINGS, body).json()["category"] == "Boats / Canoes"
        assert Category.objects.get(path="Boats / Canoes").parent.path == "Boats"

    def test_a_price_above_the_maximum_is_taken_for_a_mistake(self, as_alice, sofa):
        assert is_problem(as_alice.post(LISTINGS, NEW | {"price": "100000.01"}), 400)

    def test_a_place_lends_its_coordinates(self, as_alice, sofa, leeds):
        card = as_alice.post(LISTINGS, NEW | {"place": "leeds"}).json()
        assert card["place"] == "Leeds, West Yorkshire"
        assert (card["latitude"], card["longitude"]) == (53.8, -1.55)

    def test_a_county_tells_towns_of_one_name_apart(self, as_alice, sofa, leeds):
        assert as_alice.post(LISTINGS, NEW | {"place": "Leeds, Kent"}).json()["place"] == "Leeds, Kent"

    def test_coordinates_of_its_own_are_kept(self, as_alice, sofa, leeds):
        card = as_alice.post(LISTINGS, NEW | {"place": "Leeds", "latitude": 1, "longitude": 2}).json()
        assert (card["latitude"], card["longitude"]) == (1, 2)

    @pytest.mark.parametrize("half", [{"latitude": 1}, {"longitude": 1}, {"latitude": None, "longitude": 1}])
    def test_half_a_coordinate_is_refused(self, as_alice, sofa, half):
        assert is_problem(as_alice.post(LISTINGS, NEW | half), 400)


class TestEditing:
    def test_the_owner_changes_what_it_says(self, as_alice, sofa):
        card = as_alice.patch(at(sofa), {"title": "Green sofa", "price": "45"}).json()
        assert (card["title"], card["price"], card["category"]) == ("Green sofa", "45.00", SOFAS)

    def test_an_older_source_version_is_a_conflict(self, as_alice, sofa):
        assert as_alice.patch(at(sofa), {"source_version": 5}).json()["source_version"] == 5
        response = as_alice.patch(at(sofa), {"title": "Old", "source_version": 4})
        assert is_problem(response, 409)
        assert response.json()["errors"][0]["field"] == "source_version"

    def test_a_category_that_does_not_exist_is_refused_for_persons(self, as_alice, as_service, sofa):
        assert is_problem(as_alice.patch(at(sofa), {"category": "Canoes"}), 400)
        assert as_service.patch(at(sofa), {"category": "Canoes"}).json()["category"] == "Canoes"

    def test_a_place_can_be_given_and_taken(self, as_alice, sofa, leeds):
        card = as_alice.patch(at(sofa), {"place": "Leeds"}).json()
        assert (card["place"], card["latitude"]) == ("Leeds, West Yorkshire", 53.8)
        assert as_alice.patch(at(sofa), {"place": None}).json()["place"] is None


class TestLeavingTheMarket:
    def test_delete_withdraws_and_the_row_stays(self, as_alice, anyone, sofa):
        assert as_alice.delete(at(sofa)).status_code == 204
        assert is_problem(anyone.get(at(sofa)), 404)
        assert Listing.objects.get(pk=sofa.pk).status == "withdrawn"

    def test_deleting_twice_is_no_mistake(self, as_alice, sofa):
        assert [as_alice.delete(at(sofa)).status_code for _ in range(2)] == [204, 204]

    def test_reserve_and_release(self, as_alice, anyone, sofa):
        assert as_alice.post(at(sofa, "reserve")).json()["status"] == "reserved"
        assert ids(anyone.get(LISTINGS)) == []
        assert as_alice.post(at(sofa, "release")).json()["status"] == "active"

    def test_withdraw_and_publish_again(self, as_alice, sofa):
        assert as_alice.post(at(sofa, "withdraw")).json()["status"] == "withdrawn"
        assert as_alice.post(at(sofa, "publish")).json()["status"] == "active"

    def test_sold_is_for_good(self, as_alice, anyone, sofa, bob):
        assert as_alice.post(at(sofa, "sold"), {"buyer": "bob"}).json()["status"] == "sold"
        assert Listing.objects.get().buyer == bob
        assert is_problem(anyone.get(at(sofa)), 404)
        for response in (
            as_alice.post(at(sofa, "sold"), {}),
            as_alice.delete(at(sofa)),
            *(as_alice.post(at(sofa, verb)) for verb in ("publish", "reserve", "release", "withdraw")),
        ):
            assert is_problem(response, 409)

    def test_the_buyer_need_not_be_known(self, as_alice, sofa):
        assert as_alice.post(at(sofa, "sold")).json()["status"] == "sold"
        assert Listing.objects.get().buyer is None

    def test_a_buyer_whom_a_person_names_has_to_exist(self, as_alice, sofa):
        response = as_alice.post(at(sofa, "sold"), {"buyer": "bobb"})
        assert is_problem(response, 400)
        assert response.json()["errors"][0]["field"] == "buyer"
        assert Listing.objects.get().status == "active"
        assert not Actor.objects.filter(external_id="bobb").exists()

    def test_a_service_names_buyers_at_first_sight(self, as_service, sofa):
        assert as_service.post(at(sofa, "sold"), {"buyer": "shopper-9"}).status_code == 200
        assert Listing.objects.get().buyer.external_id == "shopper-9"


class TestPhotos:
    def test_a_good_one_is_added_in_three_sizes(self, as_alice, sofa, settings):
        response = as_alice.post(at(sofa, "photos"), upload(factories.picture()), format="multipart")
        assert response.status_code == 201
        assert set(response.json()["urls"]) == {"large", "medium", "thumbnail"}
        assert Photo.objects.get().listing == sofa
        assert len(stored_files(settings.MEDIA_ROOT)) == 3

    @pytest.mark.parametrize("image_format", ["JPEG", "PNG", "WEBP"])
    def test_every_accepted_format(self, as_alice, sofa, image_format):
        name, kind = f"sofa.{image_format.lower()}", f"image/{image_format.lower()}"
        data = factories.picture(image_format=image_format)
        response = as_alice.post(at(sofa, "photos"), upload(data, name, kind), format="multipart")
        assert response.status_code == 201

    @pytest.mark.parametrize(
        ("name", "data"),
        [
            ("cut.jpg", factories.picture(size=(400, 300))[:600]),
            ("drawing.svg", b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>"),
            ("renamed.jpg", factories.picture(image_format="PNG")),
            ("empty.jpg", b""),
            ("words.jpg", b"not a photo at all"),
        ],
    )
    def test_a_bad_one_is_refused_and_leaves_nothing(self, as_alice, sofa, settings, name, data):
        response = as_alice.post(at(sofa, "photos"), upload(data, name), format="multipart")
        assert is_problem(response, 400)
        assert not Photo.objects.exists()
        assert stored_files(settings.MEDIA_ROOT) == []

    def test_one_with_too_many_bytes_or_pixels_is_refused(self, as_alice, sofa, settings):
        for limit in ("photo_maximum_bytes", "photo_maximum_pixels"):
            settings.ENVIRONMENT = settings.ENVIRONMENT.model_copy(update={limit: 500})
            response = as_alice.post(at(sofa, "photos"), upload(factories.picture()), format="multipart")
            assert is_problem(response, 400)
        assert stored_files(settings.MEDIA_ROOT) == []

    @pytest.mark.parametrize("body", [{}, {"photo": "words"}, {"image": "words"}])
    def test_without_a_file_the_field_is_named(self, as_alice, sofa, body):
        response = as_alice.post(at(sofa, "photos"), body, format="multipart")
        assert is_problem(response, 400)
        assert response.json()["errors"][0]["field"] == "photo"

    def test_a_body_that_is_no_form_is_refused(self, as_alice, sofa):
        assert is_problem(as_alice.post(at(sofa, "photos"), {}), 415)
        broken = as_alice.generic("POST", at(sofa, "photos"), b"--x", content_type="multipart/form-data")
        assert is_problem(broken, 400)

    def test_the_twenty_first_is_one_too_many(self, as_alice, sofa, settings):
        Photo.objects.bulk_create(
            Photo(listing=sofa, position=position, file="photos/x.jpg", width=1, height=1)
            for position in range(services.MAXIMUM_PHOTOS)
        )
        response = as_alice.post(at(sofa, "photos"), upload(factories.picture()), format="multipart")
        assert is_problem(response, 400)
        assert stored_files(settings.MEDIA_ROOT) == []

    def test_it_can_be_removed(self, as_alice, sofa):
        photo = factories.photo(sofa)
        assert as_alice.delete(at(sofa, "photos", photo.external_id)).status_code == 204
        assert is_problem(as_alice.delete(at(sofa, "photos", photo.external_id)), 404)

    def test_not_through_another_listing(self, as_bob, bob, sofa):
        photo, own = factories.photo(sofa), factories.listing(bob)
        assert is_problem(as_bob.delete(at(own, "photos", photo.external_id)), 404)
        assert Photo.objects.get() == photo


class TestBatches:
    ROW = NEW | {"external_id": "advert-1", "seller": "shop-77"}

    def put(self, client: APIClient, *rows: dict):
        return client.put(BATCH, {"listings": list(rows)})

    def results(self, client: APIClient, *rows: dict) -> list[tuple[str, str]]:
        response = self.put(client, *rows)
        assert response.status_code == 200, response.content
        return [(row["external_id"], row["outcome"]) for row in response.json()["results"]]

    def test_each_row_is_judged_alone(self, as_service):
        rows = [
            self.ROW,
            self.ROW | {"external_id": "advert-2", "price": "free"},
            self.ROW | {"external_id": "advert-3", "category": " / "},
            self.ROW,
            {},
        ]
        expected = [
            ("advert-1", "created"),
            ("advert-2", "rejected"),
            ("advert-3", "rejected"),
            ("advert-1", "rejected"),
            ("", "rejected"),
        ]
        assert self.results(as_service, *rows) == expected
        assert Listing.objects.get().external_id == "advert-1"

    def test_a_rejected_row_says_which_field_and_why(self, as_service, db):
        reason = self.put(as_service, self.ROW | {"price": "free"}).json()["results"][0]["reason"]
        assert reason == "price: A valid number is required."

    def test_a_second_time_is_unchanged_and_an_older_version_stale(self, as_service):
        assert self.results(as_service, self.ROW | {"source_version": 3}) == [("advert-1", "created")]
        assert self.results(as_service, self.ROW | {"source_version": 3}) == [("advert-1", "unchanged")]
        assert self.results(as_service, self.ROW | {"source_version": 2}) == [("advert-1", "stale")]
        row = self.ROW | {"source_version": 4, "status": "sold"}
        assert self.results(as_service, row) == [("advert-1", "updated")]

    def test_staff_may_and_persons_may_not(self, as_staff, as_alice, sofa):
        assert self.results(as_staff, self.ROW) == [("advert-1", "created")]
        assert is_problem(self.put(as_alice, self.ROW), 403)

    def test_a_service_without_the_scope_may_not(self, db):
        assert is_problem(self.put(service_client("reader", ["feed", "events"]), self.ROW), 403)

    @pytest.mark.parametrize(
        "listings", [[], [{}] * 501, {}, "rows", None, [1, "x", None]], ids=lambda v: str(v)[:9]
    )
    def test_what_is_no_batch_of_five_hundred_is_refused(self, as_service, db, listings):
        assert is_problem(as_service.put(BATCH, {"listings": listings}), 400)
        assert not Listing.objects.exists()

    def test_places_of_all_rows_are_looked_up_at_once(self, as_service, leeds, django_assert_max_num_queries):
        rows = [self.ROW | {"external_id": f"advert-{n}", "place": "Leeds"} for n in range(60)]
        rows.append(self.ROW | {"external_id": "lost", "place": "Atlantis"})
        with django_assert_max_num_queries(30):
            outcomes = dict(self.results(as_service, *rows))
        assert outcomes.pop("lost") == "rejected"
        assert set(outcomes.values()) == {"created"}
        assert Listing.objects.filter(place=leeds).count() == 60


class TestGarbage:
    """Nobody gets a 500 for bad input."""

    BAD_FIELDS = [
        {"title": ["x"]}, {"title": {"a": 1}}, {"title": True}, {"title": None},
        {"title": ""}, {"title": "  "}, {"title": "x" * 301}, {"title": "a\0b"}, {"title": "a\ud800"},
        {"description": "\0"}, {"description": 7 * ["x"]}, {"description": "x" * 20_001},
        {"price": "NaN"}, {"price": "sNaN"}, {"price": "Infinity"}, {"price": -1}, {"price": "1e400"},
        {"price": 10**30}, {"price": "0.001"}, {"price": [1]}, {"price": None}, {"price": "9" * 2000},
        {"condition": "shiny"}, {"condition": []}, {"condition": "\ud800"},
        {"category": "a\0"}, {"category": "\ud800"}, {"category": "x" * 501}, {"category": {}},
        {"place": "Atlantis"}, {"place": "a\0"}, {"place": "\ud800"}, {"place": []}, {"place": "x" * 201},
        {"latitude": "nan", "longitude": 1}, {"latitude": "inf", "longitude": 1},
        {"latitude": 10**400, "longitude": 1}, {"latitude": 91, "longitude": 1},
        {"latitude": 1, "longitude": -181}, {"latitude": [], "longitude": {}},
        {"source_version": 2**70}, {"source_version": -1}, {"source_version": 1.5},
        {"source_version": "x"}, {"source_version": []},
    ]  # fmt: skip

    @pytest.mark.parametrize("bad", BAD_FIELDS, ids=lambda bad: ascii(bad)[:40])
    def test_a_bad_value_is_refused_at_every_door(self, as_alice, as_service, sofa, bad):
        assert is_problem(self.send(as_alice, "POST", LISTINGS, NEW | bad), 400)
        assert is_problem(self.send(as_alice, "PATCH", at(sofa), bad), 400)
        row = NEW | {"external_id": "x", "seller": "y"} | bad
        reply = self.send(as_service, "PUT", BATCH, {"listings": [row]})
        assert [row["outcome"] for row in reply.json()["results"]] == ["rejected"]

    @pytest.mark.parametrize(
        "bad",
        [
            {"external_id": "a\ud800"},
            {"external_id": ["x"]},
            {"seller": "a\0"},
            {"status": "gone"},
            {"created_at": "9999-12-31T23:59:59-12:00"},
            {"created_at": "0001-01-01T00:00:00+14:00"},
            {"created_at": 5},
            {"created_at": "soon"},
        ],
        ids=ascii,
    )
    def test_a_bad_row_is_rejected(self, as_service, db, bad):
        row = NEW | {"external_id": "x", "seller": "y"} | bad
        reply = self.send(as_service, "PUT", BATCH, {"listings": [row]})
        assert [row["outcome"] for row in reply.json()["results"]] == ["rejected"]

    @pytest.mark.parametrize(
        "body",
        [
            b"{", b"[]", b"null", b"1", b'"x"', b'{"price": NaN}', b'{"latitude": Infinity}', b"\xff\xfe{}",
            b"[" * 100_000, b'{"title": ' * 5000, b'{"price": ' + b"9" * 5000 + b"}", b"\0", b"{}",
        ],
        ids=lambda body: ascii(body)[:30],
    )  # fmt: skip
    def test_a_body_that_is_no_listing_is_refused(self, as_alice, as_service, sofa, body):
        for client, method, url in (
            (as_alice, "POST", LISTINGS),
            (as_service, "PUT", BATCH),
            (as_alice, "PATCH", at(sofa)),
        ):
            response = client.generic(method, url, body, content_type="application/json")
            assert (method, body) == ("PATCH", b"{}") or is_problem(response, 400)

    @pytest.mark.parametrize("charset", ["rot13", "zlib", "hex", "undefined", "idna", "klingon"])
    def test_a_strange_charset_does_no_harm(self, as_alice, sofa, charset):
        kind = f"application/json; charset={charset}"
        assert is_problem(as_alice.generic("POST", LISTINGS, b"{}", content_type=kind), 400)

    @pytest.mark.parametrize(
        "kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", "nonsense"]
    )
    def test_another_content_type_is_415(self, as_alice, sofa, kind):
        assert is_problem(as_alice.generic("POST", LISTINGS, b"title=x", content_type=kind), 415)

    @pytest.mark.parametrize("external_id", ["a%00b", "%FF", "%ED%A0%80", "x" * 3000, "%F0%9F%9B%8B"])
    def test_a_strange_id_in_an_address_is_refused(self, as_alice, sofa, external_id):
        url = f"{LISTINGS}{external_id}/"
        for response in (
            as_alice.get(url),
            as_alice.patch(url, {}),
            as_alice.delete(url),
            as_alice.post(f"{url}sold/", {}),
            as_alice.delete(at(sofa, "photos", external_id)),
        ):
            assert response.status_code in (400, 404)
            assert response.headers["Content-Type"] == PROBLEM

    def test_a_body_of_many_megabytes_is_refused(self, as_alice, sofa, settings):
        settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 10_000
        assert is_problem(as_alice.post(LISTINGS, NEW | {"description": "x" * 10_000}), 400)

    def send(self, client: APIClient, method: str, url: str, body: dict):
        return client.generic(method, url, json.dumps(body).encode(), content_type="application/json")
