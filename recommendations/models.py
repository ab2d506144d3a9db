"""Events, the work they cause, and what is derived from them but kept in PostgreSQL."""

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import F, Func, Q
from django.utils import timezone

from listings.models import Actor, Listing, Photo
from recommendations.fields import TransactionIdField


class Interaction(models.Model):
    """What an actor did with a listing. Append-only."""

    class Kind(models.TextChoices):
        VIEW = "view"
        CLICK = "click"
        FAVOURITE = "favourite"
        MESSAGE = "message"
        OFFER = "offer"
        PURCHASE = "purchase"
        HIDE = "hide"
        REPORT = "report"
        # Each takes back what the same actor did with the same listing before it.
        UNFAVOURITE = "unfavourite"
        UNHIDE = "unhide"
        UNREPORT = "unreport"
        UNOFFER = "unoffer"

    source = models.CharField(max_length=250)  # who vouches for it: from the credential, never the body
    event_id = models.CharField(max_length=200)
    actor = models.ForeignKey(Actor, on_delete=models.CASCADE, related_name="interactions", db_index=False)
    listing = models.ForeignKey(Listing, on_delete=models.CASCADE, related_name="interactions")
    kind = models.CharField(max_length=12, choices=Kind)
    slate = models.CharField(max_length=64, null=True, blank=True)  # noqa: DJ001  unknown is not ""
    position = models.PositiveSmallIntegerField(null=True, blank=True)
    # Judged as it came in: it claims a slate that never showed this listing to this actor. See claims.py.
    is_doubtful = models.BooleanField(db_default=False, default=False, editable=False)
    occurred_at = models.DateTimeField()
    received_at = models.DateTimeField(default=timezone.now)
    # Ids commit out of order: a reader by watermark stops at pg_snapshot_xmin(pg_current_snapshot()).
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
    """Outbox, lease, attempt counter and dead letter for one listing that waits for its vector."""

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
    """What a backbone sees in a photo: little-endian float16, computed once for photo and backbone."""

    photo = models.ForeignKey(Photo, on_delete=models.CASCADE, related_name="features", db_index=False)
    backbone = models.CharField(max_length=100)  # its name and the digest of its weights
    features = models.BinaryField()

    class Meta:
        verbose_name_plural = "photo features"
        constraints = [models.UniqueConstraint(fields=["photo", "backbone"], name="features_once")]

    def __str__(self) -> str:
        return f"features of photo {self.photo_id} by {self.backbone}"


class TextFeatures(models.Model):
    """What a sentence encoder reads in a listing's words: little-endian float16, computed once for a text."""

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
    """A photo that another listing had shown before: the earliest of them is the original.

    Derived from the photos and their features (see copies.py); `find_copies` makes it anew.
    """

    photo = models.OneToOneField(Photo, on_delete=models.CASCADE, related_name="copy_of")
    original = models.ForeignKey(Photo, on_delete=models.CASCADE, related_name="copies")
    hamming = models.PositiveSmallIntegerField()  # bits of 64 in which the perceptual hashes differ
    likeness = models.FloatField()  # cosine of the backbone's features
    other_seller = models.BooleanField()  # somebody else used it first

    class Meta:
        verbose_name_plural = "photo copies"
        constraints = [
            models.CheckConstraint(condition=~Q(photo=F("original")), name="photo_not_copy_of_itself"),
        ]

    def __str__(self) -> str:
        return f"photo {self.photo_id} shows what {self.original_id} showed before"


class ListingEmbedding(models.Model):
    """A listing's vector: little-endian float16, in the space of one encoder version.

    One row a listing and version: while a new encoder is made ready, the old space stays whole.
    """

    listing = models.ForeignKey(Listing, on_delete=models.CASCADE, related_name="embeddings", db_index=False)
    encoder_version = models.CharField(max_length=100)
    content_version = models.PositiveIntegerField()
    vector = models.BinaryField()
    # Its photos, and look and meaning of each, one behind the other.
    photo_ids = ArrayField(models.BigIntegerField(), default=list)
    photo_vectors = models.BinaryField(default=bytes)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["listing", "encoder_version"], name="embedding_once"),
        ]

    def __str__(self) -> str:
        return f"vector of listing {self.listing_id} by {self.encoder_version}"


class CatalogueChange(models.Model):
    """The log that serving processes tail. Its seq order is the order of commits (see changes.py)."""

    class Op(models.TextChoices):
        UPSERT = "upsert"
        REMOVE = "remove"

    seq = models.BigAutoField(primary_key=True)
    listing_id = models.BigIntegerField()
    op = models.CharField(max_length=6, choices=Op)

    def __str__(self) -> str:
        return f"{self.seq}: {self.op} {self.listing_id}"


class TrainedModel(models.Model):
    """The registry of what was trained: one active row for each kind."""

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
    path = models.CharField(max_length=300, blank=True)  # under MODEL_ROOT; none if it was rejected
    sha256 = models.CharField(max_length=64, blank=True)  # of the file, or of a folder's digests
    verdict = models.TextField(blank=True)  # why it was published, or was not
    # Of a training on events, refused ones too: every transaction before this one was read.
    horizon = TransactionIdField(null=True, editable=False)
    # What kept a process from loading it; empty again once one could.
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
    """An event of a listing that is not known yet: it becomes an Interaction as the listing comes."""

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
