"""Celery tasks. Each calls one function of the domain.

Messages carry no data, because the work is stored in PostgreSQL. The exception is a query to encode, which is
stored nowhere else.
"""

import logging
import os
import shutil
import subprocess
import sys
import time
from collections import Counter
from datetime import timedelta

from celery import shared_task
from django.conf import settings
from django.utils import timezone

from listings.batches import fetching
from listings.photos import cleanup
from recommendations.collaborative import refresh
from recommendations.indexing import compaction
from recommendations.interactions import parking
from recommendations.popularity import impression_counts, trending
from recommendations.query_parsing import vocabulary
from recommendations.slates import store
from recommendations.training import schedule

FETCHING_S = 4.0  # of one run; beat starts the next one soon. Compaction and refreshes wait behind it

logger = logging.getLogger(__name__)


@shared_task
def fetch_photos() -> dict[str, int]:
    """Fetch photos that services named by URL, for FETCHING_S: other tasks wait for this worker."""
    until = time.monotonic() + FETCHING_S
    counts: Counter[str] = Counter()
    while not counts or (time.monotonic() < until and fetching.waiting_count(timezone.now())):
        counts.update(fetching.fetch_photos(clock=timezone.now))
    return dict(counts)


@shared_task
def roll_up_trending() -> int:
    """Add the events since the last run to trending. Returns how many listings changed."""
    return trending.roll_up(now=timezone.now())


@shared_task
def roll_up_exposure() -> int:
    """Add the impressions and clicks since the last run to exposure."""
    return impression_counts.roll_up(now=timezone.now())


@shared_task
def learn_vocabulary() -> int:
    """Rebuild the spelling vocabulary from the catalogue when it is stale. Returns its word count."""
    return vocabulary.learn_when_stale(now=timezone.now())


@shared_task
def prune_slates() -> int:
    """Delete old slates, and parked events whose listing never came. Returns the count of slates."""
    now = timezone.now()
    parking.prune(now=now)
    impression_counts.prune(now=now)
    return store.prune(kept=timedelta(days=settings.ENVIRONMENT.slate_days), now=now)


@shared_task
def sweep_photos() -> int:
    """Delete photo files that killed processes left behind. Returns how many photos."""
    return cleanup.sweep_photos(now=timezone.now())


@shared_task
def compact_index() -> dict[str, int]:
    """Write a new index generation when enough has changed."""
    return compaction.compact()


@shared_task
def refresh_collaborative() -> int:
    """Fold the events since the last refresh into the active collaborative model."""
    return refresh.refresh_collaborative(now=timezone.now())


@shared_task
def train_collaborative() -> None:
    """Start a training of the collaborative model."""
    _train("collaborative")


@shared_task
def train_ranker() -> None:
    """Start a training of the ranker. With too few slates it ends at once and changes nothing."""
    _train("ranker")


def _train(kind: str, *before: str) -> None:
    """In a separate process: a training takes longer than the time limits of tasks.

    before: words in front of the command.
    """
    command = [*before, sys.executable, str(settings.BASE_DIR / "manage.py"), "train", kind]
    subprocess.Popen(command, env=os.environ | {"OPENBLAS_NUM_THREADS": "1"})


@shared_task
def train_when_due() -> bool:
    """Start a training of the collaborative model once enough believed events came since the last attempt."""
    if not schedule.claim_training(now=timezone.now()):
        return False
    train_collaborative()
    return True


@shared_task
def train_encoder_when_due() -> bool:
    """Start a training of the encoder once the catalogue is large enough, grew, or got another backbone."""
    if not schedule.claim_encoder_training():
        return False
    # It may compute the features of all photos, and must not take the processor from those who serve.
    _train("encoder", *(["nice"] if shutil.which("nice") else []))
    return True
