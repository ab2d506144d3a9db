"""Detection of actors whose events count less: those faster than a person, and those in a closed circle.

Both are detected at every training, and haste as events come in too. Actors whom staff released are not
detected again.
"""

from collections.abc import Iterable
from datetime import datetime

import numpy as np
from django.conf import settings
from django.db import connection, transaction
from django.db.models import Count, Max
from scipy.sparse import csr_matrix

from recommendations.core.identity import PERSON_KEY
from recommendations.interactions.weights import EVENT_WEIGHTS
from recommendations.models.doubts import Doubt
from recommendations.trust import collusion, weighting

_HASTY = f"""
    INSERT INTO recommendations_doubt (actor_id, reason, share, evidence, found_at, decision, decided_by)
    SELECT DISTINCT ON (self_id) self_id, 'haste', 0, event_count || ' events on ' || day, %(now)s, 'open', ''
    FROM (
        SELECT {PERSON_KEY} AS self_id, {weighting.DAY} AS day, count(*) AS event_count
        FROM recommendations_interaction interaction
        JOIN listings_actor actor ON actor.id = actor_id
        WHERE (%(actors)s::bigint[] IS NULL OR actor_id = ANY(%(actors)s))
          AND (%(since)s::timestamptz IS NULL OR occurred_at >= date_trunc('day', %(since)s, 'UTC'))
        GROUP BY 1, 2 HAVING count(*) > %(most)s
    ) AS days
    ORDER BY self_id, event_count DESC, day
    ON CONFLICT (actor_id) DO UPDATE
        SET reason = excluded.reason, share = 0, evidence = excluded.evidence, found_at = excluded.found_at
        WHERE recommendations_doubt.reason <> 'haste' AND recommendations_doubt.decision <> 'released'
    RETURNING actor_id
"""


def detect(*, now: datetime) -> None:
    """Detect hasty actors and closed circles among all actors."""
    detect_hasty(now=now)
    detect_circles(now=now)


def detect_hasty(
    *, now: datetime, actor_ids: Iterable[int] | None = None, since: datetime | None = None
) -> list[int]:
    """Quarantine actors with more than QUARANTINE_EVENTS_PER_DAY events in a day. Returns the new ones' ids.

    actor_ids: only these; give all ids of each person (see identity.all_identities). None: all actors.
    since: only the day of this time and later ones. None: all days.
    """
    most = settings.ENVIRONMENT.quarantine_events_per_day
    if not most:
        return []
    actors = None if actor_ids is None else [int(pk) for pk in actor_ids]
    with connection.cursor() as cursor:
        cursor.execute(_HASTY, {"now": now, "actors": actors, "most": most, "since": since})
        return [pk for (pk,) in cursor.fetchall()]


def fingerprint() -> str:
    """A string that changes whenever a doubt is found, deleted or decided."""
    values = Doubt.objects.aggregate(Count("pk"), Max("found_at"), Max("decided_at"))
    return " ".join(str(value) for value in values.values())


def decide(doubts: Iterable[Doubt], *, decision: str, by: str, now: datetime) -> int:
    """Store what staff decided about these; it can be decided again. Returns how many there were.

    The next roll-up of trending and the next training use it.
    """
    chosen = Doubt.objects.filter(pk__in=[doubt.pk for doubt in doubts])
    return chosen.update(decision=decision, decided_by=by, decided_at=now)


def detect_circles(*, now: datetime) -> int:
    """Detect closed circles (see collusion.py). Returns how many profiles are part of one.

    Replaces earlier detections that staff did not decide on.
    """
    actor_ids, profiles = _profiles()
    shares, circles = collusion.shares(profiles)
    lengths = np.diff(profiles.indptr)
    detected = [
        Doubt(
            actor_id=actor_ids[place],
            reason=Doubt.Reason.LIKENESS,
            share=shares[place],
            evidence=f"{lengths[place]} listings like those of {circles[place]:.0f} others, alone with one",
            found_at=now,
        )
        for place in np.flatnonzero(shares < 1).tolist()
    ]
    with transaction.atomic():
        Doubt.objects.filter(reason=Doubt.Reason.LIKENESS, decision=Doubt.Decision.OPEN).delete()
        Doubt.objects.bulk_create(detected, ignore_conflicts=True)
    return len(detected)


_PROFILES = f"""
    SELECT DISTINCT {PERSON_KEY}, listing_id
    FROM recommendations_interaction interaction
    JOIN listings_actor actor ON actor.id = actor_id
    JOIN listings_listing listing ON listing.id = listing_id AND listing.seller_id <> {PERSON_KEY}
    WHERE interaction.kind = ANY(%(kinds)s) AND NOT EXISTS (
        SELECT FROM recommendations_doubt doubt WHERE doubt.actor_id = {PERSON_KEY} AND share = 0
    )
"""


def _profiles() -> tuple[list[int], csr_matrix]:
    """Actor ids (a,), and the listings that each interacted with, (a, n) of ones. Without the quarantined."""
    with connection.cursor() as cursor:
        cursor.execute(_PROFILES, {"kinds": [kind for kind, weight in EVENT_WEIGHTS.items() if weight > 0]})
        pairs = np.array(cursor.fetchall(), np.int64).reshape(-1, 2)
    actor_ids, rows = np.unique(pairs[:, 0], return_inverse=True)
    _, columns = np.unique(pairs[:, 1], return_inverse=True)
    shape = (len(actor_ids), int(columns.max(initial=-1)) + 1)
    return actor_ids.tolist(), csr_matrix((np.ones(len(pairs), np.float32), (rows, columns)), shape=shape)
