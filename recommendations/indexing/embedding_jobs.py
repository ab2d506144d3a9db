"""Embedding jobs: requested with a change of a listing, claimed in batches, computed and finished."""

import logging
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
from django.db import connection, transaction
from django.db.models import Exists, F, OuterRef, Q, QuerySet

from listings.models import Listing, Photo
from recommendations.core.failpoints import failpoint
from recommendations.encoders import selection
from recommendations.encoders.encoder import Encoder
from recommendations.encoders.feature_store import stored_features, stored_sentences
from recommendations.indexing import outages, photo_copies
from recommendations.models.embeddings import EmbeddingJob, ListingEmbedding, PhotoFeatures
from recommendations.replica.change_log import append_changes
from recommendations.replica.columns import PhotoRows

BATCH_SIZE = 32
# Far longer than a batch takes. Jobs of a killed worker wait until the lease ends; each attempt doubles it.
LEASE = timedelta(minutes=1)
MAXIMUM_ATTEMPTS = 5
LONGEST_LEASE = LEASE * 2**MAXIMUM_ATTEMPTS
FIRST_PAUSE = timedelta(seconds=5)  # doubled by each further attempt
OUTAGE_PAUSE = timedelta(seconds=30)

KILLED = "Its worker was killed at each attempt."  # shown to staff as the last error of a job

logger = logging.getLogger(__name__)


def request_embeddings(listing_ids: list[int]) -> None:
    """Write a job for each of these listings whose vector is missing or outdated.

    Call it in the transaction that changes them. A job that is claimed becomes free again.
    """
    listings = lacking_vector().filter(pk__in=listing_ids).order_by("pk")
    _free([EmbeddingJob(listing_id=pk) for pk in listings.values_list("pk", flat=True)])


def request_missing() -> None:
    """Write the missing jobs of the whole catalogue. Claimed and failed jobs stay as they are."""
    listings = lacking_vector().filter(embedding_job=None)
    jobs = (EmbeddingJob(listing_id=pk) for pk in listings.values_list("pk", flat=True).iterator())
    EmbeddingJob.objects.bulk_create(jobs, batch_size=2000, ignore_conflicts=True)


def request_anew(listing_ids: list[int]) -> int:
    """Delete the photo features of these listings and request embeddings. Returns the number of jobs."""
    with transaction.atomic():
        PhotoFeatures.objects.filter(photo__listing__in=listing_ids).delete()
        listings = Listing.objects.filter(pk__in=listing_ids, status__in=Listing.ON_MARKET)
        jobs = [EmbeddingJob(listing=listing) for listing in listings]
        _free(jobs)
    return len(jobs)


def _free(jobs: list[EmbeddingJob]) -> None:
    """Write jobs. Existing ones are reset: unclaimed, without attempts."""
    EmbeddingJob.objects.bulk_create(
        jobs,
        update_conflicts=True,
        unique_fields=["listing"],
        update_fields=["attempts", "claimed_until", "failed_at", "last_error"],
    )


def lacking_vector() -> QuerySet[Listing]:
    """Listings that lack a vector of the target encoder.

    Listings on the market need one of their current content. Listings that left it need one if they have a
    vector of another encoder: user profiles still refer to them.
    """
    vectors = ListingEmbedding.objects.filter(listing=OuterRef("pk"))
    of_target = vectors.filter(encoder_version=selection.target_version())
    current = of_target.filter(content_version=OuterRef("content_version"))
    on_market = Q(status__in=Listing.ON_MARKET)
    return Listing.objects.filter(
        on_market & ~Exists(current) | ~on_market & Exists(vectors) & ~Exists(of_target)
    )


