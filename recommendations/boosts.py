"""What staff show more or less of: every change is kept, and what holds now is factors for rows."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import reduce
from operator import or_
from typing import Any

import numpy as np
from django.db import transaction
from django.db.models import Q

from listings.models import Category
from ml.arrays import Rows, Vector
from recommendations.columns import Positions
from recommendations.models import Boost, BoostChange
from recommendations.remembered import Remembered
from recommendations.view import View

LEAST, MOST = 0.1, 10.0  # what all boosts of one listing come to together


@dataclass(frozen=True)
class Factors:
    """A factor for each of some ids.   positions over m ids, each once; values (m,) float64"""

    positions: Positions
    values: np.ndarray

    @classmethod
    def of(cls, pairs: Iterable[tuple[int, float]]) -> "Factors":
        """Those of one id multiply."""
        products: dict[int, float] = {}
        for key, factor in pairs:
            products[key] = products.get(key, 1.0) * factor
        ids = np.fromiter(products, np.int64, len(products))
        return cls(Positions.of(ids), np.fromiter(products.values(), np.float64, len(products)))

    def __len__(self) -> int:
        return len(self.values)

    def find(self, ids: np.ndarray) -> np.ndarray:
        """1 for an id without one.   ids (n,) int64 -> (n,) float64"""
        if not len(self):
            return np.ones(len(ids))
        found = self.positions.find(ids)
        return np.where(found >= 0, self.values[found], 1.0)


@dataclass(frozen=True)
class Boosts:
    """What holds at a time. Of categories, those below a boosted one have its factor too."""

    categories: Factors
    sellers: Factors
    listings: Factors

    @classmethod
    def none(cls) -> "Boosts":
        return cls(Factors.of([]), Factors.of([]), Factors.of([]))


def active(now: datetime) -> Boosts:
    """What holds now; read once a second at most, so that a change is seen a second late.

    Raises DatabaseError.
    """
    return _active.at(now)


def factors(view: View, rows: Rows, boosts: Boosts) -> Vector:
    """What the scores of rows are to be multiplied by, 1 where nothing holds.

    Several multiply; their product is clipped to [LEAST, MOST]. For scores that can be negative, as z-scores
    are, its logarithm may be added instead.   rows (n,) int -> (n,) float32
    """
    attributes = view.attributes[rows]
    product = (
        boosts.categories.find(attributes["category_id"])
        * boosts.sellers.find(attributes["seller_id"])
        * boosts.listings.find(attributes["listing_id"])
    )
    return product.clip(LEAST, MOST).astype(np.float32)


def _read(now: datetime) -> Boosts:
    """Two queries, the second for what lies below boosted categories."""
    held = Boost.objects.filter(starts_at__lte=now, ends_at__gt=now)
    rows = list(held.values_list("category__path", "seller_id", "listing_id", "factor"))
    return Boosts(
        Factors.of(_below([(path, factor) for path, _, _, factor in rows if path is not None])),
        Factors.of((seller, factor) for _, seller, _, factor in rows if seller is not None),
        Factors.of((listing, factor) for _, _, listing, factor in rows if listing is not None),
    )


def _below(boosted: list[tuple[str, float]]) -> list[tuple[int, float]]:
    """Category ids with the factor of each boosted path that they are, or lie below."""
    if not boosted:
        return []
    within = [(path, path + Category.SEPARATOR, factor) for path, factor in boosted]
    wanted = reduce(or_, (Q(path=path) | Q(path__startswith=below) for path, below, _ in within))
    return [
        (pk, factor)
        for pk, found in Category.objects.filter(wanted).order_by().values_list("pk", "path")
        for path, below, factor in within
        if found == path or found.startswith(below)
    ]


_active = Remembered(_read)


def forget() -> None:
    """The next call of `active` reads: for whoever has just changed what holds, and cannot wait a second."""
    _active.forget()


def keep(boost: Boost, *, by: str, now: datetime) -> Boost:
    """Save a boost, new or changed, and note who did what. One that is as it was leaves no note.

    Raises IntegrityError for what the constraints refuse; forms ask full_clean() before.
    """
    with transaction.atomic():
        stored = Boost.objects.select_for_update().filter(pk=boost.pk).first()
        before = stored and told(stored)
        if stored is None:
            boost.created_by, boost.created_at = by, now
        boost.save()
        if (after := told(boost)) != before:
            action = BoostChange.Action.CHANGED if stored else BoostChange.Action.ADDED
            _note(boost.pk, action, by=by, now=now, before=before, after=after)
    forget()
    return boost


def remove(boost: Boost, *, by: str, now: datetime) -> None:
    """Delete a boost and note who did. One that is gone already leaves no note."""
    with transaction.atomic():
        stored = Boost.objects.select_for_update().filter(pk=boost.pk).first()
        if stored is not None:
            _note(stored.pk, BoostChange.Action.REMOVED, by=by, now=now, before=told(stored), after=None)
            stored.delete()
    forget()


def told(boost: Boost) -> dict[str, Any]:
    """What a boost says, for its history, with the external id of what it is about."""
    target = boost.target
    return {
        boost.kind: target.path if isinstance(target, Category) else target and target.external_id,
        "factor": boost.factor,
        # In one zone: a form has them in another than the database, which is no change.
        "starts_at": boost.starts_at.astimezone(UTC).isoformat(),
        "ends_at": boost.ends_at.astimezone(UTC).isoformat(),
        "note": boost.note,
    }


def _note(boost_id: int, action: str, *, by: str, now: datetime, **what: dict[str, Any] | None) -> None:
    BoostChange.objects.create(boost_id=boost_id, action=action, by=by, at=now, **what)
