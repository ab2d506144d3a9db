"""Whether a first page holds every interest of a shopper, and whether the reasons on it are true.

DIR holds adverts as `manage.py import_listings` reads them; all are on the market. SIMULATED shoppers touch
one listing in each of four leaf categories of different roots, then the first page of their feed is read.
Half of them click; the others also view, favourite or message. Models are untrained, as in a new
installation.

present: of shoppers who click, share of the touched leaf categories (or the category above a third level)
that a page holds; largest: share of the page that the largest touched root takes, one in four being even;
off: share in none of them. true_reasons: of the items with evidence, the share whose evidence is of the
leaf category, else of the root, that was touched nearest to the item, and whose sentence says what was done
with it.
"""

import argparse
import random
import sys
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
from threadpoolctl import threadpool_limits

from benchmarks import installation
from benchmarks.feed.catalogue import Catalogue, load
from benchmarks.feed.log import Lifetime, Log
from benchmarks.feed.photos import require_weights_beside
from benchmarks.feed.replay import show
from benchmarks.protocol import BadData, json_option, print_figures
from benchmarks.stored_adverts import PRODUCT_COLUMNS
from listings.errors import DomainError
from listings.models import Actor, Category, Listing
from listings.row_files.reading import read_rows
from ml.vision.image_decoding import UnreadablePhoto
from ml.vision.weights import WeightsError
from recommendations.feed.pipeline import PAGE_LENGTH, build_feed
from recommendations.interactions.recording import Event, record
from recommendations.interactions.simulation import SOURCE
from recommendations.retrieval.filters import Filters
from recommendations.slates.results import Item

NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)
ACTORS, INTERESTS, SEED = 80, 4, 7
LEAST_LISTINGS = 20  # of a leaf category
DONE = {"click": "viewed", "view": "viewed", "favourite": "saved", "message": "asked about"}


@dataclass(frozen=True)
class Shopper:
    """What a simulated shopper touched: listing -> kind of event, and listing -> path of its category."""

    kinds: dict[str, str]
    paths: dict[str, str]

    @property
    def has_even_interests(self) -> bool:
        """Whether all interests have the same share: a favourite is to have a greater one than a click."""
        return set(self.kinds.values()) == {"click"}


@dataclass(frozen=True)
class PageOf:
    """The first page of a shopper."""

    shopper: Shopper
    items: list[Item]

    @property
    def paths(self) -> list[str]:
        return [item.listing.category.path for item in self.items]


def benchmark(data: Path, weights: Path, cache: Path | None, *, actor_count: int = ACTORS) -> dict:
    """All figures, which are of simulated shoppers. Raises BadData."""
    with installation.servers():
        return measured(data, weights, cache, actor_count=actor_count)


def measured(data: Path, weights: Path, cache: Path | None, *, actor_count: int = ACTORS) -> dict:
    """The same, in the current database, whose tables must be empty."""
    life = Lifetime(NOW - timedelta(hours=1), NOW + timedelta(days=1), is_sold=False)
    lives = {str(row.cells["id"]).strip(): life for row in read_rows(data / "Products.csv", PRODUCT_COLUMNS)}
    catalogue = load(data, Log([], lives), weights, trained_before=None, cache=cache)
    Listing.objects.update(status=Listing.Status.ACTIVE)
    show(replace(catalogue.whole, alive=np.ones(catalogue.whole.row_count, bool)))
    with threadpool_limits(1):
        pages = [_page(number, shopper) for number, shopper in enumerate(_shoppers(catalogue, actor_count))]
    return figures(pages)


def figures(pages: list[PageOf]) -> dict:
    """All figures by their names in the output."""
    reasons = [is_true for page in pages for is_true in _truths(page)]
    even = [page for page in pages if page.shopper.has_even_interests]
    return {
        "present": _mean([_present(page) for page in even]),
        "largest": _mean([_largest(page) for page in even]),
        "off": _mean([_off(page) for page in even]),
        "reasons_with_evidence": len(reasons),
        "true_reasons": _mean(reasons),
        "actors": len(pages),
        "interests": INTERESTS,
        "data": "simulated shoppers",
    }


