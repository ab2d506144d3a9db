"""Whether an event may say which slate it came from: judged once, at the door, and kept in its row.

A claim is true when a page of that slate showed the listing to the actor, or to a visitor who is one with
them. A slate made for nobody may be claimed by anybody: a visitor becomes an actor by their first event.
A slate that is gone is believed in when the event happened so long ago that the slate may have been deleted
since: such an event has halved away anyhow. An event that claims nothing is no liar: it came from elsewhere.
What this cannot do: who really asks for feeds and pages through them has true claims.
"""

from datetime import datetime, timedelta
from typing import Any

from django.conf import settings

from recommendations.slates import CURSOR_LASTS, OF_STRANGERS_KEPT

# An id that is none must not become an error. The CASE leads to the primary key all the same.
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
          AND (slate.actor_id IS NULL OR coalesce(shown_to.merged_into_id, shown_to.id)
                                         = coalesce(claimant.merged_into_id, claimant.id))
    ) AND NOT (
        {event}.occurred_at < %(slates_kept_since)s AND {key} IS NOT NULL
        AND NOT EXISTS (SELECT FROM recommendations_slate slate WHERE slate.id = {key})
    )
)"""


def slate_key(event: str) -> str:
    """SQL: the key of the slate that the event of this table names, NULL where it names none."""
    return _KEY.format(event=event)


def is_false(event: str) -> str:
    """A condition of SQL, for a query with `parameters`: what the event of this table claims is not true.

    The table has slate, actor_id, listing_id and occurred_at.
    """
    return _IS_FALSE.format(event=event, key=slate_key(event))


def parameters(now: datetime) -> dict[str, Any]:
    """What `is_false` asks for. A slate is older than the events that come of it by a day at the most.

    Of one that is gone nobody knows whether it was a stranger's.
    """
    days = min(timedelta(days=settings.ENVIRONMENT.slate_days), OF_STRANGERS_KEPT)
    return {"slates_kept_since": now - days + CURSOR_LASTS}
