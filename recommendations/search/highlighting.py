"""Highlights of search results: HTML with the words of the query marked."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape

from listings.words import WORD, plain_word, stem, words_in
from recommendations.query_parsing.stop_words import STOP_WORDS
from recommendations.query_parsing.tsquery import SHORTEST_PREFIX

MOST_WORDS = 32
PASSAGE = 200  # characters of a description
READ = 20_000  # characters of a description: as many as full text indexes
ELLIPSIS = "…"


@dataclass(frozen=True)
class Highlight:
    """Escaped text as HTML. Its only tag is <mark>."""

    title: str
    description: str


@dataclass(frozen=True)
class QueryTerms:
    """The words of a query for matching: their stems, and the last word as a prefix."""

    stems: frozenset[str]
    beginning: str | None

    @classmethod
    def of(cls, text: str) -> "QueryTerms":
        words = words_in(text)[:MOST_WORDS]
        last = words[-1] if words else ""
        is_beginning = len(last) >= SHORTEST_PREFIX and last not in STOP_WORDS and not last.isdigit()
        stems = frozenset(stem(word) for word in words if word not in STOP_WORDS)
        return cls(stems, last if is_beginning else None)

    def matched(self, word: str) -> str | None:
        """The stem of the query's word that matches this word; None if none does."""
        word = plain_word(word)
        root = stem(word)
        if root in self.stems:
            return root
        if self.beginning is not None and word.startswith(self.beginning):
            return stem(self.beginning)
        return None


@dataclass(frozen=True)
class TermMatch:
    """A matching word of a text: its position, and the stem of the query's word."""

    start: int
    end: int
    root: str


def highlight(words: str, title: str, description: str) -> Highlight:
    """The title, and the passage of the description with the most words of the query, as HTML.

    Without a match the passage is the beginning of the description.
    """
    terms = QueryTerms.of(words)
    description = " ".join(description[:READ].split())
    matches = _matches(terms, description)
    start, end = _passage(description, matches)
    marked = _marked(description, [match for match in matches if start <= match.start < end], start, end)
    before, after = ELLIPSIS if start else "", ELLIPSIS if end < len(description) else ""
    return Highlight(_marked(title, _matches(terms, title), 0, len(title)), f"{before}{marked}{after}")


def _matches(terms: QueryTerms, text: str) -> list[TermMatch]:
    if not terms.stems:
        return []
    words = ((word.start(), word.end(), terms.matched(word.group())) for word in WORD.finditer(text))
    return [TermMatch(start, end, root) for start, end, root in words if root is not None]


def _passage(text: str, matches: Sequence[TermMatch]) -> tuple[int, int]:
    """Start and end of the best passage: most different words, then most words, then the first."""
    if len(text) <= PASSAGE:
        return 0, len(text)
    best = (0, 0, 0)
    last = 0
    for first, match in enumerate(matches):
        while last < len(matches) and matches[last].end <= match.start + PASSAGE:
            last += 1
        inside = matches[first:last]
        best = max(best, (len({match.root for match in inside}), len(inside), -match.start))
    return _at_blanks(text, max(0, -best[2]), matches)


def _at_blanks(text: str, first: int, matches: Iterable[TermMatch]) -> tuple[int, int]:
    """Start and end of a passage around position `first`, with some text before it, and cut at blanks."""
    inside = [match.end for match in matches if first <= match.start and match.end <= first + PASSAGE]
    spare = PASSAGE - (max(inside, default=first) - first)
    start = max(0, min(first - spare // 2, len(text) - PASSAGE))
    if start:
        start = text.find(" ", start - 1, first) + 1 or first
    end = min(len(text), max(start + PASSAGE, max(inside, default=0)))
    if end < len(text) and (blank := text.rfind(" ", max([start, *inside]), end + 1)) > start:
        end = blank
    return start, end


def _marked(text: str, matches: Iterable[TermMatch], start: int, end: int) -> str:
    """A part of a text, escaped, with its matches in <mark>."""
    parts, position = [], start
    for match in matches:
        stop = min(match.end, end)
        parts += [escape(text[position : match.start]), f"<mark>{escape(text[match.start : stop])}</mark>"]
        position = stop
    return "".join([*parts, escape(text[position:end])])
