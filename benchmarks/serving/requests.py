"""The requests that are measured, as (method, path, body)."""

import json
from collections.abc import Sequence
from urllib.parse import urlencode

import numpy as np

from benchmarks.serving.catalogue import Sizes, shopper
from benchmarks.serving.material import Advert

Request = tuple[str, str, str | None]

FEED, SEARCH, EVENTS = "/api/v1/feed/", "/api/v1/search/", "/api/v1/interactions/"
LISTINGS = 20  # of a page
DIFFERENT = 400  # requests of one kind, which the clients repeat
BATCH = 100  # events of a batch


def requests_of(
    material: Sequence[Advert], sizes: Sizes, rng: np.random.Generator
) -> dict[str, list[Request]]:
    """Requests by kind, except the second pages, which need first ones."""
    listings = rng.integers(sizes.listings, size=(DIFFERENT, LISTINGS))
    shoppers = [shopper(int(number)) for number in rng.permutation(sizes.actors)[:DIFFERENT]]
    words = [" ".join(material[int(place)].title.split()[:2]) for place in listings[:, 0] % len(material)]
    return {
        "floor": [_get("/floor/", ids=",".join(str(number + 1) for number in row)) for row in listings],
        "feed": [_get(FEED, actor=name) for name in shoppers],
        "stranger": [_get(FEED)],
        "similar": [_get(f"/api/v1/listings/listing-{row[0]}/similar/") for row in listings],
        "search": [_get(SEARCH, q=text) for text in words],
        "detail": [_get(f"/api/v1/listings/listing-{row[0]}/") for row in listings],
        "event": [_post(batch) for batch in _batches(sizes, 20 * DIFFERENT, 1, rng)],
        "events": [_post(batch) for batch in _batches(sizes, DIFFERENT, BATCH, rng)],
    }


def next_pages(answers: dict[str, dict]) -> list[Request]:
    """The second pages of feeds.   answers: by actor"""
    cursors = {actor: answer["next_cursor"] for actor, answer in answers.items()}
    return [_get(FEED, actor=actor, cursor=cursor) for actor, cursor in cursors.items() if cursor]


def _get(path: str, **query: str) -> Request:
    return "GET", f"{path}?{urlencode(query)}" if query else path, None


def _post(events: list[dict]) -> Request:
    return "POST", EVENTS, json.dumps({"events": events})


def _batches(sizes: Sizes, count: int, length: int, rng: np.random.Generator) -> list[list[dict]]:
    drawn = rng.integers((sizes.actors, sizes.listings), size=(count, length, 2))
    serial = rng.integers(2**48)
    return [
        [
            {
                "event_id": f"{serial}-{length}-{number}-{place}",
                "actor": shopper(int(actor)),
                "listing": f"listing-{listing}",
                "kind": "view",
            }
            for place, (actor, listing) in enumerate(batch)
        ]
        for number, batch in enumerate(drawn)
    ]
