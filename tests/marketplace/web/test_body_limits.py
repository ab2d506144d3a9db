"""Request bodies that are too large are refused before they are read."""

import io

import pytest
from django.test import Client

from marketplace.web.body_limits import BESIDE_PHOTO_BYTES, PLAIN_BYTES
from tests import factories

FORM, JSON = "multipart/form-data; boundary=x", "application/json"
BATCH, EVENTS = "/api/v1/listings/batch/", "/api/v1/interactions/"
SEARCH, LISTINGS = "/api/v1/search/", "/api/v1/listings/"


class Unread(io.BytesIO):
    def read(self, *_: object) -> bytes:
        pytest.fail("the body was read")


def send(path: str, length: int | str, content_type: str, method: str = "POST"):
    """The response to a request with this Content-Length, whose body must not be read."""
    body = {"CONTENT_LENGTH": str(length), "wsgi.input": Unread()}
    return Client().generic(method, path, content_type=content_type, **body)


def is_too_large(response) -> bool:
    if response.status_code != 413:
        return False
    assert response.headers["Content-Type"] == "application/problem+json"
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert response.json()["status"] == 413
    return True


class TestWhatIsTooLarge:
    @pytest.mark.parametrize(
        "path",
        [
            *("/predict/category", "/predict/similar_images", "/api/v1/classify/", SEARCH, "/admin/login/"),
            *("/api/v1/listings/1/photos/", "/api/v1/login/", "/admin/listings/listing/add/", EVENTS),
        ],
    )
    def test_a_form_larger_than_any_photo_is_refused_unread(self, db, settings, path):
        most = settings.ENVIRONMENT.photo_maximum_bytes + BESIDE_PHOTO_BYTES
        assert is_too_large(send(path, most + 1, FORM))
        assert is_too_large(send(path, 10**30, FORM))

    @pytest.mark.parametrize("content_type", [JSON, "application/x-www-form-urlencoded", "text/plain", ""])
    @pytest.mark.parametrize("path", ["/api/v1/recommend/", SEARCH, "/api/v1/login/", "/admin/login/"])
    def test_a_body_that_is_no_form_is_refused_beyond_the_plain_limit(self, db, path, content_type):
        assert is_too_large(send(path, PLAIN_BYTES + 1, content_type))

    @pytest.mark.parametrize(
        ("method", "path", "most"),
        [("POST", EVENTS, 2_000_000), ("PUT", BATCH, 12_000_000), ("POST", LISTINGS, 300_000)],
    )
    def test_batches_events_and_listings_have_larger_body_limits(self, db, method, path, most):
        assert is_too_large(send(path, most + 1, JSON, method))
        reply = Client().generic(method, path, b"{}".ljust(most), content_type=JSON)
        assert reply.status_code in (400, 401)

    def test_a_negative_content_length_is_refused(self, db):
        assert is_too_large(send(SEARCH, -1, JSON))


class TestWhatFits:
    def test_a_photo_of_the_maximum_size_is_accepted(self, as_alice, alice, settings):
        data = factories.picture()
        settings.ENVIRONMENT = settings.ENVIRONMENT.model_copy(update={"photo_maximum_bytes": len(data)})
        path = f"/api/v1/listings/{factories.listing(alice).external_id}/photos/"
        assert as_alice.post(path, {"photo": io.BytesIO(data)}, format="multipart").status_code == 201

    def test_the_longest_description_fits_even_in_escaped_json(self, as_alice, alice):
        factories.category()
        words = "\N{COUCH AND LAMP}" * 20_000
        content = {"title": "Sofa", "price": "5", "category": "Home & Garden / Sofas", "description": words}
        assert as_alice.post(LISTINGS, content, format="json").status_code == 201
        escaped = '{"title": "Sofa", "description": "' + "\\ud83d\\udecb" * 20_000 + '"}'
        reply = as_alice.generic("PATCH", f"{LISTINGS}none/", escaped.encode(), content_type=JSON)
        assert reply.status_code == 404
