"""A quick end for tests that commit: only rows that they wrote are deleted.

Django truncates every table and creates content types and permissions again, which takes longer than most of
these tests. This deletes from the tables that hold rows and keeps those two. They are made again by Django's
own flush when a test changed them.
"""

from django.contrib.auth.models import Permission
from django.contrib.contenttypes.models import ContentType
from django.db import connection
from django.test import TransactionTestCase

KEPT = {ContentType._meta.db_table, Permission._meta.db_table}
_flush = TransactionTestCase._fixture_teardown


def install() -> None:
    """Make every TransactionTestCase end like this. Call it when the test database has just been created."""
    tables = connection.introspection.django_table_names(only_existing=True, include_views=False)
    steps = [
        f'IF EXISTS (SELECT FROM "{table}") THEN DELETE FROM "{table}"; END IF;'
        for table in sorted(set(tables) - KEPT)
    ]
    # The rows of all tables go together, so foreign keys need not be checked one by one.
    delete = f"DO $$ BEGIN SET LOCAL session_replication_role = replica; {' '.join(steps)} END $$"
    count = "SELECT " + ", ".join(f'(SELECT count(*) FROM "{table}")' for table in sorted(KEPT))
    whole = _row_of(count)

    def delete_written(self: TransactionTestCase) -> None:
        nonlocal whole
        if _row_of(count) != whole:
            _flush(self)
            whole = _row_of(count)  # without those of models that migrations have deleted
            return
        with connection.cursor() as cursor:
            cursor.execute(delete)

    TransactionTestCase._fixture_teardown = delete_written


def _row_of(query: str) -> tuple[int, ...]:
    with connection.cursor() as cursor:
        cursor.execute(query)
        return cursor.fetchone()
