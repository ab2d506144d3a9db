"""Lock timeout of web requests, which must not occupy their few threads for long."""

from django.db.backends.signals import connection_created

LOCK_TIMEOUT = "5s"  # then the request gets 503 and may be repeated


def set_lock_timeout() -> None:
    """Set the timeout on each new connection of this process. Workers and commands may wait longer."""
    connection_created.connect(_limit, dispatch_uid=__name__)


def _limit(connection, **_: object) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT set_config('lock_timeout', %s, false)", [LOCK_TIMEOUT])
