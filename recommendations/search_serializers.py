"""What the endpoints take and say that are asked with words and photos."""

from rest_framework import serializers

from listings.strict import ShortList, StrictSerializer
from recommendations.more_like import MOST_NAMED
from recommendations.search import FURTHEST
from recommendations.serializers import ItemCard, ListQuery, NamedQuery, PageCard

MAXIMUM_QUERY = 500
MAXIMUM_WORDS = 1000
MAXIMUM_DESCRIPTION = 20_000  # as of a listing
DESCRIPTION_READ = 2000  # what an encoder reads of it: what a thing is stands at its beginning


class ClassifyWords(StrictSerializer):
    """A listing's title and description, or any words."""

    title = serializers.CharField(max_length=300, required=False, allow_blank=True)
    words = serializers.CharField(max_length=MAXIMUM_WORDS, required=False, allow_blank=True)
    description = serializers.CharField(max_length=MAXIMUM_DESCRIPTION, required=False, allow_blank=True)

    @property
    def text(self) -> str:
        """All of them as one text, which may be empty."""
        said = self.validated_data
        parts = (said.get("title"), said.get("words"), said.get("description", "")[:DESCRIPTION_READ])
        return " ".join(part for part in parts if part)


class ClassifyPhoto(ClassifyWords):
    """A photo, with or without words: a JPEG, PNG or WebP file."""

    photo = serializers.FileField(required=False)


class SuggestionCard(serializers.Serializer):
    path = serializers.CharField()
    probability = serializers.FloatField(min_value=0, max_value=1)


class SuggestedCard(serializers.Serializer):
    """Categories, likeliest first."""

    roots = SuggestionCard(many=True)
    leaves = SuggestionCard(many=True, help_text="Full paths.")
    degraded = serializers.ListField(
        child=serializers.CharField(), help_text="What was sent and could not be considered just now."
    )


class Search(NamedQuery):
    """Words, filters, or both. Prices and places in the words become filters."""

    q = serializers.CharField(
        max_length=MAXIMUM_QUERY,
        required=False,
        allow_blank=True,
        help_text="What is looked for, such as `sofa under £100 near Leeds`.",
    )
    offset = serializers.IntegerField(
        min_value=0, max_value=FURTHEST, default=0, help_text="Places of the order to leave out."
    )
    understand = serializers.BooleanField(
        default=True, help_text="Whether prices and places in the words become filters."
    )
    mend = serializers.BooleanField(default=True, help_text="Whether misspelt words are mended.")
    personalised = serializers.BooleanField(
        default=True, help_text="Whether what the actor did before brings listings nearer."
    )

    @property
    def asked(self) -> dict[str, object]:
        """What the verb takes beside a photo and who asks. Raises Invalid."""
        said = self.validated_data
        plain = {name: said[name] for name in ("understand", "mend", "personalised", "limit", "offset")}
        return {"words": said.get("q") or said.get("words", ""), "filters": self.filters, **plain}


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
    """A JPEG, PNG or WebP file, words, or both."""

    photo = serializers.FileField(required=False)


class UnderstoodFilters(serializers.Serializer):
    """Only those that the text stands for, and that the caller did not set."""

    min_price = serializers.DecimalField(max_digits=12, decimal_places=2, required=False)
    max_price = serializers.DecimalField(max_digits=12, decimal_places=2, required=False)
    lat = serializers.FloatField(required=False)
    lon = serializers.FloatField(required=False)
    radius_km = serializers.FloatField(required=False)


class UnderstoodCard(serializers.Serializer):
    text = serializers.CharField()
    filters = UnderstoodFilters()


class HighlightCard(serializers.Serializer):
    """HTML, escaped, the words that were looked for in `<mark>`."""

    title = serializers.CharField()
    description = serializers.CharField(help_text="A passage of it.")


class FoundCard(ItemCard):
    """A listing that was found; `scores` are what each ranking adds to the score, null where it lacks it."""

    scores = serializers.DictField(
        child=serializers.FloatField(allow_null=True),
        help_text="By ranking: words, vectors, photo, newest, taste.",
    )
    highlight = HighlightCard()


class WithoutCard(serializers.Serializer):
    text = serializers.CharField()
    count = serializers.IntegerField()


class HintCard(serializers.Serializer):
    """Why nothing was found, and how many listings match without a part of the query."""

    text = serializers.CharField()
    without = WithoutCard(many=True)


class SearchPageCard(PageCard):
    """A page of what was found, best first. It is shorter than its limit by what was folded into `copies`."""

    items = FoundCard(many=True)
    words = serializers.CharField(help_text="What was looked for.")
    understood = UnderstoodCard(many=True, help_text="Parts of the query that became filters.")
    mended = serializers.DictField(
        child=serializers.CharField(), help_text="What was written: what it is taken for."
    )
    facets = serializers.DictField(
        child=serializers.IntegerField(),
        help_text="How many listings match in each root category, whatever category was asked for.",
    )
    hint = HintCard(allow_null=True)
    next_offset = serializers.IntegerField(allow_null=True, help_text="Where the next page begins.")


class Examples(ListQuery):
    """Ids of listings to find more like, and of listings to keep away from; sold ones may be named too."""

    positive = ShortList(child=serializers.CharField(max_length=200), min_length=1, max_length=MOST_NAMED)
    negative = ShortList(child=serializers.CharField(max_length=200), max_length=MOST_NAMED, default=list)

    @property
    def named(self) -> dict[str, object]:
        """What the verb takes beside filters."""
        return {name: self.validated_data[name] for name in ("positive", "negative", "limit")}


class LikedCard(ItemCard):
    """A listing; `scores` are its nearness to the nearest positive and to the nearest negative example."""

    scores = serializers.DictField(
        child=serializers.FloatField(allow_null=True), help_text="By example: positive, negative."
    )


class LikedPageCard(PageCard):
    items = LikedCard(many=True)
