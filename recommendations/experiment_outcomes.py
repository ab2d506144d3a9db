"""What came of an experiment: for each variant, who did what with the listings that they were served."""

from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from math import nan
from typing import Any

import numpy as np
from django.db import connection

from listings.errors import Missing
from ml.arrays import Matrix
from ml.figure import Figure
from ml.proportions import proportion_difference, resampled_ratios, sample_ratio, wilson
from recommendations.identity import SELF
from recommendations.models import Experiment, Interaction
from recommendations.plain import plain
from recommendations.rule_models import CONTROL
from recommendations.simulation import SOURCE as SIMULATION
from recommendations.standing import stands

Kind = Interaction.Kind
OUTCOMES: tuple[str, ...] = (Kind.VIEW.value, Kind.CLICK.value, Kind.FAVOURITE.value, Kind.PURCHASE.value)
FOLLOWS_WITHIN = timedelta(days=7)
UNLIKELY = 0.001  # a division that is less likely than this is not due to chance
FEWEST = 5  # actors who did it, below which drawing actors again says nothing of how sure a rate is
SAMPLE_COUNT = 1000
SEED = 7


class NoSuchExperiment(Missing):
    def __init__(self, name: str):
        known = ", ".join(Experiment.objects.order_by("-starts_at").values_list("name", flat=True)[:10])
        super().__init__(f"There is no experiment {name!r}; there are: {known or 'none yet'}.")


@dataclass(frozen=True)
class Arm:
    """What came of one variant. Of those who saw no other one; figures are by outcome."""

    name: str
    weight: float
    actor_count: int  # to whom a page was served
    slate_count: int
    served_count: int  # listings, counted anew for each slate
    of_actors: dict[str, Figure]  # the share of actors who did it at least once
    of_served: dict[str, Figure]  # the share of served listings with which it was done
    of_actors_over_control: dict[str, Figure]  # differences; none of the control itself
    of_served_over_control: dict[str, Figure]


@dataclass(frozen=True)
class Outcome:
    """All that is known of an experiment at a time."""

    name: str
    status: str
    starts_at: datetime
    ends_at: datetime
    asked_at: datetime
    arms: list[Arm]  # the control first
    mixed_count: int  # actors who saw several variants, and count in none
    sample_ratio_p: float
    is_complete: bool  # whatever may yet follow would not count any more
    event_count: int
    simulated_count: int  # of these events

    @property
    def is_uneven(self) -> bool:
        """Whether the variants cannot be compared: something else than chance decided who is in which."""
        return self.sample_ratio_p < UNLIKELY

    def to_json(self) -> dict[str, Any]:
        """Times in ISO 8601; what is not known is null."""
        return plain(asdict(self) | {"is_uneven": self.is_uneven, "control": CONTROL})


@dataclass(frozen=True)
class _Totals:
    """Of the a actors of one variant: slates and served (a,), and with how many of the served each outcome
    came about, hits (a, len(OUTCOMES)).   all float64"""

    slates: np.ndarray
    served: np.ndarray
    hits: Matrix

    def __len__(self) -> int:
        return len(self.slates)

    @property
    def did(self) -> np.ndarray:
        """How many actors did each at least once: (len(OUTCOMES),) int"""
        return (self.hits > 0).sum(axis=0)


