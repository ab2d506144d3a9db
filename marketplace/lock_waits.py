"""How long a web request waits for what another transaction holds: its threads are few."""

from django.db.backends.signals import connection_created

LOCK_TIMEOUT = "5s"  # then it is answered 503, and may be sent again


def limit() -> None:
    """From now on, in each connection that this process opens. Workers and commands may wait for longer."""
    connection_created.connect(_limit, dispatch_uid=__name__)


def _limit(connection, **_: object) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT set_config('lock_timeout', %s, false)", [LOCK_TIMEOUT])
