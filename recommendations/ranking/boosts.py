"""Boosts: factors by which staff raise or lower categories, sellers and listings, with their history."""

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
from ml.positions import Positions
from recommendations.core.ttl_cache import TtlCache
from recommendations.models.boosts import Boost, BoostChange
from recommendations.replica.snapshot import CatalogueSnapshot

MIN_FACTOR, MAX_FACTOR = 0.1, 10.0  # bounds of the product of all boosts of one listing


@dataclass(frozen=True)
class BoostFactors:
    """Factors by id: positions of m unique ids, values (m,) float64."""

    positions: Positions
    values: np.ndarray

    @classmethod
    def of(cls, pairs: Iterable[tuple[int, float]]) -> "BoostFactors":
        """From ids and factors. Several factors of one id are multiplied."""
        products: dict[int, float] = {}
        for key, factor in pairs:
            products[key] = products.get(key, 1.0) * factor
        ids = np.fromiter(products, np.int64, len(products))
        return cls(Positions.of(ids), np.fromiter(products.values(), np.float64, len(products)))

    def __len__(self) -> int:
        return len(self.values)

    def find(self, ids: np.ndarray) -> np.ndarray:
        """The factor of each id, 1 without one: (n,) int64 -> (n,) float64"""
        if not len(self):
            return np.ones(len(ids))
        places = self.positions.find(ids)
        return np.where(places >= 0, self.values[places], 1.0)


@dataclass(frozen=True)
class Boosts:
    """The boosts in force at a time. Categories below a boosted one have its factor, too."""

    categories: BoostFactors
    sellers: BoostFactors
    listings: BoostFactors

    @classmethod
    def none(cls) -> "Boosts":
        return cls(BoostFactors.of([]), BoostFactors.of([]), BoostFactors.of([]))


def active(now: datetime) -> Boosts:
    """The boosts in force now. They are read once a second at most, so a change takes effect a second later.

    Raises DatabaseError.
    """
    return _active.at(now)


def factors(snapshot: CatalogueSnapshot, rows: Rows, boosts: Boosts) -> Vector:
    """The boost of each row, 1 without one: rows (n,) int -> (n,) float32

    It is the product of the factors of its category, seller and listing, clipped to [MIN_FACTOR, MAX_FACTOR].
    Scores are multiplied by it; to scores that may be negative, such as z-scores, its logarithm is added
    instead.
    """
    attributes = snapshot.attributes[rows]
    product = (
        boosts.categories.find(attributes["category_id"])
        * boosts.sellers.find(attributes["seller_id"])
        * boosts.listings.find(attributes["listing_id"])
    )
    return product.clip(MIN_FACTOR, MAX_FACTOR).astype(np.float32)


def _read(now: datetime) -> Boosts:
    """Takes two queries, the second for the categories below boosted ones."""
    in_force = Boost.objects.filter(starts_at__lte=now, ends_at__gt=now)
    rows = list(in_force.values_list("category__path", "seller_id", "listing_id", "factor"))
    return Boosts(
        BoostFactors.of(_below([(path, factor) for path, _, _, factor in rows if path is not None])),
        BoostFactors.of((seller, factor) for _, seller, _, factor in rows if seller is not None),
        BoostFactors.of((listing, factor) for _, _, listing, factor in rows if listing is not None),
    )


def _below(boosted: list[tuple[str, float]]) -> list[tuple[int, float]]:
    """Ids of the boosted categories and those below them, each with the factor of the boosted path."""
    if not boosted:
        return []
    prefixes = [(path, path + Category.SEPARATOR, factor) for path, factor in boosted]
    is_boosted = reduce(or_, (Q(path=path) | Q(path__startswith=prefix) for path, prefix, _ in prefixes))
    return [
        (pk, factor)
        for pk, category in Category.objects.filter(is_boosted).order_by().values_list("pk", "path")
        for path, prefix, factor in prefixes
        if category == path or category.startswith(prefix)
    ]


_active = TtlCache(_read)


def forget() -> None:
    """Make the next call of `active` read the database, so that a change takes effect at once."""
    _active.forget()


def save_boost(boost: Boost, *, by: str, now: datetime) -> Boost:
    """Save a new or changed boost, and log who changed what. Nothing is logged where nothing changed.

    Raises IntegrityError where a constraint is violated; forms call full_clean() before.
    """
    with transaction.atomic():
        stored = Boost.objects.select_for_update().filter(pk=boost.pk).first()
        before = described(stored) if stored else None
        if stored is None:
            boost.created_by, boost.created_at = by, now
        boost.save()
        if (after := described(boost)) != before:
            action = BoostChange.Action.CHANGED if stored else BoostChange.Action.ADDED
            _log(boost.pk, action, by=by, now=now, before=before, after=after)
    forget()
    return boost


def delete_boost(boost: Boost, *, by: str, now: datetime) -> None:
    """Delete a boost, and log who did. Nothing is logged where it is gone already."""
    with transaction.atomic():
        stored = Boost.objects.select_for_update().filter(pk=boost.pk).first()
        if stored is not None:
            before = described(stored)
            _log(stored.pk, BoostChange.Action.REMOVED, by=by, now=now, before=before, after=None)
            stored.delete()
    forget()


def described(boost: Boost) -> dict[str, Any]:
    """The values of a boost for its history. Its target stands as a category's path or an external id."""
    target = boost.target
    return {
        boost.kind: target.path if isinstance(target, Category) else target and target.external_id,
        "factor": boost.factor,
        # In UTC: a form has its times in another zone than the database, which is no change.
        "starts_at": boost.starts_at.astimezone(UTC).isoformat(),
        "ends_at": boost.ends_at.astimezone(UTC).isoformat(),
        "note": boost.note,
    }


def _log(boost_id: int, action: str, *, by: str, now: datetime, **values: dict[str, Any] | None) -> None:
    BoostChange.objects.create(boost_id=boost_id, action=action, by=by, at=now, **values)
