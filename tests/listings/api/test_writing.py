"""Writing single listings over HTTP."""

import json
from urllib.parse import quote

import pytest
from django.test import Client

from listings.models import Actor, Category, Listing
from tests import factories
from tests.conftest import service_client
from tests.listings.api.requests import BATCH, LISTINGS, NEW, SOFAS, at, ids, upload
from tests.problems import is_problem


@pytest.fixture
def draft(alice) -> Listing:
    return factories.listing(alice, "Draft sofa", status="draft")


class TestWhoMayWrite:
    def test_nobody_writes_to_the_catalogue_without_a_credential(self, anyone, sofa):
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

    def test_a_visitor_who_has_sent_events_may_not_publish(self, anyone, sofa):
        event = {"event_id": "1", "listing": sofa.external_id, "kind": "view"}
        assert anyone.post("/api/v1/interactions/", event).status_code == 200
        assert is_problem(anyone.post(LISTINGS, NEW), 401)

    def test_a_session_publishes_only_with_its_csrf_token(self, alice, sofa):
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

    def test_a_listing_published_with_a_persons_token_is_that_persons(self, as_alice, sofa):
        response = as_alice.post(LISTINGS, NEW)
        assert response.status_code == 201
        assert response.json()["seller"] == "alice"

    def test_a_service_publishes_for_the_seller_it_names(self, as_service):
        response = as_service.post(LISTINGS, NEW | {"seller": "shop-77", "id": "advert-5"})
        assert response.status_code == 201
        assert (response.json()["seller"], response.json()["id"]) == ("shop-77", "advert-5")

    def test_a_service_that_names_no_seller_may_not_publish(self, as_service, db):
        assert is_problem(as_service.post(LISTINGS, NEW), 403)

    def test_a_service_without_the_catalogue_scope_may_not_publish_or_edit(self, sofa):
        reader = service_client("reader", ["feed", "events"])
        assert is_problem(reader.post(LISTINGS, NEW | {"seller": "x"}), 403)
        assert is_problem(reader.patch(at(sofa), {"price": 1}), 403)

    def test_a_person_may_not_publish_for_somebody_else(self, as_alice, sofa):
        response = as_alice.post(LISTINGS, NEW | {"seller": "bob"})
        assert is_problem(response, 403)
        assert response.json()["errors"][0]["field"] == "seller"

    def test_a_draft_is_a_404_for_everybody_but_its_owner(self, as_charlie, draft):
        for response in (
            as_charlie.get(at(draft)),
            as_charlie.patch(at(draft), {"price": 1}),
            as_charlie.delete(at(draft)),
            as_charlie.post(at(draft, "publish")),
        ):
            assert is_problem(response, 404)


