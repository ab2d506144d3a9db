"""A throwaway installation for benchmarks that need real servers. It touches nothing of the user's.

Import it before any Django code, since it sets Django up with settings of its own.
"""

import atexit
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import django
from django.apps import apps

if not apps.ready:  # a test run has set Django up already, with servers of its own
    FOLDER = Path(tempfile.gettempdir()) / f"marketplace-benchmark-{os.getpid()}"
    atexit.register(shutil.rmtree, FOLDER, ignore_errors=True)
    for _name in ("DATABASE_URL", "REDIS_URL", "SECRET_KEY", "PORT", "DEBUG"):
        os.environ.pop(_name, None)
    os.environ["VAR"] = str(FOLDER)
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "marketplace.settings")
    django.setup()


@contextmanager
def servers() -> Iterator[None]:
    """PostgreSQL with empty tables, and Redis; both are removed afterwards, on SIGTERM too."""
    from django.core.management import call_command
    from django.db import connection

    from marketplace.servers.embedded import EmbeddedServers

    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    held = EmbeddedServers(FOLDER, durable=False)
    held.hold()
    try:
        call_command("migrate", verbosity=0)
        yield
    finally:
        connection.close()
        held.release()
        for folder in (FOLDER, held.home.data, held.home.sockets):
            shutil.rmtree(folder, ignore_errors=True)
