"""Where a listing says what was asked for: HTML with the words marked."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape

from listings.words import WORD, plain_word, stem, words_in

MOST_WORDS = 32
PASSAGE = 200  # characters of a description
READ = 20_000  # characters of a description, as many as are searched
SHORTEST_PREFIX = 3
ELLIPSIS = "…"
# The commonest of the words that PostgreSQL's English configuration does not look for either.
_STOP_WORDS = """
    a about after all am an and any are as at be because been before being below between both but by can did
    do does doing down during each few for from further had has have having he her here hers him his how i if
    in into is it its just me more most my no nor not now of off on once only or other our out over own s same
    she should so some such t than that the their them then there these they this those through to too under
    until up very was we were what when where which while who whom why will with you your
"""
STOP_WORDS = frozenset(_STOP_WORDS.split())


@dataclass(frozen=True)
class Highlight:
    """HTML: escaped text in which nothing but <mark> is a tag."""

    title: str
    description: str


@dataclass(frozen=True)
class Asked:
    """The words of a query as they are compared: their stems, and how the last one begins."""

    stems: frozenset[str]
    beginning: str | None

    @classmethod
    def of(cls, text: str) -> "Asked":
        words = words_in(text)[:MOST_WORDS]
        last = words[-1] if words else ""
        is_beginning = len(last) >= SHORTEST_PREFIX and last not in STOP_WORDS and not last.isdigit()
        stems = frozenset(stem(word) for word in words if word not in STOP_WORDS)
        return cls(stems, last if is_beginning else None)

    def matched(self, word: str) -> str | None:
        """Which of the words this one is, in whatever form; None for none of them."""
        word = plain_word(word)
        root = stem(word)
        if root in self.stems:
            return root
        begins = self.beginning is not None and word.startswith(self.beginning)
        return stem(self.beginning) if begins else None


@dataclass(frozen=True)
class Match:
    """A word of a text that was asked for: where it stands, and which of the query's words it is."""

    start: int
    end: int
    root: str


def highlight(words: str, title: str, description: str) -> Highlight:
    """The title, and the passage of the description that holds most of the words, as HTML.

    A description without any of them begins at its beginning.
    """
    asked = Asked.of(words)
    description = " ".join(description[:READ].split())
    matches = _matches(asked, description)
    start, end = _passage(description, matches)
    marked = _marked(description, [match for match in matches if start <= match.start < end], start, end)
    before, after = ELLIPSIS if start else "", ELLIPSIS if end < len(description) else ""
    return Highlight(_marked(title, _matches(asked, title), 0, len(title)), f"{before}{marked}{after}")


def _matches(asked: Asked, text: str) -> list[Match]:
    if not asked.stems:
        return []
    found = ((word.start(), word.end(), asked.matched(word.group())) for word in WORD.finditer(text))
    return [Match(start, end, root) for start, end, root in found if root is not None]


def _passage(text: str, matches: Sequence[Match]) -> tuple[int, int]:
    """From where to where the best passage goes: most different words, then most words, then the first."""
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


def _at_blanks(text: str, first: int, matches: Iterable[Match]) -> tuple[int, int]:
    """A passage around what begins at `first`: a little of what goes before it, and no word cut in two."""
    inside = [match.end for match in matches if first <= match.start and match.end <= first + PASSAGE]
    spare = PASSAGE - (max(inside, default=first) - first)
    start = max(0, min(first - spare // 2, len(text) - PASSAGE))
    if start:
        start = text.find(" ", start - 1, first) + 1 or first
    end = min(len(text), max(start + PASSAGE, max(inside, default=0)))
    if end < len(text) and (blank := text.rfind(" ", max([start, *inside]), end + 1)) > start:
        end = blank
    return start, end


def _marked(text: str, matches: Iterable[Match], start: int, end: int) -> str:
    """A stretch of a text, escaped, its matches in <mark>."""
    parts, done = [], start
    for match in matches:
        stop = min(match.end, end)
        parts += [escape(text[done : match.start]), f"<mark>{escape(text[match.start : stop])}</mark>"]
        done = stop
    return "".join([*parts, escape(text[done:end])])
