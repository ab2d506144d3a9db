"""Outcomes of an experiment: per variant, the events that followed on served listings, with intervals."""

from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from math import nan
from typing import Any

import numpy as np
from django.db import connection

from listings.errors import Missing
from ml.evaluation.proportions import sample_ratio_p_value
from recommendations.analysis.experiment_arms import OUTCOMES, Arm, Totals, arms_of
from recommendations.core.identity import PERSON_KEY
from recommendations.core.json_values import to_json_values
from recommendations.interactions.retractions import is_not_retracted
from recommendations.interactions.simulation import SOURCE as SIMULATION
from recommendations.models.experiments import CONTROL, Experiment

FOLLOWS_WITHIN = timedelta(days=7)
SIGNIFICANCE = 0.001  # significance level of the sample ratio test


class NoSuchExperiment(Missing):
    """No experiment has this name. The message lists the latest ones."""

    def __init__(self, name: str):
        latest = ", ".join(Experiment.objects.order_by("-starts_at").values_list("name", flat=True)[:10])
        super().__init__(f"There is no experiment {name!r}; there are: {latest or 'none yet'}.")


@dataclass(frozen=True)
class ExperimentOutcome:
    """The outcomes of an experiment as known at a time."""

    name: str
    status: str
    starts_at: datetime
    ends_at: datetime
    asked_at: datetime
    arms: list[Arm]  # the control first
    mixed_count: int  # actors who saw several variants; they count in none
    sample_ratio_p: float
    is_complete: bool  # later events cannot change the figures
    event_count: int
    simulated_count: int  # of these events

    @property
    def is_uneven(self) -> bool:
        """Whether there is a sample ratio mismatch, so that the variants must not be compared."""
        return self.sample_ratio_p < SIGNIFICANCE

    def to_json(self) -> dict[str, Any]:
        """Times in ISO 8601; unknown figures are null."""
        return to_json_values(asdict(self) | {"is_uneven": self.is_uneven, "control": CONTROL})


# A visitor who logged in counts as the member. A listing in two pages of one slate counts once. An event is
# attributed to the last slate that had served its listing to its actor by then.
_HIT = ", ".join(f"bool_or(kind = '{kind}') AS {kind}" for kind in OUTCOMES)
_COUNTED = ", ".join(f"count(*) FILTER (WHERE hit.{kind})" for kind in OUTCOMES)
_OUTCOMES = f"""
    WITH page AS (
        SELECT slate.id AS slate_id, {PERSON_KEY} AS who,
               slate.parameters->>'variant' AS variant, served_at,
               listing_ids[impression."offset" + 1 : impression."offset" + impression.count] AS listing_ids
        FROM recommendations_slate slate
        JOIN listings_actor actor ON actor.id = slate.actor_id
        JOIN recommendations_impression impression ON impression.slate_id = slate.id
        WHERE slate.created_at >= %(since)s AND served_at <= %(until)s
          AND slate.parameters->>'experiment' = %(name)s AND slate.parameters->>'variant' = ANY(%(variants)s)
          AND NOT EXISTS (
            SELECT FROM recommendations_doubt doubt
            WHERE doubt.actor_id = {PERSON_KEY} AND decision <> 'released'
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
             AND served.who = {PERSON_KEY}
             AND interaction.occurred_at >= served_at AND interaction.occurred_at < served_at + %(within)s
        WHERE interaction.kind = ANY(%(kinds)s)
          AND interaction.occurred_at BETWEEN %(since)s AND %(until)s
          AND {is_not_retracted("retraction.occurred_at <= %(until)s")}
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


def read_outcome(name: str, *, now: datetime) -> ExperimentOutcome:
    """The outcomes of an experiment up to `now`, from one query over slates and events.

    An event counts if it happened within FOLLOWS_WITHIN after a slate of the experiment had served the
    listing to its actor, and was not retracted. Slates are deleted after SLATE_DAYS: read the outcomes before
    that.   Raises NoSuchExperiment.
    """
    experiment = Experiment.objects.prefetch_related("variants").filter(name=name).first()
    if experiment is None:
        raise NoSuchExperiment(name)
    weights = {variant.name: variant.weight for variant in experiment.variants.all()}
    weights = {name: weights[name] for name in sorted(weights, key=lambda name: (name != CONTROL, name))}
    rows = _read(experiment, list(weights), now)
    kept, mixed_count = _of_one_variant(rows)
    totals = {variant: _totals([row for row in kept if row[1] == variant]) for variant in weights}
    counts = np.array([len(part) for part in totals.values()], np.int64)
    return ExperimentOutcome(
        name=experiment.name,
        status=experiment.status,
        starts_at=experiment.starts_at,
        ends_at=experiment.ends_at,
        asked_at=now,
        arms=arms_of(totals, weights),
        mixed_count=mixed_count,
        sample_ratio_p=sample_ratio_p_value(counts, np.array([*weights.values()])) if weights else nan,
        is_complete=all(row[2] + FOLLOWS_WITHIN <= now for row in rows),
        event_count=sum(row[3] for row in kept),
        simulated_count=sum(row[4] for row in kept),
    )


def _read(experiment: Experiment, variants: list[str], now: datetime) -> list[tuple]:
    """A row per actor and variant.

    (actor id, variant, last served, events, simulated events, slates, served, a count for each of OUTCOMES)
    """
    parameters: dict[str, Any] = {
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
    """The rows of actors who saw one variant only, and the number of actors who saw several.

    A member may have been assigned to another variant as a visitor, before they logged in.
    """
    variants_of: dict[int, set[str]] = {}
    for actor_id, variant, *_ in rows:
        variants_of.setdefault(actor_id, set()).add(variant)
    mixed = {actor_id for actor_id, variants in variants_of.items() if len(variants) > 1}
    return [row for row in rows if row[0] not in mixed], len(mixed)


def _totals(rows: list[tuple]) -> Totals:
    table = np.array([row[5:] for row in sorted(rows)], np.float64).reshape(-1, 2 + len(OUTCOMES))
    return Totals(slates=table[:, 0], served=table[:, 1], hits=table[:, 2:])
