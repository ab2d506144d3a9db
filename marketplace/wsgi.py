"""WSGI application. Starts the process's threads, so a forking server has to load it after the fork."""

import sys

from marketplace.native_threads import set_native_threads

set_native_threads(1)

from django.core.wsgi import get_wsgi_application  # noqa: E402

from marketplace import entry  # noqa: E402
from marketplace.web import lock_waits  # noqa: E402

GIVE_UP = 3  # exit status on which gunicorn does not restart the worker

try:
    with entry.plain_errors():
        entry.prepare(["web"])
        lock_waits.set_lock_timeout()
        application = get_wsgi_application()
except SystemExit:
    sys.exit(GIVE_UP)

from marketplace.monitoring import checks  # noqa: E402
from recommendations.core import process_metrics  # noqa: E402
from recommendations.replica import follower  # noqa: E402

checks.warn_at_start()
process_metrics.delete_orphans()
follower.start()
