"""TO BE WRITTEN: tasks.py"""

from datetime import timedelta

from celery import shared_task
from django.conf import settings
from django.utils import timezone

from recommendations import embedding, encoders
from recommendations.tasks import logger

EMBEDDING_BUDGET = timedelta(minutes=1)  # of one run; a large catalogue takes many runs


@shared_task
def embed_pending() -> dict[str, int]:
    """Embed waiting listings, and queue the task again if some remain. Safe in any number of workers.

    The first run after a start loads the models, so that the first listing does not wait for them.
    """
    encoders.ensure_any(logger.info)
    encoders.load_target().warm_up()
    counts = embedding.embed_claimed_batches(clock=timezone.now, budget=EMBEDDING_BUDGET)
    if counts and embedding.waiting_count():
        embed_pending.apply_async(expires=settings.WAKEUP_EXPIRES_S)
    return counts
