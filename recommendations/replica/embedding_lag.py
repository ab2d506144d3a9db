"""Check for embedding lag: listings that wait too long for their vectors."""

from datetime import datetime, timedelta

from django.db.models import Exists, OuterRef

from recommendations.models.embeddings import EmbeddingJob, ListingEmbedding

EMBEDDING_PATIENCE = timedelta(minutes=1)  # a listing is embedded within seconds of its publication


def is_embedding_late(encoder_version: str, *, now: datetime) -> bool:
    """Whether a listing waits longer than EMBEDDING_PATIENCE for a current vector of this encoder.

    Counts listings that have a job which has not failed. A listing that only waits for its vector of
    another encoder, which does not serve yet, is not late.
    """
    current = ListingEmbedding.objects.filter(
        listing=OuterRef("listing"),
        encoder_version=encoder_version,
        content_version__gte=OuterRef("listing__content_version"),
    )
    waiting = EmbeddingJob.objects.filter(failed_at=None, listing__updated_at__lt=now - EMBEDDING_PATIENCE)
    return waiting.filter(~Exists(current)).exists()
