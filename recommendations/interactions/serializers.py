"""Bodies and replies of the events endpoint."""

from datetime import UTC, datetime

from rest_framework import serializers

from listings.api.strict import BoundedList, StrictSerializer
from listings.validation import check_external_id
from recommendations.interactions.recording import MAXIMUM_BATCH, RecordOutcome
from recommendations.models.events import Interaction

EARLIEST_YEAR = 2000


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

    events = BoundedList(child=serializers.DictField(), min_length=1, max_length=MAXIMUM_BATCH)


class EventOutcome(serializers.Serializer):
    event_id = serializers.CharField()
    outcome = serializers.ChoiceField(choices=[outcome.value for outcome in RecordOutcome])
    reason = serializers.CharField()
    notes = serializers.ListField(
        child=serializers.CharField(), help_text="What was taken otherwise than it was sent."
    )


class EventReply(serializers.Serializer):
    results = EventOutcome(many=True)
