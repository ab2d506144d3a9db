"""Serialisers that refuse unknown fields."""

from collections.abc import Collection, Iterator, Mapping
from typing import Any

from rest_framework import serializers
from rest_framework.request import Request

_MAXIMUM_ERRORS = 20  # unknown fields listed in a response
_NO_SUCH_PARAMETER = "There is no such parameter here."


class BoundedList(serializers.ListField):
    """A list whose length is checked before its elements.

    REST framework validates each element first and would keep a million errors for a million elements.
    """

    def to_internal_value(self, data: Any) -> list:
        if isinstance(data, list) and self.max_length is not None and len(data) > self.max_length:
            self.fail("max_length", max_length=self.max_length)
        return super().to_internal_value(data)


def refuse_unknown_parameters(request: Request, known: Collection[str] = ()) -> None:
    """Raise ValidationError for a parameter of the query that nobody reads, such as a misspelt one."""
    unknown = sorted(set(request.query_params) - set(known))
    if unknown:
        errors = {name: [_NO_SUCH_PARAMETER] for name in unknown[:_MAXIMUM_ERRORS]}
        raise serializers.ValidationError(errors)


class StrictSerializer(serializers.Serializer):
    """Refuses unknown fields, such as misspelt or read-only ones."""

    def to_internal_value(self, data: Any) -> dict:
        if isinstance(data, Mapping) and (unknown := set(data) - set(self.fields)):
            message = "There is no such field here."
            raise serializers.ValidationError(
                {str(name): [message] for name in sorted(unknown, key=str)[:_MAXIMUM_ERRORS]}
            )
        return super().to_internal_value(data)

    @property
    def refusal(self) -> str:
        """The validation errors in one line, as the reason for a rejected row of a batch."""
        return "; ".join(f"{path}: {' '.join(sentences)}" for path, sentences in _flat(self.errors))


def _flat(errors: Any, path: str = "") -> Iterator[tuple[str, list[str]]]:
    """The path of each field with errors, such as `photos.0.url`, and what is wrong with it."""
    if isinstance(errors, list) and not any(isinstance(error, Mapping | list) for error in errors):
        yield path, [str(error) for error in errors]
        return
    inner = errors.items() if isinstance(errors, Mapping) else enumerate(errors)
    for name, error in inner:
        if error:
            yield from _flat(error, f"{path}.{name}" if path else str(name))