# A visitor who logged in is one actor with the member. A listing that two pages of a slate brought counts
# once. An event belongs to the last slate that had served its listing to its actor by then, and to no other.
_HIT = ", ".join(f"bool_or(kind = '{kind}') AS {kind}" for kind in OUTCOMES)
_COUNTED = ", ".join(f"count(*) FILTER (WHERE hit.{kind})" for kind in OUTCOMES)
_OUTCOMES = f"""
    WITH page AS (
        SELECT slate.id AS slate_id, {SELF} AS who,
               slate.parameters->>'variant' AS variant, served_at,
               listing_ids[impression."offset" + 1 : impression."offset" + impression.count] AS listing_ids
        FROM recommendations_slate slate
        JOIN listings_actor actor ON actor.id = slate.actor_id
        JOIN recommendations_impression impression ON impression.slate_id = slate.id
        WHERE slate.created_at >= %(since)s AND served_at <= %(until)s
          AND slate.parameters->>'experiment' = %(name)s AND slate.parameters->>'variant' = ANY(%(variants)s)
          AND NOT EXISTS (
            SELECT FROM recommendations_doubt doubt
            WHERE doubt.actor_id = {SELF} AND decision <> 'released'
          )
    ), served AS (
        SELECT slate_id, who, variant, listing_id, min(served_at) AS served_at
        FROM page LEFT JOIN LATERAL unnest(listing_ids) AS listing_id ON true
        GROUP BY slate_id, who, variant, listing_id
    ), followed AS (
        SELECT DISTINCT ON (interaction.id) slate_id, served.listing_id, interaction.kind, source
        FROM recommendations_interaction interaction
        JOIN listings_actor actor ON actor.id = interaction.actor_id
        JOIN served ON served.listing_id = interaction.listing_id
             AND served.who = {SELF}
             AND interaction.occurred_at >= served_at AND interaction.occurred_at < served_at + %(within)s
        WHERE interaction.kind = ANY(%(kinds)s)
          AND interaction.occurred_at BETWEEN %(since)s AND %(until)s
          AND {stands("retraction.occurred_at <= %(until)s")}
        ORDER BY interaction.id, served_at DESC, slate_id
    ), hit AS (
        SELECT slate_id, listing_id, count(*) AS events,
               count(*) FILTER (WHERE source = %(simulation)s) AS simulated, {_HIT}
        FROM followed
        GROUP BY slate_id, listing_id
    )
    SELECT who, variant, max(served_at), coalesce(sum(events), 0)::bigint,
           coalesce(sum(simulated), 0)::bigint, count(DISTINCT slate_id), count(listing_id), {_COUNTED}
    FROM served LEFT JOIN hit USING (slate_id, listing_id)
    GROUP BY who, variant
"""


def outcome_of(name: str, *, now: datetime) -> Outcome:
    """What came of an experiment so far: in one query what each actor was served and did, then figures.

    An event counts when its actor did it within FOLLOWS_WITHIN after the listing was served to them by a
    slate of the experiment, and did not take it back. Slates are deleted after SLATE_DAYS: what is to be
    known of an experiment has to be asked by then.   Raises NoSuchExperiment.
    """
    experiment = Experiment.objects.prefetch_related("variants").filter(name=name).first()
    if experiment is None:
        raise NoSuchExperiment(name)
    weights = {variant.name: variant.weight for variant in experiment.variants.all()}
    weights = {each: weights[each] for each in sorted(weights, key=lambda each: (each != CONTROL, each))}
    rows = _read(experiment, list(weights), now)
    kept, mixed_count = _of_one_variant(rows)
    totals = {each: _totals([row for row in kept if row[1] == each]) for each in weights}
    counts = np.array([len(part) for part in totals.values()], np.int64)
    return Outcome(
        name=experiment.name,
        status=experiment.status,
        starts_at=experiment.starts_at,
        ends_at=experiment.ends_at,
        asked_at=now,
        arms=_arms(totals, weights),
        mixed_count=mixed_count,
        sample_ratio_p=sample_ratio(counts, np.array([*weights.values()])) if weights else nan,
        is_complete=all(row[2] + FOLLOWS_WITHIN <= now for row in rows),
        event_count=sum(row[3] for row in kept),
        simulated_count=sum(row[4] for row in kept),
    )


def _read(experiment: Experiment, variants: list[str], now: datetime) -> list[tuple]:
    """(who, variant, last served, events, simulated events, slates, served, one for each of OUTCOMES)"""
    parameters = {
        "name": experiment.name,
        "variants": variants,
        "since": experiment.starts_at,
        "until": now,
        "within": FOLLOWS_WITHIN,
        "kinds": list(OUTCOMES),
        "simulation": SIMULATION,
    }
    with connection.cursor() as cursor:
        cursor.execute(_OUTCOMES, parameters)
        return cursor.fetchall()


