"""Photos, batches and malformed input over HTTP."""

import pytest
from rest_framework.test import APIClient

from listings import photo_services
from listings.models import Listing, Photo
from tests import factories
from tests.conftest import service_client
from tests.listings.api.requests import BATCH, NEW, at, upload
from tests.listings.photo_files import stored_files
from tests.problems import is_problem


class TestPhotos:
    def test_a_good_photo_is_added_in_three_sizes(self, as_alice, sofa, settings):
        response = as_alice.post(at(sofa, "photos"), upload(factories.picture()), format="multipart")
        assert response.status_code == 201
        assert set(response.json()["urls"]) == {"large", "medium", "thumbnail"}
        assert Photo.objects.get().listing == sofa
        assert len(stored_files(settings.MEDIA_ROOT)) == 3

    @pytest.mark.parametrize("image_format", ["JPEG", "PNG", "WEBP"])
    def test_photos_of_every_accepted_format_are_added(self, as_alice, sofa, image_format):
        name, kind = f"sofa.{image_format.lower()}", f"image/{image_format.lower()}"
        data = factories.picture(image_format=image_format)
        response = as_alice.post(at(sofa, "photos"), upload(data, name, kind), format="multipart")
        assert response.status_code == 201

    @pytest.mark.parametrize(
        ("name", "data"),
        [
            ("cut.jpg", factories.picture(size=(400, 300))[:600]),
            ("drawing.svg", b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>"),
            ("empty.jpg", b""),
            ("words.jpg", b"not a photo at all"),
        ],
    )
    def test_a_bad_photo_is_refused_and_leaves_no_file(self, as_alice, sofa, settings, name, data):
        response = as_alice.post(at(sofa, "photos"), upload(data, name), format="multipart")
        assert is_problem(response, 400)
        assert not Photo.objects.exists()
        assert stored_files(settings.MEDIA_ROOT) == []

    def test_a_photo_with_too_many_bytes_or_pixels_is_refused(self, as_alice, sofa, settings):
        for limit in ("photo_maximum_bytes", "photo_maximum_pixels"):
            settings.ENVIRONMENT = settings.ENVIRONMENT.model_copy(update={limit: 500})
            response = as_alice.post(at(sofa, "photos"), upload(factories.picture()), format="multipart")
            assert is_problem(response, 400)
        assert stored_files(settings.MEDIA_ROOT) == []

    @pytest.mark.parametrize("body", [{}, {"photo": "words"}, {"image": "words"}])
    def test_an_upload_without_a_file_is_refused_by_naming_the_field(self, as_alice, sofa, body):
        response = as_alice.post(at(sofa, "photos"), body, format="multipart")
        assert is_problem(response, 400)
        assert response.json()["errors"][0]["field"] == "photo"

    def test_a_photo_upload_that_is_no_form_is_refused(self, as_alice, sofa):
        assert is_problem(as_alice.post(at(sofa, "photos"), {}), 415)
        broken = as_alice.generic("POST", at(sofa, "photos"), b"--x", content_type="multipart/form-data")
        assert is_problem(broken, 400)

    def test_the_twenty_first_photo_of_a_listing_is_refused(self, as_alice, sofa, settings):
        Photo.objects.bulk_create(
            Photo(listing=sofa, position=position, file="photos/x.jpg", width=1, height=1)
            for position in range(photo_services.MAXIMUM_PHOTOS)
        )
        response = as_alice.post(at(sofa, "photos"), upload(factories.picture()), format="multipart")
        assert is_problem(response, 400)
        assert stored_files(settings.MEDIA_ROOT) == []

    def test_a_photo_can_be_removed_once(self, as_alice, sofa):
        photo = factories.photo(sofa)
        assert as_alice.delete(at(sofa, "photos", photo.external_id)).status_code == 204
        assert is_problem(as_alice.delete(at(sofa, "photos", photo.external_id)), 404)

    def test_a_photo_cannot_be_removed_through_another_listing(self, as_bob, bob, sofa):
        photo, own = factories.photo(sofa), factories.listing(bob)
        assert is_problem(as_bob.delete(at(own, "photos", photo.external_id)), 404)
        assert Photo.objects.get() == photo


KEPT = ("description", "condition", "place_id", "latitude", "longitude")


class TestBatches:
    ROW = NEW | {"external_id": "advert-1", "seller": "shop-77"}

    def put(self, client: APIClient, *rows: dict):
        return client.put(BATCH, {"listings": list(rows)})

    def results(self, client: APIClient, *rows: dict) -> list[tuple[str, str]]:
        response = self.put(client, *rows)
        assert response.status_code == 200, response.content
        return [(row["external_id"], row["outcome"]) for row in response.json()["results"]]

    def test_each_row_of_a_batch_has_an_outcome_of_its_own(self, as_service):
        rows = [
            self.ROW,
            self.ROW | {"external_id": "advert-2", "price": "$5"},
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

    def test_an_unknown_place_costs_its_coordinates_and_a_note(self, as_service, leeds):
        self.put(as_service, self.ROW | {"place": "Leeds"})
        result = self.put(as_service, self.ROW | {"place": "Atlantis"}).json()["results"][0]
        assert (result["outcome"], result["notes"]) == (
            "updated",
            ["place: The gazetteer knows no place 'Atlantis'."],
        )
        listing = Listing.objects.get()
        assert (listing.place, listing.latitude) == (None, None)
        self.put(as_service, self.ROW | {"place": "Atlantis", "latitude": 1, "longitude": 2})
        assert Listing.objects.get().latitude == 1

    def test_a_setting_refuses_rows_with_unknown_places(self, as_service, leeds, settings):
        settings.ENVIRONMENT = settings.ENVIRONMENT.model_copy(update={"unknown_places": "refuse"})
        result = self.put(as_service, self.ROW | {"place": "Atlantis"}).json()["results"][0]
        assert result["outcome"] == "rejected" and "Atlantis" in result["reason"]

    def test_times_that_are_not_taken_are_noted(self, as_service, db):
        ahead, past = "2999-01-01T00:00:00Z", "2020-01-01T00:00:00Z"
        notes = [
            self.put(as_service, self.ROW | {"created_at": time}).json()["results"][0]["notes"]
            for time in (ahead, past)
        ]
        assert notes == [
            ["created_at: it lies ahead, so now was taken."],
            ["created_at: it stays as it was when the listing was new."],
        ]

    def test_a_rejected_row_names_its_field_and_the_reason(self, as_service, db):
        reason = self.put(as_service, self.ROW | {"price": "POA"}).json()["results"][0]["reason"]
        assert reason == "price: This is no price: it names no price."

    def test_a_reason_is_the_path_of_the_field_and_a_sentence(self, as_service, db):
        photos = [
            {"id": "front", "url": "https://elsewhere.example/a.jpg"},
            {"id": "a/b", "url": "https://elsewhere.example/b.jpg"},
        ]
        reason = self.put(as_service, self.ROW | {"photos": photos}).json()["results"][0]["reason"]
        assert reason.startswith("photos.0.url: Photos are not fetched from elsewhere.example: this host")
        assert "; photos.1.id: An id holds" in reason and "; photos.1.url: " in reason

    FULL = {"description": "Oak.", "condition": "good", "place": "leeds"}

    def test_what_a_row_leaves_out_stays_as_it_is(self, as_service, leeds):
        self.results(as_service, self.ROW | self.FULL)
        before = Listing.objects.values(*KEPT).get()
        assert self.results(as_service, self.ROW) == [("advert-1", "unchanged")]
        assert self.results(as_service, self.ROW | {"status": "sold"}) == [("advert-1", "updated")]
        assert Listing.objects.values(*KEPT).get() == before
        assert before["place_id"] == leeds.pk and before["description"] == "Oak."

    @pytest.mark.parametrize(
        ("cleared", "empty"),
        [
            ({"description": None}, {"description": ""}),
            ({"description": ""}, {"description": ""}),
            ({"condition": None}, {"condition": "unknown"}),
            ({"place": None}, {"place_id": None}),
            ({"latitude": None, "longitude": None}, {"latitude": None, "longitude": None}),
        ],
        ids=str,
    )
    def test_null_clears_a_field_and_no_other(self, as_service, leeds, cleared, empty):
        self.results(as_service, self.ROW | self.FULL)
        before = Listing.objects.values(*KEPT).get()
        assert self.results(as_service, self.ROW | cleared) == [("advert-1", "updated")]
        assert Listing.objects.values(*KEPT).get() == before | empty

    def test_a_new_listing_without_them_has_none_of_the_fields_that_are_left_out(self, as_service, db):
        self.results(as_service, self.ROW)
        expected = {"description": "", "condition": "unknown"} | dict.fromkeys(KEPT[2:])
        assert Listing.objects.values(*KEPT).get() == expected

    def test_a_repeated_row_is_unchanged_and_one_of_an_older_source_version_is_stale(self, as_service):
        assert self.results(as_service, self.ROW | {"source_version": 3}) == [("advert-1", "created")]
        assert self.results(as_service, self.ROW | {"source_version": 3}) == [("advert-1", "unchanged")]
        assert self.results(as_service, self.ROW | {"source_version": 2}) == [("advert-1", "stale")]
        row = self.ROW | {"source_version": 4, "status": "sold"}
        assert self.results(as_service, row) == [("advert-1", "updated")]

    def test_staff_may_send_batches_and_other_persons_may_not(self, as_staff, as_alice, sofa):
        assert self.results(as_staff, self.ROW) == [("advert-1", "created")]
        assert is_problem(self.put(as_alice, self.ROW), 403)

    def test_a_service_without_the_catalogue_scope_may_not_send_batches(self, db):
        assert is_problem(self.put(service_client("reader", ["feed", "events"]), self.ROW), 403)

    @pytest.mark.parametrize(
        "listings", [[], [{}] * 501, {}, "rows", None, [1, "x", None]], ids=lambda v: str(v)[:9]
    )
    def test_a_batch_that_is_empty_too_long_or_no_list_of_rows_is_refused(self, as_service, db, listings):
        assert is_problem(as_service.put(BATCH, {"listings": listings}), 400)
        assert not Listing.objects.exists()

    def test_places_of_all_rows_of_a_batch_are_looked_up_in_few_queries(
        self, as_service, leeds, django_assert_max_num_queries
    ):
        rows = [self.ROW | {"external_id": f"advert-{n}", "place": "Leeds"} for n in range(60)]
        rows.append(self.ROW | {"external_id": "lost", "place": "Atlantis"})
        with django_assert_max_num_queries(30):
            outcomes = dict(self.results(as_service, *rows))
        assert set(outcomes.values()) == {"created"}
        assert Listing.objects.filter(place=leeds).count() == 60
