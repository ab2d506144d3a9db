"""Fit a collaborative model on the interactions and publish it."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

import numpy as np
from django.db import connection
from scipy.sparse import csr_matrix

from listings.errors import DomainError
from ml import als
from recommendations import locks
from recommendations.interaction_weights import TRAINING_HALF_LIFE, WEIGHT_CAP, WEIGHTS
from recommendations.model_store import publish_collaborative
from recommendations.models import TrainedModel

LEAST_EVENTS = 200
LEAST_ACTORS = 10
FACTORS = 64
ITERATIONS = 15
REGULARISATION = 5.0
ALPHA = 8.0
SEED = 42


class TooFewEvents(DomainError):
    """There is not enough behaviour yet to learn from."""


class AlreadyTraining(DomainError):
    """Another process trains this kind of model."""


@dataclass(frozen=True)
class Behaviour:
    """How much actors cared for listings.

    weights (a, n) float32 csr, > 0 where an actor touched a listing; listing_ids (n,) int64.
    """

    weights: csr_matrix
    listing_ids: np.ndarray
    event_count: int


def train_collaborative(*, now: datetime, progress: Callable[[int, int], None] | None = None) -> TrainedModel:
    """Fit ALS on all interactions, those with sold listings included, and make it the active model.

    Raises TooFewEvents, AlreadyTraining; the model before serves on.
    """
    with locks.alone(locks.TRAINING) as acquired:
        if not acquired:
            raise AlreadyTraining("Another process trains a collaborative model just now.")
        behaviour = export_behaviour(now=now)
        confidence = behaviour.weights.copy()
        confidence.data = 1 + ALPHA * confidence.data
        model = als.fit(
            confidence,
            behaviour.listing_ids,
            factors=FACTORS,
            iterations=ITERATIONS,
            regularisation=REGULARISATION,
            seed=SEED,
            progress=progress,
        )
        metrics = {
            "alpha": ALPHA,
            "factors": FACTORS,
            "actors": behaviour.weights.shape[0],
            "listings": len(behaviour.listing_ids),
            "events": behaviour.event_count,
        }
        return publish_collaborative(model, f"{now:%Y%m%dT%H%M%S%f}", metrics)


# A visitor who logged in is one actor with the member; what sellers do with their own listings says
# nothing. One pass, aggregated where the rows lie.
_BEHAVIOUR = """
    SELECT coalesce(actor.merged_into_id, actor.id), listing_id, count(*),
           least(sum(weight * power(0.5::float8, extract(epoch FROM %(now)s - occurred_at) / %(half_life)s)),
                 %(cap)s)
    FROM recommendations_interaction interaction
    JOIN listings_actor actor ON actor.id = actor_id
    JOIN listings_listing listing ON listing.id = listing_id
    JOIN unnest(%(kinds)s::text[], %(weights)s::float8[]) AS weighed (name, weight)
         ON interaction.kind = weighed.name
    WHERE weight > 0 AND listing.seller_id <> actor_id
    GROUP BY 1, 2
"""


def export_behaviour(*, now: datetime) -> Behaviour:
    """All weighed, decayed and capped (actor, listing) pairs. Raises TooFewEvents."""
    parameters = {
        "now": now,
        "half_life": TRAINING_HALF_LIFE.total_seconds(),
        "cap": WEIGHT_CAP,
        "kinds": list(WEIGHTS),
        "weights": list(WEIGHTS.values()),
    }
    with connection.cursor() as cursor:
        cursor.execute(_BEHAVIOUR, parameters)
        rows = cursor.fetchall()
    if not rows:
        raise TooFewEvents("There are no events yet: send some, or run `manage.py simulate`.")
    columns = [np.array(column) for column in zip(*rows, strict=True)]
    actor_ids, actors = np.unique(columns[0], return_inverse=True)
    listing_ids, listings = np.unique(columns[1].astype(np.int64), return_inverse=True)
    event_count = int(columns[2].sum())
    if event_count < LEAST_EVENTS or len(actor_ids) < LEAST_ACTORS:
        raise TooFewEvents(
            f"{event_count} events of {len(actor_ids)} actors are too few to learn from: "
            f"at least {LEAST_EVENTS} events of {LEAST_ACTORS} actors are needed."
        )
    weights = columns[3].astype(np.float32).clip(min=1e-6)  # ancient events still say that they happened
    matrix = csr_matrix((weights, (actors, listings)), shape=(len(actor_ids), len(listing_ids)))
    return Behaviour(matrix, listing_ids, event_count)
