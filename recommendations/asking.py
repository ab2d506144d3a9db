"""Asking for actors at a moment in the past, just as the feed would have been asked for them."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import TypeVar

import numpy as np
from django.conf import settings
from threadpoolctl import threadpool_limits

from listings.models import Actor
from ml.arrays import Matrix, Rows
from recommendations.candidates import Candidates, gather, score_rows
from recommendations.filters import Filters, allowed_rows
from recommendations.ranking import rank
from recommendations.taste import Taste, read_taste
from recommendations.view import View

BATCH = 50  # actors whose tastes are read before they are answered for

Answer = TypeVar("Answer")
Progress = Callable[[int, int], None]  # actors done, actors in all


def in_silence(done: int, total: int) -> None:
    """Progress that nobody watches."""


@dataclass(frozen=True)
class Asked:
    """One actor at a moment, as the feed would have known them, and the steps of feed.py from there on."""

    view: View
    moment: datetime
    taste: Taste

    @cached_property
    def allowed(self) -> np.ndarray:
        """What may be shown to them: neither what they have seen nor their own.   (rows,) bool"""
        return allowed_rows(self.view, Filters(), without=self.taste.seen, not_of=self.taste.actor_id)

    @cached_property
    def candidates(self) -> Candidates:
        """What the sources propose, with what all of them think of it."""
        return gather(self.view, self.taste, self.allowed, now=self.moment)

    @cached_property
    def feed(self) -> Rows:
        """What would have been shown, best first, to the last candidate: (n,) int32"""
        return rank(self.candidates, self.taste, self.view.blend).rows

    @cached_property
    def by_source(self) -> Matrix:
        """What each source thinks of every row: (rows, len(SOURCES)) float32, NaN where it does not know."""
        return score_rows(self.view, self.taste, np.arange(self.view.row_count), now=self.moment)


def ask_each(
    view: View,
    moment: datetime,
    actors: Sequence[Actor],
    answer: Callable[[Asked], Answer],
    progress: Progress = in_silence,
) -> Iterator[Answer]:
    """The answer for each actor, in their order. `answer` runs on threads, so it must not ask the database.

    As in serving, native code runs on one thread for each actor; the actors are what is shared out.
    """
    with threadpool_limits(1), ThreadPoolExecutor(settings.ENVIRONMENT.native_threads) as pool:
        for first in range(0, len(actors), BATCH):
            batch = actors[first : first + BATCH]
            asked = [Asked(view, moment, read_taste(actor, view, now=moment)) for actor in batch]
            yield from pool.map(answer, asked)
            progress(first + len(batch), len(actors))
