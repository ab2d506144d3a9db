"""Advisory locks of PostgreSQL: what only one process of the installation may do at a time."""

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import connection

# Any numbers that nothing else in this database uses.
CHANGE_LOG = 7_301_001  # of a transaction: see changes.py
TRENDING = 7_301_002
TRAINING = 7_301_003


@contextmanager
def alone(lock: int) -> Iterator[bool]:
    """Whether this process got the lock, which it then holds to the end of the block, or of its life."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_lock(%s)", [lock])
        acquired = cursor.fetchone()[0]
    try:
        yield acquired
    finally:
        if acquired and connection.connection is not None:
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_advisory_unlock(%s)", [lock])
