"""Boosts around now."""

from datetime import datetime, timedelta

from recommendations.models.boosts import Boost
from recommendations.ranking import boosts

HOUR = timedelta(hours=1)


def boost(now: datetime, factor: float = 2.0, *, hours: tuple[float, float] = (-1, 1), **target) -> Boost:
    """A boost around now, or of other hours from it, that the constraints have to accept."""
    start, end = (now + number * HOUR for number in hours)
    return boosts.save_boost(
        Boost(factor=factor, starts_at=start, ends_at=end, **target), by="sue", now=now - 2 * HOUR
    )
