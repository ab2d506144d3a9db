"""Order of listings found by words: the thing itself before what belongs to it, in its usual category."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from listings.words import stem, words_in
from recommendations.query_parsing.wording import Unit

LOOKED_AT = 400  # of the best: titles are read one by one
COMPACT, USUAL, RANK = 0.2, 0.3, 0.05  # what else counts beside the support of the words, which is 1 at most
ACCESSORY, WANTED = 0.5, 0.4  # what is taken off
WELL_SUPPORTED = 0.9  # by the title: of such listings the categories are counted
TELLING = 0.25  # share of a title that was asked for; a longer one may be of something that only has it
AHEAD = 3  # words after the thing in which an accessory may be named

_ACCESSORIES = """
    accessories accessory adapter adaptor aerial attachment bag batteries battery belt bit blade box bracket
    bulb cable cap cartridge case casing charger charging chuck clip compartment connector controller
    cord cover cradle cushion dock docking fan filter fitting game guard guide handle hinge holder hook
    hose ink insert jack key knob lead leg lens lid liner lock manual mat mount nozzle panel pedal pipe
    plug pod polish pouch protector pump rack rail ram remote repair replacement rest riser rod screw
    shade sleeve spare spares sponge spring stand sticker strap stylus surround switch tape toner topper
    tray trim trolley tyre valve wheel wire
"""
ACCESSORIES = frozenset(_ACCESSORIES.split())
JOINING = frozenset(
    {"with", "and", "plus", "inc", "incl", "including", "in", "on", "by", "or", "from", "to", "of"}
)
FITTING = frozenset({"for", "fits", "fit", "fitting", "suits", "suit", "compatible"})
NOT_FITTING = frozenset({"sale", "free", "parts", "spares", "collection", "swap"})
SOUGHT = frozenset({"wanted", "wtb"})
NO_WORDS: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Match:
    """A listing that was found by words."""

    pk: int
    title: str
    category_id: int
    support: float  # of the units by the listing, between 0 and 1
    rank: float  # by full text
    has_models: bool = True  # whether it supports all numbers and names of models


@dataclass(frozen=True)
class _Judged:
    match: Match
    score: float
    is_accessory: bool
    share: float  # of the words of the title that were asked for


def ranked(matches: Sequence[Match], units: Sequence[Unit], names: dict[int, frozenset[str]]) -> list[int]:
    """Ids of the matches, best first. Only the first LOOKED_AT change their order, and equals keep it.

    names: category id -> the stems of its name.
    """
    stems = _stems_of(units)
    judged = [_judged(match, stems, names.get(match.category_id, NO_WORDS)) for match in matches[:LOOKED_AT]]
    usual = _usual_categories(judged)
    scores = [one.score + USUAL * usual.get(one.match.category_id, 0.0) for one in judged]
    order = sorted(range(len(judged)), key=lambda place: (not judged[place].match.has_models, -scores[place]))
    return [judged[place].match.pk for place in order] + [match.pk for match in matches[LOOKED_AT:]]


def _stems_of(units: Sequence[Unit]) -> frozenset[str]:
    phrases = (phrase for unit in units for phrase in (unit.words, *unit.others))
    return frozenset(stem(word) for phrase in phrases for word in phrase)


def _judged(match: Match, stems: frozenset[str], category: frozenset[str]) -> _Judged:
    words = words_in(match.title)
    hits = [place for place, word in enumerate(words) if stem(word) in stems]
    share = len(hits) / max(len(words), 1)
    score = match.support + RANK * min(match.rank, 1.0) + COMPACT * share
    is_accessory = _names_another_thing(words, hits, stems, category)
    is_accessory = is_accessory or (bool(hits) and _names_an_accessory(words, hits, stems))
    if is_accessory:
        score -= ACCESSORY
    if words and words[0] in SOUGHT and words[0] not in stems:
        score -= WANTED
    return _Judged(match, score, is_accessory, share)


def _names_another_thing(
    words: list[str], hits: list[int], stems: frozenset[str], category: frozenset[str]
) -> bool:
    """Whether a title names its category in words not asked for: a laptop with SSD, no SSD drive."""
    naming = [place for place, word in enumerate(words) if stem(word) in category]
    is_what_was_asked_for = bool(hits) and hits[-1] + 1 in naming
    return bool(naming) and not category & stems and not is_what_was_asked_for


def _names_an_accessory(words: list[str], hits: list[int], stems: frozenset[str]) -> bool:
    """Whether a title names what belongs to the thing: a radiator cover, or a case for a phone."""
    first = last = hits[0]
    for place in hits[1:]:
        if place <= last + 2:
            last = place
    for word in words[last + 1 : last + 1 + AHEAD]:
        if word in JOINING or word in FITTING:
            break
        if (word in ACCESSORIES or word.removesuffix("s") in ACCESSORIES) and stem(word) not in stems:
            return True
    before = words[:first]
    return any(
        word in FITTING and words[place + 1] not in NOT_FITTING for place, word in enumerate(before) if place
    )


def _usual_categories(judged: Sequence[_Judged]) -> dict[int, float]:
    """Category id -> how usual it is for the thing: 1 for the most frequent category of short titles."""
    counts: dict[int, float] = defaultdict(float)
    for one in judged:
        if one.match.support >= WELL_SUPPORTED and one.share >= TELLING and not one.is_accessory:
            counts[one.match.category_id] += 1.0
    most = max(counts.values(), default=0.0)
    return {pk: count / most for pk, count in counts.items()} if most else {}
