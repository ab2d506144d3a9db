"""Impression fatigue: listings that an actor was shown repeatedly and never touched rest for a while."""

from datetime import datetime, timedelta
from typing import Any

from recommendations.models.slates import Slate

FATIGUE_LASTS = timedelta(days=1)  # after the last impression
REMEMBERED = timedelta(days=7)  # older impressions do not count
SLATES = 500  # the newest slates that are read; a feed every five minutes makes 288 a day


def often_shown(actors: str) -> str:
    """SQL: ids of the listings that are fatigued for some actors, with `fatigue_parameters`.

    actors: SQL of a subquery for their ids. Listings with at least `rest_after` impressions in the feeds of
    these actors within REMEMBERED, the last one within FATIGUE_LASTS. Touched listings may be among them: the
    feed leaves those out anyway.
    """
    return f"""
        SELECT listing_id FROM (
            SELECT id, listing_ids FROM recommendations_slate
            WHERE actor_id = ANY(ARRAY{actors}) AND surface = %(feed)s AND %(rest_after)s IS NOT NULL
              AND created_at > %(remembered)s AND created_at <= %(now)s
            ORDER BY created_at DESC LIMIT %(slates)s
        ) slate
        JOIN recommendations_impression impression ON impression.slate_id = slate.id
        CROSS JOIN unnest(
            slate.listing_ids[impression."offset" + 1 : impression."offset" + impression.count]
        ) AS shown (listing_id)
        WHERE served_at <= %(now)s
        GROUP BY listing_id HAVING count(*) >= %(rest_after)s AND max(served_at) > %(rested)s
    """


def fatigue_parameters(rest_after: int | None, now: datetime) -> dict[str, Any]:
    """Parameters of `often_shown`. None: no listing is fatigued, and nothing is read."""
    return {
        "feed": Slate.Surface.FEED,
        "remembered": now - REMEMBERED,
        "rested": now - FATIGUE_LASTS,
        "now": now,
        "rest_after": rest_after,
        "slates": SLATES,
    }
