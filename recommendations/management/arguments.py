"""Types of command arguments, for argparse."""

from argparse import ArgumentTypeError
from datetime import datetime

from django.utils import timezone


def iso_time(text: str) -> datetime:
    """A time in ISO 8601; without a zone, in TIME_ZONE.   Raises ArgumentTypeError."""
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        accepted = "a time in ISO 8601, such as 2026-03-14 or 2026-03-14T12:00Z"
        raise ArgumentTypeError(f"found {text!r}; accepted: {accepted}.") from None
    return at if at.tzinfo else timezone.make_aware(at)
