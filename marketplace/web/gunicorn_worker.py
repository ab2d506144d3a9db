"""gunicorn's worker with threads, which gives a request a thread once its whole head is there.

Otherwise as many half-sent heads as there are threads would hold the site, where no proxy waits for them.
"""

import contextlib
import json
import selectors
import socket
import time
from functools import partial

from gunicorn.http.errors import LimitRequestLine
from gunicorn.workers.gthread import TConn, ThreadWorker

HEAD_LIMIT_S = 10.0  # for the first byte, and from there to the end of the head
HEAD_BYTES = 65_536
LOOK_EVERY_S = 0.02  # at heads of which a part is there, since the poller would report them all the time
END = b"\r\n\r\n"


class HeadFirstWorker(ThreadWorker):
    """A ThreadWorker whose threads never wait for the head of a request."""

    def __init__(self, *arguments, **options) -> None:
        super().__init__(*arguments, **options)
        self._begun: dict[TConn, float] = {}  # with a part of a head, until when

    def enqueue_req(self, conn: TConn) -> None:
        """Give the connection a thread, now or as soon as a head is there."""
        if self.cfg.is_ssl or (conn.parser is not None and conn.parser.unreader.buf.getvalue()):
            super().enqueue_req(conn)
            return
        head = _peek(conn)
        if head is None:
            self._wait_for_a_byte(conn)
        elif _is_for_a_thread(head):
            self._hand_over(conn)
        else:
            self._begun[conn] = time.monotonic() + HEAD_LIMIT_S

    def wait_for_and_dispatch_events(self, timeout: float) -> None:
        super().wait_for_and_dispatch_events(min(timeout, LOOK_EVERY_S) if self._begun else timeout)
        now = time.monotonic()
        for conn, deadline in list(self._begun.items()):
            head = _peek(conn)
            if head is None or _is_for_a_thread(head):
                del self._begun[conn]
                self._hand_over(conn)
            elif now > deadline or len(head) >= HEAD_BYTES:
                del self._begun[conn]
                self.nr_conns -= 1
                conn.close()

    def handle_error(self, req: object, client: socket.socket, addr: object, exc: BaseException) -> None:
        """Answer an address that is too long as every other problem is answered."""
        if not isinstance(exc, LimitRequestLine):
            super().handle_error(req, client, addr, exc)
            return
        self.log.warning("An address of over %d characters was refused.", self.cfg.limit_request_line)
        with contextlib.suppress(OSError):
            client.sendall(_TOO_LONG)

    def _wait_for_a_byte(self, conn: TConn) -> None:
        conn.timeout = time.monotonic() + HEAD_LIMIT_S
        self.pending_conns.append(conn)
        self.poller.register(conn.sock, selectors.EVENT_READ, partial(self.on_pending_socket_readable, conn))

    def _hand_over(self, conn: TConn) -> None:
        conn.data_ready = True
        super().enqueue_req(conn)


_PROBLEM = json.dumps(
    {"type": "about:blank", "title": "URI Too Long", "status": 414, "detail": "The address is too long."}
).encode()
_TOO_LONG = (
    b"HTTP/1.1 414 URI Too Long\r\nConnection: close\r\nContent-Type: application/problem+json\r\n"
    b"Content-Length: %d\r\n\r\n%s" % (len(_PROBLEM), _PROBLEM)
)


def _is_for_a_thread(head: bytes) -> bool:
    """Whether a thread would not wait: the head is whole, or the client has hung up."""
    return not head or END in head


def _peek(conn: TConn) -> bytes | None:
    """What the client has sent, without taking it. None before its first byte; empty when it hung up."""
    try:
        return conn.sock.recv(HEAD_BYTES, socket.MSG_PEEK | socket.MSG_DONTWAIT)
    except BlockingIOError:
        return None
    except OSError:
        return b""