class TestPublishing:
    def test_a_published_listing_is_for_sale_at_once(self, as_alice, anyone, sofa):
        created = as_alice.post(LISTINGS, NEW).json()
        assert (created["status"], created["source_version"]) == ("active", None)
        assert created["id"] in ids(anyone.get(LISTINGS))

    def test_a_service_gives_a_listing_its_id_and_version(self, as_service, anyone):
        new = NEW | {"id": "sofa-2", "seller": "x", "source_version": 4}
        created = as_service.post(LISTINGS, new).json()
        assert (created["status"], created["source_version"]) == ("active", 4)
        assert "sofa-2" in ids(anyone.get(LISTINGS))

    def test_a_draft_is_hidden_until_it_is_published(self, as_alice, anyone, sofa):
        draft = Listing.objects.get(
            external_id=as_alice.post(LISTINGS, NEW | {"status": "draft"}).json()["id"]
        )
        assert is_problem(anyone.get(at(draft)), 404)
        assert as_alice.post(at(draft, "publish")).json()["status"] == "active"
        assert anyone.get(at(draft)).status_code == 200

    def test_publishing_under_an_id_that_is_taken_is_a_conflict(self, as_service, sofa):
        response = as_service.post(LISTINGS, NEW | {"id": sofa.external_id, "seller": "x"})
        assert is_problem(response, 409)
        assert response.json()["errors"][0]["field"] == "id"

    @pytest.mark.parametrize("external_id", ["a/b", "a\nb", "..", ".", "batch", "a\0b", "x" * 201, ""])
    def test_a_listing_id_that_cannot_stand_in_a_url_is_refused(self, as_alice, sofa, external_id):
        response = as_alice.post(LISTINGS, NEW | {"id": external_id})
        assert is_problem(response, 400)
        assert {error["field"] for error in response.json()["errors"]} == {"id"}

    @pytest.mark.parametrize("external_id", ["advert 5", "50%", "é?#&", "a.b"])
    def test_a_listing_with_an_unusual_id_is_found_by_its_quoted_url(self, as_service, anyone, external_id):
        assert as_service.post(LISTINGS, NEW | {"id": external_id, "seller": "x"}).status_code == 201
        assert anyone.get(f"{LISTINGS}{quote(external_id, safe='')}/").json()["id"] == external_id

    def test_persons_and_staff_may_not_publish_in_an_unknown_category(self, as_alice, as_staff, sofa):
        for client in (as_alice, as_staff):
            response = client.post(LISTINGS, NEW | {"category": "Home & Garden / Sofass"})
            assert is_problem(response, 400)
            assert response.json()["errors"][0]["field"] == "category"
        assert not Category.objects.filter(path__endswith="Sofass").exists()

    def test_a_service_that_publishes_in_an_unknown_category_creates_it(self, as_service):
        body = NEW | {"seller": "x", "category": "Boats / Canoes"}
        assert as_service.post(LISTINGS, body).json()["category"] == "Boats / Canoes"
        assert Category.objects.get(path="Boats / Canoes").parent.path == "Boats"

    def test_a_price_above_the_maximum_is_refused(self, as_alice, sofa):
        assert is_problem(as_alice.post(LISTINGS, NEW | {"price": "100000.01"}), 400)

    @pytest.mark.parametrize("price", ["-0", "-0.00"])
    def test_a_price_of_minus_nothing_is_nothing(self, as_alice, as_service, sofa, price):
        assert as_alice.post(LISTINGS, NEW | {"price": price}).json()["price"] == "0.00"
        assert as_alice.patch(at(sofa), {"price": price}).json()["price"] == "0.00"

    def test_a_listing_with_a_place_gets_the_coordinates_of_the_place(self, as_alice, sofa, leeds):
        card = as_alice.post(LISTINGS, NEW | {"place": "leeds"}).json()
        assert card["place"] == "Leeds, West Yorkshire"
        assert (card["latitude"], card["longitude"]) == (53.8, -1.55)

    def test_a_place_with_its_county_is_told_from_another_town_of_the_same_name(self, as_alice, sofa, leeds):
        assert as_alice.post(LISTINGS, NEW | {"place": "Leeds, Kent"}).json()["place"] == "Leeds, Kent"

    def test_a_listings_own_coordinates_are_kept_beside_its_place(self, as_alice, sofa, leeds):
        card = as_alice.post(LISTINGS, NEW | {"place": "Leeds", "latitude": 1, "longitude": 2}).json()
        assert (card["latitude"], card["longitude"]) == (1, 2)

    @pytest.mark.parametrize("half", [{"latitude": 1}, {"longitude": 1}, {"latitude": None, "longitude": 1}])
    def test_a_latitude_without_a_longitude_is_refused(self, as_alice, sofa, half):
        assert is_problem(as_alice.post(LISTINGS, NEW | half), 400)


class TestEditing:
    def test_the_owner_edits_title_and_price(self, as_alice, sofa):
        card = as_alice.patch(at(sofa), {"title": "Green sofa", "price": "45"}).json()
        assert (card["title"], card["price"], card["category"]) == ("Green sofa", "45.00", SOFAS)

    def test_an_edit_with_an_older_source_version_is_a_conflict(self, as_service, sofa):
        assert as_service.patch(at(sofa), {"source_version": 5}).json()["source_version"] == 5
        response = as_service.patch(at(sofa), {"title": "Old", "source_version": 4})
        assert is_problem(response, 409)
        assert response.json()["errors"][0]["field"] == "source_version"

    def test_the_owner_may_not_edit_what_is_sold(self, as_alice, as_service, as_staff, sofa):
        as_alice.post(at(sofa, "sold"))
        for change in ({"title": "Stolen goods"}, {"price": "1"}, {"description": "x"}):
            assert is_problem(as_alice.patch(at(sofa), change), 409)
        photo = upload(factories.picture())
        assert is_problem(as_alice.post(at(sofa, "photos"), photo, format="multipart"), 409)
        assert (Listing.objects.get().title, Listing.objects.get().photos.count()) == ("Blue sofa", 0)
        assert as_service.patch(at(sofa), {"title": "Sofa"}).status_code == 200
        assert as_staff.patch(at(sofa), {"title": "Red sofa"}).status_code == 200

    def test_an_edit_to_an_unknown_category_is_refused_for_persons_and_creates_it_for_services(
        self, as_alice, as_service, sofa
    ):
        assert is_problem(as_alice.patch(at(sofa), {"category": "Canoes"}), 400)
        assert as_service.patch(at(sofa), {"category": "Canoes"}).json()["category"] == "Canoes"

    def test_an_edit_can_set_and_remove_the_place(self, as_alice, sofa, leeds):
        card = as_alice.patch(at(sofa), {"place": "Leeds"}).json()
        assert (card["place"], card["latitude"]) == ("Leeds, West Yorkshire", 53.8)
        assert as_alice.patch(at(sofa), {"place": None}).json()["place"] is None


