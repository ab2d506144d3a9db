"""Impression and click counts of young listings, in PostgreSQL.

A roll-up adds to the counts and moves its reader position in one transaction: each impression counts once.
"""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import numpy as np
from django.db import connection, transaction

from ml.arrays import Vector
from ml.positions import Positions
from ml.ranking.exploration import Prior, catalogue_prior
from recommendations.core import locks
from recommendations.core.identity import PERSON_KEY
from recommendations.core.ttl_cache import TtlCache
from recommendations.interactions import attribution, watermark
from recommendations.interactions.weights import EVENT_WEIGHTS
from recommendations.models.feed_parameters import FeedParameters
from recommendations.models.slates import Exposure, ReaderPosition
from recommendations.trust import weighting

YOUNG = timedelta(days=7)  # older listings are neither explored nor counted
READ_EVERY = timedelta(seconds=5)  # in each serving process
READER = "exposure"
PROBE_LENGTH = 20  # listings: a feed as short as this, with filters, is a look for certain listings
MOST_OF_ACTOR = FeedParameters().rest_after  # impressions of a listing for one actor


@dataclass(frozen=True, eq=False)
class ImpressionCounts:
    """Counts of m young listings that were shown: (m,) int64 each, 0 <= clicks <= impressions."""

    positions: Positions = field(default_factory=lambda: Positions.of(np.empty(0, np.int64)))
    impressions: np.ndarray = field(default_factory=lambda: np.empty(0, np.int64))
    clicks: np.ndarray = field(default_factory=lambda: np.empty(0, np.int64))
    prior: Prior = field(default_factory=lambda: catalogue_prior(*np.zeros((2, 0), np.int64)))

    @classmethod
    def of(cls, rows: list[tuple[int, int, int]]) -> "ImpressionCounts":
        """From rows of listing id, impressions and clicks."""
        ids, impressions, clicks = np.array(rows, np.int64).reshape(-1, 3).T.copy()
        return cls(Positions.of(ids), impressions, clicks, catalogue_prior(impressions, clicks))

    def of_listings(self, listing_ids: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Impressions and clicks of listings: (n,) int64 -> two (n,) int64, 0 for those never shown"""
        if not len(self.impressions):
            return np.zeros(len(listing_ids), np.int64), np.zeros(len(listing_ids), np.int64)
        places = self.positions.find(listing_ids)
        is_known = places >= 0
        return np.where(is_known, self.impressions[places], 0), np.where(is_known, self.clicks[places], 0)

    def popularity(self, listing_ids: np.ndarray) -> Vector:
        """Logarithm of the expected click rate, shrunk towards the catalogue's prior.

        (n,) int64 -> (n,) float32, NaN for listings never shown
        """
        impressions, clicks = self.of_listings(listing_ids)
        expected = (clicks + self.prior.clicks) / (impressions + self.prior.strength)
        return np.where(impressions > 0, np.log(expected), np.nan).astype(np.float32)


NO_IMPRESSIONS = ImpressionCounts()


def impression_counts(now: datetime) -> ImpressionCounts:
    """The counts so far, read every few seconds at most.   Raises DatabaseError."""
    return _counted.at(now)


def roll_up(*, now: datetime, wait: bool = False) -> int:
    """Count the impressions and clicks since the last roll-up.

    Returns the number of listings that gained impressions. Where another process rolls up just now, it is
    0 at once, or with `wait` comes after that one.
    """
    with locks.advisory_lock(locks.EXPOSURE, wait=wait) as acquired:
        if not acquired:
            return 0
        with transaction.atomic():
            ReaderPosition.objects.get_or_create(reader=READER, defaults={"transaction": 0})
            # Locked, since the erasure of an actor resets the position.
            position = ReaderPosition.objects.select_for_update().get(reader=READER)
            until = watermark.horizon()
            since = watermark.position(position.transaction, horizon=until)
            count = _count(since=since, until=until, young=now - YOUNG)
            ReaderPosition.objects.filter(reader=READER).update(transaction=until)
    return count


def prune(*, now: datetime) -> int:
    """Delete the counts of listings that are not young any more; the number of rows."""
    return Exposure.objects.filter(listing__created_at__lte=now - YOUNG).delete()[0]


_BELIEVED = f"""
    NOT EXISTS (
        SELECT FROM recommendations_doubt doubt
        WHERE doubt.actor_id = {PERSON_KEY} AND share = 0 AND decision <> 'released'
    )
"""
# Whoever filters for hardly more than one listing wants to be shown it: no impression that a feed gave.
_IS_PROBE = f"""(
    cardinality(slate.listing_ids) <= {PROBE_LENGTH}
    AND coalesce(slate.parameters -> 'filters', '{{}}') - '{{lat,lon}}'::text[] <> '{{}}'
)"""
_SHOWN = """
    CROSS JOIN unnest(slate.listing_ids[impression."offset" + 1 : impression."offset" + impression.count])
        AS shown (listing_id)
"""
# Only feeds of known actors count, each as often as until the listing rests (see fatigue). Searches, unknown
# callers and visitors on their first day do not: anybody could use up the impressions promised to a listing.
_IMPRESSIONS = f"""
    WITH fresh AS (
        SELECT {PERSON_KEY} AS self_id, listing.id AS listing_id, count(*) AS times
        FROM recommendations_impression impression
        JOIN recommendations_slate slate ON slate.id = slate_id
        {_SHOWN}
        JOIN listings_listing listing ON listing.id = shown.listing_id
        JOIN listings_actor actor ON actor.id = slate.actor_id
        WHERE listing.created_at > %(young)s AND slate.surface = 'feed' AND NOT {_IS_PROBE}
          AND NOT {weighting.is_newcomer("impression.served_at")} AND {_BELIEVED}
          AND {watermark.COMMITTED_BETWEEN.format(table="impression")}
        GROUP BY 1, 2
    ), identities AS (
        SELECT id FROM listings_actor WHERE id IN (SELECT self_id FROM fresh)
        UNION SELECT id FROM listings_actor WHERE merged_into_id IN (SELECT self_id FROM fresh)
    ), earlier AS (
        SELECT {PERSON_KEY} AS self_id, shown.listing_id, count(*) AS times
        FROM recommendations_slate slate
        JOIN recommendations_impression impression ON slate.id = slate_id
        {_SHOWN}
        JOIN listings_actor actor ON actor.id = slate.actor_id
        WHERE slate.actor_id IN (SELECT id FROM identities) AND slate.surface = 'feed' AND NOT {_IS_PROBE}
          AND slate.created_at > %(young)s AND NOT {weighting.is_newcomer("impression.served_at")}
          AND %(since)s <> '0' AND impression.transaction_id < %(since)s::text::xid8
        GROUP BY 1, 2
    ), added AS (
        SELECT listing_id, sum(least(%(most)s, fresh.times + before) - least(%(most)s, before)) AS times
        FROM (
            SELECT fresh.*, coalesce(earlier.times, 0) AS before
            FROM fresh LEFT JOIN earlier USING (self_id, listing_id)
        ) AS fresh GROUP BY listing_id
    )
    INSERT INTO recommendations_exposure AS exposure (listing_id, impressions, clicks)
    SELECT listing_id, times, 0 FROM added WHERE times > 0 ORDER BY listing_id
    ON CONFLICT (listing_id) DO UPDATE SET impressions = exposure.impressions + excluded.impressions
"""
# Clicks from the same feeds, recounted for listings with new events. An actor counts once per listing;
# its seller and quarantined actors do not count: nobody makes a listing popular alone.
_CLICKS = f"""
    UPDATE recommendations_exposure exposure SET clicks = least(exposure.impressions, counted.clicks)
    FROM (
        SELECT listing_id, count(DISTINCT {PERSON_KEY}) AS clicks
        FROM recommendations_interaction interaction
        JOIN listings_actor actor ON actor.id = interaction.actor_id
        JOIN listings_listing listing ON listing.id = listing_id AND listing.seller_id <> {PERSON_KEY}
        JOIN recommendations_slate slate ON slate.id = {attribution.slate_key("interaction")}
        WHERE slate.surface = 'feed' AND slate.actor_id IS NOT NULL
          AND NOT is_doubtful AND NOT {weighting.IS_BY_NEWCOMER} AND interaction.kind = ANY(%(kinds)s)
          AND listing_id IN (SELECT listing_id FROM recommendations_exposure)
          AND listing_id IN (
            SELECT listing_id FROM recommendations_interaction interaction
            WHERE interaction.slate <> '' AND {watermark.COMMITTED_BETWEEN.format(table="interaction")}
          )
          AND {_BELIEVED}
        GROUP BY listing_id
    ) counted
    WHERE counted.listing_id = exposure.listing_id
"""


def _count(*, since: int, until: int, young: datetime) -> int:
    parameters: dict[str, Any] = {
        "since": str(since),
        "until": str(until),
        "young": young,
        "most": MOST_OF_ACTOR,
        "kinds": [kind for kind, weight in EVENT_WEIGHTS.items() if weight > 0],
    }
    if not since:
        Exposure.objects.all().delete()
    with connection.cursor() as cursor:
        cursor.execute(_IMPRESSIONS, parameters)
        count = cursor.rowcount
        cursor.execute(_CLICKS, parameters)
    return count


def _read(now: datetime) -> ImpressionCounts:
    return ImpressionCounts.of(list(Exposure.objects.values_list("listing_id", "impressions", "clicks")))


_counted = TtlCache(_read, ttl=READ_EVERY)


def forget() -> None:
    """Make the next call of `impression_counts` read the database, so that a roll-up takes effect at once."""
    _counted.forget()
