"""Serializers of searches: the words that are searched for, and the text to suggest categories for."""

import pytest

from recommendations.api.search_serializers import ClassifyWords, Search, SearchBody
from recommendations.encoders.categories import DESCRIPTION_READ


def valid(serializer_class, **data):
    serializer = serializer_class(data=data)
    serializer.is_valid(raise_exception=True)
    return serializer


@pytest.mark.parametrize("name", ["q", "words"])
def test_a_search_body_takes_its_words_from_either_field(name):
    assert valid(SearchBody, **{name: "blue sofa"}).asked["words"] == "blue sofa"


def test_a_search_body_with_both_q_and_words_is_refused():
    body = SearchBody(data={"q": "blue sofa", "words": "red sofa"})
    assert not body.is_valid()
    assert list(body.errors) == ["words"]


def test_a_search_without_words_is_for_everything():
    assert valid(Search).asked["words"] == ""
    assert valid(Search, q="").asked["words"] == ""


def test_a_search_understands_mends_and_personalises_unless_told_otherwise():
    options = ("understand", "mend", "personalised")
    assert [valid(Search, q="sofa").asked[name] for name in options] == [True] * 3
    without = valid(Search, q="sofa", **dict.fromkeys(options, False)).asked
    assert [without[name] for name in options] == [False] * 3


def test_the_text_to_classify_joins_title_words_and_the_start_of_the_description():
    long = "x" * (DESCRIPTION_READ + 5)
    text = valid(ClassifyWords, title="Sofa", words="blue", description=long).text
    assert text == f"Sofa blue {'x' * DESCRIPTION_READ}"


def test_the_text_to_classify_may_be_empty():
    assert valid(ClassifyWords, title="").text == ""
