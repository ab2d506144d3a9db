"""Listings with vectors, and the index over them."""

from collections.abc import Callable
from datetime import datetime

from django.utils import timezone

from recommendations.encoders import selection
from recommendations.indexing import compaction, embedding_jobs
from recommendations.replica import generations
from recommendations.replica.snapshot import CatalogueSnapshot


def embed(clock: Callable[[], datetime] = timezone.now) -> dict[str, int]:
    """Embed all listings that wait. Returns the numbers `embedded` and `failed`."""
    return embedding_jobs.embed_claimed_batches(clock=clock)


def compact() -> dict[str, int]:
    """Compact even a single change. Returns the numbers `rows` and `changes`."""
    return compaction.compact(least_changes=1)


def newest() -> generations.Generation:
    """The newest index generation of the active encoder."""
    return generations.newest(selection.active_encoder().version)


def live_ids(snapshot: CatalogueSnapshot) -> set[int]:
    """The listings that are alive in a snapshot."""
    return set(snapshot.attributes["listing_id"][snapshot.alive].tolist())
