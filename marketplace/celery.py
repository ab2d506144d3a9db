"""The Celery app, its queues, and the one periodic schedule."""

import logging
import os
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
TASK_TIME_LIMIT_S = 600  # under half the visibility timeout: no task runs while its message is redelivered
SOFT_TIME_LIMIT_S = 540
# A child that encodes queries loads its models before it says that it lives; the default is 4 seconds.
START_TIMEOUT_S = 120
BELL_EXPIRES_S = settings.WAKEUP_EXPIRES_S

set_native_threads(settings.ENVIRONMENT.native_threads or os.cpu_count() or 1)


def broker_address(redis_url: str) -> str:
    """Celery's spelling of a Redis address: a socket is `redis+socket://`, and TLS says what it checks."""
    address, _, query = redis_url.partition("?")
    options = dict(parse_qsl(query))
    if address.startswith("unix://"):
        address = address.replace("unix://", "redis+socket://", 1)
        options = {"virtual_host": options.pop("db", "0")} | options
    elif address.startswith("rediss://"):
        options = {"ssl_cert_reqs": "required"} | options
    return f"{address}?{urlencode(options)}" if options else address


# Seconds for a broker that says nothing: without them, whoever rings waits for ever. A worker's wait for work
# is shorter.
PATIENCE = {"socket_connect_timeout": 2, "socket_timeout": 5, "socket_keepalive": True}

app = Celery("marketplace")
app.conf.update(
    broker_url=broker_address(settings.REDIS_URL),
    result_backend=broker_address(settings.REDIS_URL),
    # The visibility timeout stands in each of the places that Celery's Redis manual names:
    # https://docs.celeryq.dev/en/stable/getting-started/backends-and-brokers/redis.html
    visibility_timeout=VISIBILITY_TIMEOUT_S,
    broker_transport_options={"visibility_timeout": VISIBILITY_TIMEOUT_S, **PATIENCE},
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
        # Beside what may wait: other people's hosts hold a worker for photo_sources.TIMEOUT_S at a time.
        "recommendations.tasks.fetch_photos": {"queue": "training"},
        "recommendations.tasks.compact_index": {"queue": "training"},
        "recommendations.tasks.refresh_collaborative": {"queue": "training"},
        "recommendations.tasks.sweep_photos": {"queue": "training"},
        "recommendations.tasks.train_collaborative": {"queue": "training"},
        "recommendations.tasks.train_ranker": {"queue": "training"},
        "recommendations.tasks.train_when_due": {"queue": "training"},
    },
    timezone=settings.TIME_ZONE,
    beat_schedule={
        "embed-pending": {
            "task": "recommendations.tasks.embed_pending",
            "schedule": 3.0,
            "options": {"expires": BELL_EXPIRES_S},
        },
        "fetch-photos": {
            "task": "recommendations.tasks.fetch_photos",
            "schedule": 5.0,
            "options": {"expires": BELL_EXPIRES_S},
        },
        "roll-up-trending": {
            "task": "recommendations.tasks.roll_up_trending",
            "schedule": 2.0,
            "options": {"expires": BELL_EXPIRES_S},
        },
        "roll-up-exposure": {
            "task": "recommendations.tasks.roll_up_exposure",
            "schedule": 5.0,
            "options": {"expires": BELL_EXPIRES_S},
        },
        "learn-vocabulary": {
            "task": "recommendations.tasks.learn_vocabulary",
            "schedule": 30.0,
            "options": {"expires": BELL_EXPIRES_S},
        },
        "compact-index": {
            "task": "recommendations.tasks.compact_index",
            "schedule": 30.0,
            "options": {"expires": BELL_EXPIRES_S},
        },
        "refresh-collaborative": {
            "task": "recommendations.tasks.refresh_collaborative",
            "schedule": 30.0,
            "options": {"expires": BELL_EXPIRES_S},
        },
        "train-when-due": {
            "task": "recommendations.tasks.train_when_due",
            "schedule": 60.0,
            "options": {"expires": BELL_EXPIRES_S},
        },
        "train-nightly": {
            "task": "recommendations.tasks.train_collaborative",
            "schedule": crontab(hour=settings.ENVIRONMENT.retrain_hour, minute=0),
        },
        "train-ranker-nightly": {
            "task": "recommendations.tasks.train_ranker",
            "schedule": crontab(hour=settings.ENVIRONMENT.retrain_hour, minute=20),
        },
        "prune-nightly": {
            "task": "recommendations.tasks.prune_slates",
            "schedule": crontab(hour=settings.ENVIRONMENT.retrain_hour, minute=40),
        },
        "sweep-nightly": {
            "task": "recommendations.tasks.sweep_photos",
            "schedule": crontab(hour=settings.ENVIRONMENT.retrain_hour, minute=50),
        },
    },
)
app.autodiscover_tasks(["recommendations"])


@setup_logging.connect
def _keep_logging(loglevel: int, **_: object) -> None:
    """What is logged, and how, is Django's matter. `--loglevel` is of what Celery itself says."""
    logging.getLogger("celery").setLevel(loglevel)


@celeryd_init.connect
@beat_init.connect
def _hold_servers(**_: object) -> None:
    """A worker or beat that somebody starts by hand finds its servers running."""
    with entry.plain_errors():
        entry.hold_servers(settings.ENVIRONMENT)


@worker_process_init.connect
def _forget_inherited_connections(**_: object) -> None:
    """A forked child must not speak on its parent's database socket."""
    from django.db import connections

    connections.close_all()


@worker_process_init.connect
def _warm_up(**_: object) -> None:
    """A child that only encodes queries has its models loaded before the first one comes."""
    if set(app.amqp.queues.consume_from) == {"encode"}:
        from recommendations import answering

        answering.warm_up()
