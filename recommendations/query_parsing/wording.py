"""What a listing has to say to be found: each part of a query with its other writings and synonyms.

Compounds follow the catalogue's own words: `sofabed` is also `sofa bed` where both are words of it, and
`high chair` is also `highchair` where that is one.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import zip_longest

from listings.words import words_in
from recommendations.query_parsing.operators import Operators
from recommendations.query_parsing.stop_words import STOP_WORDS
from recommendations.query_parsing.synonyms import Phrase, Synonyms
from recommendations.query_parsing.vocabulary import Vocabulary

MOST_WORDS = 32  # of a query; the rest is not read
SHORTEST_PART = 3  # letters of the longer part of a compound
PARTS = re.compile(r"[a-z]+|\d+")
SINGLE_LETTERS = frozenset("ietx")  # i phone, e bike, t shirt, x box


@dataclass(frozen=True)
class Unit:
    """One thing that a listing has to hold: words of a query, or one of the other phrases."""

    words: Phrase
    others: tuple[Phrase, ...] = ()
    information: float = 1.0  # inverse document frequency, nats
    is_phrase: bool = False  # the words have to stand side by side
    is_known: bool = False  # its last word is one of the catalogue, and no beginning of one

    @property
    def names_a_model(self) -> bool:
        """Whether it is a number or the name of a model, such as s10, for which nothing else will do."""
        return any(letter.isdigit() for word in self.words for letter in word)


@dataclass(frozen=True)
class Wording:
    """All units of a query, and the phrases that no listing may hold."""

    units: tuple[Unit, ...]
    excluded: tuple[Phrase, ...] = ()
    single_words: tuple[Unit, ...] = ()  # the same as units of one word each

    @property
    def information(self) -> float:
        """The sum over the units."""
        return sum(unit.information for unit in self.units)


def word(text: str, operators: Operators, vocabulary: Vocabulary, synonyms: Synonyms) -> Wording:
    """The wording of a query.

    text: its words without what the operators hold; these make units of their own. Stop words are left out.
    """
    words = list(dict.fromkeys(_telling(words_in(text), vocabulary)))[:MOST_WORDS]
    units = [*_units(words, vocabulary, synonyms)]
    units += [
        Unit(phrase, (), vocabulary.information(phrase), is_phrase=True) for phrase in operators.phrases
    ]
    for either in operators.either:
        known = [_unit(phrase, vocabulary, synonyms) for phrase in either]
        others = (other for unit in known for other in (unit.words, *unit.others))
        first = known[0]
        is_phrase = len(first.words) > 1
        units.append(Unit(first.words, tuple(_new(others, first.words)), first.information, is_phrase))
    single = [part for unit in units for part in _single_words(unit, vocabulary, synonyms)]
    return Wording(tuple(units), operators.excluded, tuple(single))


def _telling(words: list[str], vocabulary: Vocabulary) -> Iterator[str]:
    """The words without stop words. A letter stays if it makes a word with the next one: i phone."""
    for word, following in zip_longest(words, words[1:], fillvalue=""):
        begins = word in SINGLE_LETTERS and bool(following) and vocabulary.knows(word + following)
        if begins or word not in STOP_WORDS:
            yield word


def _units(words: list[str], vocabulary: Vocabulary, synonyms: Synonyms) -> Iterator[Unit]:
    """The words in order, those together that have synonyms or another writing together."""
    start = 0
    while start < len(words):
        lengths = range(min(synonyms.longest, len(words) - start), 1, -1)
        phrases = (tuple(words[start : start + length]) for length in lengths)
        phrase = next((phrase for phrase in phrases if synonyms.find(phrase)), None)
        pair = tuple(words[start : start + 2])
        if phrase is None and len(pair) == 2 and _written_as_one(pair, vocabulary, synonyms):
            phrase = pair
        phrase = phrase or (words[start],)
        yield _unit(phrase, vocabulary, synonyms)
        start += len(phrase)


def _unit(phrase: Phrase, vocabulary: Vocabulary, synonyms: Synonyms) -> Unit:
    """A phrase with all its other writings and their synonyms."""
    writings = [phrase, *_other_writings(phrase, vocabulary)]
    others = [other for writing in writings for other in synonyms.find(writing)]
    everything = [
        writing for other in (*writings, *others) for writing in (other, *_plurals(other, vocabulary))
    ]
    return Unit(
        phrase,
        tuple(_new(everything, phrase)),
        vocabulary.information(phrase),
        is_known=vocabulary.is_usual(phrase[-1]),
    )


def _single_words(unit: Unit, vocabulary: Vocabulary, synonyms: Synonyms) -> list[Unit]:
    """A unit as units of one word each. Phrases in quotes, and words also written as one, stay whole."""
    if unit.is_phrase or len(unit.words) == 1 or vocabulary.is_usual("".join(unit.words)):
        return [unit]
    return [_unit((word,), vocabulary, synonyms) for word in unit.words]


def _new(phrases: Iterable[Phrase], own: Phrase) -> dict[Phrase, None]:
    return {phrase: None for phrase in phrases if phrase != own}


def _written_as_one(pair: Phrase, vocabulary: Vocabulary, synonyms: Synonyms) -> bool:
    """Whether two words are also written as one: highchair, iphone, ps5."""
    joined = "".join(pair)
    return (
        (pair[0].isdigit() != pair[1].isdigit() and joined.isalnum())
        or vocabulary.knows(joined)
        or bool(synonyms.find((joined,)))
    )


def _other_writings(phrase: Phrase, vocabulary: Vocabulary) -> Iterator[Phrase]:
    """Two words as one, and one word as two."""
    if len(phrase) == 2:
        joined = "".join(phrase)
        if joined.isalnum():
            yield (joined,)
    elif len(phrase) == 1:
        yield from _split(phrase[0], vocabulary)


def _split(word: str, vocabulary: Vocabulary) -> Iterator[Phrase]:
    """A word in two: letters and digits, or two words of the catalogue."""
    parts = PARTS.findall(word)
    if len(parts) == 2 and "".join(parts) == word:
        yield tuple(parts)
    if not word.isalpha():
        return
    for place in range(1, len(word) - 1):
        first, second = word[:place], word[place:]
        if place == 1 and (first not in SINGLE_LETTERS or len(second) < SHORTEST_PART):
            continue
        if max(place, len(second)) < SHORTEST_PART or (place > 1 and min(place, len(second)) < 2):
            continue
        if place > 1 and not vocabulary.is_usual(first):
            continue
        if vocabulary.is_usual(second):
            yield first, second


def _plurals(phrase: Phrase, vocabulary: Vocabulary) -> Iterator[Phrase]:
    """The phrase with its last word in a plural or singular that a stemmer misses: shelf, shelves."""
    *before, last = phrase
    if last.endswith("ves") and len(last) > len("ives"):
        forms = [last[:-3] + ending for ending in ("f", "fe")]
    elif last.endswith(("f", "fe")):
        forms = [last.removesuffix("e").removesuffix("f") + "ves"]
    else:
        return
    for form in forms:
        if vocabulary.knows(form):
            yield (*before, form)