def _of_one_variant(rows: list[tuple]) -> tuple[list[tuple], int]:
    """Rows of the actors who saw one variant only; how many saw more.

    Somebody who was looking around before they logged in may have had another one as a visitor.
    """
    seen: dict[int, set[str]] = {}
    for who, variant, *_ in rows:
        seen.setdefault(who, set()).add(variant)
    mixed = {who for who, variants in seen.items() if len(variants) > 1}
    return [row for row in rows if row[0] not in mixed], len(mixed)


def _totals(rows: list[tuple]) -> _Totals:
    table = np.array([row[5:] for row in sorted(rows)], np.float64).reshape(-1, 2 + len(OUTCOMES))
    return _Totals(slates=table[:, 0], served=table[:, 1], hits=table[:, 2:])


def _arms(totals: dict[str, _Totals], weights: dict[str, float]) -> list[Arm]:
    rng = np.random.default_rng(SEED)
    samples = {
        name: resampled_ratios(part.hits, part.served, rng=rng, sample_count=SAMPLE_COUNT)
        for name, part in totals.items()
    }
    return [
        Arm(
            name=name,
            weight=weights[name],
            actor_count=len(part),
            slate_count=int(part.slates.sum()),
            served_count=int(part.served.sum()),
            of_actors=_of_actors(part),
            of_served=_of_served(part, samples[name]),
            **_over_control(name, totals, samples),
        )
        for name, part in totals.items()
    ]


def _of_actors(part: _Totals) -> dict[str, Figure]:
    return {
        kind: Figure(_share(did, len(part)), *wilson(did, len(part)))
        for kind, did in zip(OUTCOMES, part.did.tolist(), strict=True)
    }


def _of_served(part: _Totals, samples: Matrix) -> dict[str, Figure]:
    """samples (s, len(OUTCOMES)) of the same rates."""
    values = [_share(hits, part.served.sum()) for hits in part.hits.sum(axis=0)]
    bounds = _bounds(samples, part.did >= FEWEST)
    return {kind: Figure(value, *bound) for kind, value, bound in zip(OUTCOMES, values, bounds, strict=True)}


def _over_control(
    name: str, totals: dict[str, _Totals], samples: dict[str, Matrix]
) -> dict[str, dict[str, Figure]]:
    part, control = totals[name], totals.get(CONTROL)
    if control is None or part is control:
        return {"of_actors_over_control": {}, "of_served_over_control": {}}
    by_actors, by_served = {}, {}
    enough = (part.did >= FEWEST) & (control.did >= FEWEST)
    bounds = _bounds(samples[name] - samples[CONTROL], enough)
    for place, kind in enumerate(OUTCOMES):
        of_either = (int(part.did[place]), len(part), int(control.did[place]), len(control))
        shares = _share(*of_either[:2]) - _share(*of_either[2:])
        by_actors[kind] = Figure(shares, *proportion_difference(*of_either))
        rates = [_share(each.hits[:, place].sum(), each.served.sum()) for each in (part, control)]
        by_served[kind] = Figure(rates[0] - rates[1], *bounds[place])
    return {"of_actors_over_control": by_actors, "of_served_over_control": by_served}


def _bounds(samples: Matrix, enough: np.ndarray) -> list[tuple[float, float]]:
    """The middle 95 % of each column (Efron 1979); NaN where there is not enough.   (s, c), (c,) bool -> c"""
    low, high = np.quantile(samples, [0.025, 0.975], axis=0)
    return [
        (float(low[place]), float(high[place])) if enough[place] else (nan, nan)
        for place in range(len(enough))
    ]


def _share(part: float, whole: float) -> float:
    return float(part / whole) if whole else nan
