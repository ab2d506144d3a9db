import re
from html import unescape

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recommendations.search.highlighting import ELLIPSIS, PASSAGE, highlight

FILLER = "Nothing to see here, please move along. " * 20


def plain(html: str) -> str:
    """The text without its markup. Fails on any tag but <mark>."""
    text = html.replace("<mark>", "").replace("</mark>", "")
    assert not re.search("[<>]", text)
    return unescape(text)


def marked(html: str) -> list[str]:
    return re.findall("<mark>(.*?)</mark>", html)


class TestMarks:
    @pytest.mark.parametrize(
        ("words", "title", "expected"),
        [
            ("sofa", "Blue sofa", ["sofa"]),
            ("SOFAS", "Blue Sofa, two sofas", ["Sofa", "sofas"]),
            ("washing machine", "Washed machines", ["Washed", "machines"]),
            ("batteries", "Battery", ["Battery"]),
            ("sof", "Sofology sofa", ["Sofology", "sofa"]),
            ("gree sofa", "Green sofa", ["sofa"]),
            ("iphone 12", "iPhone 12 (128GB)", ["iPhone", "12"]),
            ("the sofa of", "The sofa of the king", ["sofa"]),
            ("fridge", "Fridge/freezer", ["Fridge"]),
            ("café", "CAFÉ table", ["CAFÉ"]),
            ("the", "The The", []),
            ("", "Blue sofa", []),
            ("& < ' | 🛋️", "R&B 🛋️", []),
        ],
    )
    def test_highlighting_marks_words_of_the_query_in_any_form(self, words, title, expected):
        highlighted = highlight(words, title, "")
        assert marked(highlighted.title) == expected
        assert plain(highlighted.title) == title


class TestPassages:
    def test_a_short_description_is_highlighted_whole(self):
        assert highlight("sofa", "", "A sofa\nfor two.").description == "A <mark>sofa</mark> for two."

    def test_a_long_description_is_cut_to_the_passage_with_the_words(self):
        highlighted = highlight(
            "leather sofa", "", f"{FILLER} a sofa {FILLER} a leather sofa {FILLER}"
        ).description
        assert marked(highlighted) == ["leather", "sofa"]
        assert highlighted.startswith(ELLIPSIS)
        assert highlighted.endswith(ELLIPSIS)
        assert len(plain(highlighted)) <= PASSAGE + 2 * len(ELLIPSIS)

    def test_without_a_match_the_passage_is_the_beginning_of_the_description(self):
        highlighted = highlight("sofa", "", FILLER).description
        assert highlighted.startswith("Nothing to see")
        assert highlighted.endswith(ELLIPSIS)

    def test_a_passage_cuts_no_word_in_two(self):
        passage = plain(highlight("sofa", "", f"{FILLER} sofa {FILLER}").description).strip(ELLIPSIS)
        assert set(passage.split()) <= {*FILLER.split(), "sofa"}

    def test_a_word_longer_than_a_passage_is_cut(self):
        assert len(plain(highlight("xxxx", "", "x" * 10_000).description)) <= PASSAGE + 2


class TestEscaping:
    @pytest.mark.parametrize("words", ["", "script", "script alert", "b", "lt amp", "<script>"])
    def test_highlighting_escapes_html_of_sellers(self, words):
        text = "<script>alert('1')</script> &lt;b&gt; <b>bold</b> & \"more\""
        highlighted = highlight(words, text, text)
        assert plain(highlighted.title) == plain(highlighted.description) == text

    @settings(max_examples=200, deadline=None)
    @given(st.text(max_size=30), st.text(max_size=100), st.text(max_size=600))
    def test_highlighting_escapes_any_text(self, words, title, description):
        highlighted = highlight(words, title, description)
        assert plain(highlighted.title) == title
        assert len(plain(highlighted.description)) <= PASSAGE + 2

    @settings(max_examples=100, deadline=None)
    @given(st.text("ab &<>;'", max_size=12), st.text("ab &<>;'", max_size=600))
    def test_highlighting_escapes_text_that_is_nearly_html(self, words, text):
        assert plain(highlight(words, text, text).title) == text
        assert plain(highlight(words, text, text).description).strip(ELLIPSIS) in " ".join(text.split())
