"""SQL for filters that Django has no lookup for: the distance to a point, without any extension."""

import math

from django.db.models import F, FloatField, Q, Value
from django.db.models.expressions import Combinable
from django.db.models.functions import ASin, Cos, Least, Power, Radians, Round, Sin, Sqrt
from django.db.models.lookups import LessThanOrEqual

from ml.ranking.geography import EARTH_RADIUS_KM, half_box

HUNDREDTH = 0.01  # degrees: the API rounds to it, so the stored coordinates differ by less


def within_radius(latitude: float, longitude: float, radius_km: float) -> Q:
    """Listings that the API shows within the radius of a point; those without a location are left out.

    The box goes first: it is cheap, and leaves few listings for the sines.
    """
    near = Q(latitude__isnull=False)
    height, width = half_box(latitude, radius_km, margin=HUNDREDTH)
    if width < 180:  # no pole lies inside
        near &= Q(latitude__range=(latitude - height, latitude + height))
        if abs(longitude) + width < 180:  # the box does not cross the date line
            near &= Q(longitude__range=(longitude - width, longitude + width))
    return near & Q(LessThanOrEqual(distance_km(latitude, longitude), radius_km))


def distance_km(latitude: float, longitude: float) -> Combinable:
    """The haversine distance (Sinnott 1984) to where the API shows a listing.

    The coordinates are rounded as in the API: exact distances from several points would reveal where a
    seller lives.
    """
    shown = {name: Radians(Round(F(name) * 100) / 100) for name in ("latitude", "longitude")}
    north = Sin((shown["latitude"] - math.radians(latitude)) / 2)
    east = Sin((shown["longitude"] - math.radians(longitude)) / 2)
    chord = Power(north, 2) + Cos(shown["latitude"]) * math.cos(math.radians(latitude)) * Power(east, 2)
    return 2 * EARTH_RADIUS_KM * ASin(Sqrt(Least(chord, Value(1.0))), output_field=FloatField())
