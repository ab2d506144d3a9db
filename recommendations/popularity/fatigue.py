"""Impression fatigue: listings that an actor was shown repeatedly and never touched rest for a while."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from django.db import connection

from recommendations.models.slates import Slate

FATIGUE_LASTS = timedelta(days=1)  # after the last impression
REMEMBERED = timedelta(days=7)  # older impressions do not count
SLATES = 500  # the newest slates that are read; a feed every five minutes makes 288 a day

_OFTEN_SHOWN = """
    SELECT listing_id FROM (
        SELECT id, listing_ids FROM recommendations_slate
        WHERE actor_id = ANY(%(actors)s) AND surface = %(feed)s
          AND created_at > %(since)s AND created_at <= %(now)s
        ORDER BY created_at DESC LIMIT %(slates)s
    ) slate
    JOIN recommendations_impression impression ON impression.slate_id = slate.id
    CROSS JOIN unnest(slate.listing_ids[impression."offset" + 1 : impression."offset" + impression.count])
        AS shown (listing_id)
    WHERE served_at <= %(now)s
    GROUP BY listing_id HAVING count(*) >= %(times)s AND max(served_at) > %(rested)s
"""


def fatigued_listings(actor_ids: Sequence[int], *, after: int, now: datetime) -> frozenset[int]:
    """Ids of listings with `after` or more impressions in these actors' feeds within REMEMBERED.

    The last impression lies within FATIGUE_LASTS. Touched listings may be among them: the feed leaves those
    out anyway.
    """
    if not actor_ids:
        return frozenset()
    parameters: dict[str, Any] = {
        "actors": list(actor_ids),
        "feed": Slate.Surface.FEED,
        "since": now - REMEMBERED,
        "rested": now - FATIGUE_LASTS,
        "now": now,
        "times": after,
        "slates": SLATES,
    }
    with connection.cursor() as cursor:
        cursor.execute(_OFTEN_SHOWN, parameters)
        return frozenset(pk for (pk,) in cursor.fetchall())
