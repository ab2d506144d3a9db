"""Trust weighting of events, for trending, co-visitation and training, so that nobody counts for many.

- The weight of an event is that of its kind (EVENT_WEIGHTS) times that of its source (SOURCE_WEIGHTS).
- One actor's events on one listing in one day count WEIGHT_CAP at most, and all their events of a day
  DAY_CAP: above it, every event of the day is scaled down. In training an actor never gives a listing more
  than WEIGHT_CAP, over however many days.
- Events that claim a slate which never showed them the listing are multiplied by FALSE_CLAIM (see
  attribution.py).
- What a visitor, who is not logged in, says they bought, offered or wrote counts as a click at most: nothing
  confirms it.
- Events of actors whom detection.py found, for their pace or for a closed circle, are scaled down or ignored.
- Sellers' events on their own listings are ignored.

Limits: a day is that of the event's own `occurred_at`, so a sender of past events has more days, of which
older ones weigh less. Closed circles are detected at training: until then new accounts count fully in
trending. Somebody who plays many people, each with preferences of their own and at a human pace, counts as
that many people.
"""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db import connection

from recommendations.core.identity import PERSON_KEY
from recommendations.interactions.weights import EVENT_WEIGHTS, WEIGHT_CAP, Kind

DAY_CAP = 60.0  # of one actor in one day, in views; of 22,000 simulated actor-days three exceed it
FALSE_CLAIM = 0.01

DAY = "(interaction.occurred_at AT TIME ZONE 'UTC')::date"

_UNPROVEN_KINDS = (Kind.MESSAGE, Kind.OFFER, Kind.PURCHASE)  # of visitors: nothing confirms them
NEWCOMER_PERIOD = timedelta(days=1)
# SQL conditions on `actor`, and on `interaction` by them. Visitors are nobodies: a cookie costs nothing.
IS_VISITOR = "(actor.kind = 'visitor' AND actor.merged_into_id IS NULL)"


def is_newcomer(moment: str) -> str:
    """SQL condition on `actor`: a visitor, on their first day at this moment."""
    period = f"interval '{NEWCOMER_PERIOD.total_seconds():.0f} s'"
    return f"({IS_VISITOR} AND {moment} < actor.created_at + {period})"


IS_BY_NEWCOMER = is_newcomer("interaction.received_at")

# Weights are capped before FALSE_CLAIM applies: otherwise a thousand false claims would equal one true one.
# The window sums over the listings of an actor's day. Events counted on top of earlier ones get only what
# those left of the caps.
_COUNTED = f"""(
    WITH daily AS (
        SELECT {PERSON_KEY} AS self_id, listing_id, {DAY} AS day, is_doubtful,
            coalesce(doubt.share, 1) AS share, bool_or({IS_BY_NEWCOMER}) AS is_by_newcomer,
               count(*) AS event_count, max(occurred_at) AS last_at,
               sum({{weight}}) FILTER (WHERE {{which}}) AS fresh,
               coalesce(sum({{weight}}) FILTER (WHERE NOT ({{which}})), 0) AS earlier,
               sum({{weight}} * {{decay}}) FILTER (WHERE {{which}}) AS decayed
        FROM recommendations_interaction interaction
        JOIN listings_actor actor ON actor.id = actor_id
        JOIN listings_listing listing ON listing.id = listing_id AND listing.seller_id <> {PERSON_KEY}
        JOIN unnest(%(kinds)s::text[], %(kind_weights)s::float8[], %(visitor_weights)s::float8[])
             AS kinds (name, weight, of_visitors) ON interaction.kind = kinds.name AND kinds.weight > 0
        {{sources}}
        LEFT JOIN (
            SELECT actor_id AS doubted_id, share FROM recommendations_doubt WHERE decision <> 'released'
        ) AS doubt ON doubted_id = {PERSON_KEY}
        WHERE coalesce(doubt.share, 1) > 0 AND ({{where}})
        GROUP BY 1, 2, 3, 4, 5
    ), capped AS (
        SELECT *, least(%(cap)s, coalesce(fresh, 0) + earlier) - least(%(cap)s, earlier) AS added,
               sum(least(%(cap)s, coalesce(fresh, 0) + earlier)) OVER of_day AS day_after,
               sum(least(%(cap)s, earlier)) OVER of_day AS day_before
        FROM daily
        WINDOW of_day AS (PARTITION BY self_id, day)
    ), kept AS (
        SELECT *, CASE WHEN is_doubtful THEN %(false_claim)s ELSE 1 END
                  * added / fresh * (least(%(day_cap)s, day_after) - least(%(day_cap)s, day_before))
                  / nullif(day_after - day_before, 0) AS ratio
        FROM capped WHERE fresh > 0
    )
    SELECT self_id, listing_id, share, is_by_newcomer, event_count, last_at,
           fresh * coalesce(ratio, 0) AS weight, decayed * coalesce(ratio, 0) AS decayed
    FROM kept
)"""
_SOURCES = """
    LEFT JOIN unnest(%(sources)s::text[], %(source_weights)s::float8[]) AS own (source, weight)
         ON own.source = interaction.source
    LEFT JOIN unnest(%(sources)s::text[], %(source_weights)s::float8[]) AS family (source, weight)
         ON family.source = split_part(interaction.source, ':', 1)
"""


