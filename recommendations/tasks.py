"""Doors to the verbs that work in the background. Messages carry nothing: the work is in PostgreSQL.

Only a query to encode travels whole: nobody keeps it.
"""

import base64
import logging
import os
import subprocess
import sys
import time
from collections import Counter
from datetime import timedelta

from celery import shared_task
from django.conf import settings
from django.utils import timezone

from listings import photo_fetching, photo_sweeping
from recommendations import (
    answering,
    compaction,
    embedding,
    encoders,
    exposure,
    parking,
    refreshing,
    retraining,
    slates,
    spelling,
    trending,
)
from recommendations.answers import Question

FETCHING_S = 4.0  # in a turn, and beat takes the next one soon: compaction and refreshes wait beside it
ENCODE_LIMIT_S = 60  # a switch of encoders loads models in it; what takes longer hangs
EMBEDDING_BUDGET = timedelta(minutes=1)  # a large catalogue takes many turns, each far below the time limits

logger = logging.getLogger(__name__)


@shared_task
def embed_pending() -> dict[str, int]:
    """Embed what waits. Safe to run at any time, by any number of workers; what is left rings again.

    The first bell after a start loads the models, so that the first listing does not wait for them.
    """
    encoders.ensure_any(logger.info)
    encoders.load_target().warm_up()
    counts = embedding.embed_claimed_batches(clock=timezone.now, budget=EMBEDDING_BUDGET)
    if counts and embedding.waiting_count():
        embed_pending.apply_async(expires=settings.WAKEUP_EXPIRES_S)
    return counts


@shared_task
def fetch_photos() -> dict[str, int]:
    """Fetch photos that services named by address, for a while: others wait for this worker. Beat goes on."""
    until, counts = time.monotonic() + FETCHING_S, Counter()
    while not counts or (time.monotonic() < until and photo_fetching.waiting_count(timezone.now())):
        counts.update(photo_fetching.fetch_photos(clock=timezone.now))
    return dict(counts)


# Acknowledged before it runs: a photo that crashes the encoder costs one query, and is not tried again.
@shared_task(
    acks_late=False,
    reject_on_worker_lost=False,
    soft_time_limit=ENCODE_LIMIT_S,
    time_limit=ENCODE_LIMIT_S + 10,
)
def encode_query(*, words: str, photo: str | None, reply_to: str) -> None:
    """Answer a query that waits at `reply_to`. photo: base64 of a JPEG."""
    question = Question(words, base64.b64decode(photo) if photo else None)
    answering.answer(question, reply_to)


@shared_task
def roll_up_trending() -> int:
    """Count the events that came since the last time."""
    return trending.roll_up(now=timezone.now())


@shared_task
def roll_up_exposure() -> int:
    """Count the pages that were served since the last time, and what was clicked on them."""
    return exposure.roll_up(now=timezone.now())


@shared_task
def learn_vocabulary() -> int:
    """Learn the words that the catalogue is written in, once in a while; how many they are."""
    return spelling.learn_when_stale(now=timezone.now())


@shared_task
def prune_slates() -> int:
    """Delete old slates, and events whose listing never came; how many slates. What is left goes tomorrow."""
    now = timezone.now()
    parking.prune(now=now)
    exposure.prune(now=now)
    return slates.prune(kept=timedelta(days=settings.ENVIRONMENT.slate_days), now=now)


@shared_task
def sweep_photos() -> int:
    """Delete photo files that killed processes left behind; how many photos."""
    return photo_sweeping.sweep_photos(now=timezone.now())


@shared_task
def compact_index() -> dict[str, int]:
    """Merge what changed into a new index generation, when it is worth one."""
    return compaction.compact()


@shared_task
def refresh_collaborative() -> int:
    """Fold what happened since into the model that serves."""
    return refreshing.refresh_collaborative(now=timezone.now())


@shared_task
def train_collaborative() -> None:
    """Start a training."""
    _train("collaborative")


@shared_task
def train_ranker() -> None:
    """Start a training; with too little to learn from yet it ends at once, and nothing changes."""
    _train("ranker")


def _train(kind: str) -> None:
    """As a process of its own: it outlives the time limits of tasks."""
    command = [sys.executable, str(settings.BASE_DIR / "manage.py"), "train", kind]
    subprocess.Popen(command, env=os.environ | {"OPENBLAS_NUM_THREADS": "1"})


@shared_task
def train_when_due() -> bool:
    """Start a training once enough has happened since the last one was tried."""
    if not retraining.take_turn():
        return False
    train_collaborative()
    return True
