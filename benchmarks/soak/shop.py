"""HTTP client of a marketplace's backend, which records errors and refusals."""

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
# Probes identify themselves as a bot, so that no slate is stored for their pages.
WATCHER = {"User-Agent": "soak-bot"}


@dataclass(frozen=True)
class Reply:
    began: float  # time.monotonic()
    ended: float
    status: int  # NOTHING_CAME: the connection broke or timed out
    body: dict[str, Any] = field(repr=False)

    @property
    def is_fine(self) -> bool:
        return 200 <= self.status < 300

    @property
    def is_server_error(self) -> bool:
        return self.status >= 500 or self.status == NOTHING_CAME

    @property
    def shown(self) -> list[str]:
        """Ids of the listings of a page, in order."""
        return [item["listing"]["id"] for item in self.body.get("items", [])]


class Shop:
    """Sends requests to one address, each over a new connection. Thread-safe."""

    def __init__(self, port: int, secret: str):
        self._port, self._key = port, {"Authorization": f"Api-Key {secret}"}
        self._noting = threading.Lock()
        self.problems: list[str] = []  # a line for each server error
        self.refusals: list[str] = []  # a line for each reply of 400 to 499; none is expected

    def ask(self, method: str, path: str, body: dict[str, Any] | None = None, **headers: str) -> Reply:
        """Send a request. path: relative to /api/v1/."""
        content = None if body is None else json.dumps(body).encode()
        kind = {} if body is None else {"Content-Type": "application/json"}
        return self._noted(f"{method} {path}", self._ask(method, path, content, kind | headers))

    def send_photo(self, path: str, jpeg: bytes) -> Reply:
        head = f'--{EDGE}\r\nContent-Disposition: form-data; name="photo"; filename="a.jpg"\r\n\r\n'
        body = head.encode() + jpeg + f"\r\n--{EDGE}--\r\n".encode()
        kind = {"Content-Type": f"multipart/form-data; boundary={EDGE}"}
        return self._noted(f"POST {path}", self._ask("POST", path, body, kind))

    def watch(self, path: str) -> Reply:
        """Fetch a page as a bot, without a slate."""
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
