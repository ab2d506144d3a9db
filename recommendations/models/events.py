"""Events of actors, and events that wait for a listing which is not known yet."""

from django.db import models
from django.db.models import Func, Q
from django.utils import timezone

from listings.models import Actor, Listing
from recommendations.models.fields import TransactionIdField


class Interaction(models.Model):
    """An event: an actor interacted with a listing. Append-only."""

    class Kind(models.TextChoices):
        VIEW = "view"
        CLICK = "click"
        FAVOURITE = "favourite"
        MESSAGE = "message"
        OFFER = "offer"
        PURCHASE = "purchase"
        HIDE = "hide"
        REPORT = "report"
        # Retractions: each takes back earlier events of the same actor and listing (see retractions.py).
        UNFAVOURITE = "unfavourite"
        UNHIDE = "unhide"
        UNREPORT = "unreport"
        UNOFFER = "unoffer"

    source = models.CharField(max_length=250)  # of the credential that sent it, never of the body
    event_id = models.CharField(max_length=200)
    actor = models.ForeignKey(Actor, on_delete=models.CASCADE, related_name="interactions", db_index=False)
    listing = models.ForeignKey(Listing, on_delete=models.CASCADE, related_name="interactions")
    kind = models.CharField(max_length=12, choices=Kind)
    slate = models.CharField(max_length=64, null=True, blank=True)  # noqa: DJ001  unknown is not ""
    position = models.PositiveSmallIntegerField(null=True, blank=True)
    # Checked as it came in (see attribution.py): it names a slate that never showed this actor this listing.
    is_doubtful = models.BooleanField(db_default=False, default=False, editable=False)
    occurred_at = models.DateTimeField()
    received_at = models.DateTimeField(default=timezone.now)
    # Ids commit out of order, so readers stop at pg_snapshot_xmin(pg_current_snapshot()): see watermark.py.
    transaction_id = TransactionIdField(db_default=Func(function="pg_current_xact_id"), editable=False)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["source", "event_id"], name="interaction_event_once"),
        ]
        indexes = [
            models.Index(fields=["actor", "-occurred_at"], name="interaction_of_actor"),
            models.Index(fields=["transaction_id"], name="interaction_by_transaction"),
            models.Index(
                fields=["actor", "listing"],
                condition=Q(kind__in=["hide", "report"]),
                name="interaction_unwanted",
            ),
            models.Index(
                fields=["listing", "actor"], condition=Q(kind__startswith="un"), name="interaction_taken_back"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} of listing {self.listing_id} by actor {self.actor_id}"


class ParkedInteraction(models.Model):
    """An event of an unknown listing. It becomes an Interaction when the listing is published."""

    source = models.CharField(max_length=250)
    event_id = models.CharField(max_length=200)
    actor = models.ForeignKey(Actor, on_delete=models.CASCADE, related_name="+", db_index=False)
    listing_external_id = models.CharField(max_length=200, db_index=True)
    kind = models.CharField(max_length=12, choices=Interaction.Kind)
    slate = models.CharField(max_length=64, null=True, blank=True)  # noqa: DJ001  unknown is not ""
    position = models.PositiveSmallIntegerField(null=True, blank=True)
    occurred_at = models.DateTimeField()
    received_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["source", "event_id"], name="parked_event_once")]

    def __str__(self) -> str:
        return f"{self.kind} of {self.listing_external_id}, which is not known yet"
