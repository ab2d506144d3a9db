"""Content vectors and showable listings of the catalogue, read for training and refreshing."""

from collections.abc import Iterable

import numpy as np

from listings.models import Listing
from recommendations.collaborative.model import Content
from recommendations.encoders import selection
from recommendations.models.embeddings import ListingEmbedding
from recommendations.models.vector_format import CHUNK

SHOWABLE = (Listing.Status.ACTIVE, Listing.Status.RESERVED, Listing.Status.DRAFT)


def read_content(
    encoder_version: str | None = None, listing_ids: Iterable[int] | None = None
) -> Content | None:
    """Vectors by an encoder (default: the active one) of these listings (default: all, sold ones too).

    None if there are no vectors.
    """
    version = encoder_version or getattr(selection.active_encoder(), "version", None)
    if version is None:
        return None
    stored = ListingEmbedding.objects.filter(encoder_version=version)
    if listing_ids is not None:
        stored = stored.filter(listing__in=[int(pk) for pk in listing_ids])
    rows = list(stored.values_list("listing_id", "vector").iterator(chunk_size=CHUNK))
    vectors = np.frombuffer(b"".join(bytes(vector) for _, vector in rows), dtype="<f2")
    ids = np.array([pk for pk, _ in rows], np.int64)
    return Content(version, ids, vectors.reshape(len(ids), -1)) if rows else None


def read_showable() -> np.ndarray:
    """Ids of the listings that are not sold or withdrawn, which are final: (s,) int64"""
    showable = Listing.objects.filter(status__in=SHOWABLE).values_list("pk", flat=True)
    return np.fromiter(showable.iterator(chunk_size=CHUNK), np.int64)
