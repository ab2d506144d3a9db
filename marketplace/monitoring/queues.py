"""Health checks of Redis, the queues and the periodic tasks."""

import json
import time
from collections.abc import Iterator
from datetime import datetime
from functools import partial
from typing import Any, cast

import redis
from celery import current_app
from redis.exceptions import RedisError

from marketplace.monitoring.results import CheckResult, first_line
from recommendations.core import redis_client
from recommendations.popularity import trending

TIMEOUT_S = 0.5
MAXIMUM_MESSAGES = 1000
TRAINING = "training"
PATIENCE_S = 300.0  # an embedding task takes up to a minute
TRAINING_PATIENCE_S = 900.0  # a task may take ten minutes, and tasks run one at a time
RAN, SENT_AT = "health:ran", "sent_at"  # a hash in Redis, and a header of messages
_redis_line = partial(
    CheckResult,
    "redis_answer",
    "seconds",
    "How long Redis took to answer.",
    limit=TIMEOUT_S,
    advice="Start Redis or correct REDIS_URL; check its memory: a full Redis refuses writes. Feeds "
    "still answer, without trending listings; new listings are embedded within seconds of its return.",
)


def record_success(client: redis.Redis, task: str, now: datetime) -> None:
    """Record the time at which a task succeeded. Raises RedisError."""
    client.hset(RAN, task, now.timestamp())


def queue_checks(now: datetime) -> list[CheckResult]:
    """Lines for Redis, queues and periodic tasks. Only the first when Redis does not answer."""
    started = time.perf_counter()
    try:
        with redis_client.new_client(TIMEOUT_S) as client:
            client.ping()
            answer = _redis_line(value=time.perf_counter() - started)
            return [answer, *_queues(client, now), *_schedule(client, now)]
    except RedisError as error:
        return [_redis_line(problem=first_line(error))]


def _queues(client: redis.Redis, now: datetime) -> Iterator[CheckResult]:
    tasks = current_app.conf.task_routes
    for queue in sorted({_queue_of(""), *map(_queue_of, tasks)}):
        advice = f"Check that worker-{queue} runs, and its log; the queue may need a second worker."
        line = partial(CheckResult, labels={"queue": queue}, advice=advice)
        count, oldest = client.llen(queue), client.lindex(queue, -1)
        waits_s = _age_s(oldest, now) if oldest else 0.0
        limit_s = _patience_s(queue)
        yield line("queue_length", "messages", "Messages that wait.", count, MAXIMUM_MESSAGES)
        yield line("queue_oldest", "seconds", "How long the oldest one waits.", waits_s, limit_s)


def _age_s(message: bytes | str, now: datetime) -> float | None:
    """Seconds since a message was sent; None when it has no time."""
    try:
        sent_at = datetime.fromisoformat(json.loads(message)["headers"][SENT_AT])
        return max((now - sent_at).total_seconds(), 0.0)
    except (ValueError, KeyError, TypeError):
        return None


def _schedule(client: redis.Redis, now: datetime) -> Iterator[CheckResult]:
    """Age of the last success of each task that beat sends every few seconds.

    It proves beat, broker and worker.
    """
    recorded = {
        task.decode(): float(at) for task, at in cast("dict[bytes, bytes]", client.hgetall(RAN)).items()
    }
    latest = (now + trending.MAX_CLOCK_SKEW).timestamp()
    succeeded = {task: at for task, at in recorded.items() if at < latest}
    for entry in current_app.conf.beat_schedule.values():
        if not isinstance(entry["schedule"], int | float):
            continue
        at, task = succeeded.get(entry["task"]), entry["task"]
        queue = _queue_of(task)
        yield CheckResult(
            "task_ran",
            "seconds",
            "How long ago a periodic task last succeeded.",
            None if at is None else max(now.timestamp() - at, 0.0),
            _patience_s(queue),
            f"Check that beat and worker-{queue} run, and their logs.",
            "" if at is not None else "It has not run since Redis was emptied or a clock was set back.",
            labels={"task": task.rpartition(".")[2]},
        )


def _queue_of(task: str) -> str:
    route: dict[str, Any] = current_app.conf.task_routes.get(task, {})
    return route.get("queue", current_app.conf.task_default_queue)


def _patience_s(queue: str) -> float:
    return TRAINING_PATIENCE_S if queue == TRAINING else PATIENCE_S
