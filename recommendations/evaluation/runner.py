"""Runner of the feed's stages for actors at a moment in the past, with random exploration turned off."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import TypeVar

from django.conf import settings
from threadpoolctl import threadpool_limits

from listings.models import Actor
from ml.progress import Progress, ignore_progress
from recommendations.feed.pipeline import FeedContext
from recommendations.models.feed_parameters import FeedParameters
from recommendations.replica.snapshot import CatalogueSnapshot
from recommendations.taste.profile import read_profile

NO_EXPLORATION = FeedParameters(explore_share=0)  # without random exploration
BATCH = 50  # actors whose profiles are read before they are ranked for

Answer = TypeVar("Answer")


def run_for_each(
    snapshot: CatalogueSnapshot,
    moment: datetime,
    actors: Sequence[Actor],
    rank: Callable[[FeedContext], Answer],
    progress: Progress = ignore_progress,
) -> Iterator[Answer]:
    """Call `answer` with the feed's context of each actor; results come in the order of the actors.

    `answer` runs on threads, so it must not query the database. As in serving, native code uses one thread
    per actor, and actors are spread over the threads.
    """
    with threadpool_limits(1), ThreadPoolExecutor(settings.ENVIRONMENT.native_threads) as pool:
        for first in range(0, len(actors), BATCH):
            batch = actors[first : first + BATCH]
            profiles = [read_profile(actor, snapshot, now=moment) for actor in batch]
            contexts = [
                FeedContext(snapshot, moment, profile, parameters=NO_EXPLORATION) for profile in profiles
            ]
            yield from pool.map(rank, contexts)
            progress(first + len(batch), len(actors))
