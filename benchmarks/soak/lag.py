"""Measurement of replica lag: the time until the web processes' answers show a change."""

import threading
import time

from django.db import connections

from benchmarks.soak.shop import Reply, Shop
from listings.demo.kinds import KINDS
from recommendations.models.embeddings import ListingEmbedding

CHANGES = ("published", "edited", "reserved", "released", "sold")
SURE = 6  # consecutive answers that must show a change, as either of two processes may answer
POLL_EVERY_S = 0.03
PATIENCE_S = 30.0
BETWEEN_S = 2.0


class NotDone(Exception):
    """A change was not acknowledged, or the listing was not embedded in time."""


class Watch:
    """Context manager in which one seller changes one listing after another and measures when it shows.

    Each listing has a price of its own. The probe is a page of similar listings filtered by that price, which
    a web process answers from its own replica. The lag runs from the acknowledgement of the change (of
    `published`: from just before the commit of its vector) to the end of the first of SURE consecutive
    answers that show it. `lags`: change -> [(time of acknowledgement, seconds)]. `fresh`: the same from the
    acknowledgement of a publication, including its embedding.
    """

    def __init__(self, shop: Shop, beside: str):
        self.lags: dict[str, list[tuple[float, float]]] = {change: [] for change in CHANGES}
        self.fresh: list[tuple[float, float]] = []
        self._shop, self._beside = shop, beside
        self._over = threading.Event()
        self._failures: list[BaseException] = []
        self._thread = threading.Thread(target=self._live)

    def __enter__(self) -> "Watch":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()
        if self._failures:
            raise self._failures[0]

    def follow(self, number: int) -> None:
        """Measure one listing from its publication to its sale. Raises NotDone."""
        name, kind = f"watched-{number}", list(KINDS.values())[number % len(KINDS)]
        first, second = f"{30_000 + number}.11", f"{60_000 + number}.22"
        new = {"id": name, "seller": "watcher", "title": f"{kind.name} {name}", "category": kind.category}
        published = self._change("POST", "listings/", new | {"price": first})
        shown_at = self._note("published", self._embedded_at(name), name, first, is_shown=True)
        self.fresh.append((published.ended, shown_at - published.ended))
        edited = self._change("PATCH", f"listings/{name}/", {"price": second})
        self._note("edited", edited.ended, name, second, is_shown=True)
        for verb, change, is_shown in (
            ("reserve", "reserved", False),
            ("release", "released", True),
            ("sold", "sold", False),
        ):
            reply = self._change("POST", f"listings/{name}/{verb}/", {})
            self._note(change, reply.ended, name, second, is_shown=is_shown)

    def _live(self) -> None:
        number = 0
        try:
            while not self._over.wait(BETWEEN_S):
                number += 1
                self._try(number)
        except Exception as failure:
            self._failures.append(failure)
        finally:
            connections.close_all()

    def _try(self, number: int) -> None:
        try:
            self.follow(number)
        except NotDone as problem:
            if not self._over.is_set():
                self._shop.problems.append(str(problem))

    def _change(self, method: str, path: str, body: dict) -> Reply:
        reply = self._shop.ask(method, path, body)
        if not reply.is_fine:
            raise NotDone(f"A measured change was refused with status {reply.status}: {method} {path}")
        return reply

    def _embedded_at(self, name: str) -> float:
        """A moment just before the listing's vector was committed. Raises NotDone."""
        last = began = time.monotonic()
        while (now := time.monotonic()) < began + PATIENCE_S:
            if ListingEmbedding.objects.filter(listing__external_id=name).exists():
                return last
            last = now
            time.sleep(POLL_EVERY_S)
        raise NotDone(f"{name} was not embedded in {PATIENCE_S:.0f} s")

    def _note(self, change: str, since: float, name: str, price: str, *, is_shown: bool) -> float:
        """The moment at which the change showed; PATIENCE_S after `since` if it never did."""
        page = f"listings/{self._beside}/similar/?limit=5&min_price={price}&max_price={price}"
        consecutive: list[float] = []
        while len(consecutive) < SURE and time.monotonic() < since + PATIENCE_S:
            reply = self._shop.watch(page)
            consecutive = [*consecutive, reply.ended] if (name in reply.shown) == is_shown else []
            time.sleep(POLL_EVERY_S)
        shown_at = consecutive[0] if len(consecutive) == SURE else since + PATIENCE_S
        self.lags[change].append((since, shown_at - since))
        return shown_at
