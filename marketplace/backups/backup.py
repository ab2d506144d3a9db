"""Backup and restore of the database, photos and models.

A backup is taken while everything runs and is consistent: rows come from one snapshot, and photos and models
are copied before and after it, so that every file that a row names is included. Derived data, such as the
index and trending counts, are not included; workers compute them again after a restore.
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
from marketplace.backups import files, pg_tools
from marketplace.backups.files import DUMP, BadBackup
from marketplace.models import PersonToken, ServiceKey
from recommendations.models.events import Interaction
from recommendations.models.slates import Impression, ReaderPosition
from recommendations.models.trained_models import TrainedModel
from recommendations.popularity import trending

COUNTED = (Actor, Listing, Interaction)
MIGRATIONS = MigrationRecorder.Migration._meta.db_table
# Tables that have rows in a new installation.
OF_SET_UP = {MIGRATIONS, *(model._meta.db_table for model in (ContentType, Permission, Place))}
FOLDERS = {"media": "MEDIA_ROOT", "models": "MODEL_ROOT"}  # setting that holds the path


class InstallationNotEmpty(Conflict):
    """A restore without `force` found existing data."""

    def __init__(self, found: str):
        super().__init__(f"This installation has data: --force puts the backup in place of {found}.")


class DatabaseInUse(Conflict):
    """Other connections to the database exist, probably of this installation's processes."""


class FolderNotEmpty(Conflict):
    """The folder for the backup is not empty."""


class RedisNotCleared(Conflict):
    """Everything was restored, but Redis still has trending counts of the previous data."""

    def __init__(self, reason: str):
        super().__init__(
            f"Restored, but Redis still has the previous trending counts: empty it (FLUSHDB). {reason}"
        )


def back_up(folder: Path, *, now: datetime, database: BaseDatabaseWrapper = connection) -> dict[str, Any]:
    """Write a backup while everything runs. Returns its manifest. The folder appears only when complete.

    Raises FolderNotEmpty and the errors of pg_tools.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise FolderNotEmpty(f"{folder} is not empty: give a folder that does not exist yet.")
    unfinished = folder.with_name(f".{folder.name}.unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(parents=True, mode=0o700)
    try:
        _copy_folders(unfinished)
        with _snapshot(database) as (snapshot, cursor):
            about = _about(cursor, now)
            pg_tools.dump(database, unfinished / DUMP, snapshot=snapshot)
        _copy_folders(unfinished)
        files.write_manifest(unfinished, about)
        unfinished.rename(folder)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
    return about


def restore(
    folder: Path, *, force: bool = False, database: BaseDatabaseWrapper = connection
) -> dict[str, Any]:
    """Restore a backup into an empty installation, or over its data with `force`. Returns the manifest.

    Sessions and tokens of persons are not restored, because they may have been revoked since. Service keys
    are; see `valid_keys`. No other process may run. The database changes in one transaction, and the folders
    follow: an interrupted restore has to be repeated with `force`. Raises BadBackup, InstallationNotEmpty,
    DatabaseInUse, RedisNotCleared and the errors of pg_tools.
    """
    about = files.read_manifest(folder)
    _require_known(about)
    _require_alone(database)
    if not force:
        _require_empty(database)
    settings.VAR.mkdir(parents=True, exist_ok=True)
    after = _RENUMBER + _END_LOGINS
    pg_tools.restore(database, folder / DUMP, before=_DROP_TABLES, after=after, room=settings.VAR)
    for name, setting in FOLDERS.items():
        (folder / name).mkdir(exist_ok=True)
        files.replace(folder / name, Path(getattr(settings, setting)))
    shutil.rmtree(settings.INDEX_ROOT, ignore_errors=True)
    _delete_trending_counts()
    return about


def valid_keys(now: datetime) -> list[str]:
    """Names of the valid service keys. After a restore, some may have been revoked since the backup."""
    unexpired = Q(expires_at=None) | Q(expires_at__gt=now)
    keys = ServiceKey.objects.filter(unexpired, revoked_at=None)
    return list(keys.order_by("name").values_list("name", flat=True))


def _copy_folders(target: Path) -> None:
    for name, setting in FOLDERS.items():
        (target / name).mkdir(exist_ok=True)
        files.copy_new(Path(getattr(settings, setting)), target / name)


@contextmanager
def _snapshot(database: BaseDatabaseWrapper) -> Iterator[tuple[str, CursorWrapper]]:
    """The id of an exported snapshot, for pg_dump's own connection, and a cursor that reads it."""
    connection_of_snapshot = database.copy()
    try:
        with connection_of_snapshot.cursor() as cursor:
            cursor.execute("BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY")
            cursor.execute("SELECT pg_export_snapshot()")
            yield cursor.fetchone()[0], cursor
    finally:
        connection_of_snapshot.close()


