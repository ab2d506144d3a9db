"""Programs of the marketplace in a minimal environment."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SECRET = "hunter2-hunter2"
NOWHERE = "postgresql://shop:hunter2-hunter2@127.0.0.1:1/shop"


def started(*command: str, **variables: str) -> subprocess.CompletedProcess:
    """Run a command to its end in a minimal environment."""
    needed = ("PATH", "VAR", "SECRET_KEY") if "DATABASE_URL" in variables else ("PATH", "VAR")
    environment = {name: os.environ[name] for name in needed} | variables
    return subprocess.run(
        [sys.executable, *command], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=100
    )
