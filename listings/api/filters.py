"""Filters of the catalogue's listing endpoint."""

from decimal import Decimal

import django_filters
from django.core.validators import MaxValueValidator

from listings.api.pagination import ORDERS
from listings.errors import Invalid
from listings.models import Listing
from listings.queries import categories_below

LARGEST_PRICE = Decimal("9999999999.99")  # that the column holds


class PriceFilter(django_filters.NumberFilter):
    """A price that a listing may have."""

    def get_max_validator(self) -> MaxValueValidator:
        return MaxValueValidator(LARGEST_PRICE)


class ListingFilter(django_filters.FilterSet):
    category = django_filters.CharFilter(
        method="below", help_text="A category path, repeated for several; what lies below is included."
    )
    sort = django_filters.ChoiceFilter(
        choices=[(name, name) for name in ORDERS],
        method="as_it_is",
        help_text="The order; newest by default.",
    )
    min_price = PriceFilter("price", lookup_expr="gte", min_value=0)
    max_price = PriceFilter("price", lookup_expr="lte", min_value=0)
    seller = django_filters.CharFilter("seller__external_id")

    class Meta:
        model = Listing
        fields = ("condition",)

    def filter_queryset(self, listings):
        """Raises Invalid when min_price is above max_price."""
        prices = self.form.cleaned_data
        minimum, maximum = prices.get("min_price"), prices.get("max_price")
        if minimum is not None and maximum is not None and minimum > maximum:
            raise Invalid("min_price is above max_price.", field="min_price")
        return super().filter_queryset(listings)

    def below(self, listings, name, path):
        return listings.filter(category__in=categories_below(*self.data.getlist(name)))

    def as_it_is(self, listings, name, value):
        """The pages are in that order already."""
        return listings
