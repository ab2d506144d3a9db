"""Photos, batches and malformed input over HTTP."""

import json
from pathlib import Path

import pytest
from rest_framework.test import APIClient

from listings import services
from listings.models import Listing, Photo
from tests import factories
from tests.conftest import service_client
from tests.listings.api.requests import BATCH, LISTINGS, NEW, at, upload
from tests.problems import PROBLEM, is_problem


def stored_files(media: Path) -> list[Path]:
    return [path for path in media.rglob("*") if path.is_file()]


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
            ("renamed.jpg", factories.picture(image_format="PNG")),
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
            for position in range(services.MAXIMUM_PHOTOS)
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

    def test_a_rejected_row_names_its_field_and_the_reason(self, as_service, db):
        reason = self.put(as_service, self.ROW | {"price": "free"}).json()["results"][0]["reason"]
        assert reason == "price: A valid number is required."

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
        assert outcomes.pop("lost") == "rejected"
        assert set(outcomes.values()) == {"created"}
        assert Listing.objects.filter(place=leeds).count() == 60


class TestGarbage:
    """Malformed input never causes a 500."""

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
    def test_a_bad_field_value_is_refused_by_post_patch_and_batch(self, as_alice, as_service, sofa, bad):
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
    def test_a_batch_row_with_a_bad_id_seller_status_or_time_is_rejected(self, as_service, db, bad):
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
    def test_a_request_body_with_a_strange_charset_is_refused(self, as_alice, sofa, charset):
        kind = f"application/json; charset={charset}"
        assert is_problem(as_alice.generic("POST", LISTINGS, b"{}", content_type=kind), 400)

    @pytest.mark.parametrize(
        "kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", "nonsense"]
    )
    def test_a_listing_in_another_content_type_than_json_is_415(self, as_alice, sofa, kind):
        assert is_problem(as_alice.generic("POST", LISTINGS, b"title=x", content_type=kind), 415)

    @pytest.mark.parametrize("external_id", ["a%00b", "%FF", "%ED%A0%80", "x" * 3000, "%F0%9F%9B%8B"])
    def test_a_strange_listing_id_in_an_address_is_refused_as_a_problem(self, as_alice, sofa, external_id):
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

    def test_a_request_body_beyond_the_memory_limit_is_refused(self, as_alice, sofa, settings):
        settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 10_000
        assert is_problem(as_alice.post(LISTINGS, NEW | {"description": "x" * 10_000}), 400)

    def send(self, client: APIClient, method: str, url: str, body: dict):
        return client.generic(method, url, json.dumps(body).encode(), content_type="application/json")
