"""What a marketplace is asked for all day: feeds and their pages, similar listings, searches, events that
name the slates that were shown, publishing, edits, sales, reservations; at a bounded rate, from one seed."""

import io
import itertools
import random
import threading
import time
from collections import Counter
from dataclasses import dataclass
from urllib.parse import urlencode

from benchmarks.soak_shop import Reply, Shop
from listings.drawings import KINDS, draw

SHOPPERS, SELLERS = 60, 20
THREADS = 4
LEFT = 40  # listings that are not sold, so that there is always something to show
PAGE = 20
KINDS_OF_EVENTS = {"view": 6, "click": 6, "favourite": 2, "message": 1}
# How often each is done: as many are published as sold, and the catalogue keeps its size.
SHARES = {"browse": 30, "compare": 15, "look_for": 20, "publish": 6, "sell": 6, "edit": 6, "hold": 4}


@dataclass(frozen=True)
class Good:
    """Something on the market."""

    name: str
    title: str


class Pace:
    """Lets so many pass in a second; what comes late is not made up for."""

    def __init__(self, per_second: float):
        self._gap_s, self._next_at, self._taking = 1 / per_second, 0.0, threading.Lock()

    def wait(self) -> None:
        with self._taking:
            turn = max(self._next_at, time.monotonic())
            self._next_at = turn + self._gap_s
        time.sleep(max(0.0, turn - time.monotonic()))


class Traffic:
    """Within, threads ask the shop for things.

    `replies`: when each was asked, and how many seconds it took. `degraded`: pages that lacked each source.
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
        """Do one of SHARES."""
        getattr(self, f"_{name}")(chance)

    def _live(self, chance: random.Random) -> None:
        while not self._over.is_set():
            try:
                self.act(chance.choices(list(SHARES), list(SHARES.values()))[0], chance)
            except Exception as failure:
                self._failures.append(failure)
                return

    def _browse(self, chance: random.Random) -> None:
        """A feed, now and then its second page, and what is touched of it."""
        who = f"shopper-{chance.randrange(SHOPPERS)}"
        page = self._ask("GET", f"feed/?{urlencode({'actor': who, 'limit': PAGE})}")
        self._touch(chance, who, page)
        if (cursor := page.body.get("next_cursor")) and chance.random() < 0.4:
            asked = urlencode({"actor": who, "limit": PAGE, "cursor": cursor})
            self._touch(chance, who, self._ask("GET", f"feed/?{asked}"))

    def _compare(self, chance: random.Random) -> None:
        self._ask("GET", f"listings/{self._any(chance).name}/similar/?limit={PAGE}")

    def _look_for(self, chance: random.Random) -> None:
        """By two words of something that is, or was, on the market."""
        words = self._any(chance).title.split()
        asked = {"q": " ".join(chance.sample(words, min(2, len(words)))), "limit": PAGE}
        who = f"shopper-{chance.randrange(SHOPPERS)}"
        self._touch(chance, who, self._ask("GET", f"search/?{urlencode(asked | {'actor': who})}"))

    def _touch(self, chance: random.Random, who: str, page: Reply) -> None:
        """Events with some of the first listings of a page, which name its slate."""
        places = [place for place in range(min(6, len(page.shown))) if chance.random() < 0.25]
        kinds = chance.choices(list(KINDS_OF_EVENTS), list(KINDS_OF_EVENTS.values()), k=len(places))
        events = [
            {
                "event_id": f"event-{next(self._numbers)}",
                "actor": who,
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
        """Every other one with a photo."""
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
        """Another price, or words that have to be embedded anew."""
        if good := self._take(chance):
            words = {"title": f"{good.title[:200]} {chance.choice(('cheap', 'lovely', 'used', 'as new'))}"}
            price = {"price": str(chance.randrange(5, 500))}
            edit = chance.choice((words, price))
            self._ask("PATCH", f"listings/{good.name}/", edit)
            self._put(Good(good.name, edit.get("title", good.title)))

    def _hold(self, chance: random.Random) -> None:
        """Reserved for somebody, who does not come."""
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
        """Something that no other thread does anything to meanwhile."""
        with self._taking:
            return self._stock.pop(chance.randrange(len(self._stock))) if len(self._stock) > LEFT else None

    def _put(self, good: Good) -> None:
        with self._taking:
            self._stock.append(good)


def photo(kind: str, colour: str, chance: random.Random) -> bytes:
    """A drawn photo, never twice the same."""
    stream = io.BytesIO()
    draw(kind, colour, chance, side=200).save(stream, "JPEG")
    return stream.getvalue()
