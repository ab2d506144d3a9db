"""What actors did with listings, read from the interactions for training and evaluation."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

import numpy as np
from django.db import connection
from scipy.sparse import csr_matrix

from ml.covisitation import Sequences
from recommendations import trust
from recommendations.columns import Positions
from recommendations.identity import with_merged
from recommendations.interaction_weights import TRAINING_HALF_LIFE, WEIGHTS
from recommendations.standing import stands

MOST_HALVINGS = 100  # PostgreSQL makes an error of a weight that has halved away to nothing
ANCIENT = 1e-6  # an event whose weight time has halved away still says that it happened


@dataclass(frozen=True)
class Behaviour:
    """One entry for each listing that an actor touched, by actor and then by when they last touched it.

    A visitor who logged in is one actor with the member; what was taken back is left out, and nobody counts
    for many (see trust.py).
    """

    actor_ids: np.ndarray  # (m,) int64
    listing_ids: np.ndarray  # (m,) int64
    weights: np.ndarray  # (m,) float32, > 0: as trust.py counts them, halved by age
    care: np.ndarray  # (m,) float32, > 0: the same whatever its age
    event_count: int
    until: datetime

    def __len__(self) -> int:
        return len(self.actor_ids)

    @property
    def actors(self) -> np.ndarray:
        """Who touched anything: (a,) int64, sorted."""
        return np.unique(self.actor_ids)

    @property
    def listings(self) -> np.ndarray:
        """What was touched: (n,) int64, sorted."""
        return np.unique(self.listing_ids)

    def matrix(self, listing_ids: np.ndarray) -> csr_matrix:
        """(a, n) float32 weights: a row for each of `actors`, a column for each of listing_ids (n,) int64.

        What was touched must be among listing_ids.
        """
        rows = np.searchsorted(self.actors, self.actor_ids)
        columns = Positions.of(listing_ids).find(self.listing_ids)
        return csr_matrix((self.weights, (rows, columns)), shape=(len(self.actors), len(listing_ids)))

    def sequences(self, listing_ids: np.ndarray) -> Sequences:
        """What each of `actors` touched in order; items are positions in listing_ids (n,) int64."""
        lengths = np.unique(self.actor_ids, return_counts=True)[1]
        return Sequences.of_lengths(lengths, Positions.of(listing_ids).find(self.listing_ids), self.care)


# An id that this server has not given yet came with a restored dump.
_BEFORE = """
    (%(before)s::text IS NULL OR {table}.transaction_id < %(before)s::text::xid8
     OR {table}.transaction_id >= pg_snapshot_xmax(pg_current_snapshot()))
"""
_WHERE = f"""
    occurred_at <= %(until)s
    AND {_BEFORE.format(table="interaction")}
    AND {stands("retraction.occurred_at <= %(until)s AND " + _BEFORE.format(table="retraction"))}
    AND (%(actors)s::bigint[] IS NULL OR actor_id = ANY(%(actors)s))
"""
_DECAY = """power(
    0.5::float8, least(%(most_halvings)s, extract(epoch FROM %(until)s - occurred_at) / %(half)s)
)"""
# One pass, aggregated where the rows lie.
_BEHAVIOUR = """
    SELECT self_id, listing_id, sum(event_count),
           share * least(%(cap)s, sum(decayed)), share * least(%(cap)s, sum(weight))
    FROM {counted} counted
    GROUP BY self_id, listing_id, share
    HAVING sum(weight) > 0
    ORDER BY self_id, max(last_at), listing_id
"""


def read_behaviour(
    *, until: datetime, before: int | None = None, actor_ids: Iterable[int] | None = None
) -> Behaviour:
    """All that happened up to a time; of these actors, and committed before this transaction, if given.

    No error when that is nothing: whoever needs a least amount says so.
    """
    parameters = {
        "until": until,
        "most_halvings": MOST_HALVINGS,
        "half": TRAINING_HALF_LIFE.total_seconds(),
        "before": None if before is None else str(before),
        "actors": None if actor_ids is None else with_merged(actor_ids),
    }
    with connection.cursor() as cursor:
        query = _BEHAVIOUR.format(counted=trust.counted(where=_WHERE, decay=_DECAY))
        cursor.execute(query, parameters | trust.parameters(WEIGHTS))
        columns = list(zip(*cursor.fetchall(), strict=True)) or [()] * 5
    return Behaviour(
        actor_ids=np.array(columns[0], np.int64),
        listing_ids=np.array(columns[1], np.int64),
        weights=np.array(columns[3], np.float32).clip(min=ANCIENT),
        care=np.array(columns[4], np.float32),
        event_count=int(sum(columns[2])),
        until=until,
    )
