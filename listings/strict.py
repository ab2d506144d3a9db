"""Bodies and queries in which a field that nobody knows is a mistake, not silence."""

from collections.abc import Mapping

from rest_framework import serializers

MOST_TOLD = 20  # of the fields that nobody knows


class ShortList(serializers.ListField):
    """A list of at most `max_length`, counted before anything in it is looked at.

    REST framework judges each element first, and keeps an error for each of a million.
    """

    def to_internal_value(self, data: object) -> list:
        if isinstance(data, list) and self.max_length is not None and len(data) > self.max_length:
            self.fail("max_length", max_length=self.max_length)
        return super().to_internal_value(data)


class StrictSerializer(serializers.Serializer):
    """Refuses what it does not know: a misspelt field, or one that is changed in another way."""

    def to_internal_value(self, data: object) -> dict:
        if isinstance(data, Mapping) and (unknown := set(data) - set(self.fields)):
            refusal = "There is no such field here."
            raise serializers.ValidationError(
                {str(name): [refusal] for name in sorted(unknown, key=str)[:MOST_TOLD]}
            )
        return super().to_internal_value(data)

    @property
    def refusal(self) -> str:
        """Why this row of a batch is not taken, in one line."""
        return "; ".join(f"{name}: {' '.join(map(str, said))}" for name, said in self.errors.items())
