"""Serializers of the recommendation endpoints: queries, pages and events."""

from dataclasses import fields
from datetime import UTC, datetime

from rest_framework import serializers

from listings.models import Listing, check_external_id
from listings.serializers import ListingCard
from listings.strict import ShortList, StrictSerializer
from recommendations.candidates import SOURCES
from recommendations.filters import Filters
from recommendations.interactions import MAXIMUM_BATCH, Outcome
from recommendations.models import Interaction
from recommendations.pages import Code
from recommendations.similar import By

EARLIEST_YEAR = 2000
FILTERS = tuple(field.name for field in fields(Filters))


class ListQuery(StrictSerializer):
    """The number of listings, and filters on them."""

    limit = serializers.IntegerField(min_value=1, max_value=100, default=20)
    category = serializers.CharField(
        max_length=500, required=False, help_text="A category path. Categories below it are included."
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


class FeedQuery(NamedQuery):
    """A new feed, or the next page of one."""

    cursor = serializers.CharField(
        max_length=500,
        required=False,
        help_text="`next_cursor` of the page before: continues its order and filters. Valid for a day.",
    )


class SimilarQuery(ListQuery):
    by = serializers.ChoiceField(choices=[by.value for by in By], default=By.BOTH.value)


class ReasonCard(serializers.Serializer):
    """The reason for a recommendation. `evidence`: ids of listings the actor interacted with, best first."""

    code = serializers.ChoiceField(choices=[code.value for code in Code])
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


class PageCard(serializers.Serializer):
    items = ItemCard(many=True)
    degraded = serializers.ListField(
        child=serializers.CharField(), help_text="Parts that were unavailable and not used for this page."
    )
    slate_id = serializers.CharField(allow_null=True)
    next_cursor = serializers.CharField(allow_null=True)


def parse_datetime_or_refuse(value: str) -> datetime:
    """An ISO 8601 time, with or without a zone.   Raises ValidationError."""
    try:
        return datetime.fromisoformat(value)
    except ValueError:
        raise serializers.ValidationError("This is not an ISO 8601 time.") from None


class EventBody(StrictSerializer):
    """One event. `event_id` is chosen by the sender and makes it safe to send the event again."""

    event_id = serializers.CharField(max_length=200)
    listing = serializers.CharField(
        max_length=200,
        validators=[check_external_id],
        help_text="Events of an unknown listing wait until it is published.",
    )
    kind = serializers.ChoiceField(choices=Interaction.Kind.choices)
    actor = serializers.CharField(
        max_length=200, required=False, validators=[check_external_id], help_text="For services: the actor."
    )
    occurred_at = serializers.CharField(
        max_length=40, required=False, help_text="ISO 8601 with a time zone. Defaults to now."
    )
    slate = serializers.CharField(max_length=64, required=False, allow_null=True)
    position = serializers.IntegerField(min_value=0, max_value=10_000, required=False, allow_null=True)

    def validate_occurred_at(self, value: str):
        """The time in UTC. Naive times are refused because they are ambiguous."""
        parsed = parse_datetime_or_refuse(value)
        if parsed.tzinfo is None:
            raise serializers.ValidationError("A time needs a time zone, such as Z or +01:00.")
        if parsed.year < EARLIEST_YEAR:
            raise serializers.ValidationError(f"A time before {EARLIEST_YEAR} cannot be meant.")
        try:
            return parsed.astimezone(UTC)  # PostgreSQL accepts fewer offsets than Python
        except OverflowError:
            raise serializers.ValidationError("A time after the year 9999 cannot be meant.") from None


class EventBatch(serializers.Serializer):
    """Up to 500 events, each accepted or rejected on its own."""

    events = ShortList(child=serializers.DictField(), min_length=1, max_length=MAXIMUM_BATCH)


class EventOutcome(serializers.Serializer):
    event_id = serializers.CharField()
    outcome = serializers.ChoiceField(choices=[outcome.value for outcome in Outcome])
    reason = serializers.CharField()


class EventReply(serializers.Serializer):
    results = EventOutcome(many=True)
