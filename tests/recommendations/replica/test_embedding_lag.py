"""Listings that wait too long for their vectors."""

from datetime import timedelta

import pytest
from django.utils import timezone

from recommendations.models.embeddings import EmbeddingJob, ListingEmbedding
from recommendations.replica.embedding_lag import EMBEDDING_PATIENCE, is_embedding_late

SERVING = "version-that-serves"


@pytest.fixture
def later(sofa):
    """A time at which the sofa has waited too long."""
    return timezone.now() + EMBEDDING_PATIENCE + timedelta(seconds=1)


def store_vector(listing, version: str) -> None:
    ListingEmbedding.objects.create(
        listing=listing, encoder_version=version, content_version=listing.content_version, vector=b""
    )


def test_embedding_is_late_when_a_listing_waits_longer_than_a_minute(sofa, later):
    assert not is_embedding_late(SERVING, now=timezone.now())
    assert is_embedding_late(SERVING, now=later)


def test_embedding_is_not_late_for_a_failed_job(sofa, later):
    EmbeddingJob.objects.update(failed_at=timezone.now())
    assert not is_embedding_late(SERVING, now=later)


def test_embedding_is_late_by_the_encoder_that_serves_alone(sofa, later):
    store_vector(sofa, "another-version")
    assert is_embedding_late(SERVING, now=later)
    store_vector(sofa, SERVING)
    assert not is_embedding_late(SERVING, now=later)
