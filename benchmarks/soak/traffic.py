"""Simulated traffic of a marketplace, at a bounded rate and from one seed.

It consists of feeds and their pages, similar listings, searches, events that name their slates, publishing,
edits, sales and reservations.
"""

import io
import itertools
import random
import threading
import time
from collections import Counter
from dataclasses import dataclass
from urllib.parse import urlencode

from benchmarks.soak.shop import Reply, Shop
from listings.demo.drawings import draw
from listings.demo.kinds import KINDS

SHOPPERS, SELLERS = 60, 20
THREADS = 4
LEAST_STOCK = 40  # listings that are never sold, so that there is always something to show
PAGE = 20
KINDS_OF_EVENTS = {"view": 6, "click": 6, "favourite": 2, "message": 1}
# Frequency of each action. As many listings are published as sold, so that the catalogue keeps its size.
SHARES = {"browse": 30, "compare": 15, "look_for": 20, "publish": 6, "sell": 6, "edit": 6, "hold": 4}


@dataclass(frozen=True)
class Good:
    """A listing on the market."""

    name: str
    title: str


class Pace:
    """A rate limit of so many requests a second, without bursts after a pause."""

    def __init__(self, per_second: float):
        self._gap_s, self._next_at, self._taking = 1 / per_second, 0.0, threading.Lock()

    def wait(self) -> None:
        with self._taking:
            turn = max(self._next_at, time.monotonic())
            self._next_at = turn + self._gap_s
        time.sleep(max(0.0, turn - time.monotonic()))


class Traffic:
    """Context manager in which threads send requests to the shop.

    `replies`: start and duration in seconds of each request. `degraded`: number of pages without each source.
    """

    def __init__(self, shop: Shop, stock: list[Good], *, rate: float, seed: int):
        self.replies: list[tuple[float, float]] = []  # (began, seconds)
        self.degraded: Counter[str] = Counter()
        self._shop, self._stock, self._pace = shop, stock, Pace(rate)
        self._taking, self._over = threading.Lock(), threading.Event()
        self._numbers, self._failures = itertools.count(), list[BaseException]()
        self._threads = [
            threading.Thread(target=self._live, args=(random.Random(f"{seed} {n}"),)) for n in range(THREADS)
        ]

    def __enter__(self) -> "Traffic":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join()
        if self._failures:
            raise self._failures[0]

    def act(self, name: str, chance: random.Random) -> None:
        """Perform an action of SHARES."""
        getattr(self, f"_{name}")(chance)

    def _live(self, chance: random.Random) -> None:
        while not self._over.is_set():
            try:
                self.act(chance.choices(list(SHARES), list(SHARES.values()))[0], chance)
            except Exception as failure:
                self._failures.append(failure)
                return

    def _browse(self, chance: random.Random) -> None:
        """Fetch a feed and sometimes its second page, and send events about some of their listings."""
        actor = f"shopper-{chance.randrange(SHOPPERS)}"
        page = self._ask("GET", f"feed/?{urlencode({'actor': actor, 'limit': PAGE})}")
        self._touch(chance, actor, page)
        if (cursor := page.body.get("next_cursor")) and chance.random() < 0.4:
            query = urlencode({"actor": actor, "limit": PAGE, "cursor": cursor})
            self._touch(chance, actor, self._ask("GET", f"feed/?{query}"))

    def _compare(self, chance: random.Random) -> None:
        self._ask("GET", f"listings/{self._any(chance).name}/similar/?limit={PAGE}")

    def _look_for(self, chance: random.Random) -> None:
        """Search for two words of a listing that is, or was, on the market."""
        words = self._any(chance).title.split()
        query = {"q": " ".join(chance.sample(words, min(2, len(words)))), "limit": PAGE}
        actor = f"shopper-{chance.randrange(SHOPPERS)}"
        self._touch(chance, actor, self._ask("GET", f"search/?{urlencode(query | {'actor': actor})}"))

    def _touch(self, chance: random.Random, actor: str, page: Reply) -> None:
        """Send events about some of the first listings of a page, which name its slate."""
        places = [place for place in range(min(6, len(page.shown))) if chance.random() < 0.25]
        kinds = chance.choices(list(KINDS_OF_EVENTS), list(KINDS_OF_EVENTS.values()), k=len(places))
        events = [
            {
                "event_id": f"event-{next(self._numbers)}",
                "actor": actor,
                "listing": page.shown[place],
                "kind": kind,
                "slate": page.body["slate_id"],
                "position": place,
            }
            for place, kind in zip(places, kinds, strict=True)
        ]
        if events:
            self._ask("POST", "interactions/", {"events": events})

    def _publish(self, chance: random.Random) -> None:
        """Publish a listing, every other one with a photo."""
        kind = chance.choice(list(KINDS.values()))
        colour, name = chance.choice(kind.colours), f"soak-{next(self._numbers)}"
        new = {
            "id": name,
            "seller": f"seller-{chance.randrange(SELLERS)}",
            "title": f"{colour} {kind.name} number {name}",
            "price": str(chance.randrange(5, 500)),
            "category": kind.category,
        }
        if not self._ask("POST", "listings/", new).is_fine:
            return
        if chance.random() < 0.5:
            self._pace.wait()
            self._note(self._shop.send_photo(f"listings/{name}/photos/", photo(kind.name, colour, chance)))
        self._put(Good(name, new["title"]))

    def _sell(self, chance: random.Random) -> None:
        if good := self._take(chance):
            buyer = {"buyer": f"shopper-{chance.randrange(SHOPPERS)}"}
            self._ask("POST", f"listings/{good.name}/sold/", buyer)

    def _edit(self, chance: random.Random) -> None:
        """Change a price, or a title, which has to be embedded again."""
        if good := self._take(chance):
            words = {"title": f"{good.title[:200]} {chance.choice(('cheap', 'lovely', 'used', 'as new'))}"}
            price = {"price": str(chance.randrange(5, 500))}
            edit = chance.choice((words, price))
            self._ask("PATCH", f"listings/{good.name}/", edit)
            self._put(Good(good.name, edit.get("title", good.title)))

    def _hold(self, chance: random.Random) -> None:
        """Reserve a listing and release it."""
        if good := self._take(chance):
            self._ask("POST", f"listings/{good.name}/reserve/", {})
            self._ask("POST", f"listings/{good.name}/release/", {})
            self._put(good)

    def _ask(self, method: str, path: str, body: dict | None = None) -> Reply:
        self._pace.wait()
        return self._note(self._shop.ask(method, path, body))

    def _note(self, reply: Reply) -> Reply:
        with self._taking:
            self.replies.append((reply.began, reply.ended - reply.began))
            self.degraded.update(reply.body.get("degraded") or ())
        return reply

    def _any(self, chance: random.Random) -> Good:
        with self._taking:
            return chance.choice(self._stock)

    def _take(self, chance: random.Random) -> Good | None:
        """Take a listing out of the stock, so that no other thread changes it meanwhile."""
        with self._taking:
            return (
                self._stock.pop(chance.randrange(len(self._stock)))
                if len(self._stock) > LEAST_STOCK
                else None
            )

    def _put(self, good: Good) -> None:
        with self._taking:
            self._stock.append(good)


def photo(kind: str, colour: str, chance: random.Random) -> bytes:
    """A drawn photo as JPEG, different each time."""
    stream = io.BytesIO()
    draw(kind, colour, chance, side=200).save(stream, "JPEG")
    return stream.getvalue()
