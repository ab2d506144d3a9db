"""Snapshot of the catalogue at a moment in the past, in serving's types, and the holdout after it.

Models are evaluated on it: they rank with what was known at the moment, and the interactions after the moment
are the right answers.
"""

import math
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
from django.db import connection
from django.db.models import Max
from scipy.sparse import csr_matrix

from listings.errors import DomainError
from listings.models import Actor, Listing
from ml.encoder.blocks import Blocks
from recommendations.core.identity import PERSON_KEY, person_key
from recommendations.encoders import selection
from recommendations.encoders.manifest import EncoderUnavailable
from recommendations.interactions.retractions import is_not_retracted
from recommendations.interactions.weights import EVENT_WEIGHTS, NEGATIVE_KINDS
from recommendations.models.events import Interaction
from recommendations.models.trained_models import TrainedModel
from recommendations.models.vector_format import CHUNK, decode_vectors
from recommendations.popularity import trending
from recommendations.replica import generations
from recommendations.replica.columns import FIELDS, Columns, PhotoRows, attributes_of
from recommendations.replica.snapshot import CatalogueSnapshot


class SnapshotUnavailable(DomainError):
    """No encoder, or no embedded listing of that time, is available. The message says what to run."""


def last_event() -> datetime | None:
    """The time of the latest event, None without events."""
    return Interaction.objects.aggregate(last=Max("occurred_at"))["last"]


def split_time(share: float = 0.9, *, until: datetime | None = None) -> datetime | None:
    """The time of the event that completes this share of all events, or of those up to a time.

    That event and those of the same moment lie before the split. None when there are no events.
    """
    with connection.cursor() as cursor:
        cursor.execute(_SPLIT, {"share": share, "until": until})
        return cursor.fetchone()[0]


_SPLIT = """
    SELECT percentile_disc(%(share)s) WITHIN GROUP (ORDER BY occurred_at)
    FROM recommendations_interaction
    WHERE %(until)s::timestamptz IS NULL OR occurred_at <= %(until)s
"""


def snapshot_at(moment: datetime, *, end: datetime) -> CatalogueSnapshot:
    """The catalogue between a moment and an end, as serving would have known it.

    It holds every embedded listing that was on the market at some time in between, with its publication time,
    and what was trending at the moment. It has no collaborative model: fit one on the events up to the moment
    and add it with `with_collaborative`.   Raises SnapshotUnavailable.
    """
    encoder = selection.active_encoder()
    if encoder is None:
        raise SnapshotUnavailable("No encoder is active yet: run `manage.py embed`.")
    try:
        blocks = selection.blocks_of(encoder)
    except EncoderUnavailable as error:
        raise SnapshotUnavailable(str(error)) from None
    columns = _columns(encoder, blocks, _published(moment, end))
    if not len(columns):
        raise SnapshotUnavailable(
            "No listing that was on the market then is embedded: run `manage.py embed`, or import the "
            "listings that the events refer to."
        )
    index, _ = generations.indexes_of(columns, blocks)
    snapshot = CatalogueSnapshot.load(encoder.version, blocks, columns, index, seq=0)
    return snapshot.with_trending(*trending.top_at(moment))


# A listing with an event existed at that time even where its row is younger, as rows of an import are. Its
# publication time is then the first event. Listings published after the moment get no date: otherwise the
# newest ones would be exactly those that are touched next. A purchase ends a listing even where nobody marked
# it as sold. LEAST ignores NULL.
FIRST_EVENTS_SQL = """
    SELECT listing_id, min(occurred_at) AS first_at,
           min(occurred_at) FILTER (WHERE kind = 'purchase') AS bought_at
    FROM recommendations_interaction
    WHERE {condition} GROUP BY listing_id
"""
LISTED_AT_SQL = "least(created_at, first_at)"
DELISTED_AT_SQL = """
    coalesce(least(sold_at, bought_at, CASE WHEN status = 'withdrawn' THEN updated_at END), 'infinity')
"""
_ON_MARKET = f"""
    WITH first_event AS ({FIRST_EVENTS_SQL.format(condition="true")})
    SELECT id, CASE WHEN {LISTED_AT_SQL} <= %(moment)s THEN {LISTED_AT_SQL} END
    FROM listings_listing LEFT JOIN first_event ON listing_id = id
    WHERE status <> 'draft' AND {LISTED_AT_SQL} <= %(end)s AND {DELISTED_AT_SQL} > %(moment)s
"""


def listings_on_market(moment: datetime, *, end: datetime) -> np.ndarray:
    """Ids of the listings that were on the market at some time in between: (m,) int64"""
    return np.array(list(_published(moment, end)), np.int64)


def _published(moment: datetime, end: datetime) -> dict[int, float]:
    """Listing id -> publication time in seconds since 1970, or NaN, of all on the market in between."""
    with connection.cursor() as cursor:
        cursor.execute(_ON_MARKET, {"moment": moment, "end": end})
        return {pk: at.timestamp() if at else math.nan for pk, at in cursor.fetchall()}


