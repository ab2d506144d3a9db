"""A market whose honest shoppers have tastes, simulated, and shills who push one of its listings.

About as many touch a listing, and as many profiles overlap, as in the benchmarks' log of simulated shoppers.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

import numpy as np
from django.db import connection

from listings.batches.listings import ListingRow, upsert_batch
from listings.models import Listing
from listings.services import ensure_actors
from recommendations.collaborative.config import TrainingConfig
from recommendations.collaborative.history import read_history
from recommendations.collaborative.model import Collaborative, fit
from recommendations.interactions.recording import MAXIMUM_BATCH, Event, record

LISTINGS = 1000
TARGET = 999
BREADTH = 100  # of a taste: listings lie on a ring, and who likes one likes those that are near it
RECIPE = TrainingConfig(factors=16, iterations=8)
TOP = 20
HONEST_COUNT = 300  # honest actors that the hit rate is measured on


@dataclass(frozen=True)
class Attack:
    """What each shill does besides messaging the seller of the target."""

    popular: int = 8  # listings they view and favourite ...
    among: int = 20  # ... of so many that are the most popular
    others: int = 0  # listings by chance, to look like somebody
    views: int = 1  # of each
    claim: str | None = None  # the slate they say it came from


@dataclass(frozen=True)
class Town:
    """Honest actors, and what they touched by place in listings."""

    listings: list[Listing]
    touched: list[np.ndarray]
    now: datetime

    @property
    def target(self) -> Listing:
        return self.listings[TARGET]

    def hit_rate(self) -> float:
        """Of a model that is fitted now: the share of honest actors in whose best twenty the target is.

        Of actors who did not touch it. Scores are those of factors and of neighbour lists, z-scored, summed.
        """
        history = read_history(until=self.now)
        model, _ = fit(history, RECIPE, version="1")
        ids = np.array([listing.pk for listing in self.listings])
        target = int(model.items_of(np.array([self.target.pk]))[0])
        honest = [rows for rows in self.touched if TARGET not in rows][:HONEST_COUNT]
        return float(np.mean([target in _top(model, model.items_of(ids[rows])) for rows in honest]))

    def attacked_by(self, share: float, attack: Attack, seed: int = 5) -> None:
        """So many shills for each honest actor act over the last ten days, as clients of their own."""
        rng = np.random.default_rng(seed)
        popularity = np.bincount(np.concatenate(self.touched), minlength=LISTINGS)
        popular = np.argsort(-popularity, kind="stable")[: attack.among]
        names = [f"shill-{number}" for number in range(round(share * len(self.touched)))]
        for name, shill in ensure_actors(set(names)).items():
            chosen = rng.choice(popular, attack.popular, replace=False)
            others = rng.choice(LISTINGS - 1, attack.others, replace=False)
            rows = rng.permutation([*chosen.tolist(), *others.tolist(), TARGET])
            kinds = ["view"] * attack.views + ["favourite"]
            events = [
                self._event(f"{name}-{place}", shill, int(row), kind, rng, attack.claim)
                for place, (row, kind) in enumerate((row, kind) for row in rows for kind in kinds)
            ]
            events.append(self._event(f"{name}-message", shill, TARGET, "message", rng, attack.claim))
            _record(f"actor:{name}", events, self.now)
        _analyze()

    def _event(self, event_id, actor, row, kind, rng, slate=None) -> Event:
        at = self.now - timedelta(days=float(10 * rng.random()))
        return Event(event_id, actor, self.listings[row].external_id, kind, at, slate)


def found(now: datetime, *, actor_count: int = 700, seed: int = 3) -> Town:
    """Each honest actor has a taste of their own, and touches about ten things, popular ones more often."""
    rng = np.random.default_rng(seed)
    town = Town(_listings(now), [], now)
    appeal = np.exp(0.8 * rng.normal(size=LISTINGS))
    appeal[TARGET] = appeal.min()
    actors = ensure_actors({f"honest-{number}" for number in range(actor_count)})
    events = []
    for number in range(actor_count):
        away = np.abs(np.arange(LISTINGS) - rng.integers(LISTINGS))
        away = np.minimum(away, LISTINGS - away)
        chance = appeal * np.exp(-((away / BREADTH) ** 2) / 2)
        rows = rng.choice(LISTINGS, int(rng.integers(4, 16)), replace=False, p=chance / chance.sum())
        town.touched.append(rows)
        for row in rows.tolist():
            for kind in ["view"] + ["favourite"] * (rng.random() < 0.3):
                actor = actors[f"honest-{number}"]
                events.append(town._event(f"{number}-{row}-{kind}", actor, row, kind, rng))
    _record("service:shop", events, now)
    _analyze()
    return town


def _listings(now: datetime) -> list[Listing]:
    rows = [
        ListingRow(
            external_id=f"listing-{number:03}",
            seller="stallholder",
            title=f"Thing {number}",
            category="Things",
            price=Decimal(10),
        )
        for number in range(LISTINGS)
    ]
    for first in range(0, LISTINGS, 500):
        upsert_batch(rows=rows[first : first + 500], now=now)
    return list(Listing.objects.filter(external_id__startswith="listing-").order_by("external_id"))


def _record(source: str, events: list[Event], now: datetime) -> None:
    for first in range(0, len(events), MAXIMUM_BATCH):
        results = record(source=source, events=events[first : first + MAXIMUM_BATCH], now=now)
        assert {result.outcome for result in results} == {"accepted"}


def _analyze() -> None:
    """The planner may know the tables as they were left by a test that was rolled back: as empty ones."""
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE recommendations_interaction, listings_actor, listings_listing")


def _top(model: Collaborative, items: np.ndarray) -> np.ndarray:
    weights = np.ones(len(items), np.float32)
    factors = model.als.item_factors @ model.fold_in(items, weights)
    score = _z(factors) + _z(model.covisited(items, weights))
    score[items] = -np.inf
    return np.argsort(-score)[:TOP]


def _z(scores: np.ndarray) -> np.ndarray:
    return (scores - scores.mean()) / (scores.std() + 1e-9)
