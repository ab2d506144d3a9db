"""What went on lately: listings, events and feeds by day, and how often what was served was opened."""

from collections import defaultdict
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from django.db import connection
from django.db.models import Count
from django.db.models.functions import TruncDate
from django.utils import timezone

from listings.models import Listing
from recommendations.core.ttl_cache import TtlCache
from recommendations.models.events import Interaction
from recommendations.models.slates import Slate

SPAN = timedelta(days=14)
NEWEST_EVENTS, NEWEST_SLATES = 200_000, 2000  # as many are read, however many there are
READ_EVERY = timedelta(seconds=30)

Days = list[tuple[date, int]]


@dataclass(frozen=True)
class Rate:
    """How often listings that were served for a reason were opened and kept."""

    reason: str
    served_count: int
    opened_count: int
    kept_count: int


@dataclass(frozen=True)
class Activity:
    listings: Days
    events: Days
    feeds: Days
    rates: list[Rate]  # of the newest NEWEST_SLATES feeds, most often served first


_EVENTS = """
    SELECT (occurred_at AT TIME ZONE %(zone)s)::date AS day, count(*) FROM (
        SELECT occurred_at FROM recommendations_interaction ORDER BY id DESC LIMIT %(events)s
    ) newest
    WHERE occurred_at > %(since)s AND occurred_at <= %(now)s
    GROUP BY day ORDER BY day
"""
_RATES = """
    WITH slate AS (
        SELECT id, replace(id::text, '-', '') AS name, listing_ids, reasons FROM recommendations_slate
        WHERE surface = %(feed)s AND created_at > %(since)s ORDER BY created_at DESC LIMIT %(slates)s
    ), served AS (
        SELECT slate.name, listing_ids[place] AS listing_id, reasons[place] AS reason
        FROM slate JOIN recommendations_impression impression ON impression.slate_id = slate.id
        CROSS JOIN LATERAL generate_series(impression."offset" + 1, impression."offset" + impression.count)
            AS place
    ), hit AS (
        SELECT replace(slate, '-', '') AS name, listing_id, bool_or(kind IN ('view', 'click')) AS opened,
               bool_or(kind = 'favourite') AS kept
        FROM (
            SELECT slate, listing_id, kind FROM recommendations_interaction ORDER BY id DESC LIMIT %(events)s
        ) newest
        WHERE slate IS NOT NULL GROUP BY 1, 2
    )
    SELECT coalesce(reason, ''), count(*), count(*) FILTER (WHERE opened), count(*) FILTER (WHERE kept)
    FROM served LEFT JOIN hit USING (name, listing_id)
    GROUP BY 1 ORDER BY 2 DESC
"""


def read_activity(now: datetime) -> Activity:
    """The last SPAN, in four queries."""
    since = now - SPAN
    parameters: dict[str, Any] = {
        "since": since,
        "now": now,
        "feed": Slate.Surface.FEED,
        "events": NEWEST_EVENTS,
        "slates": NEWEST_SLATES,
        "zone": timezone.get_current_timezone_name(),
    }
    with connection.cursor() as cursor:
        cursor.execute(_EVENTS, parameters)
        events = cursor.fetchall()
        cursor.execute(_RATES, parameters)
        rates = [Rate(*row) for row in cursor.fetchall()]
    return Activity(
        listings=_by_day(Listing.objects.filter(created_at__gt=since, created_at__lte=now)),
        events=events,
        feeds=_by_day(Slate.objects.filter(surface=Slate.Surface.FEED, created_at__gt=since)),
        rates=rates,
    )


def _by_day(rows) -> Days:
    days = rows.annotate(day=TruncDate("created_at")).values_list("day")
    return list(days.annotate(Count("pk")).order_by("day"))


def events_by_day(listing: Listing) -> dict[str, Days]:
    """For each kind of event with one listing: the days on which it happened and how often, oldest first."""
    days = Interaction.objects.filter(listing=listing).annotate(day=TruncDate("occurred_at"))
    found: dict[str, Days] = defaultdict(list)
    for kind, day, count in days.values_list("kind", "day").annotate(Count("pk")).order_by("kind", "day"):
        found[kind].append((day, count))
    return dict(found)


_seen = TtlCache(read_activity, ttl=READ_EVERY)


def recent_activity(now: datetime) -> Activity:
    """The result of `read_activity`, at most READ_EVERY old."""
    return _seen.at(now)


def forget() -> None:
    """Drop the kept result, for tests."""
    _seen.forget()
