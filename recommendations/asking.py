"""Asking for actors at a moment in the past, just as the feed would have been asked for them."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import TypeVar

from django.conf import settings
from threadpoolctl import threadpool_limits

from listings.models import Actor
from ml.progress import Progress, unwatched
from recommendations.feed import Asked
from recommendations.feed_parameters import FeedParameters
from recommendations.taste import read_taste
from recommendations.view import View

BY_CHOICE = FeedParameters(explore_share=0)  # nothing by chance
BATCH = 50  # actors whose tastes are read before they are answered for

Answer = TypeVar("Answer")


def ask_each(
    view: View,
    moment: datetime,
    actors: Sequence[Actor],
    answer: Callable[[Asked], Answer],
    progress: Progress = unwatched,
) -> Iterator[Answer]:
    """The answer for each actor, in their order. `answer` runs on threads, so it must not ask the database.

    As in serving, native code runs on one thread for each actor; the actors are what is shared out.
    """
    with threadpool_limits(1), ThreadPoolExecutor(settings.ENVIRONMENT.native_threads) as pool:
        for first in range(0, len(actors), BATCH):
            batch = actors[first : first + BATCH]
            tastes = [read_taste(actor, view, now=moment) for actor in batch]
            asked = [Asked(view, moment, taste, parameters=BY_CHOICE) for taste in tastes]
            yield from pool.map(answer, asked)
            progress(first + len(batch), len(actors))
