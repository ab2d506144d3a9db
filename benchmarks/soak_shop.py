"""A shop's own backend that asks the web process for things, and what came of each request."""

import contextlib
import http.client
import json
import threading
import time
from dataclasses import dataclass, field
from typing import Any

TIMEOUT_S = 60
NOTHING_CAME = 0
EDGE = "soak-edge"
# Whoever only looks whether something shows says that it is a machine: of its pages nothing is kept.
WATCHER = {"User-Agent": "soak-bot"}


@dataclass(frozen=True)
class Reply:
    began: float  # seconds, as time.monotonic() tells them
    ended: float
    status: int  # NOTHING_CAME: the connection broke, or nothing came in time
    body: dict[str, Any] = field(repr=False)

    @property
    def is_fine(self) -> bool:
        return 200 <= self.status < 300

    @property
    def is_server_error(self) -> bool:
        return self.status >= 500 or self.status == NOTHING_CAME

    @property
    def shown(self) -> list[str]:
        """Ids of the listings of a page, in its order."""
        return [item["listing"]["id"] for item in self.body.get("items", [])]


class Shop:
    """Requests to one address, each over a connection of its own, from any thread."""

    def __init__(self, port: int, secret: str):
        self._port, self._key = port, {"Authorization": f"Api-Key {secret}"}
        self._noting = threading.Lock()
        self.problems: list[str] = []  # each server error, in words
        self.refusals: list[str] = []  # what was refused, though nothing that is asked for should be

    def ask(self, method: str, path: str, body: dict[str, Any] | None = None, **headers: str) -> Reply:
        """path: below /api/v1/."""
        content = None if body is None else json.dumps(body).encode()
        kind = {} if body is None else {"Content-Type": "application/json"}
        return self._noted(f"{method} {path}", self._ask(method, path, content, kind | headers))

    def send_photo(self, path: str, jpeg: bytes) -> Reply:
        head = f'--{EDGE}\r\nContent-Disposition: form-data; name="photo"; filename="a.jpg"\r\n\r\n'
        body = head.encode() + jpeg + f"\r\n--{EDGE}--\r\n".encode()
        kind = {"Content-Type": f"multipart/form-data; boundary={EDGE}"}
        return self._noted(f"POST {path}", self._ask("POST", path, body, kind))

    def watch(self, path: str) -> Reply:
        """A page that nobody reads."""
        return self.ask("GET", path, None, **WATCHER)

    def _ask(self, method: str, path: str, content: bytes | None, headers: dict[str, str]) -> Reply:
        began, status, answer = time.monotonic(), NOTHING_CAME, b""
        link = http.client.HTTPConnection("127.0.0.1", self._port, timeout=TIMEOUT_S)
        try:
            with contextlib.closing(link):
                link.request(method, f"/api/v1/{path}", content, self._key | headers)
                response = link.getresponse()
                answer, status = response.read(), response.status
        except (OSError, http.client.HTTPException) as error:
            answer = json.dumps({"detail": f"{type(error).__name__}: {error}"}).encode()
        return Reply(began, time.monotonic(), status, _read(answer))

    def _noted(self, what: str, reply: Reply) -> Reply:
        if not reply.is_fine:
            line = f"{what}: {reply.status} {reply.body.get('detail', '')}"
            with self._noting:
                (self.problems if reply.is_server_error else self.refusals).append(line)
        return reply


def _read(answer: bytes) -> dict[str, Any]:
    try:
        body = json.loads(answer)
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}
