"""Soak test of a whole installation under mixed traffic: memory growth, errors, replica lag and lost changes.

It starts throwaway servers and the processes of `make run`: web (two processes), all workers, beat. A drawn
catalogue is embedded by a small backbone that is trained first. The traffic, at --rate: feeds and their
second pages, similar listings, searches by words, events that name their slates, publishing (every other
listing with a photo), edits, sales, reservations and their release; as many listings are published as sold.
Halfway through --warm-up a collaborative model is trained and served, whatever its quality. Beside the
traffic one seller changes one listing after another and measures when each change shows.

  rss_growth          relative growth of memory from the first to the last fifth of the time, for web, for all
                      workers together (`worker`), and for each (medians of RSS, summed over the processes of
                      one name; `memory_mb` has both values)
  pss_growth          the same of PSS, which also changes as other processes map the same libraries
  server_errors       replies of 500 and above, including 503, and requests without a reply, in warm-up too
  replica_lag_p99_s   time from the acknowledgement of a change (of a publication: from the commit of its
                      vectors) until the answers of both web processes show it, including the request itself;
                      the worst of the kinds of change in `lag_p99_s`
  differences         between database and index at the end, as found by `manage.py verify_index`
  p50_ms, p99_ms      latency of the `requests` of the traffic
  fresh_p99_s         time from the acknowledgement of a publication until it shows, including its embedding
  refused             replies of 400 to 499; expected: none
  degraded            source -> number of pages, in warm-up too, for which it was unavailable
  restarts            number of processes that ended and were started again

Needs Linux (/proc/PID/smaps_rollup).
"""

import argparse
import math
import sys
import time
from dataclasses import dataclass
from typing import Any

import numpy as np

from benchmarks.protocol import json_option, print_figures, say
from benchmarks.soak import installation
from benchmarks.soak.installation import CannotRun, wait_until_embedded
from benchmarks.soak.lag import Watch
from benchmarks.soak.memory import PROC, Look, Memory, edges, growth
from benchmarks.soak.shop import Shop
from benchmarks.soak.traffic import LEAST_STOCK, Good, Traffic
from listings.errors import DomainError
from listings.models import Listing
from marketplace.models import ServiceKey
from marketplace.servers.home import EmbeddedError
from recommendations.indexing import compaction
from recommendations.training.collaborative import train_collaborative

SEED = 6
TOLD_EVERY_S = 20.0
PROBLEMS_TOLD = 10


@dataclass(frozen=True)
class Plan:
    minutes: float
    warm_up_minutes: float
    rate: float  # requests of the traffic in a second
    listing_count: int


@dataclass(frozen=True)
class Soaked:
    """Everything recorded between two moments of time.monotonic()."""

    shop: Shop
    traffic: Traffic
    watch: Watch
    memory: Memory
    since: float
    until: float

    def within(self, pairs: list[tuple[float, float]]) -> list[float]:
        """The values of (moment, value) pairs within that time."""
        return [value for moment, value in pairs if self.since <= moment <= self.until]


def benchmark(plan: Plan) -> dict[str, Any]:
    """All figures. Raises CannotRun."""
    if not (PROC / "self" / "smaps_rollup").exists():
        raise CannotRun(
            "This system has no /proc/PID/smaps_rollup, from which memory is read; accepted: Linux."
        )
    with installation.running_installation(plan.listing_count) as (port, ended):
        soaked = soak(plan, port)
        wait_until_embedded()
        return figures(soaked) | {"differences": differences(), "restarts": len(ended)}


def soak(plan: Plan, port: int) -> Soaked:
    """Send traffic to the installation at this port, whose catalogue is embedded."""
    secret = ServiceKey.issue(name="soak", scopes=["feed", "events", "catalogue"])[1]
    goods = [Good(*pair) for pair in Listing.objects.order_by("pk").values_list("external_id", "title")]
    beside = goods.pop(0).name  # the traffic never changes it
    shop = Shop(port, secret)
    with (
        Memory() as memory,
        Watch(shop, beside) as watch,
        Traffic(shop, goods, rate=plan.rate, seed=SEED) as traffic,
    ):
        go_on(30 * plan.warm_up_minutes, "Warm-up", shop, traffic)
        train()
        go_on(30 * plan.warm_up_minutes, "Warm-up with a model", shop, traffic)
        since = time.monotonic()
        go_on(60 * plan.minutes, "Measured", shop, traffic)
        until = time.monotonic()
    return Soaked(shop, traffic, watch, memory, since, until)


