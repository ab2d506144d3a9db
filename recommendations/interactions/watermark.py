"""Watermarks: transaction ids up to which rows can be read without missing one that is being written.

Transaction ids belong to one PostgreSQL server. A dump restored on another server brings ids that the new
server has not assigned yet: such rows are old, and a position stored on the old server is meaningless.
"""

from datetime import datetime

from django.db import connection

# Ids commit out of order, so reading stops before the oldest transaction that still runs. The reader's own
# transaction does not count as running: it sees the rows that it wrote itself.
_HORIZON = """
    SELECT CASE WHEN pg_snapshot_xmin(snapshot) = pg_current_xact_id_if_assigned()
                THEN pg_snapshot_xmin(snapshot)::text::bigint + 1
                ELSE pg_snapshot_xmin(snapshot)::text::bigint END
    FROM pg_current_snapshot() AS snapshot
"""


def horizon() -> int:
    """The transaction id before which every transaction has ended. No new transaction gets a lower id."""
    with connection.cursor() as cursor:
        cursor.execute(_HORIZON)
        return cursor.fetchone()[0]


# SQL conditions on rows of `{table}`. Position 0 is the beginning. An id that this server has not assigned
# yet came with a restored dump, and its row is old.
COMMITTED_BEFORE = """
    ({table}.transaction_id < %(until)s::text::xid8
     OR {table}.transaction_id >= pg_snapshot_xmax(pg_current_snapshot()))
"""
COMMITTED_BETWEEN = """
    {table}.transaction_id >= %(since)s::text::xid8
    AND ({table}.transaction_id < %(until)s::text::xid8
         OR %(since)s = '0' AND {table}.transaction_id >= pg_snapshot_xmax(pg_current_snapshot()))
"""


def position(stored: int, *, horizon: int) -> int:
    """The position to read on from: the stored one, or 0 if it was stored on another server."""
    return stored if stored <= horizon else 0


def latest_event(horizon: int) -> datetime | None:
    """The time of the latest interaction before a position, None without any. Scans the whole table."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT max(occurred_at) FROM recommendations_interaction WHERE transaction_id < %s::xid8 "
            "OR transaction_id >= pg_snapshot_xmax(pg_current_snapshot())",
            [str(horizon)],
        )
        return cursor.fetchone()[0]