class TestLeavingTheMarket:
    def test_delete_withdraws_a_listing_and_its_row_stays(self, as_alice, anyone, sofa):
        assert as_alice.delete(at(sofa)).status_code == 204
        assert is_problem(anyone.get(at(sofa)), 404)
        assert Listing.objects.get(pk=sofa.pk).status == "withdrawn"

    def test_deleting_a_listing_twice_succeeds(self, as_alice, sofa):
        assert [as_alice.delete(at(sofa)).status_code for _ in range(2)] == [204, 204]

    def test_a_reserved_listing_is_not_listed_and_can_be_released(self, as_alice, anyone, sofa):
        assert as_alice.post(at(sofa, "reserve")).json()["status"] == "reserved"
        assert ids(anyone.get(LISTINGS)) == []
        assert as_alice.post(at(sofa, "release")).json()["status"] == "active"

    def test_a_withdrawn_listing_can_be_published_again(self, as_alice, sofa):
        assert as_alice.post(at(sofa, "withdraw")).json()["status"] == "withdrawn"
        assert as_alice.post(at(sofa, "publish")).json()["status"] == "active"

    def test_a_sold_listing_is_gone_and_no_verb_brings_it_back(self, as_alice, anyone, sofa, bob):
        assert as_alice.post(at(sofa, "sold"), {"buyer": "bob"}).json()["status"] == "sold"
        assert Listing.objects.get().buyer == bob
        assert is_problem(anyone.get(at(sofa)), 404)
        for response in (
            as_alice.post(at(sofa, "sold"), {}),
            as_alice.delete(at(sofa)),
            *(as_alice.post(at(sofa, verb)) for verb in ("publish", "reserve", "release", "withdraw")),
        ):
            assert is_problem(response, 409)

    def test_a_listing_can_be_sold_without_naming_the_buyer(self, as_alice, sofa):
        assert as_alice.post(at(sofa, "sold")).json()["status"] == "sold"
        assert Listing.objects.get().buyer is None

    def test_a_person_may_not_name_an_unknown_buyer(self, as_alice, sofa):
        response = as_alice.post(at(sofa, "sold"), {"buyer": "bobb"})
        assert is_problem(response, 400)
        assert response.json()["errors"][0]["field"] == "buyer"
        assert Listing.objects.get().status == "active"
        assert not Actor.objects.filter(external_id="bobb").exists()

    def test_a_buyer_whom_a_service_names_is_created_when_unknown(self, as_service, sofa):
        assert as_service.post(at(sofa, "sold"), {"buyer": "shopper-9"}).status_code == 200
        assert Listing.objects.get().buyer.external_id == "shopper-9"

    def test_what_staff_withdrew_stays_withdrawn_for_its_owner(self, as_alice, as_staff, sofa):
        assert as_staff.post(at(sofa, "withdraw")).json()["status"] == "withdrawn"
        assert as_alice.delete(at(sofa)).status_code == 204
        assert is_problem(as_alice.post(at(sofa, "publish")), 403)
        assert Listing.objects.get().status == "withdrawn"
        assert as_staff.post(at(sofa, "publish")).json()["status"] == "active"

    @pytest.mark.parametrize("status", ["active", "draft", "reserved", "sold"])
    def test_nor_does_the_next_batch_of_a_service_put_it_back(self, as_service, as_staff, sofa, status):
        as_staff.delete(at(sofa))
        row = NEW | {"external_id": sofa.external_id, "seller": "alice", "status": status}
        result = as_service.put(BATCH, {"listings": [row]}).json()["results"][0]
        assert (result["outcome"], Listing.objects.get().status) == ("rejected", "withdrawn")
        assert "Staff withdrew" in result["reason"]

    def test_what_a_service_withdrew_is_put_back_by_a_service_alone(self, as_alice, as_service, sofa):
        row = NEW | {"external_id": sofa.external_id, "seller": "alice"}
        as_service.put(BATCH, {"listings": [row | {"status": "withdrawn"}]})
        assert is_problem(as_alice.post(at(sofa, "publish")), 403)
        result = as_service.put(BATCH, {"listings": [row | {"status": "active"}]}).json()["results"][0]
        assert (result["outcome"], Listing.objects.get().status) == ("updated", "active")
