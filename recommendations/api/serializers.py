"""Serializers of the recommendation endpoints: queries, pages and events."""

from collections.abc import Mapping
from dataclasses import fields
from typing import Any, ClassVar

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from listings.api.serializers import ListingCard
from listings.api.strict import BoundedList, StrictSerializer
from listings.models import Listing
from listings.validation import check_external_id
from recommendations.models.feature_names import SOURCES
from recommendations.retrieval.filters import Filters
from recommendations.similar.listings import SimilarityBasis
from recommendations.slates.results import Item, Page, ReasonCode

LISTING_CARD = ListingCard()
MOST_CATEGORIES = 20  # that are asked for at once
FILTERS = tuple(field.name for field in fields(Filters))


@extend_schema_field(
    {"type": "array", "items": {"type": "string", "maxLength": 500}, "maxItems": MOST_CATEGORIES}
)
class CategoriesField(BoundedList):
    """One category path or several: repeated in an address, a text or a list in JSON."""

    def __init__(self, **options):
        super().__init__(child=serializers.CharField(max_length=500), max_length=MOST_CATEGORIES, **options)
        self.validators.clear()  # BoundedList has checked the length of a list; a single path is a text

    def to_internal_value(self, data: Any) -> Any:
        paths = super().to_internal_value([data] if isinstance(data, str) else data)
        return paths[0] if len(paths) == 1 else tuple(paths)


class ListQuery(StrictSerializer):
    """The number of listings, and filters on them."""

    limit = serializers.IntegerField(min_value=1, max_value=100, default=20)
    category = CategoriesField(
        required=False, help_text="Category paths, repeated for several. Categories below them are included."
    )
    min_price = serializers.DecimalField(max_digits=12, decimal_places=2, min_value=0, required=False)
    max_price = serializers.DecimalField(max_digits=12, decimal_places=2, min_value=0, required=False)
    condition = serializers.ChoiceField(choices=Listing.Condition.choices, required=False)
    lat = serializers.FloatField(min_value=-90, max_value=90, required=False)
    lon = serializers.FloatField(min_value=-180, max_value=180, required=False)
    radius_km = serializers.FloatField(min_value=0.1, max_value=20_040, required=False)

    @property
    def filters(self) -> Filters:
        """Raises Invalid for contradictory filters."""
        return Filters(**{name: self.validated_data[name] for name in FILTERS if name in self.validated_data})


class NamedQuery(ListQuery):
    """A query that a service or staff may make for an actor."""

    actor = serializers.CharField(
        max_length=200,
        required=False,
        validators=[check_external_id],
        help_text="For services and staff: the actor whose profile is used.",
    )

    def to_internal_value(self, data: Any) -> dict:
        """An empty name is refused: REST framework would take it for none, and answer with another feed."""
        if isinstance(data, Mapping) and data.get("actor") == "":
            raise serializers.ValidationError({"actor": ["This name is empty."]})
        return super().to_internal_value(data)


class FeedQuery(NamedQuery):
    """A new feed, or the next page of one."""

    cursor = serializers.CharField(
        max_length=500,
        required=False,
        help_text="`next_cursor` of the page before: continues its order and filters. Valid for a day.",
    )


class SimilarQuery(ListQuery):
    by = serializers.ChoiceField(
        choices=[by.value for by in SimilarityBasis], default=SimilarityBasis.BOTH.value
    )


class ReasonCard(serializers.Serializer):
    """The reason for a recommendation. `evidence`: ids of listings the actor interacted with, best first."""

    code = serializers.ChoiceField(choices=[code.value for code in ReasonCode])
    sentence = serializers.CharField()
    evidence = serializers.ListField(child=serializers.CharField())


class ItemCard(serializers.Serializer):
    """A recommended listing. `scores` are the candidate sources' scores, null where a source has none."""

    listing = ListingCard()
    score = serializers.FloatField()
    scores = serializers.DictField(
        child=serializers.FloatField(allow_null=True), help_text=f"By source: {', '.join(SOURCES)}."
    )
    copies = serializers.ListField(
        child=serializers.CharField(),
        help_text="Ids of listings with the same photo, left out of the page.",
    )
    reason = ReasonCard(allow_null=True, help_text="In the feed; null elsewhere.")

    def to_representation(self, instance: Item) -> dict[str, Any]:
        """Written without the fields, which take several times as long."""
        reason = instance.reason
        return {
            "listing": LISTING_CARD.to_representation(instance.listing),
            "score": float(instance.score),
            "scores": instance.scores,
            "copies": list(instance.copies),
            "reason": None
            if reason is None
            else {"code": reason.code, "sentence": reason.sentence, "evidence": list(reason.evidence)},
        }


class PageCard(serializers.Serializer):
    items = ItemCard(many=True)
    degraded = serializers.ListField(
        child=serializers.CharField(), help_text="Parts that were unavailable and not used for this page."
    )
    slate_id = serializers.CharField(allow_null=True)
    next_cursor = serializers.CharField(allow_null=True)

    item_card: ClassVar[type[ItemCard]] = ItemCard

    def to_representation(self, instance: Page) -> dict[str, Any]:
        write = self.item_card().to_representation
        return {
            "items": [write(item) for item in instance.items],
            "degraded": instance.degraded,
            "slate_id": instance.slate_id,
            "next_cursor": instance.next_cursor,
        }
