"""Synonyms of search words: a list that ships, kept as rows that staff edit."""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from listings.words import stem
from recommendations.core.ttl_cache import TtlCache
from recommendations.models.boosts import SynonymGroup, phrases_in

SHIPPED = Path(__file__).with_name("synonyms.txt")

Phrase = tuple[str, ...]  # its words


@dataclass(frozen=True)
class Synonyms:
    """Phrases by the stems of a phrase: what a search for it finds too."""

    by_stems: dict[Phrase, tuple[Phrase, ...]] = field(default_factory=dict)
    longest: int = 1  # words of the longest phrase that has any

    @classmethod
    def of(cls, groups: Iterable[tuple[str, str]]) -> "Synonyms":
        """From groups of words and narrower words, each a list with commas."""
        found: dict[Phrase, dict[Phrase, None]] = defaultdict(dict)
        for words, narrower in groups:
            same = phrases_in(words)
            for phrase in same:
                others = (other for other in (*same, *phrases_in(narrower)) if other != phrase)
                found[stems_of(phrase)].update(dict.fromkeys(others))
        by_stems = {stems: tuple(phrases) for stems, phrases in found.items()}
        return cls(by_stems, max(map(len, by_stems), default=1))

    def find(self, words: Iterable[str]) -> tuple[Phrase, ...]:
        """The phrases that a search for these words finds too."""
        return self.by_stems.get(stems_of(words), ())


def stems_of(words: Iterable[str]) -> Phrase:
    """The stems of words."""
    return tuple(map(stem, words))


def synonyms(now: datetime) -> Synonyms:
    """The synonyms in use. They are read once a second at most: an edit takes effect a second later."""
    return _in_use.at(now)


def forget() -> None:
    """Read the synonyms again at the next search."""
    _in_use.forget()


def load_shipped(groups: "type[SynonymGroup]" = SynonymGroup) -> int:
    """Store the groups that ship and are not stored yet. Returns their number.

    groups: the model as a migration knows it.
    """
    stored = set(groups.objects.values_list("words", "narrower"))
    new = [group for group in shipped() if group not in stored]
    groups.objects.bulk_create(
        groups(words=words, narrower=narrower, is_shipped=True) for words, narrower in new
    )
    return len(new)


def shipped() -> Iterator[tuple[str, str]]:
    """The groups of the list that ships: words, narrower words."""
    for line in SHIPPED.read_text(encoding="utf-8").splitlines():
        text = line.partition("#")[0].strip()
        if text:
            words, _, narrower = text.partition(">")
            yield words.strip(), narrower.strip()


def _read(now: datetime) -> Synonyms:
    return Synonyms.of(SynonymGroup.objects.filter(is_active=True).values_list("words", "narrower"))


_in_use: TtlCache[Synonyms] = TtlCache(_read)
