"""Interaction histories of actors, read from the database for training and evaluation."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
from django.db import connection
from scipy.sparse import csr_matrix

from ml.collaborative.covisitation import Sequences
from ml.positions import Positions
from recommendations.core.identity import all_identities
from recommendations.interactions.retractions import is_not_retracted
from recommendations.interactions.weights import EVENT_WEIGHTS, TRAINING_HALF_LIFE
from recommendations.trust import weighting

MOST_HALVINGS = 100  # a weight that underflows is an error in PostgreSQL
MIN_WEIGHT = 1e-6  # the least weight, so that even the oldest events stay in the matrix


@dataclass(frozen=True)
class InteractionHistory:
    """One entry per actor and listing, ordered by actor and then by the last event.

    A visitor who logged in counts as the member. Retracted interactions are left out, and trust weighting
    limits the influence of each actor.
    """

    actor_ids: np.ndarray  # (m,) int64
    listing_ids: np.ndarray  # (m,) int64
    weights: np.ndarray  # (m,) float32, > 0: weighted by trust, decayed by age
    undecayed_weights: np.ndarray  # (m,) float32, > 0: weighted by trust, without decay
    event_count: int
    until: datetime

    def __len__(self) -> int:
        return len(self.actor_ids)

    @property
    def actors(self) -> np.ndarray:
        """Ids of the actors: (a,) int64, sorted."""
        return np.unique(self.actor_ids)

    @property
    def listings(self) -> np.ndarray:
        """Ids of the listings: (n,) int64, sorted."""
        return np.unique(self.listing_ids)

    def matrix(self, listing_ids: np.ndarray) -> csr_matrix:
        """(a, n) float32 weights: a row for each of `actors`, a column for each of listing_ids (n,) int64.

        listing_ids must contain all of `listings`.
        """
        rows = np.searchsorted(self.actors, self.actor_ids)
        columns = Positions.of(listing_ids).find(self.listing_ids)
        return csr_matrix((self.weights, (rows, columns)), shape=(len(self.actors), len(listing_ids)))

    def sequences(self, listing_ids: np.ndarray) -> Sequences:
        """The history of each of `actors` in order; items are positions in listing_ids (n,) int64."""
        lengths = np.unique(self.actor_ids, return_counts=True)[1]
        return Sequences.of_lengths(
            lengths, Positions.of(listing_ids).find(self.listing_ids), self.undecayed_weights
        )


# A transaction id that this server has not assigned yet comes from a restored dump and counts as earlier.
_BEFORE = """
    (%(before)s::text IS NULL OR {table}.transaction_id < %(before)s::text::xid8
     OR {table}.transaction_id >= pg_snapshot_xmax(pg_current_snapshot()))
"""
_WHERE = f"""
    occurred_at <= %(until)s
    AND {_BEFORE.format(table="interaction")}
    AND {is_not_retracted("retraction.occurred_at <= %(until)s AND " + _BEFORE.format(table="retraction"))}
    AND (%(actors)s::bigint[] IS NULL OR actor_id = ANY(%(actors)s))
"""
_DECAY = """power(
    0.5::float8, least(%(most_halvings)s, extract(epoch FROM %(until)s - occurred_at) / %(half)s)
)"""
# Aggregated in the database, in one pass.
_BEHAVIOUR = """
    SELECT self_id, listing_id, sum(event_count),
           share * least(%(cap)s, sum(decayed)), share * least(%(cap)s, sum(weight))
    FROM {counted} counted
    GROUP BY self_id, listing_id, share
    HAVING sum(weight) > 0
    ORDER BY self_id, max(last_at), listing_id
"""


def read_history(
    *, until: datetime, before: int | None = None, actor_ids: Iterable[int] | None = None
) -> InteractionHistory:
    """All interactions up to a time; if given, only of these actors or committed before a transaction id.

    The history may be empty.
    """
    parameters: dict[str, Any] = {
        "until": until,
        "most_halvings": MOST_HALVINGS,
        "half": TRAINING_HALF_LIFE.total_seconds(),
        "before": None if before is None else str(before),
        "actors": None if actor_ids is None else all_identities(actor_ids),
    }
    with connection.cursor() as cursor:
        query = _BEHAVIOUR.format(counted=weighting.trusted_weights(where=_WHERE, decay=_DECAY))
        cursor.execute(query, parameters | weighting.trust_parameters(EVENT_WEIGHTS))
        columns = list(zip(*cursor.fetchall(), strict=True)) or [()] * 5
    return InteractionHistory(
        actor_ids=np.array(columns[0], np.int64),
        listing_ids=np.array(columns[1], np.int64),
        weights=np.array(columns[3], np.float32).clip(min=MIN_WEIGHT),
        undecayed_weights=np.array(columns[4], np.float32),
        event_count=int(sum(columns[2])),
        until=until,
    )
