"""Tables of slates (served rankings), their impressions, and impression counts. `models` imports them."""

import uuid
from datetime import timedelta

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import F, Func, Q

from listings.models import Actor, Listing
from recommendations.models.fields import TransactionIdField

CURSOR_LIFETIME = timedelta(days=1)


ANONYMOUS_RETENTION = timedelta(days=31)  # anonymous slates: longer than events that name them stay parked


class Slate(models.Model):
    """The ranking of one request, with the features, propensities, versions and parameters behind it."""

    class Surface(models.TextChoices):
        FEED = "feed"
        SEARCH = "search"
        SIMILAR = "similar"
        RECOMMEND = "recommend"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    surface = models.CharField(max_length=10, choices=Surface)
    actor = models.ForeignKey(
        Actor, null=True, blank=True, on_delete=models.CASCADE, related_name="slates", db_index=False
    )
    listing_ids = ArrayField(models.BigIntegerField())  # (m,) keys, m <= 200, in order
    # Little-endian float32 (m, len(feature_names)), rows as in listing_ids, NaN for unknown.
    feature_names = ArrayField(models.CharField(max_length=40), default=list)
    features = models.BinaryField(default=bytes)
    # Propensity of each listing at its place: little-endian float32 (m,), 1 where the order was not sampled.
    propensities = models.BinaryField(default=bytes)
    reasons = ArrayField(models.CharField(max_length=30), default=list)  # (m,) codes
    seed = models.BigIntegerField(default=0)
    versions = models.JSONField(default=dict)  # of encoder, collaborative model and ranker
    parameters = models.JSONField(default=dict)  # filters, weights and variant
    created_at = models.DateTimeField()

    class Meta:
        indexes = [
            models.Index(fields=["actor", "-created_at"], name="slate_of_actor"),
            models.Index(fields=["created_at"], name="slate_by_age"),
        ]

    def __str__(self) -> str:
        return f"{self.surface} {self.pk}"


class Impression(models.Model):
    """A page of a slate that was served."""

    slate = models.ForeignKey(Slate, on_delete=models.CASCADE, related_name="impressions")
    offset = models.PositiveSmallIntegerField()
    count = models.PositiveSmallIntegerField()
    served_at = models.DateTimeField()
    # For readers by watermark, as in Interaction.
    transaction_id = TransactionIdField(db_default=Func(function="pg_current_xact_id"), editable=False)

    class Meta:
        indexes = [
            models.Index(fields=["transaction_id"], name="impression_by_transaction"),
        ]
        constraints = [models.UniqueConstraint(fields=["slate", "offset"], name="places_served_once")]

    def __str__(self) -> str:
        return f"{self.count} listings of {self.slate_id} from {self.offset}"


class Exposure(models.Model):
    """Impressions and clicks of a new listing in feeds, counted by popularity.impression_counts."""

    listing = models.OneToOneField(Listing, on_delete=models.CASCADE, primary_key=True, related_name="+")
    impressions = models.PositiveIntegerField()
    clicks = models.PositiveIntegerField(default=0)

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(clicks__lte=F("impressions")), name="clicks_of_impressions")
        ]

    def __str__(self) -> str:
        return f"listing {self.listing_id}: {self.clicks} clicks of {self.impressions} impressions"


class ReaderPosition(models.Model):
    """The position of a reader by watermark: it has read every transaction before this one."""

    reader = models.CharField(max_length=30, primary_key=True)
    transaction = models.BigIntegerField()

    def __str__(self) -> str:
        return f"{self.reader} at {self.transaction}"
