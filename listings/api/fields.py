"""Fields of bodies that are read as people write them."""

import re
from typing import Any

from django.conf import settings
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from listings.values.prices import UnreadablePrice, read_price

PLAIN_NUMBER = re.compile(r"\s*-?[0-9]+(?:\.[0-9]+)?\s*")


@extend_schema_field({"type": "string", "format": "decimal", "pattern": r"^\d{1,10}(?:\.\d{1,2})?$"})
class PriceField(serializers.DecimalField):
    """A price: a number, or text as people write it, such as `£1,200`."""

    def to_internal_value(self, data: Any) -> Any:
        if isinstance(data, str) and not PLAIN_NUMBER.fullmatch(data):
            environment = settings.ENVIRONMENT
            try:
                data = read_price(data, currency=environment.currency, country=environment.country)
            except UnreadablePrice as error:
                reason = f": {error}" if str(error) else ""
                raise serializers.ValidationError(f"This is no price{reason}.") from None
        return super().to_internal_value(data)
