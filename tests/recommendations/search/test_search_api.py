"""Bodies and addresses of the search endpoint."""

import json

import pytest

from tests.recommendations.search.requests import SEARCH, ask, names


class TestSending:
    def test_search_takes_the_same_parameters_as_json(self, anyone, catalogue):
        for body in ({"q": "sofa", "max_price": 100}, {"words": "sofa under £100", "limit": 5}):
            page = anyone.post(SEARCH, body).json()
            assert set(names(page, catalogue)) == {"leather", "bed"}

    def test_a_visitor_without_a_cookie_may_send_a_search(self, client, catalogue):
        reply = client.post(SEARCH, json.dumps({"q": "sofa"}), content_type="application/json")
        assert reply.status_code == 200

    @pytest.mark.parametrize(
        "body",
        [
            {},
            [],
            "sofa",
            {"q": "sofa", "words": "bed"},
            {"q": "sofa\x00"},
            {"q": "\ud800 sofa"},
            {"q": "sofa", "category": "\ud800"},
            {"q": ["sofa"]},
            {"q": {"a": 1}},
            {"q": "a" * 501},
            {"q": "sofa", "k": 5},
            {"q": "sofa", "photo": "photo.jpg"},
            {"q": "sofa", "min_price": 5, "max_price": 2},
            {"q": "sofa", "min_price": "NaN"},
            {"q": "sofa", "lat": 50},
            {"q": "sofa", "lat": "inf", "lon": 1, "radius_km": 5},
        ],
    )
    def test_search_refuses_invalid_bodies(self, anyone, catalogue, body):
        reply = anyone.post(SEARCH, json.dumps(body), content_type="application/json")
        assert (reply.status_code, reply.headers["Content-Type"]) == (400, "application/problem+json")

    @pytest.mark.parametrize("words", ["a" * 10_000, "sofa " * 3000])
    def test_search_refuses_a_query_of_ten_thousand_characters(self, anyone, catalogue, words):
        ask(anyone, status=400, q=words)

    @pytest.mark.parametrize(
        "words",
        [
            *(
                "sofa' OR 1=1; --",
                "sofa & | ! <-> :*",
                "((",
                "\\",
                "%",
                "'",
                "$$",
                "a:*b",
                "sofa:ABCD",
                "-" * 500,
            ),
            *(
                "ſofa",
                "İ",
                "\u202e sofa",
                "\ufeff",
                "x" * 500,
                "£",
                "under",
                "under £",
                "near",
                "1e999",
                "under £1e9",
            ),
            "under £99999999999999999999 near Leeds over £1",
        ],
    )
    def test_odd_words_never_break_a_search(self, anyone, catalogue, follow, words):
        follow()
        for more in ({}, {"understand": "false"}):
            assert anyone.get(SEARCH, {"q": words, **more}).status_code in (200, 400)
