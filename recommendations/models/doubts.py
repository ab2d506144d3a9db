"""Table of doubts: actors whose events count less, with the decisions of staff. `models` imports it."""

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Q
from django.utils import timezone

from listings.models import Actor


class Doubt(models.Model):
    """The reason why an actor's events count less, or not at all, for others. Their own feed is unaffected.

    Detected by trust.detection.
    """

    class Reason(models.TextChoices):
        HASTE = "haste", "more events in a day than a person makes"
        LIKENESS = "likeness", "part of a circle that wants what nobody else wants"

    class Decision(models.TextChoices):
        OPEN = "open", "nobody looked yet"
        UPHELD = "upheld", "it stays so"
        RELEASED = "released", "counts fully, and is not doubted again"

    # The member, for the visitors merged into them too.
    actor = models.OneToOneField(Actor, primary_key=True, on_delete=models.CASCADE, related_name="doubt")
    reason = models.CharField(max_length=10, choices=Reason)
    share = models.FloatField(  # 0: quarantined
        help_text="How much of their weight is left to them in training, trending and co-visitation.",
        validators=[MinValueValidator(0), MaxValueValidator(1)],
    )
    evidence = models.CharField(max_length=200)
    found_at = models.DateTimeField(default=timezone.now)
    decision = models.CharField(max_length=10, choices=Decision, default=Decision.OPEN)
    # A name instead of a foreign key: it outlives the account.
    decided_by = models.CharField(max_length=150, blank=True)
    decided_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(share__gte=0, share__lte=1), name="doubt_share_in_range"),
        ]

    def __str__(self) -> str:
        return f"{self.reason} of {self.actor}"
