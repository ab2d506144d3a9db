"""The task that encodes queries for web processes."""

import base64

from celery import shared_task

from recommendations.encoders import query_worker
from recommendations.encoders.query_channel import EncodeRequest

ENCODE_LIMIT_S = 60  # enough to load the models of another encoder; a task that takes longer hangs


# Acknowledged before it runs: a photo that crashes the encoder costs one query and is not retried.
@shared_task(
    name="recommendations.tasks.encode_query",
    acks_late=False,
    reject_on_worker_lost=False,
    soft_time_limit=ENCODE_LIMIT_S,
    time_limit=ENCODE_LIMIT_S + 10,
)
def encode_query(*, words: str, photo: str | None, reply_to: str) -> None:
    """Encode a query and reply to the Redis list `reply_to`. photo: base64 of its file."""
    question = EncodeRequest(words, base64.b64decode(photo) if photo else None)
    query_worker.answer(question, reply_to)
