"""Served feed slates with their logged features and the interactions that followed, for training rankers.

Features are read as logged and never recomputed: later prices and popularity would leak the outcome.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
from django.db import connection
from django.db.models import Exists, OuterRef, QuerySet

from ml.arrays import Matrix, Rows, ShapeError, Vector
from ml.progress import Progress, ignore_progress
from ml.ranking.lambdarank import CLICK, FAVOURITE, HIDDEN, MESSAGE, NO_INTERACTION, OFFER, PURCHASE
from recommendations.core.identity import PERSON_KEY, person_key, person_key_sql
from recommendations.interactions.retractions import is_not_retracted
from recommendations.interactions.simulation import SOURCE as SIMULATION
from recommendations.interactions.weights import NEGATIVE_KINDS
from recommendations.models.doubts import Doubt
from recommendations.models.events import Interaction
from recommendations.models.feature_names import FEATURES
from recommendations.models.slates import Impression, Slate
from recommendations.slates import store

Kind = Interaction.Kind
GRADES: dict[str, int] = {
    Kind.VIEW: CLICK,
    Kind.CLICK: CLICK,
    Kind.FAVOURITE: FAVOURITE,
    Kind.MESSAGE: MESSAGE,
    Kind.OFFER: OFFER,
    Kind.PURCHASE: PURCHASE,
}
MOST_SLATES = 50_000  # the newest; more would cost memory and improve little
CHUNK = 500

# A visitor who logged in counts as the member. Slate ids in events are text, with or without dashes.
_CASES = " ".join(f"WHEN '{kind}' THEN {grade}" for kind, grade in GRADES.items())
_FOLLOWED = f"""
    SELECT slate.id, interaction.listing_id,
           coalesce(max(CASE interaction.kind {_CASES} END), {NO_INTERACTION}),
           bool_or(interaction.kind = ANY(%(unwanted)s)),
           bool_or(interaction.source = %(simulation)s)
    FROM recommendations_interaction interaction
    JOIN listings_actor actor ON actor.id = interaction.actor_id
    JOIN recommendations_slate slate
         ON replace(slate.id::text, '-', '') = replace(lower(interaction.slate), '-', '')
    JOIN listings_actor owner ON owner.id = slate.actor_id
    WHERE slate.surface = 'feed' AND slate.created_at >= %(since)s AND interaction.occurred_at <= %(until)s
      AND {person_key_sql("owner")} = {PERSON_KEY}
      AND interaction.kind = ANY(%(kinds)s)
      AND {is_not_retracted("retraction.occurred_at <= %(until)s")}
    GROUP BY slate.id, interaction.listing_id