def _columns(encoder: TrainedModel, blocks: Blocks, published: dict[int, float]) -> Columns:
    embedded = Listing.objects.filter(pk__in=list(published), embeddings__encoder_version=encoder.version)
    rows = list(embedded.order_by("pk").values_list(*FIELDS, "embeddings__vector").iterator(chunk_size=CHUNK))
    attributes = attributes_of(rows)
    attributes["created_at"] = [published[pk] for pk in attributes["listing_id"].tolist()]
    vectors = decode_vectors((row[-1] for row in rows), blocks.dimension)
    return Columns(attributes, vectors, PhotoRows.none(blocks.photo_dimension))


@dataclass(frozen=True)
class HeldOut:
    """The new listings that a actors interacted with after a moment, among the n rows of a snapshot.

    relevant (a, n): an entry is stored for an interaction with a positive weight, unless the actor hid,
    reported or owns the listing or had interacted with it before. Interactions that were retracted by the end
    do not count. A cold row is a listing without any event by the moment, a cold actor one without any.
    """

    actors: list[Actor]
    relevant: csr_matrix
    is_cold_actor: np.ndarray  # (a,) bool
    is_cold_row: np.ndarray  # (n,) bool
    actor_count: int  # all eligible actors; `actors` may be a sample of them

    def __len__(self) -> int:
        return len(self.actors)


def read_held_out(
    snapshot: CatalogueSnapshot,
    moment: datetime,
    *,
    end: datetime,
    max_actors: int | None = None,
    seed: int = 0,
) -> HeldOut:
    """The holdout from a moment to the end, for a seeded random sample of at most `most` actors.

    Listings are never sampled: every listing of the snapshot is a candidate.
    """
    actor_ids, listing_ids = _newly_touched(moment, end)
    rows = snapshot.rows_of(listing_ids)
    actor_ids, rows = actor_ids[rows >= 0], rows[rows >= 0]
    eligible = np.unique(actor_ids)
    sample = eligible
    if max_actors is not None and len(eligible) > max_actors:
        sample = np.sort(np.random.default_rng(seed).choice(eligible, size=max_actors, replace=False))
    is_sampled = np.isin(actor_ids, sample)
    cells = (np.searchsorted(sample, actor_ids[is_sampled]), rows[is_sampled])
    actors = Actor.objects.in_bulk(sample.tolist())
    return HeldOut(
        actors=[actors[pk] for pk in sample.tolist()],
        relevant=csr_matrix(
            (np.ones(len(cells[0]), np.float32), cells), shape=(len(sample), snapshot.row_count)
        ),
        is_cold_actor=~np.isin(sample, _actors_with_events(moment)),
        is_cold_row=~np.isin(snapshot.attributes["listing_id"], _listings_with_events(moment)),
        actor_count=len(eligible),
    )


# A visitor who logged in counts as the member they became, as in the interaction history.
_STANDS = is_not_retracted("retraction.occurred_at <= %(end)s")
_NEWLY_TOUCHED = f"""
    SELECT {PERSON_KEY}, listing_id
    FROM recommendations_interaction interaction
    JOIN listings_actor actor ON actor.id = actor_id
    JOIN listings_listing listing ON listing.id = listing_id
    WHERE occurred_at <= %(end)s AND listing.seller_id <> {PERSON_KEY}
    GROUP BY 1, 2
    HAVING min(occurred_at) > %(moment)s AND bool_or(interaction.kind = ANY(%(wanted)s) AND {_STANDS})
       AND NOT bool_or(interaction.kind = ANY(%(unwanted)s) AND {_STANDS})
"""


def _newly_touched(moment: datetime, end: datetime) -> tuple[np.ndarray, np.ndarray]:
    """Actor ids and listing ids (m,) int64, each pair once."""
    wanted = [kind for kind, weight in EVENT_WEIGHTS.items() if weight > 0]
    unwanted = list(NEGATIVE_KINDS)
    parameters: dict[str, Any] = {"moment": moment, "end": end, "wanted": wanted, "unwanted": unwanted}
    with connection.cursor() as cursor:
        cursor.execute(_NEWLY_TOUCHED, parameters)
        pairs = np.array(cursor.fetchall(), np.int64).reshape(-1, 2)
    return pairs[:, 0], pairs[:, 1]


def _actors_with_events(moment: datetime) -> np.ndarray:
    """Actors with an event of any kind by the moment; a merged visitor is given as the member: (a,) int64"""
    member = person_key("actor")
    earlier = Interaction.objects.filter(occurred_at__lte=moment).order_by()
    return np.fromiter(earlier.values_list(member, flat=True).distinct(), np.int64)


def _listings_with_events(moment: datetime) -> np.ndarray:
    """Listings with an event of any kind by the moment: (n,) int64"""
    earlier = Interaction.objects.filter(occurred_at__lte=moment).order_by()
    return np.fromiter(earlier.values_list("listing", flat=True).distinct(), np.int64)
