"""How much each event counts for others, so that nobody counts for many: the one place that says so.

- Each kind of event has its weight (EVENT_WEIGHTS), times that of its source (SOURCE_WEIGHTS).
- What one actor does with one listing in a day counts WEIGHT_CAP at most, and all that they do in a day
  DAY_CAP: beyond that everything of the day counts less. In training they never give a listing more
  than WEIGHT_CAP, however many days they take.
- Events that claim a slate which never showed them the listing count FALSE_CLAIM of that. See claims.py.
- Whom doubts.py found, because they are too quick or part of a closed circle, they teach less, or nothing.
- What sellers do with their own listings counts nothing.

What it cannot do: a day is that of the time which an event gives itself. Who sends events of the past has
more days, of which older ones count less. Circles are found as models are trained: until then, new accounts
trend as much as others. Who plays many people, each with tastes of their own and at a human pace, has as many
voices as people.
"""

from collections.abc import Mapping
from typing import Any

from django.conf import settings

from recommendations.identity import SELF
from recommendations.interaction_weights import WEIGHT_CAP

DAY_CAP = 60.0  # of one actor in one day, in views: of 22,000 simulated actor-days three have more
FALSE_CLAIM = 0.01

DAY = "(interaction.occurred_at AT TIME ZONE 'UTC')::date"

# Capped first, then believed: else a thousand false claims would be one true one. The window's sums are over
# listings in an actor's day. What is counted on top of what was counted before gets only what that left.
_COUNTED = f"""(
    WITH daily AS (
        SELECT {SELF} AS self_id, listing_id, {DAY} AS day, is_doubtful, coalesce(doubt.share, 1) AS share,
               count(*) AS event_count, max(occurred_at) AS last_at,
               sum({{weight}}) FILTER (WHERE {{which}}) AS fresh,
               coalesce(sum({{weight}}) FILTER (WHERE NOT ({{which}})), 0) AS earlier,
               sum({{weight}} * {{decay}}) FILTER (WHERE {{which}}) AS decayed
        FROM recommendations_interaction interaction
        JOIN listings_actor actor ON actor.id = actor_id
        JOIN listings_listing listing ON listing.id = listing_id AND listing.seller_id <> {SELF}
        JOIN unnest(%(kinds)s::text[], %(kind_weights)s::float8[]) AS kinds (name, weight)
             ON interaction.kind = kinds.name AND kinds.weight > 0
        {{sources}}
        LEFT JOIN (
            SELECT actor_id AS doubted_id, share FROM recommendations_doubt WHERE decision <> 'released'
        ) AS doubt ON doubted_id = {SELF}
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
    SELECT self_id, listing_id, share, event_count, last_at,
           fresh * coalesce(ratio, 0) AS weight, decayed * coalesce(ratio, 0) AS decayed
    FROM kept
)"""
_SOURCES = """
    LEFT JOIN unnest(%(sources)s::text[], %(source_weights)s::float8[]) AS own (source, weight)
         ON own.source = interaction.source
    LEFT JOIN unnest(%(sources)s::text[], %(source_weights)s::float8[]) AS family (source, weight)
         ON family.source = split_part(interaction.source, ':', 1)
"""


def counted(*, where: str, decay: str, which: str = "true") -> str:
    """What events count for others: a table of SQL, for a query with `parameters`.

    self_id, listing_id, share: how far the actor is believed, and is to be multiplied in last; event_count,
    last_at, weight, decayed. One row for an actor, a listing and a day, or two where claims are false.

    where: a condition on `interaction`, by `actor`; which: on those of them that are asked about, while the
    others were counted before; decay: what each weight is multiplied by for `decayed`.
    """
    named = bool(settings.ENVIRONMENT.source_weights)
    weight = "kinds.weight * coalesce(own.weight, family.weight, 1)" if named else "kinds.weight"
    sources = _SOURCES if named else ""
    return _COUNTED.format(where=where, decay=decay, which=which, weight=weight, sources=sources)


def parameters(weights: Mapping[str, float]) -> dict[str, Any]:
    """What `counted` asks for. weights: of kinds."""
    by_source = settings.ENVIRONMENT.source_weights
    return {
        "kinds": list(weights),
        "kind_weights": list(weights.values()),
        "sources": list(by_source),
        "source_weights": [float(weight) for weight in by_source.values()],
        "cap": WEIGHT_CAP,
        "day_cap": DAY_CAP,
        "false_claim": FALSE_CLAIM,
    }


def belief(source: str, *, is_doubtful: bool) -> float:
    """What the weight of one event is multiplied by, for its source and for what it claims."""
    by_source = settings.ENVIRONMENT.source_weights
    weight = by_source.get(source, by_source.get(source.partition(":")[0], 1.0))
    return weight * (FALSE_CLAIM if is_doubtful else 1.0)
