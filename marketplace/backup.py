"""All that cannot be computed again, in one folder: the database, photos and models; and back again.

A backup is of one moment, while everything runs: rows as of a snapshot, and every photo and model that they
name, for these are copied before and after it. The index, what is trending and all else that is derived is
made anew after a restore.
"""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

from django.apps import apps
from django.conf import settings
from django.contrib.auth.models import Permission
from django.contrib.contenttypes.models import ContentType
from django.contrib.sessions.models import Session
from django.db import connection
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.utils import CursorWrapper
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.recorder import MigrationRecorder
from django.db.models import Q
from redis.exceptions import RedisError

from listings.errors import Conflict
from listings.models import Actor, Listing, Place
from marketplace import backup_files, backup_programs
from marketplace.backup_files import DUMP, BadBackup
from marketplace.models import PersonToken, ServiceKey
from recommendations import trending
from recommendations.models import Impression, Interaction, ReaderPosition, TrainedModel

COUNTED = (Actor, Listing, Interaction)
MIGRATIONS = MigrationRecorder.Migration._meta.db_table
# What an installation holds that was set up and that nobody used.
OF_SET_UP = {MIGRATIONS, *(model._meta.db_table for model in (ContentType, Permission, Place))}
FOLDERS = {"media": "MEDIA_ROOT", "models": "MODEL_ROOT"}  # by the setting that says where they lie


class NotEmpty(Conflict):
    """A restore takes the place of what is there."""

    def __init__(self, what: str):
        super().__init__(f"There is something here already: --force puts the backup in place of {what}.")


class InUse(Conflict):
    """Somebody else is connected: a process of this installation, most likely."""


class Exists(Conflict):
    """A backup goes into a folder of its own."""


class RedisLeft(Conflict):
    """Everything was restored, and Redis still holds what it counted of what was here before."""

    def __init__(self, reason: str):
        super().__init__(f"Restored, but Redis keeps what was trending before: empty it (FLUSHDB). {reason}")


def back_up(folder: Path, *, now: datetime, database: BaseDatabaseWrapper = connection) -> dict[str, Any]:
    """Write a backup while everything runs; what it holds. The folder is whole, or it is not there.

    Raises Exists, and backup_programs' errors.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise Exists(f"{folder} is not empty: name a folder that is to be made.")
    aside = folder.with_name(f".{folder.name}.unfinished")
    shutil.rmtree(aside, ignore_errors=True)
    aside.mkdir(parents=True, mode=0o700)
    try:
        _copy_folders(aside)
        with _snapshot(database) as (snapshot, cursor):
            about = _about(cursor, now)
            backup_programs.dump(database, aside / DUMP, snapshot=snapshot)
        _copy_folders(aside)
        backup_files.write_manifest(aside, about)
        aside.rename(folder)
    finally:
        shutil.rmtree(aside, ignore_errors=True)
    return about


def restore(
    folder: Path, *, force: bool = False, database: BaseDatabaseWrapper = connection
) -> dict[str, Any]:
    """Put a backup in the place of what is here, which must be nothing unless `force`; what it holds.

    Sessions and tokens of persons are left out: they would let in again whom they were taken from since. Keys
    of services are not, see `valid_keys`. Nothing else may run meanwhile. The database changes as a whole or
    not at all, and folders after it: what is broken off in between is to be run again, with `force`. Raises
    BadBackup, NotEmpty, InUse, RedisLeft, and backup_programs' errors.
    """
    about = backup_files.read_manifest(folder)
    _require_known(about)
    _require_alone(database)
    if not force:
        _require_empty(database)
    settings.VAR.mkdir(parents=True, exist_ok=True)
    after = _RENUMBER + _END_LOGINS
    backup_programs.restore(database, folder / DUMP, before=_DROP_TABLES, after=after, room=settings.VAR)
    for name, setting in FOLDERS.items():
        (folder / name).mkdir(exist_ok=True)
        backup_files.replace(folder / name, Path(getattr(settings, setting)))
    shutil.rmtree(settings.INDEX_ROOT, ignore_errors=True)
    _forget_what_redis_counted()
    return about


def valid_keys(now: datetime) -> list[str]:
    """Names of the service keys that are good now. After a restore some may be that were revoked since."""
    lasting = Q(expires_at=None) | Q(expires_at__gt=now)
    keys = ServiceKey.objects.filter(lasting, revoked_at=None)
    return list(keys.order_by("name").values_list("name", flat=True))


def _copy_folders(target: Path) -> None:
    for name, setting in FOLDERS.items():
        (target / name).mkdir(exist_ok=True)
        backup_files.copy_new(Path(getattr(settings, setting)), target / name)


@contextmanager
def _snapshot(database: BaseDatabaseWrapper) -> Iterator[tuple[str, CursorWrapper]]:
    """A moment that pg_dump, with a connection of its own, can be told of; and a cursor that is in it."""
    other = database.copy()
    try:
        with other.cursor() as cursor:
            cursor.execute("BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY")
            cursor.execute("SELECT pg_export_snapshot()")
            yield cursor.fetchone()[0], cursor
    finally:
        other.close()


def _about(cursor: CursorWrapper, now: datetime) -> dict[str, Any]:
    cursor.execute(f"SELECT app || '.' || name FROM {MIGRATIONS} ORDER BY 1")
    about = {
        "made_at": now.isoformat(timespec="seconds"),
        "migrations": [name for (name,) in cursor.fetchall()],
        "counts": {},
    }
    for model in COUNTED:
        cursor.execute(f"SELECT count(*) FROM {model._meta.db_table}")
        about["counts"][model._meta.label] = cursor.fetchone()[0]
    return about


def _require_known(about: dict[str, Any]) -> None:
    """The code has to know the tables: that of the backup's time, or a later one."""
    known = {
        f"{app}.{name}" for app, name in MigrationLoader(None, ignore_no_migrations=True).disk_migrations
    }
    if unknown := sorted(set(about["migrations"]) - known):
        raise BadBackup(f"It is of later code than this, which does not know {', '.join(unknown[:3])}.")


