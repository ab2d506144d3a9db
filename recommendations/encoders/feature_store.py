"""Store of photo features and sentence embeddings: computed once for each backbone or sentence encoder.

Every space that uses the same backbone or sentence encoder reads them from here.
"""

import hashlib
from collections.abc import Iterable, Sequence

import numpy as np
from django.db import connection, transaction

from listings.models import Listing, Photo
from listings.photos import processing
from recommendations.encoders.encoder import Encoder
from recommendations.models.embeddings import PhotoFeatures, TextFeatures


def stored_features(encoder: Encoder, pictures: list[Photo]) -> np.ndarray:
    """Features of photos, (m, f) float16. Missing ones are computed and stored."""
    name = encoder.backbone_version
    stored = dict(
        PhotoFeatures.objects.filter(photo__in=pictures, backbone=name).values_list("photo_id", "features")
    )
    missing = [photo for photo in pictures if photo.pk not in stored]
    if missing:
        paths = [processing.path_of(photo.file_name, processing.Size.MEDIUM) for photo in missing]
        computed = encoder.features(paths)  # (len(missing), f) float16
        fresh = {photo.pk: row.astype("<f2").tobytes() for photo, row in zip(missing, computed, strict=True)}
        _store_features(
            PhotoFeatures(photo_id=pk, backbone=name, features=data) for pk, data in fresh.items()
        )
        stored |= fresh
    rows = [np.frombuffer(stored[photo.pk], dtype="<f2") for photo in pictures]
    return np.stack(rows) if rows else np.empty((0, encoder.feature_dimension), np.float16)


@transaction.atomic
def _store_features(rows: Iterable[PhotoFeatures]) -> None:
    """Store the rows of photos that were not deleted in the meantime."""
    row_of = {row.photo_id: row for row in rows}
    held = hold_photos(row_of)
    PhotoFeatures.objects.bulk_create([row_of[pk] for pk in sorted(held)], ignore_conflicts=True)


def hold_photos(photo_ids: Iterable[int]) -> set[int]:
    """Lock these photos against deletion until the transaction ends. Returns those that still exist.

    Foreign keys are checked at the commit, which would fail if a photo were deleted in between.
    """
    with connection.cursor() as cursor:
        statement = "SELECT id FROM listings_photo WHERE id = ANY(%s) ORDER BY id FOR KEY SHARE"
        cursor.execute(statement, [sorted(photo_ids)])
        return {pk for (pk,) in cursor.fetchall()}


def stored_sentences(encoder: Encoder, listings: Sequence[Listing]) -> np.ndarray | None:
    """Sentence embeddings of the words of listings, (n, s) float16. Missing ones are computed and stored.

    None when the encoder uses no sentence encoder.
    """
    name = encoder.text_encoder
    if not name:
        return None
    digests = {listing.pk: _digest(listing) for listing in listings}
    known = TextFeatures.objects.filter(listing__in=listings, text_encoder=name)
    stored = {
        pk: features
        for pk, digest, features in known.values_list("listing_id", "sha256", "features")
        if digest == digests[pk]
    }
    missing = [listing for listing in listings if listing.pk not in stored]
    if missing:
        computed = encoder.sentences([(listing.title, listing.description) for listing in missing])
        assert computed is not None  # the encoder uses a sentence encoder
        fresh = {
            listing.pk: row.astype("<f2").tobytes() for listing, row in zip(missing, computed, strict=True)
        }
        _store_sentences(
            TextFeatures(listing_id=pk, text_encoder=name, sha256=digests[pk], features=features)
            for pk, features in sorted(fresh.items())
        )
        stored |= fresh
    rows = [np.frombuffer(stored[listing.pk], dtype="<f2") for listing in listings]
    return np.stack(rows) if rows else encoder.sentences([])


@transaction.atomic
def _store_sentences(rows: Iterable[TextFeatures]) -> None:
    """Store the rows of listings whose words did not change since they were read.

    Nothing may be stored of a seller who was erased in the meantime.
    """
    row_of = {row.listing_id: row for row in rows}
    locked = Listing.objects.select_for_update(no_key=True).filter(pk__in=row_of).order_by("pk")
    TextFeatures.objects.bulk_create(
        [row_of[listing.pk] for listing in locked if _digest(listing) == row_of[listing.pk].sha256],
        update_conflicts=True,
        unique_fields=["listing", "text_encoder"],
        update_fields=["sha256", "features"],
    )


def _digest(listing: Listing) -> str:
    return hashlib.sha256(f"{listing.title}\0{listing.description}".encode()).hexdigest()
