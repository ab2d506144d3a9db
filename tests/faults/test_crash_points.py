"""Crash points are refused in production."""

import os
import subprocess
import sys

from tests.flows.conftest import ROOT

PRODUCTION = {
    "DATABASE_URL": "postgresql://shop@db.example/shop",
    "REDIS_URL": "redis://redis.example",
    "SECRET_KEY": "".join(chr(number) for number in range(65, 115)),
    "HTTPS_ONLY": "true",
}


def start(**environment: str) -> subprocess.CompletedProcess:
    """Load settings and apps as every process does, without any connection."""
    return subprocess.run(
        [sys.executable, "manage.py", "check"],
        cwd=ROOT,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        timeout=120,
    )


class TestInProduction:
    def test_no_process_starts_with_crash_points_in_production(self, tmp_path):
        refused = start(**PRODUCTION, CRASH_POINTS=str(tmp_path / "crash_points"))
        assert refused.returncode != 0
        assert "CRASH_POINTS is for tests" in refused.stderr

    def test_a_process_starts_without_crash_points_in_production(self):
        started = start(**PRODUCTION)
        assert started.returncode == 0, started.stderr
