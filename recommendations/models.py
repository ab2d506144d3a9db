"""Tables of events, embedding jobs, features, embeddings, the change log and trained models."""

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import F, Func, Q
from django.utils import timezone

from listings.models import Actor, Listing, Photo
from recommendations.fields import TransactionIdField


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
        # Retractions: each takes back earlier events of the same actor and listing (see standing.py).
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
    # Checked as it came in: it names a slate that never showed this listing to this actor. See claims.py.
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


class EmbeddingJob(models.Model):
    """Outbox entry, lease, attempt counter and dead letter of one listing that waits for its embedding."""

    listing = models.OneToOneField(Listing, on_delete=models.CASCADE, related_name="embedding_job")
    attempts = models.PositiveSmallIntegerField(default=0)
    claimed_until = models.DateTimeField(null=True, blank=True)
    last_error = models.TextField(blank=True)
    failed_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        indexes = [
            models.Index(
                fields=["claimed_until"],
                condition=Q(failed_at__isnull=True),
                name="embedding_job_waiting",
            ),
        ]

    def __str__(self) -> str:
        return f"job for listing {self.listing_id}"


class PhotoFeatures(models.Model):
    """Features of a photo by a backbone: little-endian float16, computed once for each pair."""

    photo = models.ForeignKey(Photo, on_delete=models.CASCADE, related_name="features", db_index=False)
    backbone = models.CharField(max_length=100)  # its name and the digest of its weights
    features = models.BinaryField()

    class Meta:
        verbose_name_plural = "photo features"
        constraints = [models.UniqueConstraint(fields=["photo", "backbone"], name="features_once")]

    def __str__(self) -> str:
        return f"features of photo {self.photo_id} by {self.backbone}"


class TextFeatures(models.Model):
    """Features of a listing's text by a sentence encoder: little-endian float16, computed once a text."""

    listing = models.ForeignKey(
        Listing, on_delete=models.CASCADE, related_name="text_features", db_index=False
    )
    text_encoder = models.CharField(max_length=100)  # its name and the digest of its weights
    sha256 = models.CharField(max_length=64)  # of title and description
    features = models.BinaryField()

    class Meta:
        verbose_name_plural = "text features"
        constraints = [
            models.UniqueConstraint(fields=["listing", "text_encoder"], name="text_features_once"),
        ]

    def __str__(self) -> str:
        return f"words of listing {self.listing_id} by {self.text_encoder}"


class PhotoCopy(models.Model):
    """A photo that another listing had shown before. The earliest of equal photos is the original.

    Derived from the photos and their features (see copies.py). The command `find_copies` rebuilds it.
    """

    photo = models.OneToOneField(Photo, on_delete=models.CASCADE, related_name="copy_of")
    original = models.ForeignKey(Photo, on_delete=models.CASCADE, related_name="copies")
    hamming = models.PositiveSmallIntegerField()  # bits of 64 in which the perceptual hashes differ
    likeness = models.FloatField()  # cosine of the backbone's features
    other_seller = models.BooleanField()  # another seller used it first

    class Meta:
        verbose_name_plural = "photo copies"
        constraints = [
            models.CheckConstraint(condition=~Q(photo=F("original")), name="photo_not_copy_of_itself"),
        ]

    def __str__(self) -> str:
        return f"photo {self.photo_id} shows what {self.original_id} showed before"


class ListingEmbedding(models.Model):
    """The embedding of a listing by one encoder version: little-endian float16.

    One row for each listing and version, so that the embeddings of the active encoder stay complete while
    listings are embedded with a new one.
    """

    listing = models.ForeignKey(Listing, on_delete=models.CASCADE, related_name="embeddings", db_index=False)
    encoder_version = models.CharField(max_length=100)
    content_version = models.PositiveIntegerField()
    vector = models.BinaryField()
    # The photos in order, and for each its look vector followed by its meaning vector.
    photo_ids = ArrayField(models.BigIntegerField(), default=list)
    photo_vectors = models.BinaryField(default=bytes)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["listing", "encoder_version"], name="embedding_once"),
        ]

    def __str__(self) -> str:
        return f"vector of listing {self.listing_id} by {self.encoder_version}"


class CatalogueChange(models.Model):
    """The change log that replicas follow. Its order by seq is the order of commits (see changes.py)."""

    class Op(models.TextChoices):
        UPSERT = "upsert"
        REMOVE = "remove"

    seq = models.BigAutoField(primary_key=True)
    listing_id = models.BigIntegerField()
    op = models.CharField(max_length=6, choices=Op)

    def __str__(self) -> str:
        return f"{self.seq}: {self.op} {self.listing_id}"


class TrainedModel(models.Model):
    """The model registry. At most one model of each kind is active."""

    class Kind(models.TextChoices):
        ENCODER = "encoder"
        CLASSIFIER = "classifier"
        COLLABORATIVE = "collaborative"
        RANKER = "ranker"

    class Status(models.TextChoices):
        CANDIDATE = "candidate"
        ACTIVE = "active"
        RETIRED = "retired"
        REJECTED = "rejected"

    kind = models.CharField(max_length=15, choices=Kind)
    version = models.CharField(max_length=100)
    status = models.CharField(max_length=10, choices=Status, default=Status.CANDIDATE)
    metrics = models.JSONField(default=dict, blank=True)
    path = models.CharField(max_length=300, blank=True)  # under MODEL_ROOT; empty if it was rejected
    sha256 = models.CharField(max_length=64, blank=True)  # of the file, or of a folder's digests
    verdict = models.TextField(blank=True)  # the reason why it was published or not
    # Of a training on events, rejected ones too: it read every transaction before this one.
    horizon = TransactionIdField(null=True, editable=False)
    # The error of a process that could not load it. Emptied once a process could.
    problem = models.TextField(blank=True)
    problem_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["kind", "version"], name="model_version_once"),
            models.UniqueConstraint(
                fields=["kind"], condition=Q(status="active"), name="one_active_model_of_a_kind"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.version}"


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


from recommendations.doubt_models import Doubt  # noqa: E402, F401
from recommendations.rule_models import Boost, BoostChange, Experiment, Variant  # noqa: E402, F401
from recommendations.slate_models import Exposure, Impression, ReaderPosition, Slate  # noqa: E402, F401
