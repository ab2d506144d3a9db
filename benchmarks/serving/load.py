"""Load from a process of its own: clients that send prepared requests one after the other.

Reads a JSON object from standard input (port, clients, seconds, headers, requests), writes one to standard
output: latencies in seconds, statuses and the time that it took. Each client has one connection.
"""

import json
import socket
import sys
import threading
import time
from itertools import count
from typing import NamedTuple

RECEIVED = 65_536


class Load(NamedTuple):
    """What clients send: each request as bytes. They begin at different places of the list."""

    port: int
    clients: int
    seconds: float
    requests: list[bytes]


class Client:
    """One connection that is opened again when the server closes it."""

    def __init__(self, port: int):
        self._port = port
        self._socket: socket.socket | None = None

    def send(self, request: bytes) -> int:
        """The status of the answer, after its last byte has come."""
        for _ in range(2):
            try:
                return self._exchange(request)
            except (ConnectionError, ValueError):  # an idle connection was closed
                self._socket = None
        return 0

    def _exchange(self, request: bytes) -> int:
        if self._socket is None:
            self._socket = socket.create_connection(("127.0.0.1", self._port))
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._socket.sendall(request)
        received = self._socket.recv(RECEIVED)
        while b"\r\n\r\n" not in received:
            received += self._more()
        head, _, body = received.partition(b"\r\n\r\n")
        lower = head.lower()
        length = int(lower.partition(b"content-length:")[2].split(b"\r\n", 1)[0])
        left = length - len(body)
        while left > 0:
            left -= len(self._more())
        if b"connection: close" in lower:
            self._socket = None
        return int(head.split(b" ", 2)[1])

    def _more(self) -> bytes:
        assert self._socket is not None
        if not (part := self._socket.recv(RECEIVED)):
            raise ConnectionError
        return part


def run(load: Load) -> dict:
    """Send for so many seconds; latencies, statuses and the time until the last answer."""
    latencies: list[float] = []
    statuses: dict[int, int] = {}
    started = time.perf_counter()

    def client(number: int) -> None:
        connection = Client(load.port)
        start = number * len(load.requests) // load.clients
        for place in count(start):
            sent = time.perf_counter()
            if sent - started > load.seconds:
                return
            status = connection.send(load.requests[place % len(load.requests)])
            latencies.append(time.perf_counter() - sent)
            statuses[status] = statuses.get(status, 0) + 1

    threads = [threading.Thread(target=client, args=(number,)) for number in range(load.clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return {"latencies": latencies, "statuses": statuses, "took_s": time.perf_counter() - started}


def encoded(method: str, path: str, body: str | None, headers: dict[str, str]) -> bytes:
    """A request as it goes over the wire."""
    content = (body or "").encode()
    own = {"Host": "localhost", **headers} | ({"Content-Type": "application/json"} if content else {})
    lines = [f"{method} {path} HTTP/1.1", *(f"{name}: {value}" for name, value in own.items())]
    return "\r\n".join([*lines, f"Content-Length: {len(content)}", "", ""]).encode() + content


def main() -> None:
    wanted = json.load(sys.stdin)
    requests = [encoded(*request, wanted["headers"]) for request in wanted["requests"]]
    json.dump(run(Load(wanted["port"], wanted["clients"], wanted["seconds"], requests)), sys.stdout)


if __name__ == "__main__":
    main()
