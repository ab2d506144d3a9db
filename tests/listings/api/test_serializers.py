"""Malformed input to the catalogue: never a 500."""

import json

import pytest
from rest_framework.test import APIClient

from tests.listings.api.requests import BATCH, LISTINGS, NEW, at
from tests.problems import PROBLEM, is_problem


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
        {"place": "a\0"}, {"place": "\ud800"}, {"place": []}, {"place": "x" * 201},
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