def _require_alone(database: BaseDatabaseWrapper) -> None:
    with database.cursor() as cursor:
        cursor.execute(_OTHERS)
        if count := cursor.fetchone()[0]:
            raise InUse(f"{count} others are connected to the database: stop web, workers and beat first.")


def _require_empty(database: BaseDatabaseWrapper) -> None:
    """Everything in the schema `public` goes, and both folders: whosever it is."""
    models = apps.get_models(include_auto_created=True, include_swapped=True)
    ours = {MIGRATIONS, *(model._meta.db_table for model in models)}
    for table in _tables(database):
        if table not in ours:
            raise NotEmpty(f"the table {table}, which is not of this application, and all others")
        if table not in OF_SET_UP and _has_rows(database, table):
            raise NotEmpty(f"the rows of {table}, and all others")
    for setting in FOLDERS.values():
        place = Path(getattr(settings, setting))
        if any(file.is_file() for file in place.rglob("*")):
            raise NotEmpty(f"the files under {place}")


def _tables(database: BaseDatabaseWrapper) -> list[str]:
    with database.cursor() as cursor:
        cursor.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY 1")
        return [name for (name,) in cursor.fetchall()]


def _has_rows(database: BaseDatabaseWrapper, table: str) -> bool:
    with database.cursor() as cursor:
        cursor.execute(f"SELECT EXISTS (SELECT FROM public.{database.ops.quote_name(table)})")
        return cursor.fetchone()[0]


def _forget_what_redis_counted() -> None:
    """The next roll-up counts from the rows. An empty Redis has nothing to forget."""
    try:
        trending.client().delete(trending.SCORES, trending.STATE)
    except RedisError as error:
        raise RedisLeft(str(error)) from None


_OTHERS = """
    SELECT count(*) FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'
"""
_DROP_TABLES = """
    DO $$ DECLARE name text; BEGIN
        FOR name IN SELECT tablename FROM pg_tables WHERE schemaname = 'public' LOOP
            EXECUTE format('DROP TABLE IF EXISTS public.%I CASCADE', name);
        END LOOP;
    END $$;
"""
# Rows bear ids of transactions of the server that they come from, and readers by watermark compare them with
# this server's. Small numbers, which every server has left behind, keep all order that matters: which rows
# are on which side of a position. https://www.postgresql.org/docs/current/functions-math.html (width_bucket)
_RENUMBER = f"""
    SET search_path = public;
    CREATE TEMPORARY TABLE positions ON COMMIT DROP AS
        SELECT array_agg(DISTINCT position ORDER BY position) AS known FROM (
            SELECT horizon::text::bigint AS position FROM {TrainedModel._meta.db_table}
            WHERE horizon IS NOT NULL
            UNION SELECT transaction FROM {ReaderPosition._meta.db_table}
        ) AS positions;
    UPDATE positions SET known = '{{0}}' WHERE known IS NULL;
    UPDATE {Interaction._meta.db_table} SET transaction_id =
        (3 + width_bucket(transaction_id::text::bigint, (SELECT known FROM positions)))::text::xid8;
    UPDATE {Impression._meta.db_table} SET transaction_id =
        (3 + width_bucket(transaction_id::text::bigint, (SELECT known FROM positions)))::text::xid8;
    UPDATE {TrainedModel._meta.db_table} SET horizon =
        (3 + width_bucket(horizon::text::bigint, (SELECT known FROM positions)))::text::xid8
        WHERE horizon IS NOT NULL;
    UPDATE {ReaderPosition._meta.db_table} SET transaction =
        3 + width_bucket(transaction, (SELECT known FROM positions)) WHERE transaction > 0;
"""
_END_LOGINS = f"""
    DELETE FROM {Session._meta.db_table};
    DELETE FROM {PersonToken._meta.db_table};
"""
