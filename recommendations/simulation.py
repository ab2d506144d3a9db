"""Simulated shoppers over whatever catalogue is loaded. Nothing here is real behaviour.

Tastes are defined on category, words and price, never on the system's own vectors: else a demo would
only show that the system agrees with itself.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np

from listings.models import Actor, Listing
from ml.progress import Progress, unwatched
from recommendations.interactions import MAXIMUM_BATCH, Event, record
from recommendations.models import Interaction

SOURCE = "simulation"
DAYS = 14
VIEWS = 25  # of a shopper, on average
CATEGORY_PULL, ROOT_PULL, WORD_PULL, PRICE_PULL = 4.0, 1.5, 2.0, 0.5
# What follows a view, each with its chance for a listing that suits the shopper perfectly.
FOLLOWING = (("favourite", 0.35), ("message", 0.18), ("purchase", 0.08))
HIDE_CHANCE = 0.02

Kind = Interaction.Kind
WORD = re.compile(r"[a-z]{4,}")


@dataclass(frozen=True)
class Stall:
    """The catalogue as shoppers see it: n listings."""

    external_ids: list[str]
    sellers: np.ndarray  # (n,)
    categories: np.ndarray  # (n,) int64
    roots: np.ndarray  # (n,) int64
    words: list[frozenset[str]]
    log_prices: np.ndarray  # (n,) float64


def simulate(
    *,
    shopper_count: int,
    seed: int,
    now: datetime,
    progress: Progress = unwatched,
) -> int:
    """Record two weeks of simulated events before `now`; how many were new.

    The same seed gives the same shoppers with the same tastes. A seed that was simulated before adds nothing.
    """
    prefix = f"{seed}-"
    if Interaction.objects.filter(source=SOURCE, event_id__startswith=prefix).exists():
        return 0
    stall = _stall()
    if not stall.external_ids:
        return 0
    rng = np.random.default_rng(seed)
    sold: set[int] = set()
    batch: list[Event] = []
    total = 0
    for number in range(shopper_count):
        actor, _ = Actor.objects.get_or_create(external_id=f"shopper-{seed}-{number}")
        batch += _events_of(actor, f"{prefix}{number}", stall, sold, rng, now)
        while len(batch) >= MAXIMUM_BATCH or (number == shopper_count - 1 and batch):
            total += _record(batch[:MAXIMUM_BATCH], now)
            batch = batch[MAXIMUM_BATCH:]
        progress(number + 1, shopper_count)
    return total


def _record(events: list[Event], now: datetime) -> int:
    results = record(source=SOURCE, events=events, now=now)
    return sum(result.outcome == "accepted" for result in results)


def _stall() -> Stall:
    fields = ("external_id", "seller_id", "category_id", "category__root_id", "title", "price")
    rows = list(
        Listing.objects.filter(status=Listing.Status.ACTIVE).order_by("external_id").values_list(*fields)
    )
    return Stall(
        external_ids=[row[0] for row in rows],
        sellers=np.array([row[1] for row in rows]),
        categories=np.array([row[2] for row in rows]),
        roots=np.array([row[3] or row[2] for row in rows]),
        words=[frozenset(WORD.findall(row[4].lower())) for row in rows],
        log_prices=np.log1p([float(row[5]) for row in rows]),
    )


def _appeal(stall: Stall, rng: np.random.Generator) -> np.ndarray:
    """How much one new shopper would like each listing: (n,) float64.

    Their taste grows around a few listings that chance picks: their categories, some of their words,
    their price.
    """
    count = len(stall.external_ids)
    models = rng.choice(count, size=min(int(rng.integers(1, 4)), count), replace=False)
    liked_words = set().union(*(sorted(stall.words[m])[:3] for m in models))
    price = stall.log_prices[models].mean()
    word_hits = np.array([len(words & liked_words) > 0 for words in stall.words])
    return (
        CATEGORY_PULL * np.isin(stall.categories, stall.categories[models])
        + ROOT_PULL * np.isin(stall.roots, stall.roots[models])
        + WORD_PULL * word_hits
        - PRICE_PULL * np.abs(stall.log_prices - price)
    )


def _events_of(
    actor: Actor, prefix: str, stall: Stall, sold: set[int], rng: np.random.Generator, now: datetime
) -> Iterator[Event]:
    """What one shopper does, in a few sessions. Each listing is bought at most once by anyone."""
    appeal = _appeal(stall, rng)
    count = min(int(rng.poisson(VIEWS)) + 1, len(appeal))
    noisy = appeal + rng.gumbel(size=len(appeal))  # top-k of these is a draw without replacement by softmax
    viewed = np.argsort(-noisy)[:count]
    sessions = now - timedelta(days=DAYS) * rng.random(int(rng.integers(1, 6)))
    suits = 1 / (1 + np.exp(-(appeal - appeal.max() / 2)))
    for place, row in enumerate(viewed.tolist()):
        if stall.sellers[row] == actor.pk:
            continue
        at = sessions[place % len(sessions)] + timedelta(seconds=30 * place)
        for kind in _kinds(row, suits[row], sold, rng):
            at += timedelta(seconds=float(rng.integers(5, 60)))
            yield Event(f"{prefix}-{place}-{kind}", actor, stall.external_ids[row], kind, min(at, now))


def _kinds(row: int, suits: float, sold: set[int], rng: np.random.Generator) -> Iterator[str]:
    yield Kind.VIEW
    if suits < 0.5 and rng.random() < HIDE_CHANCE:
        yield Kind.HIDE
        return
    for kind, chance in FOLLOWING:
        if rng.random() > chance * suits or (kind == Kind.PURCHASE and row in sold):
            continue
        if kind == Kind.PURCHASE:
            sold.add(row)
        yield kind
