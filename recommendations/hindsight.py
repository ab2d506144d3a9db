"""The world as it was at a moment in the past, in the types that serving uses, and what came after it.

Models are judged here: asked with what was known at the moment, and held against what actors did next.
"""

import math
from dataclasses import dataclass
from datetime import datetime

import numpy as np
from django.db import connection
from django.db.models import Max
from scipy.sparse import csr_matrix

from listings.errors import DomainError
from listings.models import Actor, Listing
from ml.blocks import Blocks
from recommendations import encoders, generations, trending
from recommendations.columns import CHUNK, FIELDS, Columns, PhotoRows, attributes_of, vectors_from
from recommendations.encoders import EncoderUnavailable
from recommendations.identity import SELF, person_key
from recommendations.interaction_weights import UNWANTED, WEIGHTS
from recommendations.models import Interaction, TrainedModel
from recommendations.standing import stands
from recommendations.view import View


class NoWorld(DomainError):
    """There is no space in which listings of that time could be compared. The message says what mends it."""


def last_event() -> datetime | None:
    """When the last of all events happened."""
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


def world_at(moment: datetime, *, end: datetime) -> View:
    """What there was to recommend from a moment to the end of what is looked at, as serving would know it.

    Every listing that was on the market at some time in between, with when it was published, and what was
    trending at the moment. A collaborative model is not part of it: fit one on what had happened until then,
    and put it in by `with_collaborative`.   Raises NoWorld.
    """
    encoder = encoders.active()
    if encoder is None:
        raise NoWorld("No encoder was chosen yet: run `manage.py embed`.")
    try:
        blocks = encoders.blocks_of(encoder)
    except EncoderUnavailable as error:
        raise NoWorld(str(error)) from None
    columns = _columns(encoder, blocks, _published(moment, end))
    if not len(columns):
        raise NoWorld(
            "No listing that was on the market then has been embedded: run `manage.py embed`, or import "
            "listings that the events speak of."
        )
    index, _ = generations.indexes_of(columns, blocks)
    view = View.load(encoder.version, blocks, columns, index, seq=0)
    return view.with_trending(*trending.top_at(moment))


# An event tells of a listing that was there, whatever its row says: rows of an import are made later. When
# such a listing was published is known from its first event at the earliest. What was published after the
# moment has no date: else what is newest would be what is going to be touched. A purchase ends a listing
# even where nobody marked it sold. LEAST passes over NULL.
TOLD = """
    SELECT listing_id, min(occurred_at) AS first_at,
           min(occurred_at) FILTER (WHERE kind = 'purchase') AS bought_at
    FROM recommendations_interaction
    WHERE {condition} GROUP BY listing_id
"""
CAME_AT = "least(created_at, first_at)"
LEFT_AT = """
    coalesce(least(sold_at, bought_at, CASE WHEN status = 'withdrawn' THEN updated_at END), 'infinity')
"""
_ON_MARKET = f"""
    WITH told AS ({TOLD.format(condition="true")})
    SELECT id, CASE WHEN {CAME_AT} <= %(moment)s THEN {CAME_AT} END
    FROM listings_listing LEFT JOIN told ON listing_id = id
    WHERE status <> 'draft' AND {CAME_AT} <= %(end)s AND {LEFT_AT} > %(moment)s
"""


def on_market(moment: datetime, *, end: datetime) -> np.ndarray:
    """Listings that were on the market at some time between: (m,) int64"""
    return np.array(list(_published(moment, end)), np.int64)


def _published(moment: datetime, end: datetime) -> dict[int, float]:
    """Listing id -> when it was published, NaN where unknown, of all that were on the market in between."""
    with connection.cursor() as cursor:
        cursor.execute(_ON_MARKET, {"moment": moment, "end": end})
        return {pk: at.timestamp() if at else math.nan for pk, at in cursor.fetchall()}


def _columns(encoder: TrainedModel, blocks: Blocks, published: dict[int, float]) -> Columns:
    embedded = Listing.objects.filter(pk__in=list(published), embeddings__encoder_version=encoder.version)
    rows = list(embedded.order_by("pk").values_list(*FIELDS, "embeddings__vector").iterator(chunk_size=CHUNK))
    attributes = attributes_of(rows)
    attributes["created_at"] = [published[pk] for pk in attributes["listing_id"].tolist()]
    vectors = vectors_from((row[-1] for row in rows), blocks.dimension)
    return Columns(attributes, vectors, PhotoRows.none(blocks.photo_dimension))


