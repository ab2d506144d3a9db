"""The web process. Its threads start here, which a server that forks loads after the fork."""

from marketplace.native_threads import set_native_threads

set_native_threads(1)

from django.core.wsgi import get_wsgi_application  # noqa: E402

from marketplace import entry  # noqa: E402

with entry.plain_errors():
    entry.prepare(["web"])
    application = get_wsgi_application()

from recommendations import replica  # noqa: E402

replica.start()