def embed_claimed_batches(
    *, clock: Callable[[], datetime], budget: timedelta | None = None
) -> dict[str, int]:
    """Embed until no job is free, or until the budget is spent. Returns the numbers `embedded` and `failed`.

    Safe to run at any time, by any number of workers.
    """
    counts: Counter[str] = Counter()
    until = None if budget is None else clock() + budget
    while (until is None or clock() < until) and (claimed := _claim(now=clock())):
        for jobs in claimed:
            counts.update(_embed(jobs, clock))
    return dict(counts)


def waiting_count() -> int:
    """Number of jobs that have not failed for good."""
    return EmbeddingJob.objects.filter(failed_at=None).count()


def is_complete() -> bool:
    """Whether no job waits and no listing lacks both a vector and a job."""
    return not waiting_count() and not lacking_vector().filter(embedding_job=None).exists()


@transaction.atomic
def _claim(*, now: datetime) -> list[list[EmbeddingJob]]:
    """Claim a batch of new jobs, and one job that was tried before, as a batch of its own.

    The attempt is counted before the work starts, so that a killed process counts too. The newest listings
    come first, so that they do not wait for a backlog. A job that broke a batch does not break another one.
    """
    waiting = EmbeddingJob.objects.filter(failed_at=None)
    # A lease beyond the longest one was written by a clock that was ahead: it counts as free.
    free = waiting.exclude(claimed_until__range=(now, now + LONGEST_LEASE))
    free.filter(attempts__gte=MAXIMUM_ATTEMPTS).update(failed_at=now, last_error=KILLED)
    free = free.order_by("-listing").select_for_update(skip_locked=True)
    claimed = [list(free.filter(attempts=0)[:BATCH_SIZE]), list(free.filter(attempts__gt=0)[:1])]
    claimed = [jobs for jobs in claimed if jobs]
    for jobs in claimed:
        until = now + LEASE * 2 ** jobs[0].attempts
        keys = [job.pk for job in jobs]
        EmbeddingJob.objects.filter(pk__in=keys).update(attempts=F("attempts") + 1, claimed_until=until)
    return claimed


def _embed(jobs: list[EmbeddingJob], clock: Callable[[], datetime]) -> Counter[str]:
    """Compute and finish one batch. A failure is recorded in its jobs; other batches go on."""
    listing_ids = [job.listing_id for job in jobs]
    failpoint("embedding.claimed", listing_ids)
    try:
        spaces = [_compute(encoder, listing_ids) for encoder in selection.load_in_use()]
        failpoint("embedding.computed", listing_ids)
        photo_copies.note_copies(listing_ids)  # before the jobs end, so that it is repeated after a kill
        counts = Counter(embedded=_finish(spaces))
        failpoint("embedding.stored", listing_ids)
        return counts
    except Exception as error:  # a photo or text may break anything
        logger.exception(
            "Embedding %d listings failed. Their jobs are tried again after a pause, %d times at most; other "
            "listings go on",
            len(jobs),
            MAXIMUM_ATTEMPTS,
        )
        if not connection.in_atomic_block:
            connection.close_if_unusable_or_obsolete()  # it may be the cause
        is_outage = outages.is_outage(error, listing_ids)
        _release(jobs, str(error) or type(error).__name__, now=clock(), is_outage=is_outage)
        return Counter(failed=len(jobs))


@dataclass(frozen=True)
class ListingVectors:
    """Vectors of listings by one encoder, and the versions of the content that they describe."""

    encoder_version: str
    content_versions: dict[int, int]  # listing id -> content_version
    matrix: np.ndarray  # (n, d) float16, in the order of content_versions
    photos: PhotoRows

    def rows(self, listing_ids: list[int]) -> list[ListingEmbedding]:
        """The rows to store of these listings."""
        row_of = {pk: row for row, pk in enumerate(self.content_versions)}
        return [self._row(pk, row_of[pk]) for pk in listing_ids]

    def _row(self, listing_id: int, row: int) -> ListingEmbedding:
        own = self.photos.of(row)
        return ListingEmbedding(
            listing_id=listing_id,
            encoder_version=self.encoder_version,
            content_version=self.content_versions[listing_id],
            vector=self.matrix[row].astype("<f2").tobytes(),
            photo_ids=self.photos.ids[own].tolist(),
            photo_vectors=self.photos.vectors[own].astype("<f2").tobytes(),
        )


