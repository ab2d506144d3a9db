"""What the endpoints take and say that are asked with words and photos."""

from rest_framework import serializers

from listings.strict import StrictSerializer

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