def _about(cursor: CursorWrapper, now: datetime) -> dict[str, Any]:
    cursor.execute(f"SELECT app || '.' || name FROM {MIGRATIONS} ORDER BY 1")
    counts: dict[str, int] = {}
    about: dict[str, Any] = {
        "made_at": now.isoformat(timespec="seconds"),
        "migrations": [name for (name,) in cursor.fetchall()],
        "counts": counts,
    }
    for model in COUNTED:
        cursor.execute(f"SELECT count(*) FROM {model._meta.db_table}")
        counts[model._meta.label] = cursor.fetchone()[0]
    return about


def _require_known(about: dict[str, Any]) -> None:
    """Raise BadBackup when the backup has migrations that this code lacks."""
    known = {
        f"{app}.{name}" for app, name in MigrationLoader(None, ignore_no_migrations=True).disk_migrations
    }
    if unknown := sorted(set(about["migrations"]) - known):
        raise BadBackup(
            f"The backup is from a later version: this code lacks the migrations {', '.join(unknown[:3])}."
        )


def _require_alone(database: BaseDatabaseWrapper) -> None:
    with database.cursor() as cursor:
        cursor.execute(_OTHER_CONNECTIONS)
        if count := cursor.fetchone()[0]:
            raise DatabaseInUse(
                f"The database has {count} other connections: stop web, workers and beat first."
            )


def _require_empty(database: BaseDatabaseWrapper) -> None:
    """Raise InstallationNotEmpty when a restore would delete rows, tables of others or files."""
    models = apps.get_models(include_auto_created=True, include_swapped=True)
    our_tables = {MIGRATIONS, *(model._meta.db_table for model in models)}
    for table in _tables(database):
        if table not in our_tables:
            raise InstallationNotEmpty(f"the table {table}, which is not of this application, and all others")
        if table not in OF_SET_UP and _has_rows(database, table):
            raise InstallationNotEmpty(f"the rows of {table}, and all others")
    for setting in FOLDERS.values():
        folder = Path(getattr(settings, setting))
        if any(file.is_file() for file in folder.rglob("*")):
            raise InstallationNotEmpty(f"the files under {folder}")


def _tables(database: BaseDatabaseWrapper) -> list[str]:
    with database.cursor() as cursor:
        cursor.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY 1")
        return [name for (name,) in cursor.fetchall()]


def _has_rows(database: BaseDatabaseWrapper, table: str) -> bool:
    with database.cursor() as cursor:
        cursor.execute(f"SELECT EXISTS (SELECT FROM public.{database.ops.quote_name(table)})")
        return cursor.fetchone()[0]


def _delete_trending_counts() -> None:
    """Delete the trending counts. The next roll-up counts the restored rows."""
    try:
        trending.client().delete(trending.SCORES, trending.STATE)
    except RedisError as error:
        raise RedisNotCleared(str(error)) from None


_OTHER_CONNECTIONS = """
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
# Rows carry transaction ids of the server of the backup, which watermark readers would compare with ids of
# this server. They are replaced by small numbers, below every current id, that keep the order between rows
# and reader positions. https://www.postgresql.org/docs/current/functions-math.html (width_bucket)
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
