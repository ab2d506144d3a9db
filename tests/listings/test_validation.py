"""Titles that nobody can read are refused, wherever they come from."""

import pytest

from listings.models import Listing
from tests.listings.api.requests import BATCH, LISTINGS, NEW, at
from tests.problems import is_problem

# As they were sent: with characters that turn the direction of text, and without anything that can be seen.
TURNED = ["Blue \u202eafos", "\u2066Blue sofa\u2069", "\u202aSofa\u202c"]
UNSEEN = ["\u200b", "\u200d\u2060\ufeff", "\u00ad", "\u3164", "\u2800 \u115f", "\u0301", "\U000e0041"]
SEEN = ["Sofa \U0001f6cb\ufe0f", "\U0001f468\u200d\U0001f469", "می‌خواهم", "ספה כחולה", "ソファ", "?"]


@pytest.mark.parametrize("title", [*TURNED, *UNSEEN], ids=ascii)
def test_a_title_that_turns_the_text_or_cannot_be_seen_is_refused(as_alice, as_service, sofa, title):
    for response in (
        as_alice.post(LISTINGS, NEW | {"title": title}),
        as_alice.patch(at(sofa), {"title": title}),
    ):
        assert is_problem(response, 400)
        assert {error["field"] for error in response.json()["errors"]} == {"title"}
    row = NEW | {"external_id": "advert-1", "seller": "ada", "title": title}
    result = as_service.put(BATCH, {"listings": [row]}).json()["results"][0]
    assert (result["outcome"], result["reason"].partition(":")[0]) == ("rejected", "title")
    assert list(Listing.objects.values_list("title", flat=True)) == ["Blue sofa"]


@pytest.mark.parametrize("title", SEEN, ids=ascii)
def test_any_other_title_is_kept_as_it_is(as_alice, sofa, title):
    assert as_alice.patch(at(sofa), {"title": title}).json()["title"] == title
