"""Whether new listings wait longer for their vectors than anybody would expect."""

from datetime import datetime, timedelta

from recommendations.models import EmbeddingJob

PATIENCE = timedelta(minutes=1)  # a listing is embedded within seconds of its publication


def is_embedding_late(*, now: datetime) -> bool:
    """Whether a listing that was made or changed so long ago has no vector yet, and somebody still tries."""
    waiting = EmbeddingJob.objects.filter(failed_at=None)
    return waiting.filter(listing__updated_at__lt=now - PATIENCE).exists()
