"""Other writings of search words: compounds, plurals, numbers, synonyms."""

import pytest

from recommendations.query_parsing import wording
from recommendations.query_parsing.operators import NO_OPERATORS, Operators
from recommendations.query_parsing.synonyms import Synonyms
from recommendations.query_parsing.vocabulary import Vocabulary
from recommendations.query_parsing.wording import Unit

_WORDS = "sofa bed highchair high chair iphone phone xbox box shelf shelves console tyre table push chair"
WORDS = _WORDS.split()
KNOWN = Vocabulary(100, dict.fromkeys(WORDS, 10))
SYNONYMS = Synonyms.of([("pram, push chair, buggy", ""), ("ps5, playstation 5", ""), ("tyre, tire", "")])


def units(query: str, operators: Operators = NO_OPERATORS) -> tuple[Unit, ...]:
    return wording.word(query, operators, KNOWN, SYNONYMS).units


def phrases(query: str) -> set[tuple[str, ...]]:
    """All phrases of the only unit of a query."""
    [unit] = units(query)
    return {unit.words, *unit.others}


class TestCompounds:
    @pytest.mark.parametrize(
        ("query", "other"),
        [
            ("sofabed", ("sofa", "bed")),
            ("high chair", ("highchair",)),
            ("highchair", ("high", "chair")),
            ("i phone", ("iphone",)),
            ("iphone", ("i", "phone")),
            ("x box", ("xbox",)),
            ("ps 5", ("ps5",)),
            ("ps5", ("ps", "5")),
        ],
    )
    def test_words_are_also_found_together_or_apart(self, query, other):
        assert other in phrases(query)

    def test_words_that_the_catalogue_never_writes_as_one_stay_apart(self):
        assert [unit.words for unit in units("table bed")] == [("table",), ("bed",)]

    def test_no_word_is_split_into_what_the_catalogue_does_not_hold(self):
        assert phrases("tablephone") == {("tablephone",), ("table", "phone")}
        assert phrases("tablexyz") == {("tablexyz",)}


class TestForms:
    @pytest.mark.parametrize(("query", "other"), [("shelves", ("shelf",)), ("shelf", ("shelves",))])
    def test_plurals_that_a_stemmer_misses_are_found(self, query, other):
        assert other in phrases(query)

    @pytest.mark.parametrize(
        ("query", "other"),
        [
            ("pram", ("push", "chair")),
            ("push chair", ("pram",)),
            ("pushchair", ("buggy",)),
            ("playstation 5", ("ps5",)),
            ("tires", ("tyre",)),
        ],
    )
    def test_synonyms_are_found_whatever_the_writing(self, query, other):
        assert other in phrases(query)


class TestUnits:
    def test_stop_words_are_left_out_and_words_counted_once(self):
        assert [unit.words for unit in units("the table of the table")] == [("table",)]

    def test_a_rarer_word_says_more(self):
        known = Vocabulary(100, {"table": 50, "walnut": 5})
        table, walnut = wording.word("table walnut", NO_OPERATORS, known, SYNONYMS).units
        assert walnut.information > table.information

    def test_either_of_an_or_will_do(self):
        [unit] = units("", Operators(either=((("bed",), ("pram",)),)))
        assert {("pram",), ("push", "chair")} <= set(unit.others)

    def test_a_quoted_phrase_has_no_other_writing(self):
        [unit] = units("", Operators(phrases=(("high", "chair"),)))
        assert (unit.is_phrase, unit.others) == (True, ())

    def test_words_that_belong_together_can_be_looked_for_one_by_one(self):
        single = wording.word("push chair", NO_OPERATORS, Vocabulary(), SYNONYMS).single_words
        assert [unit.words for unit in single] == [("push",), ("chair",)]
