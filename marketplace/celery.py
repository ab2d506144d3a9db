"""The Celery app: broker, queues, time limits and the periodic schedule."""

import logging
import os
from typing import Any
from urllib.parse import parse_qsl, urlencode

from celery import Celery
from celery.schedules import crontab
from celery.signals import beat_init, celeryd_init, setup_logging, worker_process_init

from marketplace import entry
from marketplace.native_threads import set_native_threads

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "marketplace.settings")
with entry.plain_errors():
    from marketplace import settings

VISIBILITY_TIMEOUT_S = 1800
TASK_TIME_LIMIT_S = 600  # under half the visibility timeout, after which Redis delivers a message again
SOFT_TIME_LIMIT_S = 540
# A worker that encodes queries loads its models before it reports that it is alive; the default is 4 s.
START_TIMEOUT_S = 120

TASKS = "recommendations.tasks."
# Beat's schedule, first the tasks that run every few seconds: name of the entry, task, seconds.
FREQUENT = (
    ("embed-pending", "embed_pending", 3.0),
    ("fetch-photos", "fetch_photos", 5.0),
    ("roll-up-trending", "roll_up_trending", 2.0),
    ("roll-up-exposure", "roll_up_exposure", 5.0),
    ("learn-vocabulary", "learn_vocabulary", 30.0),
    ("compact-index", "compact_index", 30.0),
    ("refresh-collaborative", "refresh_collaborative", 30.0),
    ("train-when-due", "train_when_due", 60.0),
    ("train-encoder-when-due", "train_encoder_when_due", 60.0),
)
# Then the tasks that run once a night: name of the entry, task, minute of the hour RETRAIN_HOUR.
NIGHTLY = (
    ("train-nightly", "train_collaborative", 0),
    ("train-ranker-nightly", "train_ranker", 20),
    ("prune-nightly", "prune_slates", 40),
    ("sweep-nightly", "sweep_photos", 50),
)

set_native_threads(settings.ENVIRONMENT.native_threads or os.cpu_count() or 1)


def broker_address(redis_url: str) -> str:
    """A Redis URL as Celery accepts it: sockets as `redis+socket://`, TLS with `ssl_cert_reqs`."""
    address, _, query = redis_url.partition("?")
    options = dict(parse_qsl(query))
    if address.startswith("unix://"):
        address = address.replace("unix://", "redis+socket://", 1)
        options = {"virtual_host": options.pop("db", "0")} | options
    elif address.startswith("rediss://"):
        options = {"ssl_cert_reqs": "required"} | options
    return f"{address}?{urlencode(options)}" if options else address


def beat_schedule(night_hour: int) -> dict[str, dict[str, Any]]:
    """Celery's schedule of FREQUENT and NIGHTLY, the latter within the hour `night_hour`."""
    frequent = {
        name: {"task": TASKS + task, "schedule": seconds, "options": {"expires": settings.WAKEUP_EXPIRES_S}}
        for name, task, seconds in FREQUENT
    }
    nightly = {
        name: {"task": TASKS + task, "schedule": crontab(hour=night_hour, minute=minute)}
        for name, task, minute in NIGHTLY
    }
    return frequent | nightly


# Timeouts in seconds: without them, a sender would wait for ever for a broker that does not answer. Longer
# than a worker's blocking read.
BROKER_TIMEOUTS = {"socket_connect_timeout": 2, "socket_timeout": 5, "socket_keepalive": True}

app = Celery("marketplace")
app.conf.update(
    broker_url=broker_address(settings.REDIS_URL),
    result_backend=broker_address(settings.REDIS_URL),
    # Celery's Redis manual asks for the visibility timeout in all three places:
    # https://docs.celeryq.dev/en/stable/getting-started/backends-and-brokers/redis.html
    visibility_timeout=VISIBILITY_TIMEOUT_S,
    broker_transport_options={"visibility_timeout": VISIBILITY_TIMEOUT_S, **BROKER_TIMEOUTS},
    result_backend_transport_options={"visibility_timeout": VISIBILITY_TIMEOUT_S},
    broker_connection_retry_on_startup=True,
    accept_content=["json"],
    task_serializer="json",
    result_serializer="json",
    task_ignore_result=True,
    task_acks_late=True,
    task_reject_on_worker_lost=True,
    worker_prefetch_multiplier=1,
    task_time_limit=TASK_TIME_LIMIT_S,
    task_soft_time_limit=SOFT_TIME_LIMIT_S,
    worker_proc_alive_timeout=START_TIMEOUT_S,
    worker_soft_shutdown_timeout=10,
    beat_scheduler="marketplace.beat:Scheduler",
    task_default_queue="events",
    task_routes={
        "recommendations.tasks.embed_pending": {"queue": "embeddings"},
        "recommendations.tasks.encode_query": {"queue": "encode"},
        # In a queue that may wait: a slow host blocks the worker for up to download.TIMEOUT_S.
        "recommendations.tasks.fetch_photos": {"queue": "training"},
        "recommendations.tasks.compact_index": {"queue": "training"},
        "recommendations.tasks.refresh_collaborative": {"queue": "training"},
        "recommendations.tasks.sweep_photos": {"queue": "training"},
        "recommendations.tasks.train_collaborative": {"queue": "training"},
        "recommendations.tasks.train_ranker": {"queue": "training"},
        "recommendations.tasks.train_when_due": {"queue": "training"},
        "recommendations.tasks.train_encoder_when_due": {"queue": "training"},
    },
    timezone=settings.TIME_ZONE,
    beat_schedule=beat_schedule(settings.ENVIRONMENT.retrain_hour),
)
app.autodiscover_tasks(["recommendations", "recommendations.encoders", "recommendations.indexing"])


@setup_logging.connect
def _keep_logging(loglevel: int, **_: object) -> None:
    """Keep Django's logging configuration. `--loglevel` sets the level of Celery's own logger."""
    logging.getLogger("celery").setLevel(loglevel)


@celeryd_init.connect
@beat_init.connect
def _hold_servers(**_: object) -> None:
    """Start the embedded servers for a worker or beat that was started by hand."""
    with entry.plain_errors():
        entry.hold_servers(settings.ENVIRONMENT)


@worker_process_init.connect
def _forget_inherited_connections(**_: object) -> None:
    """Close the database connections inherited through fork: the parent still uses them."""
    from django.db import connections

    connections.close_all()


@worker_process_init.connect
def _warm_up(**_: object) -> None:
    """Load the models before the first query, in a worker that only encodes queries."""
    if set(app.amqp.queues.consume_from) == {"encode"}:
        from recommendations.encoders import query_worker

        query_worker.warm_up()
