"""JSON rendering of responses."""

import json

import pytest

from marketplace.web.renderers import TolerantJSONRenderer


def test_text_is_rendered_in_utf8():
    assert TolerantJSONRenderer().render({"title": "caf\u00e9"}) == '{"title":"caf\u00e9"}'.encode()


@pytest.mark.parametrize("text", ["a\ud800", "\udfffb"], ids=ascii)
def test_a_lone_surrogate_is_rendered_in_ascii(text):
    rendered = TolerantJSONRenderer().render({"title": text})
    assert rendered.isascii() and json.loads(rendered) == {"title": text}


@pytest.mark.parametrize("accepted", ["text/html", "text/html, application/xhtml+xml", "text/html;q=0.9"])
def test_a_browser_that_asks_for_a_page_gets_json(anyone, db, accepted):
    answer = anyone.get("/api/v1/categories/", HTTP_ACCEPT=accepted)
    assert answer.status_code == 200 and answer.headers["Content-Type"].startswith("application/json")
