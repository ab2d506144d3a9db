"""Operators in search queries."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recommendations.query_parsing.operators import Operators, operators_in
from recommendations.query_parsing.understanding import understand


def read(query: str) -> Operators:
    return Operators.of(operators_in(query))


class TestOperators:
    @pytest.mark.parametrize(
        ("query", "excluded"),
        [
            ("coffee table -glass", [("glass",)]),
            ("sofa -leather -corner", [("leather",), ("corner",)]),
            ('sofa -"sofa bed"', [("sofa", "bed")]),
            ("sofa −leather", [("leather",)]),
            ("sofa NOT leather", [("leather",)]),
        ],
    )
    def test_a_minus_excludes_a_word_or_a_phrase(self, query, excluded):
        assert read(query).excluded == tuple(excluded)

    @pytest.mark.parametrize("query", ["t-shirt", "sofa - leather", "fridge-freezer", "£50 -100", "not it"])
    def test_a_hyphen_that_begins_no_word_excludes_nothing(self, query):
        assert read(query).excluded == ()

    def test_words_in_quotes_are_a_phrase(self):
        assert read('"coffee table" oak').phrases == (("coffee", "table"),)

    @pytest.mark.parametrize("query", ['24" monitor 27" screen', '43" tv', 'bike 20"'])
    def test_inches_are_no_quotes(self, query):
        assert read(query) == Operators()
        assert understand(query).unread == ()

    @pytest.mark.parametrize("query", ["sofa OR settee", "sofa | settee", "blue sofa OR settee"])
    def test_or_asks_for_either_of_its_neighbours(self, query):
        assert read(query).either == ((("sofa",), ("settee",)),)

    def test_or_takes_several_and_phrases(self):
        assert read('futon OR "sofa bed" OR divan').either == ((("futon",), ("sofa", "bed"), ("divan",)),)

    @pytest.mark.parametrize("query", ["sofa or settee", "OR", "this orange"])
    def test_small_letters_and_lone_signs_are_no_operators(self, query):
        assert read(query).either == ()


class TestParts:
    def test_every_operator_is_a_part_that_can_be_taken_off(self):
        parts = understand('"coffee table" -glass oak OR pine').understood
        assert [(part.kind, part.text, part.without) for part in parts] == [
            ("phrase", '"coffee table"', "-glass oak OR pine"),
            ("excluded", "-glass", '"coffee table" oak OR pine'),
            ("either", "oak OR pine", '"coffee table" -glass'),
        ]

    def test_curly_quotes_and_wide_signs_are_read_like_plain_ones(self):
        assert understand("“coffee table” －glass").operators == read('"coffee table" -glass')

    @pytest.mark.parametrize(
        ("query", "unread"),
        [
            ('"coffee table oak', ['"']),
            ("sofa OR", ["OR"]),
            ("sofa under €100", ["under €100"]),
            ("sofa near nowhere", ["near nowhere"]),
            ("sofa not in London", ["not in London"]),
        ],
    )
    @pytest.mark.django_db
    def test_what_could_not_be_read_is_said(self, query, unread):
        assert list(understand(query).unread) == unread

    @given(st.text('ab "-|ORNT−„“', max_size=30))
    def test_operators_accept_any_text(self, query):
        spans = operators_in(query)
        assert all(first.end <= second.start for first, second in pairwise(spans))
