"""Embedding jobs, features of photos and texts, copies of photos, and vectors of listings."""

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import F, Q

from listings.models import Listing, Photo


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

    Derived from the photos and their features (see photo_copies.py). The command `find_copies` rebuilds it.
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
