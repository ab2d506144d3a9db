"""Serializers of the endpoints for searches by words and photos."""

from typing import Any

from rest_framework import serializers

from listings.api.strict import BoundedList, StrictSerializer
from recommendations.api.serializers import ItemCard, ListQuery, NamedQuery, PageCard
from recommendations.encoders.categories import DESCRIPTION_READ
from recommendations.query_parsing.understanding import PartKind
from recommendations.search.pipeline import MAXIMUM_OFFSET, MAXIMUM_TOTAL, SearchItem, SearchPage
from recommendations.search.sorting import Sort
from recommendations.similar.examples import MOST_NAMED
from recommendations.slates.results import Item, Page

MAXIMUM_QUERY = 500
MAXIMUM_WORDS = 1000
MAXIMUM_DESCRIPTION = 20_000  # as long as a listing's


class ClassifyWords(StrictSerializer):
    """The title and description of a listing, or any words."""

    title = serializers.CharField(max_length=300, required=False, allow_blank=True)
    words = serializers.CharField(max_length=MAXIMUM_WORDS, required=False, allow_blank=True)
    description = serializers.CharField(max_length=MAXIMUM_DESCRIPTION, required=False, allow_blank=True)

    @property
    def text(self) -> str:
        """All fields as one text, which may be empty."""
        data = self.validated_data
        parts = (data.get("title"), data.get("words"), data.get("description", "")[:DESCRIPTION_READ])
        return " ".join(part for part in parts if part)


class ClassifyPhoto(ClassifyWords):
    """A photo, with or without words: a JPEG, PNG, WebP or AVIF file."""

    photo = serializers.FileField(required=False)


class SuggestionCard(serializers.Serializer):
    path = serializers.CharField()
    probability = serializers.FloatField(min_value=0, max_value=1)


class SuggestedCard(serializers.Serializer):
    """Categories, most probable first."""

    roots = SuggestionCard(many=True)
    leaves = SuggestionCard(many=True, help_text="Full paths.")
    degraded = serializers.ListField(
        child=serializers.CharField(),
        help_text="Parts of the query that could not be used.",
    )


class Search(NamedQuery):
    """Words, filters, or both. Prices and places in the words become filters."""

    q = serializers.CharField(
        max_length=MAXIMUM_QUERY,
        required=False,
        allow_blank=True,
        help_text="The query, such as `sofa under £100 near Leeds`.",
    )
    offset = serializers.IntegerField(
        min_value=0, max_value=MAXIMUM_OFFSET, default=0, help_text="The number of results to skip."
    )
    understand = serializers.BooleanField(
        default=True, help_text="Whether prices and places in the words become filters."
    )
    mend = serializers.BooleanField(default=True, help_text="Whether misspelt words are corrected.")
    personalised = serializers.BooleanField(
        default=True, help_text="Whether the actor's profile changes the order."
    )

    sort = serializers.ChoiceField(
        choices=[sort.value for sort in Sort],
        default=Sort.RELEVANCE.value,
        help_text="The order of the results.",
    )

    @property
    def asked(self) -> dict[str, Any]:
        """The arguments of `search`, except photo, actor and now. Raises Invalid."""
        data = self.validated_data
        options = {name: data[name] for name in ("understand", "mend", "personalised", "limit", "offset")}
        options["sort"] = Sort(data["sort"])
        return {"words": data.get("q") or data.get("words", ""), "filters": self.filters, **options}


class SearchBody(Search):
    words = serializers.CharField(
        max_length=MAXIMUM_QUERY,
        required=False,
        allow_blank=True,
        help_text="Another name for q.",
    )

    def validate(self, attributes: dict) -> dict:
        if attributes.get("q") and attributes.get("words"):
            raise serializers.ValidationError({"words": "Send q or words, which are the same, not both."})
        return attributes


class SearchUpload(SearchBody):
    """A JPEG, PNG, WebP or AVIF file, words, or both."""

    photo = serializers.FileField(required=False)


class UnderstoodFilters(serializers.Serializer):
    """Filters that the text stands for and that the caller did not set."""

    min_price = serializers.DecimalField(max_digits=12, decimal_places=2, required=False)
    max_price = serializers.DecimalField(max_digits=12, decimal_places=2, required=False)
    lat = serializers.FloatField(required=False)
    lon = serializers.FloatField(required=False)
    radius_km = serializers.FloatField(required=False)


class UnderstoodCard(serializers.Serializer):
    """A part of the query that was understood, which can be taken off."""

    text = serializers.CharField()
    kind = serializers.ChoiceField(choices=[kind.value for kind in PartKind])
    filters = UnderstoodFilters()
    without = serializers.CharField(allow_blank=True, help_text="The query without this part: send it as q.")