def _shoppers(catalogue: Catalogue, count: int) -> Iterator[Shopper]:
    """Shoppers who touch one listing in each of INTERESTS leaf categories of different roots."""
    rng = random.Random(SEED)
    listings: dict[str, list[str]] = defaultdict(list)
    for external_id, path in Listing.objects.values_list("external_id", "category__path"):
        listings[path].append(external_id)
    leaves: dict[str, list[str]] = defaultdict(list)
    for path, ids in sorted(listings.items()):
        if len(ids) >= LEAST_LISTINGS:
            leaves[_root(path)].append(path)
    if len(leaves) < INTERESTS:
        raise BadData(
            f"{len(leaves)} root categories have a leaf with {LEAST_LISTINGS} adverts; accepted: {INTERESTS}."
        )
    for number in range(count):
        chosen = [rng.choice(leaves[root]) for root in rng.sample(sorted(leaves), INTERESTS)]
        touched = {rng.choice(sorted(listings[path])): path for path in chosen}
        kinds = ["click"] if number % 2 == 0 else sorted(DONE)
        yield Shopper({listing: rng.choice(kinds) for listing in touched}, touched)


def _page(number: int, shopper: Shopper) -> PageOf:
    actor = Actor.objects.create(external_id=f"variety-{number}")
    events = [
        Event(f"variety-{number}-{listing}", actor, listing, kind, NOW - timedelta(seconds=1))
        for listing, kind in shopper.kinds.items()
    ]
    record(source=SOURCE, events=events, now=NOW)
    page = build_feed(actor=actor, filters=Filters(), limit=PAGE_LENGTH, now=NOW, seed=number)
    return PageOf(shopper, list(page.items))


def _present(page: PageOf) -> float:
    nodes = [_below_root(path) for path in page.shopper.paths.values()]
    return float(
        np.mean([any(path == node or path.startswith(node) for path in page.paths) for node in nodes])
    )


def _largest(page: PageOf) -> float:
    counts = Counter(map(_root, page.paths))
    return max(counts[_root(path)] for path in page.shopper.paths.values()) / max(len(page.items), 1)


def _off(page: PageOf) -> float:
    own = set(map(_root, page.shopper.paths.values()))
    return float(np.mean([_root(path) not in own for path in page.paths]))


def _truths(page: PageOf) -> Iterator[bool]:
    """Whether the reason of each item with evidence is true."""
    shopper = page.shopper
    for item, path in zip(page.items, page.paths, strict=True):
        if item.reason is None or not item.reason.evidence:
            continue
        nearest = max(_shared(path, touched) for touched in shopper.paths.values())
        is_near = all(
            _shared(path, shopper.paths[listing]) == nearest > 0 for listing in item.reason.evidence
        )
        did = DONE[shopper.kinds[item.reason.evidence[0]]]
        yield is_near and (f"you {did} " in item.reason.sentence or "People" in item.reason.sentence)


def _shared(one: str, other: str) -> int:
    """2 for the same category, 1 for the same root category, else 0."""
    return 2 if one == other else int(_root(one) == _root(other))


def _root(path: str) -> str:
    return path.split(Category.SEPARATOR)[0]


def _below_root(path: str) -> str:
    """The category, or the one above where it is of the third level."""
    return Category.SEPARATOR.join(path.split(Category.SEPARATOR)[:2])


def _mean(values: list) -> float:
    return round(float(np.mean(values)), 4) if values else float("nan")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True, help="DIR, the adverts")
    parser.add_argument("--actors", type=int, default=ACTORS, help=f"how many shoppers (default: {ACTORS})")
    parser.add_argument("--cache", type=Path, help="a folder to keep features of photos in between runs")
    json_option(parser)
    return parser.parse_args()


def main() -> None:
    options = _options()
    weights = require_weights_beside(options.data)
    try:
        result = benchmark(options.data, weights, options.cache, actor_count=options.actors)
    except (BadData, DomainError, OSError, UnreadablePhoto, WeightsError) as error:
        sys.exit(f"{getattr(error, 'detail', error)}")
    print_figures(result, as_json=options.json)


if __name__ == "__main__":
    main()