def _compute(encoder: Encoder, listing_ids: list[int]) -> ListingVectors:
    """Vectors of these listings by one encoder."""
    listings = list(Listing.objects.filter(pk__in=listing_ids).order_by("pk"))
    pictures, features = _pictures_with_features(encoder, listings)
    failpoint("embedding.features", listing_ids)
    row_of = {listing.pk: row for row, listing in enumerate(listings)}
    owners = np.array([row_of[photo.listing_id] for photo in pictures], dtype=np.int64)  # (m,)
    words = [(listing.title, listing.description) for listing in listings]
    coded = encoder.encode(words, features, owners, stored_sentences(encoder, listings))
    photo_ids = np.array([photo.pk for photo in pictures], dtype=np.int64)
    return ListingVectors(
        encoder.version,
        {listing.pk: listing.content_version for listing in listings},
        coded.listings,
        PhotoRows(photo_ids, owners, coded.photos),
    )


def _pictures_with_features(encoder: Encoder, listings: list[Listing]) -> tuple[list[Photo], np.ndarray]:
    """The photos of these listings, and their features (m, f) float16.

    A photo that is deleted before its file was read is left out: the deletion wrote another job.
    """
    of_listings = Photo.objects.filter(listing__in=listings).order_by("listing_id", "position")
    pictures = list(of_listings)
    while True:
        try:
            return pictures, stored_features(encoder, pictures)
        except Exception:
            ids = set(of_listings.values_list("pk", flat=True))
            remaining = [photo for photo in pictures if photo.pk in ids]
            if len(remaining) == len(pictures):
                raise
            pictures = remaining


@transaction.atomic
def _finish(spaces: list[ListingVectors]) -> int:
    """Store the vectors, delete their jobs and log the changes, all or nothing. Returns how many listings.

    A listing that was edited in the meantime keeps its job. The jobs are locked first: an edit is either
    seen here or writes a new job after this transaction.
    """
    ids = sorted(spaces[0].content_versions)
    jobs = EmbeddingJob.objects.filter(listing__in=ids)
    list(jobs.order_by("listing").select_for_update().values_list("pk"))
    versions = dict(Listing.objects.filter(pk__in=ids).values_list("pk", "content_version"))
    current = [
        pk for pk in ids if all(vectors.content_versions.get(pk) == versions.get(pk) for vectors in spaces)
    ]
    ListingEmbedding.objects.bulk_create(
        [row for vectors in spaces for row in vectors.rows(current)],
        update_conflicts=True,
        unique_fields=["listing", "encoder_version"],
        update_fields=["content_version", "vector", "photo_ids", "photo_vectors"],
    )
    jobs.filter(listing__in=current).delete()
    append_changes(current)
    return len(current)


def _release(jobs: list[EmbeddingJob], error: str, *, now: datetime, is_outage: bool) -> None:
    """Record the error and free the jobs after a pause. A job with MAXIMUM_ATTEMPTS fails for good.

    In an outage the attempt does not count. At least one attempt stays, so that each job is tried alone:
    one that does not depend on the outage, or that causes it by its size, then does not hold up others.
    """
    for job in EmbeddingJob.objects.filter(pk__in=[job.pk for job in jobs]):
        job.last_error = error[:2000]
        if is_outage:
            job.attempts = max(job.attempts - 1, 1)
            job.claimed_until = now + OUTAGE_PAUSE
        else:
            job.claimed_until = now + FIRST_PAUSE * 2 ** (job.attempts - 1)
            job.failed_at = now if job.attempts >= MAXIMUM_ATTEMPTS else None
        job.save(update_fields=["attempts", "last_error", "claimed_until", "failed_at"])