# Days are those on which events came in, since a sender chooses the times of events.
_BELIEVED_COUNT = f"""
    SELECT least(%(limit)s, coalesce(sum(of_day), 0))::bigint FROM (
        SELECT least(%(day_cap)s, sum(of_listing)) AS of_day FROM (
            SELECT {PERSON_KEY} AS self_id, (interaction.received_at AT TIME ZONE 'UTC')::date AS day,
                   least(%(cap)s, count(*)) AS of_listing
            FROM recommendations_interaction interaction
            JOIN listings_actor actor ON actor.id = actor_id
            JOIN listings_listing listing ON listing.id = listing_id AND listing.seller_id <> {PERSON_KEY}
            JOIN unnest(%(kinds)s::text[], %(kind_weights)s::float8[]) AS kinds (name, weight)
                 ON interaction.kind = kinds.name AND kinds.weight > 0
            {_SOURCES}
            WHERE interaction.transaction_id >= %(since)s::text::xid8
              AND interaction.transaction_id < %(until)s::text::xid8
              AND NOT is_doubtful AND NOT {IS_BY_NEWCOMER}
              AND coalesce(own.weight, family.weight, 1) > 0
              AND NOT EXISTS (
                  SELECT FROM recommendations_doubt doubt
                  WHERE doubt.actor_id = {PERSON_KEY} AND decision <> 'released'
              )
            GROUP BY 1, 2, listing_id
        ) AS listings GROUP BY self_id, day
    ) AS days
"""


def believed_count(*, since: int, until: int, limit: int) -> int:
    """The number of believed interactions committed between two positions, at most `limit`.

    Not believed are those of newcomers and doubted actors, with false claims, without weight and on one's own
    listings. Of one person, at most WEIGHT_CAP a day count for a listing and DAY_CAP for all.
    """
    between = {"since": str(since), "until": str(until), "limit": limit}
    with connection.cursor() as cursor:
        cursor.execute(_BELIEVED_COUNT, trust_parameters(EVENT_WEIGHTS) | between)
        return cursor.fetchone()[0]


def trusted_weights(*, where: str, decay: str, weighed_now: str = "true") -> str:
    """SQL table of trusted weights, for a query with `trust_parameters`.

    Columns: self_id, listing_id, share (the trust in the actor, to multiply by last), is_by_newcomer,
    event_count, last_at, weight, decayed. One row for each actor, listing and day, or two where some claims
    are false.

    where: SQL condition on `interaction`, done by `actor`. weighed_now: SQL condition on the events among
    them to weigh now; the others were weighed before and use up the caps. decay: SQL factor of each weight in
    `decayed`.
    """
    has_source_weights = bool(settings.ENVIRONMENT.source_weights)
    weight = f"(CASE WHEN {IS_VISITOR} THEN kinds.of_visitors ELSE kinds.weight END)"
    if has_source_weights:
        weight += " * coalesce(own.weight, family.weight, 1)"
    sources = _SOURCES if has_source_weights else ""
    return _COUNTED.format(where=where, decay=decay, which=weighed_now, weight=weight, sources=sources)


def trust_parameters(weights: Mapping[str, float]) -> dict[str, Any]:
    """The query parameters of `trusted_weights`. weights: by kind of event."""
    by_source = settings.ENVIRONMENT.source_weights
    return {
        "kinds": list(weights),
        "kind_weights": list(weights.values()),
        "visitor_weights": [
            min(weight, weights[Kind.CLICK]) if kind in _UNPROVEN_KINDS else weight
            for kind, weight in weights.items()
        ],
        "sources": list(by_source),
        "source_weights": [float(weight) for weight in by_source.values()],
        "cap": WEIGHT_CAP,
        "day_cap": DAY_CAP,
        "false_claim": FALSE_CLAIM,
    }


def trust_factor(source: str, *, is_doubtful: bool) -> float:
    """Factor of one event's weight, for its source and for a false claim."""
    by_source = settings.ENVIRONMENT.source_weights
    weight = by_source.get(source, by_source.get(source.partition(":")[0], 1.0))
    return weight * (FALSE_CLAIM if is_doubtful else 1.0)
