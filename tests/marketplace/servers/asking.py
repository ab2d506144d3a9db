"""Questions to embedded servers, and their end."""

import contextlib
import os
import shutil
import signal
import time
from pathlib import Path

import psycopg
import redis

from marketplace.servers.embedded import EmbeddedServers
from marketplace.servers.home import ServerHome, pid_in, process_in


def erase(folder: Path) -> None:
    home = ServerHome(folder)
    for remains in [home.sockets, *([home.data, home.data.with_suffix(".old")] if home.for_root else [])]:
        shutil.rmtree(remains, ignore_errors=True)


def is_up(servers: EmbeddedServers) -> bool:
    with contextlib.suppress(psycopg.OperationalError, redis.ConnectionError):
        ask(servers, "SELECT 1")
        return redis_of(servers).ping()
    return False


def ask(servers: EmbeddedServers, question: str):
    with psycopg.connect(servers.postgres.url) as connection:
        cursor = connection.execute(question)
        return cursor.fetchone()[0] if cursor.description else None


def redis_of(servers: EmbeddedServers) -> redis.Redis:
    return redis.Redis.from_url(servers.redis.url, decode_responses=True)


def pids(servers: EmbeddedServers) -> dict[Path, int]:
    files = (servers.postgres.data / "postmaster.pid", servers.redis.data / "redis.pid")
    return {file.parent: pid for file in files if (pid := pid_in(file)) is not None}


def kill_both(servers: EmbeddedServers) -> None:
    for folder, pid in pids(servers).items():
        os.kill(pid, signal.SIGKILL)
        while process_in(folder, pid):
            time.sleep(0.01)