def train() -> None:
    """Train a model on the events so far, for web to load and a worker to refresh."""
    from django.utils import timezone

    try:
        say(f"Trained {train_collaborative(now=timezone.now(), force=True)}")
    except DomainError as error:
        say(f"No collaborative model was trained, feeds go on without one: {error.detail}")


def go_on(seconds: float, what: str, shop: Shop, traffic: Traffic) -> None:
    """Wait for so many seconds, and report progress."""
    until = time.monotonic() + seconds
    while (left := until - time.monotonic()) > 0:
        time.sleep(min(left, TOLD_EVERY_S))
        counts = f"{len(traffic.replies)} requests, {len(shop.problems)} server errors"
        say(f"{what}, {max(0, until - time.monotonic()):.0f} s to go: {counts}")


def differences() -> int:
    """Number of listings that differ between database and index."""
    verdict = compaction.verify()
    return len(verdict.missing) + len(verdict.surplus) + len(verdict.different)


def figures(soaked: Soaked) -> dict[str, Any]:
    """The figures of the module's description. A figure without any measurement is None."""
    tell_problems(soaked.shop)
    looks, since, until = soaked.memory.looks["Rss"], soaked.since, soaked.until
    took = soaked.within(soaked.traffic.replies)
    lags = {change: _p99(soaked.within(seen)) for change, seen in soaked.watch.lags.items()}
    known = [lag for lag in lags.values() if lag is not None]
    return {
        "rss_growth": _grown(looks, since, until),
        "server_errors": len(soaked.shop.problems),
        "replica_lag_p99_s": max(known) if len(known) == len(lags) else None,
        "requests": len(took),
        "p50_ms": _milliseconds(took, 50),
        "p99_ms": _milliseconds(took, 99),
        "lag_p99_s": lags,
        "watched_changes": sum(len(soaked.within(seen)) for seen in soaked.watch.lags.values()),
        "fresh_p99_s": _p99(soaked.within(soaked.watch.fresh)),
        "refused": len(soaked.shop.refusals),
        "pss_growth": _grown(soaked.memory.looks["Pss"], since, until),
        "degraded": dict(soaked.traffic.degraded),
        "memory_mb": {
            name: [_rounded(early, 1), _rounded(late, 1)]
            for name, (early, late) in edges(looks, since, until).items()
        },
    }


def _grown(looks: list[Look], since: float, until: float) -> dict[str, float | None]:
    return {name: _rounded(value) for name, value in growth(looks, since, until).items()}


def tell_problems(shop: Shop) -> None:
    for line in [*shop.problems[:PROBLEMS_TOLD], *shop.refusals[:PROBLEMS_TOLD]]:
        say(line)


def _p99(values: list[float]) -> float | None:
    return round(float(np.percentile(values, 99)), 3) if values else None


def _milliseconds(values: list[float], percent: int) -> float | None:
    return round(1000 * float(np.percentile(values, percent)), 1) if values else None


def _rounded(value: float, digits: int = 4) -> float | None:
    return None if math.isnan(value) else round(value, digits)


def _number_above(least: float, kind: type = float):
    def read(text: str):
        value = kind(text)
        if not least < value < 10_000:
            raise argparse.ArgumentTypeError(f"found {text}; accepted: a number above {least:g}, below 10000")
        return value

    read.__name__ = "number"  # argparse shows it for a text that is not a number
    return read


def _options(arguments: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.soak",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--minutes", type=_number_above(0), default=10.0, help="how long is measured (default: 10)"
    )
    parser.add_argument(
        "--warm-up",
        type=_number_above(0),
        default=2.0,
        metavar="MINUTES",
        help="how long before that caches may fill and modules load (default: 2)",
    )
    parser.add_argument(
        "--rate", type=_number_above(0), default=8.0, help="requests in a second at most (default: 8)"
    )
    parser.add_argument(
        "--listings",
        type=_number_above(LEAST_STOCK, int),
        default=300,
        help="how many are drawn and kept on the market (default: 300)",
    )
    json_option(parser)
    return parser.parse_args(arguments)


def main() -> None:
    options = _options()
    plan = Plan(options.minutes, options.warm_up, options.rate, options.listings)
    try:
        result = benchmark(plan)
    except (CannotRun, DomainError, EmbeddedError, OSError) as error:
        sys.exit(f"{getattr(error, 'detail', error)}")
    print_figures(result, as_json=options.json)


if __name__ == "__main__":
    main()
