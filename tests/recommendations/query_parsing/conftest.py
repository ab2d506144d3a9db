"""A gazetteer of a few towns."""

import pytest

from listings.models import Place

TOWNS = (
    ("Leeds", "West Yorkshire", 53.8, -1.55, 536_280),
    ("York", "North Yorkshire", 53.96, -1.08, 156_135),
    ("Bath", "Somerset", 51.38, -2.36, 101_557),
    ("Box", "", 51.42, -2.25, 0),
    ("Good", "", 50.0, -2.0, 600),
    ("Sale", "Manchester", 53.42, -2.32, 62_550),
    ("St Albans", "Hertfordshire", 51.75, -0.33, 84_561),
    ("Newcastle", "", 54.21, -5.89, 7_444),
    ("Newcastle upon Tyne", "Tyne and Wear", 54.97, -1.61, 192_382),
    ("Stoke-on-Trent", "", 53.0, -2.19, 260_419),
    ("Kent", "Kent", 51.28, 0.77, None),
)


@pytest.fixture
def gazetteer(db):
    """The towns and counties of TOWNS."""
    Place.objects.bulk_create(
        Place(name=name, county=county, country="GB", latitude=north, longitude=east, population=population)
        for name, county, north, east, population in TOWNS
    )
