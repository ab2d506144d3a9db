"""Feed slates that were served, as they were logged, and what followed from them: what rankers learn from.

Nothing is computed anew: later prices and popularity would tell of what was to come.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
from django.db import connection
from django.db.models import Exists, OuterRef, QuerySet

from ml.arrays import Matrix, Rows, ShapeError, Vector
from ml.progress import Progress, unwatched
from ml.ranker import CLICK, FAVOURITE, HIDDEN, MESSAGE, NOTHING, OFFER, PURCHASE
from recommendations import slates
from recommendations.features import FEATURES
from recommendations.identity import SELF, person_key, self_of
from recommendations.interaction_weights import UNWANTED
from recommendations.models import Doubt, Impression, Interaction, Slate
from recommendations.simulation import SOURCE as SIMULATION
from recommendations.standing import stands

Kind = Interaction.Kind
GRADES: dict[str, int] = {
    Kind.VIEW: CLICK,
    Kind.CLICK: CLICK,
    Kind.FAVOURITE: FAVOURITE,
    Kind.MESSAGE: MESSAGE,
    Kind.OFFER: OFFER,
    Kind.PURCHASE: PURCHASE,
}
MOST_SLATES = 50_000  # the newest ones: of more, memory would be asked for rather than knowledge
CHUNK = 500

# A visitor who logged in is one actor with the member. Ids of events are text, with dashes or without.
_CASES = " ".join(f"WHEN '{kind}' THEN {grade}" for kind, grade in GRADES.items())
_FOLLOWED = f"""
    SELECT slate.id, interaction.listing_id,
           coalesce(max(CASE interaction.kind {_CASES} END), {NOTHING}),
           bool_or(interaction.kind = ANY(%(unwanted)s)),
           bool_or(interaction.source = %(simulation)s)
    FROM recommendations_interaction interaction
    JOIN listings_actor actor ON actor.id = interaction.actor_id
    JOIN recommendations_slate slate
         ON replace(slate.id::text, '-', '') = replace(lower(interaction.slate), '-', '')
    JOIN listings_actor owner ON owner.id = slate.actor_id
    WHERE slate.surface = 'feed' AND slate.created_at >= %(since)s AND interaction.occurred_at <= %(until)s
      AND {self_of("owner")} = {SELF}
      AND interaction.kind = ANY(%(kinds)s)
      AND {stands("retraction.occurred_at <= %(until)s")}
    GROUP BY slate.id, interaction.listing_id
"""


@dataclass(frozen=True)
class ServedSlate:
    """One slate of m listings, by the places in it.

    features (m, len(FEATURES)) float32 as logged, NaN = unknown or not logged; adjusted (m,) float32, what
    was added to the blend's or the ranker's score, 0 where that was not logged; score (m,) float32, what the
    order was made by; propensities (m,) float32; is_served (m,) bool: the place was in a page that went out;
    grades (m,) int64, NOTHING where it was not; explored: places that were filled by chance, in order; pool:
    places of all listings that were drawn from for them.
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
    is_simulated: bool  # an event of it was made by `manage.py simulate`

    @property
    def served(self) -> Rows:
        """The places that were in a page."""
        return np.flatnonzero(self.is_served)

    @property
    def tells_anything(self) -> bool:
        """Whether something followed, or was refused, from one listing and not from another."""
        grades = self.grades[self.served]
        return len(grades) > 1 and bool((grades != grades[0]).any())


def read_served(*, until: datetime, progress: Progress = unwatched) -> Iterator[ServedSlate]:
    """The newest feed slates that were served to somebody known, the earliest first, with what followed.

    Left out are those of actors who are doubted (doubts.py), and those that tell nothing: their blend was not
    logged (they are older than it), or what was stored cannot be read. An event counts that names the slate,
    is of a listing that stood in one of its pages, was done by whom it was served to, and was not taken back
    by then.
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
        if (read := _read(slate, followed.get(slate.pk, {}))) is not None:
            yield read


def _served(until: datetime) -> QuerySet[Slate]:
    pages = Impression.objects.filter(slate=OuterRef("pk"), served_at__lte=until)
    feeds = Slate.objects.filter(surface=Slate.Surface.FEED, actor__isnull=False, created_at__lte=until)
    named = feeds.filter(Exists(pages)).annotate(who=person_key("actor"))
    doubted = Doubt.objects.exclude(decision=Doubt.Decision.RELEASED)
    return named.exclude(who__in=doubted.values("actor"))


def _followed(since: datetime, until: datetime) -> dict[Any, dict[int, tuple[int, bool]]]:
    """Slate id -> listing id -> grade, and whether it was simulated."""
    parameters = {
        "since": since,
        "until": until,
        "kinds": [*GRADES, *UNWANTED],
        "unwanted": list(UNWANTED),
        "simulation": SIMULATION,
    }
    found: dict[Any, dict[int, tuple[int, bool]]] = {}
    with connection.cursor() as cursor:
        cursor.execute(_FOLLOWED, parameters)
        for slate, listing, best, is_unwanted, is_simulated in cursor.fetchall():
            found.setdefault(slate, {})[listing] = (_grade(best, is_unwanted), is_simulated)
    return found


def _grade(best: int, is_unwanted: bool) -> int:
    """A look comes before a refusal, which takes it back; what is more than a look was meant."""
    return HIDDEN if is_unwanted and best <= CLICK else best


def _read(slate: Slate, followed: dict[int, tuple[int, bool]]) -> ServedSlate | None:
    if "blend" not in slate.feature_names:
        return None
    try:
        logged, propensities = slates.features_of(slate), slates.propensities_of(slate)
        explored, pool = _explored(slate)
    except ShapeError:
        return None
    logged[np.isinf(logged)] = np.nan
    column = {name: logged[:, place] for place, name in enumerate(slate.feature_names)}
    unknown = np.full(len(logged), np.nan, np.float32)
    is_served = np.zeros(len(logged), bool)
    for page in slate.impressions.all():
        is_served[page.offset : page.offset + page.count] = True
    told = {
        place: followed[pk]
        for place, pk in enumerate(slate.listing_ids)
        if is_served[place] and pk in followed
    }
    grades = np.full(len(logged), NOTHING, np.int64)
    grades[list(told)] = [grade for grade, _ in told.values()]
    return ServedSlate(
        who=slate.who,
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
        is_simulated=any(is_simulated for _, is_simulated in told.values()),
    )


def _explored(slate: Slate) -> tuple[Rows, Rows]:
    """Places filled by chance, and of all that were drawn from; none where none was.   Raises ShapeError."""
    said = slate.parameters.get("explored") or {}
    parts = [np.array(sorted(said.get(name, [])), np.int64) for name in ("places", "pool")]
    for part in parts:
        if len(part) and not (part[0] >= 0 and part[-1] < len(slate.listing_ids)):
            raise ShapeError(f"expected places in a slate of {len(slate.listing_ids)}, found {part}")
    if not np.isin(*parts).all():
        raise ShapeError("expected what was drawn to be of what was drawn from")
    return parts[0], parts[1]
