"""What a ranker is trained and judged on: served slates in three parts of time."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np

from listings.errors import DomainError
from ml.arrays import Matrix, Rows, Vector
from ml.examination import examination, fit_exponent
from ml.progress import Progress
from ml.ranker import NOTHING, Slates
from recommendations.features import FEATURES
from recommendations.ranker_slates import ServedSlate, read_served

LEAST_SLATES = 200  # with anything that followed
LEAST_ACTORS = 10
LEAST_CLICKS = 30  # in exploration slots, below which they do not tell how places are looked at
HELD_BACK = 0.2  # of the slates, the last; and of those before it, the last stop the training


class TooFewSlates(DomainError):
    """There is not enough yet that followed from what was shown."""


@dataclass(frozen=True)
class Shown:
    """What was shown of a slate of which something followed: s rows in the order of the slate.

    features (s, f) float32; grades (s,) int64; places (s,) int64, from 0
    """

    who: int
    created_at: datetime
    features: Matrix
    grades: Rows
    places: Rows
    is_simulated: bool

    @classmethod
    def of(cls, slate: ServedSlate) -> "Shown":
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
class Explored:
    """A listing that stood where it did by chance: how likely it was to, whether something followed, when."""

    place: int
    propensity: float
    is_clicked: bool
    at: datetime


@dataclass(frozen=True)
class Material:
    """In the order of time: what trees grow on, what stops them, what they are judged by.

    actors (q,) int64 and blend (n,) float32 are those of the held-back slates.
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


def read_material(*, now: datetime, progress: Progress) -> Material:
    """Raises TooFewSlates."""
    shown, explored = _read(now, progress)
    actor_count = len({each.who for each in shown})
    if len(shown) < LEAST_SLATES or actor_count < LEAST_ACTORS:
        raise TooFewSlates(
            f"{len(shown)} feed slates of {actor_count} actors, from which anything followed and which "
            f"were kept with their blend, are too few to learn from: at least {LEAST_SLATES} slates of "
            f"{LEAST_ACTORS} actors are needed."
        )
    early, held_back = _parted(shown)
    exponent, clicks = _exponent([each for each in explored if each.at < held_back[0].created_at])
    training, validation = _parted(early)
    judged = _slates(held_back, exponent)
    return Material(
        training=_slates(training, exponent),
        validation=_slates(validation, exponent),
        held_back=judged,
        actors=np.array([each.who for each in held_back], np.int64),
        blend=judged.features[:, FEATURES.index("blend")],
        exponent=exponent,
        slate_count=len(shown),
        actor_count=actor_count,
        exploration_clicks=clicks,
        simulated_count=sum(each.is_simulated for each in shown),
    )


def _read(now: datetime, progress: Progress) -> tuple[list[Shown], list[Explored]]:
    """Slates without anything that followed order nothing, but their exploration slots were seen."""
    shown: list[Shown] = []
    explored: list[Explored] = []
    for slate in read_served(until=now, progress=progress):
        if slate.tells_anything:
            shown.append(Shown.of(slate))
        for place in slate.explored[slate.is_served[slate.explored]].tolist():
            is_clicked = bool(slate.grades[place] > NOTHING)
            explored.append(Explored(place, float(slate.propensities[place]), is_clicked, slate.created_at))
    return shown, explored


def _parted(shown: Sequence[Shown]) -> tuple[Sequence[Shown], Sequence[Shown]]:
    """All but the last, and the last."""
    split = len(shown) - max(int(HELD_BACK * len(shown)), 1)
    return shown[:split], shown[split:]


def _exponent(explored: Sequence[Explored]) -> tuple[float, int]:
    """How steeply places are overlooked, and by how many clicks that is known; 0 where these are too few."""
    places = np.array([each.place for each in explored], np.int64)
    clicked = np.array([each.is_clicked for each in explored], bool)
    likely = np.array([each.propensity for each in explored], np.float32)
    clicks = int(clicked.sum())
    return (fit_exponent(places, clicked, likely) if clicks >= LEAST_CLICKS else 0.0), clicks


def _slates(shown: Sequence[Shown], exponent: float) -> Slates:
    return Slates(
        features=np.concatenate([each.features for each in shown]),
        grades=np.concatenate([each.grades for each in shown]),
        sizes=np.array([len(each.grades) for each in shown], np.int64),
        examined=examination(np.concatenate([each.places for each in shown]), exponent),
    )
