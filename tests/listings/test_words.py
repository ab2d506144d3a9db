"""Words of a text, and their stems."""

import pytest

from listings.words import LONGEST_WORD, stem, words_in


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Fridge/freezer, CONDITION.Collect", ["fridge", "freezer", "condition", "collect"]),
        ("£50 sofa-bed (2 seats)", ["50", "sofa", "bed", "2", "seats"]),
        ("Cafe\u0301 \U0001f6cb table", ["caf\u00e9", "table"]),
        ("a\ud800b", ["ab"]),
        ("x" * 70, ["x" * LONGEST_WORD]),
        ("...", []),
    ],
    ids=ascii,
)
def test_a_text_is_broken_into_lower_case_words(text, words):
    assert words_in(text) == words


@pytest.mark.parametrize(
    ("one", "other"),
    [("sofas", "sofa"), ("washing", "washed"), ("tables", "table"), ("batteries", "battery")],
)
def test_forms_of_one_word_have_the_same_stem(one, other):
    assert stem(one) == stem(other)


@pytest.mark.parametrize("word", ["bus", "glass", "red", "ps5"])
def test_words_that_only_look_inflected_are_their_own_stem(word):
    assert stem(word) == word
