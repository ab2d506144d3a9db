"""Threads that send requests continuously and record every response."""

import contextlib
import functools
import http.client
import itertools
import json
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Reply:
    began: float  # seconds of time.monotonic()
    ended: float
    what: str  # method and path
    status: int
    headers: dict[str, str]  # names in lower case
    content: bytes

    @property
    def body(self) -> dict:
        return json.loads(self.content) if self.content else {}


def shown_on(reply: Reply) -> frozenset[str]:
    """Ids of all listings on a page of a feed or of the catalogue."""
    if "results" in reply.body:
        return frozenset(listing["id"] for listing in reply.body["results"])
    items = reply.body["items"]
    return frozenset(name for item in items for name in (item["listing"]["id"], *item["copies"]))


def ask(port: int, method: str, path: str, body: dict | None, key: dict[str, str]) -> Reply:
    """Send one request over a new connection."""
    began = time.monotonic()
    headers = key | ({"Content-Type": "application/json"} if body is not None else {})
    with contextlib.closing(http.client.HTTPConnection("127.0.0.1", port, timeout=60)) as link:
        link.request(method, path, body and json.dumps(body), headers)
        response = link.getresponse()
        names = {name.lower(): value for name, value in response.getheaders()}
        content = response.read()
        return Reply(began, time.monotonic(), f"{method} {path}", response.status, names, content)


class Crowd:
    """Context manager that runs functions in threads and sets `over` at its end."""

    def __init__(self, *lives: Callable[[], None]):
        self.over = threading.Event()
        self._threads = [threading.Thread(target=each) for each in lives]

    def __enter__(self):
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        for thread in self._threads:
            thread.join()


class Asking(Crowd):
    """Context manager with a thread for each request function, called repeatedly with a counter."""

    def __init__(self, *questions: Callable[[int], Reply]):
        super().__init__(*(functools.partial(self._run, each) for each in questions))
        self.replies: list[Reply] = []
        self.problems: list[Exception] = []

    def _run(self, question: Callable[[int], Reply]) -> None:
        for number in itertools.count():
            if self.over.is_set():
                return
            try:
                self.replies.append(question(number))
            except Exception as problem:
                self.problems.append(problem)
                return

    def since(self, moment: float) -> list[Reply]:
        """The responses to requests that started after a time."""
        return [reply for reply in self.replies if reply.began > moment]
