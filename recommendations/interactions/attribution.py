"""Attribution of events to slates: each event's claim is checked once, as it comes in, and stored in its row.

An event may name the slate that led to it. The claim is true when a page of that slate showed the listing to
the actor, or to a visitor who was merged into them. Anybody may claim a slate that was made for nobody: a
visitor becomes an actor by their first event. A slate that is gone is believed when the event is so old that
the slate may have been deleted since; such an event weighs little by then. An event that names no slate
makes no claim and is never doubtful.

Limit: anybody who really requests feeds and pages through them makes true claims.
"""

import re
import uuid
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings

from recommendations.core.identity import person_key_sql
from recommendations.models.slates import ANONYMOUS_RETENTION, CURSOR_LIFETIME, Slate

_UUID = re.compile(r"[0-9a-fA-F]{8}-?(?:[0-9a-fA-F]{4}-?){3}[0-9a-fA-F]{12}")
# A malformed id must not become an error. PostgreSQL uses the primary key in spite of the CASE.
_KEY = """
    CASE WHEN replace({event}.slate, '-', '') ~ '^[0-9a-fA-F]{{32}}$'
         THEN replace({event}.slate, '-', '')::uuid END
"""
_IS_FALSE = """(
    coalesce({event}.slate, '') <> '' AND NOT EXISTS (
        SELECT FROM recommendations_slate slate
        JOIN recommendations_impression impression ON impression.slate_id = slate.id
        LEFT JOIN listings_actor shown_to ON shown_to.id = slate.actor_id
        JOIN listings_actor claimant ON claimant.id = {event}.actor_id
        WHERE slate.id = {key}
          AND {event}.listing_id = ANY(slate.listing_ids[
              impression.offset + 1 : impression.offset + impression.count])
          AND (slate.actor_id IS NULL OR {shown_to} = {claimant})
    ) AND NOT (
        {event}.occurred_at < %(slates_kept_since)s AND {key} IS NOT NULL
        AND NOT EXISTS (SELECT FROM recommendations_slate slate WHERE slate.id = {key})
    )
)"""


def known_slates(names: set[str]) -> set[str]:
    """Those of these texts that are ids of stored slates. No query without any."""
    keys = {name: uuid.UUID(name) for name in names if _UUID.fullmatch(name)}
    stored = set(Slate.objects.filter(pk__in=keys.values()).values_list("pk", flat=True)) if keys else set()
    return {name for name, key in keys.items() if key in stored}


def slate_key(event: str) -> str:
    """SQL: the key of the slate that an event of this table names, NULL where it names none."""
    return _KEY.format(event=event)


def is_false_claim(event: str) -> str:
    """SQL condition, for a query with `claim_parameters`: the claim of an event of this table is false.

    The table has slate, actor_id, listing_id and occurred_at.
    """
    key, shown_to, claimant = slate_key(event), person_key_sql("shown_to"), person_key_sql("claimant")
    return _IS_FALSE.format(event=event, key=key, shown_to=shown_to, claimant=claimant)


def claim_parameters(now: datetime) -> dict[str, Any]:
    """The query parameters of `is_false_claim`.

    An event comes at most CURSOR_LIFETIME after its slate. Whether a slate that is gone was a stranger's is
    unknown, so the shorter of both retention times counts.
    """
    retention = min(timedelta(days=settings.ENVIRONMENT.slate_days), ANONYMOUS_RETENTION)
    return {"slates_kept_since": now - retention + CURSOR_LIFETIME}