@dataclass(frozen=True)
class Aftermath:
    """What a actors touched after a moment that was new to them, among the n rows of a world.

    relevant (a, n): what is stored was touched with a weight above 0, not hidden or reported, not their own,
    and not touched by them before; what they took back by the end makes it neither. A cold row is a listing
    that nobody had done anything with by the moment, a cold actor one who had done nothing.
    """

    actors: list[Actor]
    relevant: csr_matrix
    is_cold_actor: np.ndarray  # (a,) bool
    is_cold_row: np.ndarray  # (n,) bool
    actor_count: int  # of whom these are a sample, or all

    def __len__(self) -> int:
        return len(self.actors)


def aftermath(
    view: View, moment: datetime, *, end: datetime, most: int | None = None, seed: int = 0
) -> Aftermath:
    """What came after a moment, up to the end; of at most so many actors, drawn by chance that is seeded.

    Nothing is drawn of what an actor could be shown: that is always every listing of the world.
    """
    actor_ids, listing_ids = _newly_touched(moment, end)
    rows = view.rows_of(listing_ids)
    actor_ids, rows = actor_ids[rows >= 0], rows[rows >= 0]
    everyone = np.unique(actor_ids)
    chosen = everyone
    if most is not None and len(everyone) > most:
        chosen = np.sort(np.random.default_rng(seed).choice(everyone, size=most, replace=False))
    asked = np.isin(actor_ids, chosen)
    cells = (np.searchsorted(chosen, actor_ids[asked]), rows[asked])
    found = Actor.objects.in_bulk(chosen.tolist())
    return Aftermath(
        actors=[found[pk] for pk in chosen.tolist()],
        relevant=csr_matrix((np.ones(len(cells[0]), np.float32), cells), shape=(len(chosen), view.row_count)),
        is_cold_actor=~np.isin(chosen, _who_did_anything(moment)),
        is_cold_row=~np.isin(view.attributes["listing_id"], _what_was_touched(moment)),
        actor_count=len(everyone),
    )


# A visitor who logged in is one actor with the member, as in behaviour.py.
_STANDS = stands("retraction.occurred_at <= %(end)s")
_NEWLY_TOUCHED = f"""
    SELECT {SELF}, listing_id
    FROM recommendations_interaction interaction
    JOIN listings_actor actor ON actor.id = actor_id
    JOIN listings_listing listing ON listing.id = listing_id
    WHERE occurred_at <= %(end)s AND listing.seller_id <> {SELF}
    GROUP BY 1, 2
    HAVING min(occurred_at) > %(moment)s AND bool_or(interaction.kind = ANY(%(wanted)s) AND {_STANDS})
       AND NOT bool_or(interaction.kind = ANY(%(unwanted)s) AND {_STANDS})
"""


def _newly_touched(moment: datetime, end: datetime) -> tuple[np.ndarray, np.ndarray]:
    """Actor ids and listing ids (m,) int64, each pair once."""
    wanted = [kind for kind, weight in WEIGHTS.items() if weight > 0]
    parameters = {"moment": moment, "end": end, "wanted": wanted, "unwanted": list(UNWANTED)}
    with connection.cursor() as cursor:
        cursor.execute(_NEWLY_TOUCHED, parameters)
        pairs = np.array(cursor.fetchall(), np.int64).reshape(-1, 2)
    return pairs[:, 0], pairs[:, 1]


def _who_did_anything(moment: datetime) -> np.ndarray:
    """Actors with an event of any kind by then, members for the visitors that they came as: (a,) int64"""
    who = person_key("actor")
    earlier = Interaction.objects.filter(occurred_at__lte=moment).order_by()
    return np.fromiter(earlier.values_list(who, flat=True).distinct(), np.int64)


def _what_was_touched(moment: datetime) -> np.ndarray:
    """Listings with an event of any kind by then: (n,) int64"""
    earlier = Interaction.objects.filter(occurred_at__lte=moment).order_by()
    return np.fromiter(earlier.values_list("listing", flat=True).distinct(), np.int64)
