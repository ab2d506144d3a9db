"""Fixtures: places that share a name."""

import pytest

from listings.models import Place


@pytest.fixture
def leeds(db) -> Place:
    Place.objects.create(
        name="Leeds", county="Kent", country="GB", latitude=51.2467, longitude=0.6089, population=700
    )
    return Place.objects.create(
        name="Leeds",
        county="West Yorkshire",
        country="GB",
        latitude=53.79648,
        longitude=-1.54785,
        population=455123,
    )
