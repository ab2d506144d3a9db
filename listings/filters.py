"""The filters of the catalogue's list."""

import django_filters

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

    def below(self, listings, name, path):
        return listings.filter(category__in=categories_below(path))
