"""How often young listings were shown and clicked: counted from impressions and events, in PostgreSQL.

What a roll-up adds and how far it has read change in one transaction: each impression counts once.
"""

from dataclasses import dataclass, field
from datetime import datetime, timedelta

import numpy as np
from django.db import connection, transaction

from ml.arrays import Vector
from ml.exploration import Prior, catalogue_prior
from recommendations import claims, locks, watermark
from recommendations.columns import Positions
from recommendations.identity import SELF
from recommendations.interaction_weights import WEIGHTS
from recommendations.models import Exposure, ReaderPosition
from recommendations.remembered import Remembered

YOUNG = timedelta(days=7)  # what is older had its chance, and is not counted any more
READ_EVERY = timedelta(seconds=5)  # by each serving process
READER = "exposure"


@dataclass(frozen=True, eq=False)
class Counted:
    """Of m young listings that were shown: impressions and clicks (m,) int64, 0 <= clicks <= impressions."""

    positions: Positions = field(default_factory=lambda: Positions.of(np.empty(0, np.int64)))
    impressions: np.ndarray = field(default_factory=lambda: np.empty(0, np.int64))
    clicks: np.ndarray = field(default_factory=lambda: np.empty(0, np.int64))
    prior: Prior = field(default_factory=lambda: catalogue_prior(*np.zeros((2, 0), np.int64)))

    @classmethod
    def of(cls, rows: list[tuple[int, int, int]]) -> "Counted":
        """rows: listing id, impressions, clicks."""
        ids, impressions, clicks = np.array(rows, np.int64).reshape(-1, 3).T.copy()
        return cls(Positions.of(ids), impressions, clicks, catalogue_prior(impressions, clicks))

    def of_listings(self, listing_ids: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Impressions and clicks of these: (n,) int64 -> two (n,) int64, 0 of what was not shown"""
        if not len(self.impressions):
            return np.zeros(len(listing_ids), np.int64), np.zeros(len(listing_ids), np.int64)
        found = self.positions.find(listing_ids)
        return tuple(np.where(found >= 0, counts[found], 0) for counts in (self.impressions, self.clicks))

    def popularity(self, listing_ids: np.ndarray) -> Vector:
        """Logarithm of the click rate to expect, by what was seen and the catalogue's prior.

        (n,) int64 -> (n,) float32, NaN of what was not shown
        """
        impressions, clicks = self.of_listings(listing_ids)
        expected = (clicks + self.prior.clicks) / (impressions + self.prior.strength)
        return np.where(impressions > 0, np.log(expected), np.nan).astype(np.float32)


NOTHING_SHOWN = Counted()


def counted(now: datetime) -> Counted:
    """What was counted so far, read every few seconds at most.   Raises DatabaseError."""
    return _counted.at(now)


def roll_up(*, now: datetime, wait: bool = False) -> int:
    """Count the feeds that were served, and what was clicked, since the last time; of how many listings.

    Where another process does just now, it is left to that one, unless `wait` says otherwise.
    """
    with locks.alone(locks.EXPOSURE, wait=wait) as acquired:
        if not acquired:
            return 0
        with transaction.atomic():
            ReaderPosition.objects.get_or_create(reader=READER, defaults={"transaction": 0})
            # Whoever erases a person sets it back meanwhile: they, or we, wait.
            position = ReaderPosition.objects.select_for_update().get(reader=READER)
            until = watermark.horizon()
            since = watermark.position(position.transaction, horizon=until)
            count = _count(since=since, until=until, young=now - YOUNG)
            ReaderPosition.objects.filter(reader=READER).update(transaction=until)
    return count


def prune(*, now: datetime) -> int:
    """Forget the counts of listings that are not young any more; how many."""
    return Exposure.objects.filter(listing__created_at__lte=now - YOUNG).delete()[0]


_BELIEVED = f"""
    NOT EXISTS (
        SELECT FROM recommendations_doubt doubt
        WHERE doubt.actor_id = {SELF} AND share = 0 AND decision <> 'released'
    )
"""
# Of feeds that somebody known asked for: each of them lets a listing rest that was shown in vain. Searches
# and strangers are without end: anybody could use up the showings that others were promised.
_IMPRESSIONS = f"""
    INSERT INTO recommendations_exposure AS exposure (listing_id, impressions, clicks)
    SELECT listing.id, count(*), 0
    FROM recommendations_impression impression
    JOIN recommendations_slate slate ON slate.id = slate_id
    CROSS JOIN unnest(slate.listing_ids[impression."offset" + 1 : impression."offset" + impression.count])
        AS shown (listing_id)
    JOIN listings_listing listing ON listing.id = shown.listing_id
    JOIN listings_actor actor ON actor.id = slate.actor_id
    WHERE listing.created_at > %(young)s AND slate.surface = 'feed' AND {_BELIEVED}
      AND {watermark.BETWEEN.format(table="impression")}
    GROUP BY listing.id ORDER BY listing.id
    ON CONFLICT (listing_id) DO UPDATE SET impressions = exposure.impressions + excluded.impressions
"""
# Out of the same feeds, counted anew for what was touched. Whatever somebody does with a listing is one
# click, what its seller does or who is quarantined is none: nobody makes a listing popular alone.
_CLICKS = f"""
    UPDATE recommendations_exposure exposure SET clicks = least(exposure.impressions, counted.clicks)
    FROM (
        SELECT listing_id, count(DISTINCT {SELF}) AS clicks
        FROM recommendations_interaction interaction
        JOIN listings_actor actor ON actor.id = interaction.actor_id
        JOIN listings_listing listing ON listing.id = listing_id AND listing.seller_id <> {SELF}
        JOIN recommendations_slate slate ON slate.id = {claims.slate_key("interaction")}
        WHERE slate.surface = 'feed' AND slate.actor_id IS NOT NULL
          AND NOT is_doubtful AND interaction.kind = ANY(%(kinds)s)
          AND listing_id IN (SELECT listing_id FROM recommendations_exposure)
          AND listing_id IN (
            SELECT listing_id FROM recommendations_interaction interaction
            WHERE interaction.slate <> '' AND {watermark.BETWEEN.format(table="interaction")}
          )
          AND {_BELIEVED}
        GROUP BY listing_id
    ) counted
    WHERE counted.listing_id = exposure.listing_id
"""


def _count(*, since: int, until: int, young: datetime) -> int:
    told = {
        "since": str(since),
        "until": str(until),
        "young": young,
        "kinds": [kind for kind, weight in WEIGHTS.items() if weight > 0],
    }
    if not since:
        Exposure.objects.all().delete()
    with connection.cursor() as cursor:
        cursor.execute(_IMPRESSIONS, told)
        count = cursor.rowcount
        cursor.execute(_CLICKS, told)
    return count


def _read(now: datetime) -> Counted:
    return Counted.of(list(Exposure.objects.values_list("listing_id", "impressions", "clicks")))


_counted = Remembered(_read, kept=READ_EVERY)


def forget() -> None:
    """The next call of `counted` reads: for whoever has just rolled up, and cannot wait."""
    _counted.forget()
