"""What staff set: boosts of categories, sellers and listings, their history, and synonyms of searches."""

from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import F, Q

from listings.models import Actor, Category, Listing
from listings.words import words_in

MOST_PHRASES = 40  # of a group: each is looked for in every listing
LONGEST_PHRASE = 4  # words
NO_TARGET = {"category__isnull": True, "seller__isnull": True, "listing__isnull": True}


def _only(target: str) -> Q:
    return Q(**{**NO_TARGET, f"{target}__isnull": False})


class Boost(models.Model):
    """A factor on the scores of a category, a seller or a listing, for a time. See boosts.py."""

    category = models.ForeignKey(
        Category,
        null=True,
        blank=True,
        on_delete=models.CASCADE,
        related_name="boosts",
        help_text="What lies below it is included.",
    )
    seller = models.ForeignKey(Actor, null=True, blank=True, on_delete=models.CASCADE, related_name="boosts")
    listing = models.ForeignKey(
        Listing, null=True, blank=True, on_delete=models.CASCADE, related_name="boosts"
    )
    factor = models.FloatField(
        help_text="Above 0 and at most 10: 2 shows them more, 0.5 less. Several boosts of one listing "
        "multiply; together they count for 0.1 at least and 10 at most."
    )
    starts_at = models.DateTimeField("from")
    ends_at = models.DateTimeField("until")
    note = models.CharField(max_length=300, blank=True, help_text="Why, for colleagues.")
    # A name instead of a foreign key: only Actor refers to Django's users, and the name outlives the account.
    created_by = models.CharField(max_length=150, editable=False)
    created_at = models.DateTimeField(editable=False)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=_only("category") | _only("seller") | _only("listing"),
                name="boost_of_exactly_one",
                violation_error_message="Choose exactly one: a category, a seller or a listing.",
            ),
            models.CheckConstraint(
                condition=Q(factor__gt=0, factor__lte=10),
                name="boost_factor_in_range",
                violation_error_message="A factor is above 0 and at most 10.",
            ),
            models.CheckConstraint(
                condition=Q(ends_at__gt=F("starts_at")),
                name="boost_ends_after_start",
                violation_error_message="A boost ends after it starts.",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.factor:g} × {self.kind} {self.target}"

    @property
    def kind(self) -> str:
        """The name of the field that is set: category, seller or listing."""
        return next((name for name in ("category", "seller") if getattr(self, f"{name}_id")), "listing")

    @property
    def target(self) -> Category | Actor | Listing | None:
        return getattr(self, self.kind)


class BoostChange(models.Model):
    """A change of a boost, with its time and author. It outlives the boost."""

    class Action(models.TextChoices):
        ADDED = "added"
        CHANGED = "changed"
        REMOVED = "removed"

    boost_id = models.BigIntegerField(db_index=True)
    action = models.CharField(max_length=7, choices=Action)
    by = models.CharField(max_length=150)
    at = models.DateTimeField()
    before = models.JSONField(null=True)  # target, factor, starts_at, ends_at, note; null: no boost yet
    after = models.JSONField(null=True)

    def __str__(self) -> str:
        return f"boost {self.boost_id} {self.action} by {self.by}"


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
