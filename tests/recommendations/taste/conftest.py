"""A catalogue of tables and a bicycle in several places, and profiles of who touched them."""

from decimal import Decimal

import numpy as np
import pytest

from recommendations.replica.snapshot import CatalogueSnapshot
from recommendations.taste.profile import read_profile
from tests import factories

LEEDS = {"latitude": 53.8, "longitude": -1.55}
YORK = {"latitude": 53.96, "longitude": -1.08}
BATH = {"latitude": 51.38, "longitude": -2.36}
BIKES = "Sports / Bicycles"


@pytest.fixture
def catalogue(alice, encoder):
    return {
        "touched": factories.listing(alice, "Oak table", price=50, **LEEDS),
        "like it": factories.listing(alice, "Pine table", price=60, **YORK),
        "dear": factories.listing(alice, "Walnut table", price=900, **BATH),
        "nowhere": factories.listing(alice, "Glass table", price=50),
        "free": factories.listing(alice, "Old table", price=Decimal(0), **LEEDS),
        "bicycle": factories.listing(alice, "Bicycle", path=BIKES, price=900, **LEEDS),
    }


@pytest.fixture
def did(now):
    return lambda who, what, kind="view": factories.event(who, what, kind, at=now)


@pytest.fixture
def profile_of(follow, now):
    return lambda actor: read_profile(actor, follow(), now=now)


@pytest.fixture
def by_name(catalogue):
    """by_name(scores, snapshot): scores of all rows, as those of the catalogue's listings by name."""

    def named(scores: np.ndarray, snapshot: CatalogueSnapshot) -> dict[str, float]:
        rows = snapshot.rows_of(np.array([listing.pk for listing in catalogue.values()]))
        return dict(zip(catalogue, scores[rows].tolist(), strict=True))

    return named
