"""The task that embeds waiting listings."""

import logging
from datetime import timedelta

from celery import shared_task
from django.conf import settings
from django.utils import timezone

from recommendations.encoders import selection
from recommendations.indexing import embedding_jobs

logger = logging.getLogger(__name__)

EMBEDDING_BUDGET = timedelta(minutes=1)  # of one run; a large catalogue takes many runs


@shared_task(name="recommendations.tasks.embed_pending")
def embed_pending() -> dict[str, int]:
    """Embed waiting listings, and queue the task again if some remain. Safe in any number of workers.

    The first run after a start loads the models, so that the first listing does not wait for them.
    """
    selection.ensure_chosen(logger.info)
    selection.load_target().warm_up()
    counts = embedding_jobs.embed_claimed_batches(clock=timezone.now, budget=EMBEDDING_BUDGET)
    if counts and embedding_jobs.waiting_count():
        embed_pending.apply_async(expires=settings.WAKEUP_EXPIRES_S)
    return counts
