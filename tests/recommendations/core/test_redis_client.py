"""Clients of Redis: they fail fast when Redis is away, and are shared."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import redis

from recommendations.core import redis_client


@contextmanager
def rude_server() -> Iterator[tuple[str, list[str]]]:
    """A server that closes every connection at once. Yields its address and the list of its clients."""
    callers = []
    with socket.create_server(("127.0.0.1", 0)) as server:

        def hang_up():
            while True:
                try:
                    connection, caller = server.accept()
                except OSError:
                    return
                callers.append(str(caller))
                connection.close()

        listener = threading.Thread(target=hang_up)
        listener.start()
        yield f"redis://127.0.0.1:{server.getsockname()[1]}", callers
        server.shutdown(socket.SHUT_RDWR)
        listener.join()


def test_a_redis_client_tries_again_once_and_never_pauses(settings, monkeypatch):
    monkeypatch.setattr("time.sleep", lambda seconds: pytest.fail(f"waits {seconds} s"))
    with rude_server() as (settings.REDIS_URL, callers), redis_client.new_client(5) as link:
        with pytest.raises(redis.ConnectionError):
            link.ping()
        # To connect is tried twice, and so is to ask.
        assert 1 < len(callers) <= 4


def test_a_redis_client_gives_up_a_silent_server(settings):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        settings.REDIS_URL = f"redis://127.0.0.1:{silent.getsockname()[1]}"
        with redis_client.new_client(0.1) as link, pytest.raises(redis.TimeoutError):
            link.ping()


def test_a_redis_connection_that_was_closed_meanwhile_is_opened_again(settings):
    with redis_client.new_client(5) as link:
        own = link.client_id()
        with redis_client.new_client(5) as other:
            other.client_kill_filter(_id=own)
        assert link.ping()


class TestSharing:
    def test_equal_timeouts_share_a_redis_client(self):
        assert redis_client.client(5) is redis_client.client(5, connect_timeout_s=5)

    def test_other_timeouts_get_another_redis_client(self):
        assert redis_client.client(5) is not redis_client.client(4)
        assert redis_client.client(5) is not redis_client.client(5, connect_timeout_s=1)

    def test_another_address_gets_another_redis_client(self, settings):
        before = redis_client.client(5)
        settings.REDIS_URL = "redis://127.0.0.1:1"
        assert redis_client.client(5) is not before
