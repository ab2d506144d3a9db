"""A pytest plugin, loaded before Django: real PostgreSQL and Redis in a temporary folder for this run.

DATABASE_URL and REDIS_URL, if set, are put aside, so that a test run never touches what they name.
"""

import os
import shutil
import tempfile
from pathlib import Path

FOLDER = Path(tempfile.mkdtemp(prefix="marketplace-tests-"))

for _name in ("DATABASE_URL", "REDIS_URL", "SECRET_KEY", "PORT", "IMAGE_BACKBONE", "IMAGE_WEIGHTS", "DEBUG"):
    os.environ.pop(_name, None)
os.environ["VAR"] = str(FOLDER)
os.environ["WEIGHTS_DOWNLOAD_TIMEOUT_S"] = "0"
# For processes that tests start on these servers, which to them are somebody else's.
os.environ["SECRET_KEY"] = "a key for tests, which keeps nothing secret"
os.environ["HTTPS_ONLY"] = "false"
os.environ.setdefault("LOG_FORMAT", "text")
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "marketplace.settings")

from marketplace.servers import embedded  # noqa: E402  after the environment is set

_servers = embedded.EmbeddedServers(FOLDER, durable=False)


def pytest_configure(config) -> None:
    if not (config.option.help or config.option.version or config.option.collectonly):
        _servers.hold()


def pytest_unconfigure(config) -> None:
    _servers.release()
    home = _servers.home
    for folder in (FOLDER, home.data, home.sockets):
        shutil.rmtree(folder, ignore_errors=True)
