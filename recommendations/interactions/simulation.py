"""Simulated shoppers over any loaded catalogue, for demos, tests and benchmarks. No event is real.

Preferences are defined by category, title words and price, never by the system's own embeddings: otherwise
a demo would only show that the system agrees with itself.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np

from listings.models import Actor, Listing
from ml.progress import Progress, ignore_progress
from recommendations.interactions.recording import MAXIMUM_BATCH, Event, record
from recommendations.models.events import Interaction

SOURCE = "simulation"
DAYS = 14
VIEWS = 25  # of a shopper, on average
CATEGORY_PULL, ROOT_PULL, WORD_PULL, PRICE_PULL = 4.0, 1.5, 2.0, 0.5
# Kinds that may follow a view, with their probability for a listing that fits the shopper perfectly.
FOLLOWING = (("favourite", 0.35), ("message", 0.18), ("purchase", 0.08))
HIDE_CHANCE = 0.02

Kind = Interaction.Kind
WORD = re.compile(r"[a-z]{4,}")


@dataclass(frozen=True)
class CatalogueArrays:
    """The n active listings that shoppers choose from, row by row."""

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
    progress: Progress = ignore_progress,
) -> int:
    """Record DAYS days of simulated events before `now`. Returns how many were accepted.

    The same seed gives the same shoppers with the same preferences. A seed that was simulated before adds
    nothing.
    """
    prefix = f"{seed}-"
    if Interaction.objects.filter(source=SOURCE, event_id__startswith=prefix).exists():
        return 0
    stall = _read_stall()
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


def _read_stall() -> CatalogueArrays:
    fields = ("external_id", "seller_id", "category_id", "category__root_id", "title", "price")
    rows = list(
        Listing.objects.filter(status=Listing.Status.ACTIVE).order_by("external_id").values_list(*fields)
    )
    return CatalogueArrays(
        external_ids=[row[0] for row in rows],
        sellers=np.array([row[1] for row in rows]),
        categories=np.array([row[2] for row in rows]),
        roots=np.array([row[3] or row[2] for row in rows]),
        words=[frozenset(WORD.findall(row[4].lower())) for row in rows],
        log_prices=np.log1p([float(row[5]) for row in rows]),
    )


def _appeal(stall: CatalogueArrays, rng: np.random.Generator) -> np.ndarray:
    """Appeal of each listing to one new shopper, (n,) float64.

    It is built from one to three listings drawn at random: their categories, some of their title words and
    their mean price.
    """
    count = len(stall.external_ids)
    examples = rng.choice(count, size=min(int(rng.integers(1, 4)), count), replace=False)
    liked_words = set().union(*(sorted(stall.words[row])[:3] for row in examples))
    price = stall.log_prices[examples].mean()
    word_hits = np.array([len(words & liked_words) > 0 for words in stall.words])
    return (
        CATEGORY_PULL * np.isin(stall.categories, stall.categories[examples])
        + ROOT_PULL * np.isin(stall.roots, stall.roots[examples])
        + WORD_PULL * word_hits
        - PRICE_PULL * np.abs(stall.log_prices - price)
    )


def _events_of(
    actor: Actor, prefix: str, stall: CatalogueArrays, sold: set[int], rng: np.random.Generator, now: datetime
) -> Iterator[Event]:
    """The events of one shopper, in a few sessions. Each listing is bought at most once over all shoppers."""
    appeal = _appeal(stall, rng)
    count = min(int(rng.poisson(VIEWS)) + 1, len(appeal))
    noisy = appeal + rng.gumbel(size=len(appeal))  # their top k is a softmax sample without replacement
    viewed = np.argsort(-noisy)[:count]
    ages = rng.random(int(rng.integers(1, 6)))  # of the sessions, as shares of DAYS
    sessions = [now - timedelta(days=DAYS) * age for age in ages.tolist()]
    fit = 1 / (1 + np.exp(-(appeal - appeal.max() / 2)))
    for place, row in enumerate(viewed.tolist()):
        if stall.sellers[row] == actor.pk:
            continue
        at = sessions[place % len(sessions)] + timedelta(seconds=30 * place)
        for kind in _kinds(row, fit[row], sold, rng):
            at += timedelta(seconds=float(rng.integers(5, 60)))
            yield Event(f"{prefix}-{place}-{kind}", actor, stall.external_ids[row], kind, min(at, now))


def _kinds(row: int, fit: float, sold: set[int], rng: np.random.Generator) -> Iterator[str]:
    yield Kind.VIEW
    if fit < 0.5 and rng.random() < HIDE_CHANCE:
        yield Kind.HIDE
        return
    for kind, probability in FOLLOWING:
        if rng.random() > probability * fit or (kind == Kind.PURCHASE and row in sold):
            continue
        if kind == Kind.PURCHASE:
            sold.add(row)
        yield kind
