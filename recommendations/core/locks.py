"""Advisory locks of PostgreSQL, for work that one process of the installation does at a time."""

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import connection

from listings.errors import Conflict

# Arbitrary numbers that nothing else in this database uses.
CHANGE_LOG = 7_301_001  # held by a transaction: see change_log.py
TRENDING = 7_301_002
TRAINING = 7_301_003
REFRESHING = 7_301_004
ENCODER = 7_301_005
PARKING = 7_301_006  # held by a transaction: see parking.py
EXPOSURE = 7_301_007
RANKER = 7_301_008


class AlreadyTraining(Conflict):
    """Another process trains this kind of model."""


@contextmanager
def advisory_lock(lock: int, *, wait: bool = False) -> Iterator[bool]:
    """Yields whether this process got the lock. It holds the lock until the block or the process ends.

    wait: wait for the lock, however long another process holds it.
    """
    take = "SELECT pg_advisory_lock(%s) IS NOT NULL" if wait else "SELECT pg_try_advisory_lock(%s)"
    with connection.cursor() as cursor:
        cursor.execute(take, [lock])
        acquired = cursor.fetchone()[0]
    try:
        yield acquired
    finally:
        if acquired and connection.connection is not None:
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_advisory_unlock(%s)", [lock])


@contextmanager
def training_lock(lock: int, model: str, *, wait: bool = False) -> Iterator[None]:
    """Holds the lock of a kind of training. model: its name in the error, such as "a ranker".

    Raises AlreadyTraining if another process holds it, unless `wait`.
    """
    with advisory_lock(lock, wait=wait) as acquired:
        if not acquired:
            raise AlreadyTraining(f"Another process is training {model}.")
        yield


def is_held(lock: int) -> bool:
    """Whether some process holds the lock now. Does not take it."""
    with connection.cursor() as cursor:
        cursor.execute(_IS_HELD, [lock])
        return cursor.fetchone()[0]


# pg_locks shows the two halves of a bigint lock: https://www.postgresql.org/docs/current/view-pg-locks.html
_IS_HELD = """
    SELECT EXISTS (
        SELECT FROM pg_locks
        WHERE locktype = 'advisory' AND granted AND classid = 0 AND objid = %s AND objsubid = 1
          AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
    )
"""
