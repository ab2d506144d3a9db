"""What an actor was shown again and again and never touched: it rests for a while."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from django.db import connection

from recommendations.models import Slate

RESTS = timedelta(days=1)  # after the last showing
REMEMBERED = timedelta(days=7)  # an older showing is forgotten
SLATES = 500  # the newest ones that are looked at; every five minutes makes 288 a day

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


def rested(actor_ids: Sequence[int], *, after: int, now: datetime) -> frozenset[int]:
    """Listings that the feed of these actors showed so many times within a week, the last time within a day.

    Whoever touched one of them is not shown it anyway. Keys of listings.
    """
    if not actor_ids:
        return frozenset()
    told = {
        "actors": list(actor_ids),
        "feed": Slate.Surface.FEED,
        "since": now - REMEMBERED,
        "rested": now - RESTS,
        "now": now,
        "times": after,
        "slates": SLATES,
    }
    with connection.cursor() as cursor:
        cursor.execute(_OFTEN_SHOWN, told)
        return frozenset(pk for (pk,) in cursor.fetchall())
