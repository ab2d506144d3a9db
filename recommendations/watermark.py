"""How far the interactions can be read without missing one that is being written just now.

Transaction ids are those of one PostgreSQL server. A dump that is restored on another brings ids which that
server has not given yet: such rows are old, and a position taken on the old server says nothing.
"""

from datetime import datetime

from django.db import connection

# Ids commit out of order, so reading stops before the oldest transaction that still runs. One's own does
# not count as running: whoever reads inside a transaction sees what it wrote itself.
_HORIZON = """
    SELECT CASE WHEN pg_snapshot_xmin(seen) = pg_current_xact_id_if_assigned()
                THEN pg_snapshot_xmin(seen)::text::bigint + 1
                ELSE pg_snapshot_xmin(seen)::text::bigint END
    FROM pg_current_snapshot() AS seen
"""


def horizon() -> int:
    """Every transaction before this id has ended, and no later one will get such an id."""
    with connection.cursor() as cursor:
        cursor.execute(_HORIZON)
        return cursor.fetchone()[0]


# Conditions of SQL on rows of `{table}`. A position of 0 is the beginning; an id that this server has not
# given yet came with a restored dump, and is old.
KNOWN = """
    ({table}.transaction_id < %(until)s::text::xid8
     OR {table}.transaction_id >= pg_snapshot_xmax(pg_current_snapshot()))
"""
BETWEEN = """
    {table}.transaction_id >= %(since)s::text::xid8
    AND ({table}.transaction_id < %(until)s::text::xid8
         OR %(since)s = '0' AND {table}.transaction_id >= pg_snapshot_xmax(pg_current_snapshot()))
"""


def position(remembered: int, *, horizon: int) -> int:
    """Where to read on from: what was remembered, or the beginning if another server's ids were."""
    return remembered if remembered <= horizon else 0


def latest_event(horizon: int) -> datetime | None:
    """When the last of the interactions before a position happened. Reads them all."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT max(occurred_at) FROM recommendations_interaction WHERE transaction_id < %s::xid8 "
            "OR transaction_id >= pg_snapshot_xmax(pg_current_snapshot())",
            [str(horizon)],
        )
        return cursor.fetchone()[0]
