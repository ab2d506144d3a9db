"""Whether new listings wait longer for their vectors than anybody would expect."""

from datetime import datetime, timedelta

from django.db.models import Exists, OuterRef

from recommendations.models import EmbeddingJob, ListingEmbedding

PATIENCE = timedelta(minutes=1)  # a listing is embedded within seconds of its publication


def is_embedding_late(encoder_version: str, *, now: datetime) -> bool:
    """Whether a listing that was made or changed so long ago has no vector of what it says now in the space
    of this encoder, and somebody still tries.

    Where all wait for the vectors of another encoder, which is yet to serve, nothing is late.
    """
    current = ListingEmbedding.objects.filter(
        listing=OuterRef("listing"),
        encoder_version=encoder_version,
        content_version__gte=OuterRef("listing__content_version"),
    )
    waiting = EmbeddingJob.objects.filter(failed_at=None, listing__updated_at__lt=now - PATIENCE)
    return waiting.filter(~Exists(current)).exists()
