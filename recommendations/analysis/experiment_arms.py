"""Outcomes of an experiment's variants from counts per actor: rates, and differences from the control."""

from dataclasses import dataclass
from functools import partial
from math import nan

import numpy as np

from ml.arrays import Matrix
from ml.evaluation.estimate import IntervalEstimate
from ml.evaluation.proportions import proportion_difference, wilson
from ml.evaluation.ratios import Ratio, greatest_counted, ratio_of
from recommendations.analysis.experiment_differences import (
    Comparison,
    Difference,
    Measure,
    adjusted,
    unknown_interval,
)
from recommendations.models.events import Interaction
from recommendations.models.experiments import CONTROL

Kind = Interaction.Kind
OUTCOMES: tuple[str, ...] = (Kind.VIEW.value, Kind.CLICK.value, Kind.FAVOURITE.value, Kind.PURCHASE.value)
# With the event; with fewer, the variance over actors gives no usable interval.
LEAST_ACTORS_WITH_EVENT = 5


@dataclass(frozen=True)
class Arm:
    """The outcomes of one variant, over actors who saw no other one. Figures are by kind of event."""

    name: str
    weight: float
    actor_count: int  # who were served a page
    slate_count: int
    served_count: int  # pairs of slate and served listing
    of_actors: dict[str, IntervalEstimate]  # the share of actors with at least one such event
    of_served: dict[str, IntervalEstimate]  # the share of served listings with such an event
    of_actors_over_control: dict[str, Difference]  # differences from the control; empty for the control
    of_served_over_control: dict[str, Difference]


@dataclass(frozen=True)
class Totals:
    """Counts per actor of one variant with a actors, all float64.

    slates and served (a,); hits (a, len(OUTCOMES)): served listings with each kind of event.
    """

    slates: np.ndarray
    served: np.ndarray
    hits: Matrix

    def __len__(self) -> int:
        return len(self.slates)

    @property
    def did(self) -> np.ndarray:
        """The number of actors with at least one event of each kind: (len(OUTCOMES),) int"""
        return (self.hits > 0).sum(axis=0)


def arms_of(totals: dict[str, Totals], weights: dict[str, float]) -> list[Arm]:
    """The outcomes of each variant from its counts, in their order, with differences from the control."""
    served = np.concatenate([np.empty(0), *(part.served for part in totals.values())])
    ratios = {name: _ratios(part, greatest_counted(served)) for name, part in totals.items()}
    differences = adjusted(_comparisons(totals, ratios))
    return [
        Arm(
            name=name,
            weight=weights[name],
            actor_count=len(part),
            slate_count=int(part.slates.sum()),
            served_count=int(part.served.sum()),
            of_actors=_of_actors(part),
            of_served=_of_served(part, ratios[name]),
            of_actors_over_control=_of(differences, name, "of_actors"),
            of_served_over_control=_of(differences, name, "of_served"),
        )
        for name, part in totals.items()
    ]


def _ratios(part: Totals, greatest: float) -> list[Ratio]:
    """The share of served listings with each kind of event. Nobody counts with more than `greatest`."""
    return [ratio_of(hits, part.served, greatest=greatest) for hits in part.hits.T.copy()]


def _of_actors(part: Totals) -> dict[str, IntervalEstimate]:
    return {
        kind: IntervalEstimate(_share(did, len(part)), *wilson(did, len(part)))
        for kind, did in zip(OUTCOMES, part.did.tolist(), strict=True)
    }


def _of_served(part: Totals, ratios: list[Ratio]) -> dict[str, IntervalEstimate]:
    figures = {}
    for kind, ratio, did in zip(OUTCOMES, ratios, part.did.tolist(), strict=True):
        low, high = ratio.interval() if did >= LEAST_ACTORS_WITH_EVENT else (nan, nan)
        figures[kind] = IntervalEstimate(ratio.value, *(float(np.clip(end, 0, 1)) for end in (low, high)))
    return figures


def _comparisons(
    totals: dict[str, Totals], ratios: dict[str, list[Ratio]]
) -> dict[tuple[str, Measure], Comparison]:
    """Each variant's differences from the control, by variant and measure."""
    found: dict[tuple[str, Measure], Comparison] = {}
    control = totals.get(CONTROL)
    for name, part in totals.items():
        if control is None or part is control:
            continue
        for place, kind in enumerate(OUTCOMES):
            did = int(part.did[place]), int(control.did[place])
            of_served = ratios[name][place], ratios[CONTROL][place]
            found[name, ("of_actors", kind)] = _of_shares(*did, len(part), len(control))
            found[name, ("of_served", kind)] = Comparison(
                of_served[0].value - of_served[1].value,
                partial(of_served[0].over, of_served[1])
                if min(did) >= LEAST_ACTORS_WITH_EVENT
                else unknown_interval,
            )
    return found


def _of_shares(did: int, control_did: int, count: int, control_count: int) -> Comparison:
    """The difference of the shares of actors. Where nobody did it there is nothing to compare."""
    interval = partial(proportion_difference, did, count, control_did, control_count)
    is_known = did or control_did
    difference = _share(did, count) - _share(control_did, control_count)
    return Comparison(difference, interval if is_known else unknown_interval)


def _of(differences: dict[tuple[str, Measure], Difference], variant: str, base: str) -> dict[str, Difference]:
    """One variant's differences of one base, by kind of event."""
    return {
        key[1][1]: figure for key, figure in differences.items() if (key[0], key[1][0]) == (variant, base)
    }


def _share(part: float, whole: float) -> float:
    return float(part / whole) if whole else nan
