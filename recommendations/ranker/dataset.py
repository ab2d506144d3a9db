"""Dataset for training and judging a ranker: served slates, divided into three periods."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np

from listings.errors import DomainError
from ml.arrays import Matrix, Rows, Vector
from ml.progress import Progress
from ml.ranking.lambdarank import NO_INTERACTION, Slates
from ml.ranking.position_bias import examination_probability, fit_exponent
from recommendations.models.feature_names import FEATURES
from recommendations.ranker.served_slates import ServedSlate, read_served_slates

LEAST_SLATES = 200  # with interactions
LEAST_ACTORS = 10
LEAST_CLICKS = 30  # in exploration slots; fewer do not suffice to estimate the position bias
HELD_BACK = 0.2  # the latest share of the slates; of the rest, the latest share is for early stopping


class TooFewSlates(DomainError):
    """Too few served slates have interactions to learn from."""


@dataclass(frozen=True)
class GradedSlate:
    """The s listings of a slate that were served, in their order. The slate has interactions.

    features (s, f) float32; grades (s,) int64; places (s,) int64, from 0
    """

    who: int
    created_at: datetime
    features: Matrix
    grades: Rows
    places: Rows
    is_simulated: bool

    @classmethod
    def of(cls, slate: ServedSlate) -> "GradedSlate":
        served = slate.served
        return cls(
            slate.who,
            slate.created_at,
            slate.features[served],
            slate.grades[served],
            served,
            slate.is_simulated,
        )


@dataclass(frozen=True)
class ExplorationSlot:
    """A served exploration slot: its place, the propensity of its listing, whether it was clicked, when."""

    place: int
    propensity: float
    is_clicked: bool
    at: datetime


@dataclass(frozen=True)
class RankerDataset:
    """Slates for training, for early stopping and for the gate, from the earliest to the latest.

    actors (q,) int64 and blend (n,) float32 belong to the held-back slates. exponent: of the position bias.
    """

    training: Slates
    validation: Slates
    held_back: Slates
    actors: Rows
    blend: Vector
    exponent: float
    slate_count: int
    actor_count: int
    exploration_clicks: int
    simulated_count: int  # of the slates


def read_ranker_dataset(*, now: datetime, progress: Progress) -> RankerDataset:
    """Read the slates that were served until now.   Raises TooFewSlates."""
    slates, slots = _read(now, progress)
    actor_count = len({slate.who for slate in slates})
    if len(slates) < LEAST_SLATES or actor_count < LEAST_ACTORS:
        raise TooFewSlates(
            f"{len(slates)} feed slates of {actor_count} actors, with interactions and a logged blend score, "
            f"are too few to learn from: at least {LEAST_SLATES} slates of {LEAST_ACTORS} actors are needed."
        )
    early, held_back = _split(slates)
    exponent, click_count = _exponent([slot for slot in slots if slot.at < held_back[0].created_at])
    training, validation = _split(early)
    test = _to_arrays(held_back, exponent)
    return RankerDataset(
        training=_to_arrays(training, exponent),
        validation=_to_arrays(validation, exponent),
        held_back=test,
        actors=np.array([slate.who for slate in held_back], np.int64),
        blend=test.features[:, FEATURES.index("blend")],
        exponent=exponent,
        slate_count=len(slates),
        actor_count=actor_count,
        exploration_clicks=click_count,
        simulated_count=sum(slate.is_simulated for slate in slates),
    )


def _read(now: datetime, progress: Progress) -> tuple[list[GradedSlate], list[ExplorationSlot]]:
    """The slates with interactions, and the exploration slots of all slates."""
    slates: list[GradedSlate] = []
    slots: list[ExplorationSlot] = []
    for slate in read_served_slates(until=now, progress=progress):
        if slate.has_preferences:
            slates.append(GradedSlate.of(slate))
        for place in slate.explored[slate.is_served[slate.explored]].tolist():
            is_clicked = bool(slate.grades[place] > NO_INTERACTION)
            slots.append(
                ExplorationSlot(place, float(slate.propensities[place]), is_clicked, slate.created_at)
            )
    return slates, slots


def _split(slates: Sequence[GradedSlate]) -> tuple[Sequence[GradedSlate], Sequence[GradedSlate]]:
    """All but the latest share, and that share."""
    split = len(slates) - max(int(HELD_BACK * len(slates)), 1)
    return slates[:split], slates[split:]


def _exponent(slots: Sequence[ExplorationSlot]) -> tuple[float, int]:
    """The exponent of the position bias and the number of clicks; 0 where the clicks are too few."""
    places = np.array([slot.place for slot in slots], np.int64)
    is_clicked = np.array([slot.is_clicked for slot in slots], bool)
    propensities = np.array([slot.propensity for slot in slots], np.float32)
    click_count = int(is_clicked.sum())
    if click_count < LEAST_CLICKS:
        return 0.0, click_count
    return fit_exponent(places, is_clicked, propensities), click_count


def _to_arrays(slates: Sequence[GradedSlate], exponent: float) -> Slates:
    return Slates(
        features=np.concatenate([slate.features for slate in slates]),
        grades=np.concatenate([slate.grades for slate in slates]),
        sizes=np.array([len(slate.grades) for slate in slates], np.int64),
        examined=examination_probability(np.concatenate([slate.places for slate in slates]), exponent),
    )
