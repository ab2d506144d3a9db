"""Redis, its queues, and whether what should run in the background does."""

import json
import time
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import redis
from celery import current_app
from redis.exceptions import RedisError

from marketplace.lines import Line, first_line
from recommendations import redis_link, trending

TIMEOUT_S = 0.5
MOST_MESSAGES = 1000
TRAINING = "training"
PATIENCE_S = 300.0  # a turn of embedding takes a minute
TRAINING_PATIENCE_S = 900.0  # a task may take ten minutes, and one is done at a time
RAN, SENT_AT = "health:ran", "sent_at"  # a hash in Redis, and a header of messages
REDIS = {
    "unit": "seconds",
    "meaning": "How long Redis took to answer.",
    "limit": TIMEOUT_S,
    "advice": "Start Redis or mend REDIS_URL; see its memory: a full one refuses writes. Feeds "
    "answer meanwhile, without what is trending; new listings are embedded within seconds of its return.",
}


def note_run(client: redis.Redis, task: str, now: datetime) -> None:
    """A background task has run to its end. Raises RedisError."""
    client.hset(RAN, task, now.timestamp())


def lines(now: datetime) -> list[Line]:
    """Redis first; when it does not answer, that is all there is to tell."""
    began = time.perf_counter()
    try:
        with redis_link.link(TIMEOUT_S) as client:
            client.ping()
            answer = Line("redis_answer", value=time.perf_counter() - began, **REDIS)
            return [answer, *_queues(client, now), *_schedule(client, now)]
    except RedisError as error:
        return [Line("redis_answer", problem=first_line(error), **REDIS)]


def _queues(client: redis.Redis, now: datetime) -> Iterator[Line]:
    tasks = current_app.conf.task_routes
    for queue in sorted({_queue_of(""), *map(_queue_of, tasks)}):
        advice = f"See that worker-{queue} runs, and its log; it may need a second one."
        named = {"labels": {"queue": queue}, "advice": advice}
        count, oldest = client.llen(queue), client.lindex(queue, -1)
        waits_s = _age_s(oldest, now) if oldest else 0.0
        limit_s = _patience_s(queue)
        yield Line("queue_length", "messages", "Messages that wait.", count, MOST_MESSAGES, **named)
        yield Line("queue_oldest", "seconds", "How long the oldest one waits.", waits_s, limit_s, **named)


def _age_s(message: bytes, now: datetime) -> float | None:
    """Since when a message waits; None for one that does not say."""
    try:
        sent_at = datetime.fromisoformat(json.loads(message)["headers"][SENT_AT])
        return max((now - sent_at).total_seconds(), 0.0)
    except (ValueError, KeyError, TypeError):
        return None


def _schedule(client: redis.Redis, now: datetime) -> Iterator[Line]:
    """Of what beat rings every few seconds: a worker that has it done proves beat, broker and itself."""
    told = {task.decode(): float(at) for task, at in client.hgetall(RAN).items()}
    latest = (now + trending.CLOCKS_DIFFER).timestamp()
    ran = {task: at for task, at in told.items() if at < latest}
    for entry in current_app.conf.beat_schedule.values():
        if not isinstance(entry["schedule"], int | float):
            continue
        at, task = ran.get(entry["task"]), entry["task"]
        queue = _queue_of(task)
        yield Line(
            "task_ran",
            "seconds",
            "How long ago a periodic task last succeeded.",
            None if at is None else max(now.timestamp() - at, 0.0),
            _patience_s(queue),
            f"See that beat and worker-{queue} run, and their logs.",
            "" if at is not None else "It has not run since Redis was emptied or a clock put back.",
            labels={"task": task.rpartition(".")[2]},
        )


def _queue_of(task: str) -> str:
    route: dict[str, Any] = current_app.conf.task_routes.get(task, {})
    return route.get("queue", current_app.conf.task_default_queue)


def _patience_s(queue: str) -> float:
    return TRAINING_PATIENCE_S if queue == TRAINING else PATIENCE_S
