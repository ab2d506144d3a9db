"""Requests whose heads come in parts hold no thread of a real gunicorn."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator

import pytest

from tests.flows.conftest import ROOT, eventually, free_port

THREAD_COUNT = 2
PATIENCE_S = 60
WHOLE = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"
WORKER = "marketplace.web.gunicorn_worker.HeadFirstWorker"


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    """Where a web process with two threads serves."""
    free = free_port()
    options = ["--bind", f"127.0.0.1:{free}", "--threads", str(THREAD_COUNT), "--worker-class", WORKER]
    application = "tests.marketplace.web.small_application:application"
    served = subprocess.Popen(
        [sys.executable, "-m", "gunicorn", application, *options, "--no-control-socket"],
        cwd=ROOT,
        start_new_session=True,
    )
    eventually(lambda: is_up(free), "gunicorn answers")
    yield free
    os.killpg(served.pid, signal.SIGKILL)
    served.wait()


def is_up(port: int) -> bool:
    with contextlib.suppress(OSError):
        return answer_to(port, WHOLE).startswith(b"HTTP/1.1 200")
    return False


def connect(port: int) -> socket.socket:
    return socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_S)


def answer_to(port: int, *parts: bytes) -> bytes:
    with connect(port) as link:
        for part in parts:
            link.sendall(part)
        return answer_on(link)


def answer_on(link: socket.socket) -> bytes:
    """The next answer on a connection, to its end."""
    received = b""
    while not received.endswith(b"hello") and (part := link.recv(1000)):
        received += part
    return received


def test_half_sent_heads_hold_no_thread_and_are_answered_once_they_are_whole(port):
    with contextlib.ExitStack() as links:
        halves = [links.enter_context(connect(port)) for _ in range(4 * THREAD_COUNT + 1)]
        for link in halves:
            link.sendall(WHOLE[:20])
        assert answer_to(port, WHOLE).startswith(b"HTTP/1.1 200")
        for link in halves[:3]:
            link.sendall(WHOLE[20:])
            assert answer_on(link).startswith(b"HTTP/1.1 200")


def test_silent_connections_hold_no_thread(port):
    with contextlib.ExitStack() as links:
        silent = [links.enter_context(connect(port)) for _ in range(4 * THREAD_COUNT + 1)]
        assert answer_to(port, WHOLE).startswith(b"HTTP/1.1 200")
        silent[0].sendall(WHOLE)
        assert answer_on(silent[0]).startswith(b"HTTP/1.1 200")


def test_a_second_request_on_a_connection_may_come_in_parts(port):
    with connect(port) as link:
        for part in (WHOLE, WHOLE[:9], WHOLE[9:]):
            link.sendall(part)
            if part != WHOLE[:9]:
                assert answer_on(link).startswith(b"HTTP/1.1 200")


def test_a_request_with_a_body_is_read_to_its_end(port):
    head = b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\n"
    assert answer_to(port, head, b"123456", b"789").startswith(b"HTTP/1.1 200")


def test_a_head_that_never_ends_is_cut_off(port):
    with connect(port) as link:
        with contextlib.suppress(OSError):
            link.sendall(b"GET / HTTP/1.1\r\n" + b"X: " + b"y" * 200_000)
        with contextlib.suppress(ConnectionResetError):
            assert link.recv(1000) == b""


def test_an_address_that_is_too_long_is_a_problem_in_json(port):
    answer = answer_to(port, b"GET /" + b"x" * 5000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n").decode()
    assert answer.startswith("HTTP/1.1 414") and "application/problem+json" in answer
    assert '"status": 414' in answer