class HighlightCard(serializers.Serializer):
    """Escaped HTML with the words of the query in `<mark>`."""

    title = serializers.CharField()
    description = serializers.CharField(help_text="A passage of the description.")


class FoundCard(ItemCard):
    """A search result. `scores` are the parts that each ranking adds to the score, null where it has none."""

    scores = serializers.DictField(
        child=serializers.FloatField(allow_null=True),
        help_text="By ranking: words, vectors, photo, newest, taste, distance, or the sort.",
    )
    highlight = HighlightCard()

    def to_representation(self, instance: Item) -> dict[str, Any]:
        assert isinstance(instance, SearchItem)
        assert instance.highlight is not None
        marked = {"title": instance.highlight.title, "description": instance.highlight.description}
        return {**super().to_representation(instance), "highlight": marked}


class WithoutCard(serializers.Serializer):
    text = serializers.CharField()
    count = serializers.IntegerField()


class HintCard(serializers.Serializer):
    """An explanation of an empty result: the number of matches without each part of the query."""

    text = serializers.CharField()
    without = WithoutCard(many=True)
    category = serializers.CharField(allow_null=True, help_text="The path of the nearest category.")


class PriceBandCard(serializers.Serializer):
    """Prices from `low` to below `high`; null: without an end."""

    low = serializers.DecimalField(max_digits=12, decimal_places=2)
    high = serializers.DecimalField(max_digits=12, decimal_places=2, allow_null=True)
    count = serializers.IntegerField()


class FacetsCard(serializers.Serializer):
    """Numbers of matches, each regardless of the filter on itself."""

    categories = serializers.DictField(
        child=serializers.IntegerField(),
        help_text="By category path, on every level, with what lies below it.",
    )
    conditions = serializers.DictField(child=serializers.IntegerField())
    prices = PriceBandCard(many=True)


class SearchPageCard(PageCard):
    """A page of results, best first."""

    items = FoundCard(many=True)
    words = serializers.CharField(help_text="The words that were searched for.")
    understood = UnderstoodCard(many=True, help_text="Prices, places and operators in the query.")
    mended = serializers.DictField(child=serializers.CharField(), help_text="Misspelt word: correction.")
    offered = serializers.DictField(
        child=serializers.CharField(),
        help_text="Word that stays: a near word of many more listings, as a choice.",
    )
    unread = serializers.ListField(
        child=serializers.CharField(), help_text="Parts of the query that could not be read."
    )
    facets = serializers.DictField(
        child=serializers.IntegerField(),
        help_text="The number of matches in each root category, regardless of the category filter.",
    )
    facet_counts = FacetsCard()
    total = serializers.IntegerField(
        help_text=f"The number of matches: exact below {MAXIMUM_TOTAL}, where counting ends."
    )
    hint = HintCard(allow_null=True)
    next_offset = serializers.IntegerField(allow_null=True, help_text="The offset of the next page.")

    item_card = FoundCard

    def to_representation(self, instance: Page) -> dict[str, Any]:
        assert isinstance(instance, SearchPage)
        return {
            **super().to_representation(instance),
            "words": instance.words,
            "understood": UnderstoodCard(instance.understood, many=True).data if instance.understood else [],
            "mended": instance.mended,
            "offered": instance.offered,
            "unread": list(instance.unread),
            "facets": instance.facets,
            "facet_counts": FacetsCard(instance.facet_counts).data,
            "total": instance.total,
            "hint": None if instance.hint is None else HintCard(instance.hint).data,
            "next_offset": instance.next_offset,
        }


class Examples(ListQuery):
    """Ids of positive and negative examples. Sold listings are accepted too."""

    positive = BoundedList(child=serializers.CharField(max_length=200), min_length=1, max_length=MOST_NAMED)
    negative = BoundedList(child=serializers.CharField(max_length=200), max_length=MOST_NAMED, default=list)

    @property
    def named(self) -> dict[str, Any]:
        """The arguments of `recommend_by_examples`, except filters."""
        return {name: self.validated_data[name] for name in ("positive", "negative", "limit")}


class LikedCard(ItemCard):
    """A listing. `scores` are its similarities to the closest positive and the closest negative example."""

    scores = serializers.DictField(
        child=serializers.FloatField(allow_null=True), help_text="By example: positive, negative."
    )


class LikedPageCard(PageCard):
    items = LikedCard(many=True)
    notes = serializers.ListField(
        child=serializers.CharField(), help_text="Examples that are unknown and were passed over."
    )

    def to_representation(self, instance: Page) -> dict[str, Any]:
        return super().to_representation(instance) | {"notes": instance.notes}
