"""What a web process says as it starts."""

import os
import subprocess
import sys

from django.conf import settings

LOAD = "import marketplace.wsgi"


def test_a_web_process_with_https_and_no_proxy_counted_warns_at_start(transactional_db):
    database = settings.DATABASES["default"]
    url = f"postgresql://{database['USER']}@/{database['NAME']}?host={database['HOST']}"
    servers = {"DATABASE_URL": url, "REDIS_URL": settings.REDIS_URL, "HTTPS_ONLY": "true", "PROXY_COUNT": "0"}
    started = subprocess.run(
        [sys.executable, "-c", LOAD],
        cwd=settings.BASE_DIR,
        env=os.environ | servers,
        capture_output=True,
        text=True,
    )
    assert started.returncode == 0, started.stderr
    assert "Set PROXY_COUNT" in started.stdout + started.stderr
