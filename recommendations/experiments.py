"""Who gets which feed: actors divided by chance, but always the same way, into variants of parameters.

One experiment runs at a time: the database refuses a second one in the same span. Whoever takes no part gets
the feed as it is by default, which is the control's too; so does whoever is not known yet, and slates say
nothing of an experiment then.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from hashlib import sha256
from itertools import accumulate

from listings.errors import DomainError, Invalid
from listings.models import Actor
from recommendations.feed_parameters import FeedParameters
from recommendations.identity import member_of
from recommendations.models import Experiment
from recommendations.remembered import Remembered
from recommendations.rule_models import CONTROL

FRACTION_BITS = 53  # what a float holds exactly

logger = logging.getLogger(__name__)


class NotRunnable(Invalid):
    """An experiment whose variants say nothing against each other."""


@dataclass(frozen=True)
class Assignment:
    """What an actor is given; experiment and variant are None for whoever takes no part in one."""

    experiment: str | None
    variant: str | None
    parameters: FeedParameters

    @property
    def exposure(self) -> dict[str, str]:
        """What the `parameters` of a slate that is made this way have to say, beside others."""
        if self.experiment is None:
            return {}
        return {"experiment": self.experiment, "variant": self.variant}


NOT_IN_ONE = Assignment(None, None, FeedParameters())


@dataclass(frozen=True)
class Division:
    """An experiment as it divides actors.   limits: of each variant, the upper end of its part of [0, 1]"""

    salt: str
    share: float
    limits: tuple[float, ...]
    assignments: tuple[Assignment, ...]

    @classmethod
    def of(cls, experiment: Experiment) -> "Division":
        """Raises NotRunnable, BadParameters."""
        variants = sorted(experiment.variants.all(), key=lambda variant: variant.pk)
        require_runnable([variant.name for variant in variants])
        weights = list(accumulate(variant.weight for variant in variants))
        assignments = (
            Assignment(experiment.name, variant.name, FeedParameters.from_json(variant.parameters))
            for variant in variants
        )
        limits = tuple(weight / weights[-1] for weight in weights)
        return cls(experiment.salt, experiment.share, limits, tuple(assignments))

    def of_actor(self, external_id: str) -> Assignment:
        """Taking part and the variant are drawn apart: a greater share changes nobody's variant."""
        takes_part, place = fractions(self.salt, external_id)
        if takes_part >= self.share:
            return NOT_IN_ONE
        chosen = (each for limit, each in zip(self.limits, self.assignments, strict=True) if place < limit)
        return next(chosen)  # a place is below 1, which the last limit is


def assignment(actor: Actor | None, now: datetime) -> Assignment:
    """What this actor is given now. The database is read once a second at most, for all actors.

    A visitor who logged in is given what the member is.   Raises DatabaseError.
    """
    division = _running.at(now)
    if actor is None or division is None:
        return NOT_IN_ONE
    return division.of_actor(member_of(actor).external_id)


def fractions(salt: str, external_id: str) -> tuple[float, float]:
    """Two numbers in [0, 1), as if drawn evenly and apart, always the same for the same strings.

    The first 128 bits of SHA-256 of the salt and the id.
    """
    digest = sha256(f"{salt}{external_id}".encode()).digest()
    first, second = (int.from_bytes(part) >> (64 - FRACTION_BITS) for part in (digest[:8], digest[8:16]))
    return first / 2**FRACTION_BITS, second / 2**FRACTION_BITS


def require_runnable(names: Sequence[str]) -> None:
    """Raises NotRunnable unless these are the names of variants that can be held against each other."""
    if CONTROL not in names:
        raise NotRunnable(f"One variant has to be called {CONTROL}: the feed as it is.")
    if len(names) < 2:
        raise NotRunnable(f"Beside {CONTROL} there has to be another variant.")


def forget() -> None:
    """The next assignment reads: for whoever has just changed an experiment, and cannot wait a second."""
    _running.forget()


def _read(now: datetime) -> Division | None:
    running = Experiment.objects.filter(status=Experiment.Status.RUNNING, starts_at__lte=now, ends_at__gt=now)
    experiment = running.prefetch_related("variants").first()  # there is one at most
    if experiment is None:
        return None
    try:
        return Division.of(experiment)
    except DomainError as error:
        _complain(experiment.name, error.detail)
        return None


@lru_cache(maxsize=100)
def _complain(name: str, why: str) -> None:
    """Once a process: it is read every second. Feeds go on without the experiment."""
    logger.warning("experiment %s does not run: %s", name, why)


_running = Remembered(_read)
