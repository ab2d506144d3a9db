"""Exploration slots that were served, and the listings with which policies would have filled them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

import numpy as np

from listings.errors import Missing
from ml.arrays import Matrix, Rows, Vector
from ml.progress import Progress
from recommendations.ranker.served_slates import ServedSlate, read_served_slates

# (slate, places (n,)) -> scores (n,), NaN = unknown; None if the log does not suffice.
Scores = Callable[[ServedSlate, Rows], Vector | None]


class NoExplorationSlots(Missing):
    """No exploration slot that could be evaluated has been served."""


@dataclass(frozen=True)
class SlotFilling:
    """The listings with which a policy would have filled the n slots.

    is_same (n,) bool: it is the logged listing; features (n, f) float32 of that listing, NaN = unknown
    """

    is_same: np.ndarray
    features: Matrix


@dataclass(frozen=True)
class LoggedExploration:
    """n exploration slots that were served."""

    who: Rows  # (n,) int64, actor ids
    places: Rows  # (n,) int64, from 0
    logged: Vector  # (n,) float64 in (0, 1], propensities of the logged listings
    features: Matrix  # (n, f) float32, of the logged listings
    grades: Rows  # (n,) int64, of the interactions that followed
    fillings: dict[str, SlotFilling]  # by the policy's name
    slate_count: int
    untold_count: int  # slates with such slots that are left out, since some policy has no scores for them
    simulated_count: int  # of the slates
    first_at: datetime
    last_at: datetime


@dataclass(frozen=True)
class _Part:
    """The slots of one slate, with the fields of LoggedExploration."""

    who: Rows
    places: Rows
    logged: Vector
    features: Matrix
    grades: Rows
    fillings: dict[str, SlotFilling]
    is_simulated: bool
    at: datetime


def read_slots(policies: Mapping[str, Scores], *, until: datetime, progress: Progress) -> LoggedExploration:
    """Read the slots of all slates served until a time, filled by each policy from the same pools.

    A policy fills the slots with the listings of the pool in the order of its scores, as a slate without
    exploration would.   Raises NoExplorationSlots.
    """
    parts, untold_count = [], 0
    for slate in read_served_slates(until=until, progress=progress):
        if not slate.is_served[slate.explored].any() or not len(slate.pool):
            continue
        orders = {name: scores(slate, slate.pool) for name, scores in policies.items()}
        known = {name: order for name, order in orders.items() if order is not None}
        if len(known) < len(orders):
            untold_count += 1
            continue
        parts.append(_part(slate, known))
    if not parts:
        raise NoExplorationSlots(_why_empty(untold_count))
    return _joined(parts, list(policies), untold_count)


def _why_empty(untold_count: int) -> str:
    if untold_count:
        return (
            f"None of the {untold_count} slates with places that were filled by chance can be evaluated: "
            "they were stored without source weights, or their experiment was deleted."
        )
    return (
        "No places that were filled by chance have been served yet. Feeds have such places if explore_share "
        "is above 0."
    )


def _part(slate: ServedSlate, orders: Mapping[str, Vector]) -> _Part:
    """A slot that was not served still uses up a listing of the pool."""
    served = slate.is_served[slate.explored]
    slots = slate.explored[served]
    fillings = {}
    for name, scores in orders.items():
        best = np.argsort(-np.nan_to_num(scores, nan=-np.inf), kind="stable")
        chosen = slate.pool[best][: len(slate.explored)][served]
        fillings[name] = SlotFilling(chosen == slots, slate.features[chosen])
    return _Part(
        who=np.full(len(slots), slate.who, np.int64),
        places=slots,
        logged=slate.propensities[slots].astype(np.float64),
        features=slate.features[slots],
        grades=slate.grades[slots],
        fillings=fillings,
        is_simulated=slate.is_simulated,
        at=slate.created_at,
    )


def _joined(parts: list[_Part], names: list[str], untold_count: int) -> LoggedExploration:
    fillings = {
        name: SlotFilling(
            is_same=np.concatenate([part.fillings[name].is_same for part in parts]),
            features=np.concatenate([part.fillings[name].features for part in parts]),
        )
        for name in names
    }
    arrays = {
        name: np.concatenate([getattr(part, name) for part in parts])
        for name in ("who", "places", "logged", "features", "grades")
    }
    return LoggedExploration(
        **arrays,
        fillings=fillings,
        slate_count=len(parts),
        untold_count=untold_count,
        simulated_count=sum(part.is_simulated for part in parts),
        first_at=parts[0].at,
        last_at=parts[-1].at,
    )