"""


@dataclass(frozen=True)
class ServedSlate:
    """One slate of m listings; arrays are indexed by the place in the slate.

    features (m, len(FEATURES)) float32 as logged, NaN = unknown or not logged; adjusted (m,) float32, the
    adjustment that was added to the blend's or the ranker's score, 0 if not logged; score (m,) float32, the
    sort key of the order; propensities (m,) float32; is_served (m,) bool: the place was in a page that was
    returned; grades (m,) int64, NO_INTERACTION where it was not; explored: places of the exploration slots,
    sorted; pool: places of all listings that the exploration slots were drawn from.
    """

    who: int
    created_at: datetime
    features: Matrix
    adjusted: Vector
    score: Vector
    propensities: Vector
    is_served: np.ndarray
    grades: Rows
    explored: Rows
    pool: Rows
    parameters: dict[str, Any]
    is_simulated: bool  # at least one event was made by `manage.py simulate`

    @property
    def served(self) -> Rows:
        """The places that were in a page: (s,) int64"""
        return np.flatnonzero(self.is_served)

    @property
    def has_preferences(self) -> bool:
        """Whether the grades differ, so that the slate holds a preference."""
        grades = self.grades[self.served]
        return len(grades) > 1 and bool((grades != grades[0]).any())


def read_served_slates(*, until: datetime, progress: Progress = ignore_progress) -> Iterator[ServedSlate]:
    """The newest feed slates that were served to known actors, earliest first, with their grades.

    Left out are slates of doubted actors, slates without a logged blend score (from before it was logged) and
    slates whose stored arrays cannot be read. An event counts if it names the slate, its listing was in a
    served page, its actor was served the slate, and it was not retracted until then.
    """
    chosen = _served(until)
    since = chosen.order_by("-created_at").values_list("created_at", flat=True)[:MOST_SLATES]
    if not (times := list(since)):
        return
    followed = _followed(times[-1], until)
    kept = (
        chosen.filter(created_at__gte=times[-1]).order_by("created_at", "pk").prefetch_related("impressions")
    )
    for slate in kept.iterator(chunk_size=CHUNK):
        if (served := _read(slate, followed.get(slate.pk, {}))) is not None:
            yield served


def _served(until: datetime) -> QuerySet[Slate]:
    pages = Impression.objects.filter(slate=OuterRef("pk"), served_at__lte=until)
    feeds = Slate.objects.filter(surface=Slate.Surface.FEED, actor__isnull=False, created_at__lte=until)
    with_actors = feeds.filter(Exists(pages)).annotate(who=person_key("actor"))
    doubted = Doubt.objects.exclude(decision=Doubt.Decision.RELEASED)
    return with_actors.exclude(who__in=doubted.values("actor"))


def _followed(since: datetime, until: datetime) -> dict[Any, dict[int, tuple[int, bool]]]:
    """Slate id -> listing id -> the grade, and whether an event was simulated."""
    parameters: dict[str, Any] = {
        "since": since,
        "until": until,
        "kinds": [*GRADES, *NEGATIVE_KINDS],
        "unwanted": list(NEGATIVE_KINDS),
        "simulation": SIMULATION,
    }
    followed: dict[Any, dict[int, tuple[int, bool]]] = {}
    with connection.cursor() as cursor:
        cursor.execute(_FOLLOWED, parameters)
        for slate, listing, best, is_unwanted, is_simulated in cursor.fetchall():
            followed.setdefault(slate, {})[listing] = (_grade(best, is_unwanted), is_simulated)
    return followed


def _grade(best: int, is_unwanted: bool) -> int:
    """Hiding or reporting overrides views and clicks, but not stronger interactions."""
    return HIDDEN if is_unwanted and best <= CLICK else best


def _read(slate: Slate, followed: dict[int, tuple[int, bool]]) -> ServedSlate | None:
    """None for a slate that has no logged blend or cannot be read."""
    if "blend" not in slate.feature_names:
        return None
    try:
        logged, propensities = store.features_of(slate), store.propensities_of(slate)
        explored, pool = _explored(slate)
    except ShapeError:
        return None
    logged[np.isinf(logged)] = np.nan
    column = {name: logged[:, place] for place, name in enumerate(slate.feature_names)}
    unknown = np.full(len(logged), np.nan, np.float32)
    is_served = np.zeros(len(logged), bool)
    for page in slate.impressions.all():
        is_served[page.offset : page.offset + page.count] = True
    followed_at = {
        place: followed[pk]
        for place, pk in enumerate(slate.listing_ids)
        if is_served[place] and pk in followed
    }
    grades = np.full(len(logged), NO_INTERACTION, np.int64)
    grades[list(followed_at)] = [grade for grade, _ in followed_at.values()]
    return ServedSlate(
        who=slate.who,  # type: ignore[attr-defined]  # by _served
        created_at=slate.created_at,
        features=np.column_stack([column.get(name, unknown) for name in FEATURES]),
        adjusted=np.nan_to_num(column.get("adjusted", unknown)),
        score=column.get("score", unknown),
        propensities=propensities,
        is_served=is_served,
        grades=grades,
        explored=explored,
        pool=pool,
        parameters=slate.parameters,
        is_simulated=any(is_simulated for _, is_simulated in followed_at.values()),
    )


def _explored(slate: Slate) -> tuple[Rows, Rows]:
    """Places of the exploration slots and of their pool, empty without exploration.   Raises ShapeError."""
    logged = slate.parameters.get("explored") or {}
    slots, pool = (np.array(sorted(logged.get(name, [])), np.int64) for name in ("places", "pool"))
    for places in (slots, pool):
        if len(places) and not (places[0] >= 0 and places[-1] < len(slate.listing_ids)):
            raise ShapeError(f"expected places in a slate of {len(slate.listing_ids)}, found {places}")
    if not np.isin(slots, pool).all():
        raise ShapeError(f"expected exploration slots from the pool {pool}, found {slots}")
    return slots, pool
