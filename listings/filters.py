"""The filters of the catalogue's list."""

import django_filters

from listings.errors import Invalid
from listings.models import Listing
from listings.queries import categories_below


class ListingFilter(django_filters.FilterSet):
    category = django_filters.CharFilter(
        method="below", help_text="A category path; what lies below it is included."
    )
    min_price = django_filters.NumberFilter("price", lookup_expr="gte")
    max_price = django_filters.NumberFilter("price", lookup_expr="lte")
    seller = django_filters.CharFilter("seller__external_id")

    class Meta:
        model = Listing
        fields = ("condition",)

    def filter_queryset(self, listings):
        """Raises Invalid for prices that leave nothing between them."""
        least, most = (self.form.cleaned_data.get(name) for name in ("min_price", "max_price"))
        if None not in (least, most) and least > most:
            raise Invalid("min_price is above max_price.", field="min_price")
        return super().filter_queryset(listings)

    def below(self, listings, name, path):
        return listings.filter(category__in=categories_below(path))
