"""Operators in a query: `-word`, `"a phrase"` and `this OR that`."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from listings.words import words_in
from recommendations.query_parsing.spans import is_apart

Phrase = tuple[str, ...]

QUOTED = r'"(?P<{0}>[^"]+)"'
ENDS = r"(?=$|[\s,;.!?)])"
WORD = r"[^\W_][\w'’./&+-]*"
# An inch sign stands after a number: `24" monitor 27" screen` holds no phrase.
PHRASE = re.compile(rf"(?<!\S){QUOTED.format('phrase')}{ENDS}")
MINUS = re.compile(rf"(?<!\S)(?:[-−]|NOT\s+)(?:{QUOTED.format('quoted')}|(?P<word>[^\W\d_][\w'’&+-]*)){ENDS}")
EITHER = re.compile(
    rf"(?<!\S)(?:{WORD}|{QUOTED.format('first')})(?:\s+(?:OR|\|)\s+(?:{WORD}|\"[^\"]+\"))+{ENDS}"
)
OR = re.compile(r"\s+(?:OR|\|)\s+")
LONE = re.compile(r'(?<!\S)(?:OR|NOT|\||["“”])(?!\S)|(?<!\S)"(?=\w)')
CURLY = str.maketrans("“”„«»＂", '""""""')


@dataclass(frozen=True)
class OperatorSpan:
    """A stretch of a query, by character positions, that an operator takes."""

    start: int
    end: int
    kind: str  # excluded, phrase, either, or unread for a sign that stands alone
    phrases: tuple[Phrase, ...] = ()


@dataclass(frozen=True)
class Operators:
    """What the operators of a query ask for."""

    excluded: tuple[Phrase, ...] = ()
    phrases: tuple[Phrase, ...] = ()
    either: tuple[tuple[Phrase, ...], ...] = ()

    @classmethod
    def of(cls, spans: "list[OperatorSpan]") -> "Operators":
        """Of these spans together."""

        def of_kind(kind: str) -> Iterator[OperatorSpan]:
            return (span for span in spans if span.kind == kind)

        return cls(
            tuple(phrase for span in of_kind("excluded") for phrase in span.phrases),
            tuple(phrase for span in of_kind("phrase") for phrase in span.phrases),
            tuple(span.phrases for span in of_kind("either")),
        )


NO_OPERATORS = Operators()


def with_plain_quotes(query: str) -> str:
    """The query with straight quotes for curly ones, each character in its place."""
    return query.translate(CURLY)


def operators_in(query: str) -> list[OperatorSpan]:
    """The operators of a query in its order, none overlapping. A phrase without a letter or digit is none."""
    spans: list[OperatorSpan] = []
    for span in _candidates(query):
        if is_apart(span.start, span.end, spans) and (span.kind == "unread" or all(span.phrases)):
            spans.append(span)
    return sorted(spans, key=lambda span: span.start)


def _candidates(query: str) -> Iterator[OperatorSpan]:
    for match in EITHER.finditer(query):
        yield OperatorSpan(*match.span(), "either", tuple(map(_words, OR.split(match.group()))))
    for match in MINUS.finditer(query):
        yield OperatorSpan(*match.span(), "excluded", (_words(match["quoted"] or match["word"]),))
    for match in PHRASE.finditer(query):
        yield OperatorSpan(*match.span(), "phrase", (_words(match["phrase"]),))
    for match in LONE.finditer(query):
        yield OperatorSpan(*match.span(), "unread")


def _words(text: str) -> Phrase:
    return tuple(words_in(text))
