"""Synonyms of search words, which staff edit."""

from django.core.exceptions import ValidationError
from django.db import models

from listings.words import words_in

MOST_PHRASES = 40  # of a group: each is looked for in every listing
LONGEST_PHRASE = 4  # words


class SynonymGroup(models.Model):
    """Words of searches that mean the same, each a word or a phrase; and words that all of them find, too.

    A search for one of `words` finds the others and `narrower`. A search for one of `narrower` finds none of
    the others.
    """

    words = models.CharField(
        max_length=1000, help_text="Words that mean the same, separated by commas: pram, pushchair, buggy."
    )
    narrower = models.CharField(
        max_length=1000,
        blank=True,
        help_text="What a search for these words finds too, but not the other way round: vinyl, lp.",
    )
    is_active = models.BooleanField("in use", default=True)
    is_shipped = models.BooleanField("came with the software", default=False, editable=False)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["words", "narrower"], name="synonyms_once")]

    def __str__(self) -> str:
        return self.words

    def clean(self) -> None:
        """Refuse a group that finds nothing more, or whose phrases are too many or too long."""
        same, more = phrases_in(self.words), phrases_in(self.narrower)
        if not same or len(same) + len(more) < 2:
            raise ValidationError("A group needs two words at least, separated by commas.")
        if len(same) + len(more) > MOST_PHRASES:
            raise ValidationError(f"A group holds {MOST_PHRASES} words at most.")
        if any(len(phrase) > LONGEST_PHRASE for phrase in (*same, *more)):
            raise ValidationError(f"A phrase has {LONGEST_PHRASE} words at most.")


def phrases_in(text: str) -> tuple[tuple[str, ...], ...]:
    """The phrases of a list with commas, each as its words. Empty ones are left out."""
    phrases = (tuple(words_in(part)) for part in text.split(","))
    return tuple(dict.fromkeys(phrase for phrase in phrases if phrase))
