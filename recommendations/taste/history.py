"""The part of an actor's past that a request needs, read in one statement."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, NamedTuple

import numpy as np
from django.db import connection

from listings.models import Listing
from ml.arrays import Vector
from recommendations.interactions.retractions import is_not_retracted
from recommendations.interactions.weights import NEGATIVE_KINDS
from recommendations.popularity.fatigue import fatigue_parameters, often_shown
from recommendations.taste.purchases import SATISFIED_FOR

LAST_EVENTS = 100
MOST_OF_BOUGHT_KINDS = 1000  # events in categories of purchases: whoever has more is looking for another
MAX_REJECTED = 20  # the last hidden or reported listings, which penalise those like them
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class About(NamedTuple):
    """The part of a listing that a profile uses."""

    price: Decimal
    category: int
    latitude: float | None
    longitude: float | None


class Event(NamedTuple):
    """The part of an interaction that a profile uses."""

    listing: int
    kind: str
    source: str
    is_doubtful: bool
    at: datetime
    about: About


@dataclass(frozen=True)
class ActorHistory:
    """What an actor and the visitors merged into them did, without what was taken back.

    Own listings are left out of the events; `unwanted` are the hidden and reported listings.
    """

    events: list[Event]  # the last LAST_EVENTS that are not negative, the last one first
    of_bought_kinds: list[Event]  # the last ones in categories of recent purchases, if `events` is full
    unwanted: list[int]  # ids of listings, the last one first
    fatigued: frozenset[int] = frozenset()  # ids of listings that were shown too often lately
    names: Mapping[int, tuple[str, str]] = field(default_factory=dict)  # external id and title, if public
    vectors: Mapping[int, Vector] = field(default_factory=dict)  # (d,) float16 of those not on the market


_EVENTS = """
    json_agg(json_build_array(
        listing_id, kind, source, is_doubtful, (extract(epoch FROM occurred_at) * 1000000)::bigint,
        price::text, category_id, latitude, longitude
    ) ORDER BY occurred_at DESC, id DESC)
"""
# The past is read in one statement, since each query costs more than what it returns. Each part reads `own`
# by an index of its own, hence NOT MATERIALIZED.
_HISTORY = f"""
    WITH self AS MATERIALIZED (
        SELECT id FROM listings_actor WHERE id = %(actor)s OR merged_into_id = %(actor)s
    ), own AS NOT MATERIALIZED (
        SELECT interaction.* FROM recommendations_interaction interaction
        JOIN listings_actor actor ON actor.id = interaction.actor_id
        WHERE interaction.actor_id = ANY(ARRAY(SELECT id FROM self)) AND occurred_at <= %(now)s
          AND {is_not_retracted("retraction.occurred_at <= %(now)s")}
    ), liked AS NOT MATERIALIZED (
        SELECT own.id, own.listing_id, kind, source, is_doubtful, occurred_at, price, category_id,
               latitude, longitude, external_id, title, status
        FROM own JOIN listings_listing listing ON listing.id = own.listing_id
        WHERE listing.seller_id <> %(actor)s AND kind <> ALL(%(negative)s)
    ), recent AS MATERIALIZED (
        SELECT * FROM liked ORDER BY occurred_at DESC, id DESC LIMIT %(last_events)s
    ), of_bought_kinds AS (
        SELECT * FROM liked
        WHERE (SELECT count(*) FROM recent) = %(last_events)s AND occurred_at > %(lately)s
          AND category_id IN (
            SELECT category_id FROM liked WHERE kind = 'purchase' AND occurred_at > %(lately)s
        )
        ORDER BY occurred_at DESC, id DESC LIMIT %(bought_kinds)s
    ), unwanted AS MATERIALIZED (
        SELECT listing_id, occurred_at, id FROM own WHERE kind = ANY(%(negative)s)
    ), gone AS (
        SELECT listing_id, vector FROM recommendations_listingembedding
        WHERE encoder_version = %(encoder)s AND listing_id IN (
            SELECT listing_id FROM recent WHERE status <> 'active'
            UNION (SELECT listing_id FROM unwanted ORDER BY occurred_at DESC, id DESC LIMIT %(rejected)s)
        )
    )
    SELECT
        (SELECT {{events}} FROM recent),
        (SELECT {{events}} FROM of_bought_kinds),
        ARRAY(SELECT listing_id FROM unwanted ORDER BY occurred_at DESC, id DESC),
        ARRAY({{fatigued}}),
        (SELECT json_object_agg(listing_id, json_build_array(external_id, title))
         FROM recent WHERE status = ANY(%(public)s)),
        ARRAY(SELECT listing_id FROM gone ORDER BY listing_id),
        ARRAY(SELECT vector FROM gone ORDER BY listing_id)
""".replace("{events}", _EVENTS).replace("{fatigued}", often_shown("(SELECT id FROM self)"))


def read_actor_history(
    actor_id: int, *, encoder_version: str, now: datetime, rest_after: int | None = None
) -> ActorHistory:
    """The past of a member, or of a visitor who is not merged, up to `now`.

    encoder_version: of `vectors`. rest_after: the number of impressions after which a listing is fatigued;
    None reads none.
    """
    parameters: dict[str, Any] = {
        "actor": actor_id,
        "encoder": encoder_version,
        "lately": now - SATISFIED_FOR,
        "negative": list(NEGATIVE_KINDS),
        "public": list(Listing.PUBLIC),
        "last_events": LAST_EVENTS,
        "bought_kinds": MOST_OF_BOUGHT_KINDS,
        "rejected": MAX_REJECTED,
        **fatigue_parameters(rest_after, now),
    }
    with connection.cursor() as cursor:
        cursor.execute(_HISTORY, parameters)
        recent, bought, unwanted, fatigued, names, gone_ids, gone_vectors = cursor.fetchone()
    return ActorHistory(
        events=[_event(*row) for row in recent or ()],
        of_bought_kinds=[_event(*row) for row in bought or ()],
        unwanted=unwanted,
        fatigued=frozenset(fatigued),
        names={int(pk): (external_id, title) for pk, (external_id, title) in (names or {}).items()},
        vectors={
            pk: np.frombuffer(vector, dtype="<f2") for pk, vector in zip(gone_ids, gone_vectors, strict=True)
        },
    )


def _event(
    listing: int, kind: str, source: str, is_doubtful: bool, microseconds: int, price: str, *about: Any
) -> Event:
    at = EPOCH + timedelta(microseconds=microseconds)
    return Event(listing, kind, source, is_doubtful, at, About(Decimal(price), *about))
