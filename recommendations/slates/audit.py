"""Audit of a stored slate: its order, the features and reasons behind it, and which inputs are gone."""

from dataclasses import dataclass
from datetime import datetime

import numpy as np
from django.conf import settings

from listings.errors import Missing
from listings.models import Listing
from listings.queries import with_details
from ml.arrays import ShapeError
from recommendations.models.slates import Slate
from recommendations.models.trained_models import TrainedModel
from recommendations.slates import store


class NoSuchSlate(Missing):
    def __init__(self, slate_id: str):
        super().__init__(f"There is no slate {slate_id!r}: slates are deleted after SLATE_DAYS.")


@dataclass(frozen=True)
class AuditedPlace:
    """One listing of the slate at its place. None for what is not known any more."""

    number: int  # 1 is the first
    listing: Listing | None
    listing_id: int
    reason: str | None
    propensity: float | None
    features: dict[str, float]  # without those that were unknown at ranking


@dataclass(frozen=True)
class SlateAudit:
    slate: Slate
    places: list[AuditedPlace]
    pages: list[tuple[int, int, datetime]]  # offset, count and time of each impression
    gone: list[str]  # sentences that name the inputs that are not there any more


def audit_slate(slate_id: str) -> SlateAudit:
    """The order of a slate as it was stored, with its inputs.   Raises NoSuchSlate."""
    slate = store.find(slate_id)
    if slate is None:
        raise NoSuchSlate(slate_id)
    places, gone = _places(slate)
    served = slate.impressions.order_by("served_at", "offset")
    pages = list(served.values_list("offset", "count", "served_at"))
    return SlateAudit(slate, places, pages, [*gone, *_models_gone(slate)])


def _places(slate: Slate) -> tuple[list[AuditedPlace], list[str]]:
    listings = with_details(Listing.objects.all()).in_bulk(slate.listing_ids)
    features, gone = _features(slate)
    propensities = None
    try:
        propensities = store.propensities_of(slate)
    except ShapeError:
        gone.append("The propensities are missing.")
    missing = [str(pk) for pk in slate.listing_ids if pk not in listings]
    if missing:
        gone.append(f"Deleted since: listings {', '.join(missing)}.")
    if len(slate.reasons) < len(slate.listing_ids):
        gone.append("Reasons are missing.")
    places = [
        AuditedPlace(
            number=place + 1,
            listing=listings.get(pk),
            listing_id=pk,
            reason=slate.reasons[place] if place < len(slate.reasons) else None,
            propensity=None if propensities is None else float(propensities[place]),
            features=features[place],
        )
        for place, pk in enumerate(slate.listing_ids)
    ]
    return places, gone


def _features(slate: Slate) -> tuple[list[dict[str, float]], list[str]]:
    """The features of each listing by name, and sentences on what is gone; empty if they cannot be read."""
    try:
        matrix = store.features_of(slate)
    except ShapeError:
        return [{} for _ in slate.listing_ids], ["The features are missing."]
    named = [
        {
            name: float(value)
            for name, value in zip(slate.feature_names, row, strict=True)
            if not np.isnan(value)
        }
        for row in matrix
    ]
    return named, [] if slate.feature_names else ["No features were stored with it."]


def _models_gone(slate: Slate) -> list[str]:
    """Sentences on the models of the slate that are not registered any more, or have no files."""
    versions = {kind: version for kind, version in slate.versions.items() if kind in TrainedModel.Kind.values}
    gone = []
    for kind, version in versions.items():
        if not isinstance(version, str):  # the slate was made without this model
            continue
        row = TrainedModel.objects.filter(kind=kind, version=version).first()
        if row is None:
            gone.append(f"No model {kind} {version} is registered any more.")
        elif not row.path or not (settings.MODEL_ROOT / row.path).exists():
            gone.append(f"The files of {kind} {version} are not on disk any more.")
    return gone
