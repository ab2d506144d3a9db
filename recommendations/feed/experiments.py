"""Experiments: a deterministic random assignment of actors to variants of the feed's parameters.

One experiment runs at a time: the database refuses a second one in the same span. Actors who take no part,
and callers without an actor, get the default parameters, as the control does; their slates name no
experiment.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from hashlib import sha256
from itertools import accumulate

from django.db import transaction

from listings.errors import DomainError, Invalid
from listings.models import Actor
from recommendations.core.identity import member_of
from recommendations.core.ttl_cache import TtlCache
from recommendations.models.experiments import CONTROL, Experiment
from recommendations.models.feed_parameters import FeedParameters

FRACTION_BITS = 53  # what a float holds exactly

logger = logging.getLogger(__name__)


class NotRunnable(Invalid):
    """An experiment whose variants cannot be compared."""


class NotRunning(Invalid):
    """An experiment cannot be stopped, because it does not run."""


@dataclass(frozen=True)
class Assignment:
    """An actor's variant and its parameters; experiment and variant are None without an experiment."""

    experiment: str | None
    variant: str | None
    parameters: FeedParameters

    @property
    def exposure(self) -> dict[str, str]:
        """The entries for the `parameters` of a slate; empty without an experiment."""
        if self.experiment is None or self.variant is None:
            return {}
        return {"experiment": self.experiment, "variant": self.variant}


NO_EXPERIMENT = Assignment(None, None, FeedParameters())


@dataclass(frozen=True)
class ExperimentDivision:
    """The division of actors by an experiment.   limits: the upper end of each variant's part of [0, 1]"""

    salt: str
    share: float
    limits: tuple[float, ...]
    assignments: tuple[Assignment, ...]

    @classmethod
    def of(cls, experiment: Experiment) -> "ExperimentDivision":
        """Raises NotRunnable, BadParameters."""
        variants = sorted(experiment.variants.all(), key=lambda variant: variant.pk)
        require_comparable([variant.name for variant in variants])
        weights = list(accumulate(variant.weight for variant in variants))
        assignments = (
            Assignment(experiment.name, variant.name, FeedParameters.from_json(variant.parameters))
            for variant in variants
        )
        limits = tuple(weight / weights[-1] for weight in weights)
        return cls(experiment.salt, experiment.share, limits, tuple(assignments))

    def of_actor(self, external_id: str) -> Assignment:
        """The assignment of an actor.

        Participation and variant are drawn independently, so that a greater share changes nobody's variant.
        """
        participation, place = fractions(self.salt, external_id)
        if participation >= self.share:
            return NO_EXPERIMENT
        parts = zip(self.limits, self.assignments, strict=True)
        return next(assignment for limit, assignment in parts if place < limit)  # the last limit is 1


def assignment(actor: Actor | None, now: datetime) -> Assignment:
    """The assignment of this actor now. The database is read once a second at most, for all actors.

    A visitor merged into a member has the member's assignment.   Raises DatabaseError.
    """
    division = _running.at(now)
    if actor is None or division is None:
        return NO_EXPERIMENT
    return division.of_actor(member_of(actor).external_id)


def fractions(salt: str, external_id: str) -> tuple[float, float]:
    """Two independent uniform numbers in [0, 1), always the same for the same strings.

    They are the first 128 bits of SHA-256 of the salt and the id.
    """
    digest = sha256(f"{salt}{external_id}".encode()).digest()
    first, second = (int.from_bytes(part) >> (64 - FRACTION_BITS) for part in (digest[:8], digest[8:16]))
    return first / 2**FRACTION_BITS, second / 2**FRACTION_BITS


def require_comparable(names: Sequence[str]) -> None:
    """Raises NotRunnable unless these are the names of a control and at least one other variant."""
    if CONTROL not in names:
        raise NotRunnable(f"One variant has to be called {CONTROL}: the feed as it is.")
    if len(names) < 2:
        raise NotRunnable(f"Beside {CONTROL} there has to be another variant.")


def stop(experiment: Experiment) -> Experiment:
    """End a running experiment now: from the next request on, everybody gets the feed without it.

    Raises NotRunning. What it found stays.
    """
    with transaction.atomic():
        stored = Experiment.objects.select_for_update().get(pk=experiment.pk)
        if stored.status != Experiment.Status.RUNNING:
            raise NotRunning(f"{stored.name} is {stored.status}: only what runs can be stopped.")
        stored.status = Experiment.Status.STOPPED
        stored.save(update_fields=["status"])
    forget()
    return stored


def forget() -> None:
    """Make the next assignment read the database, so that a changed experiment takes effect at once."""
    _running.forget()


def _read(now: datetime) -> ExperimentDivision | None:
    running = Experiment.objects.filter(status=Experiment.Status.RUNNING, starts_at__lte=now, ends_at__gt=now)
    experiment = running.prefetch_related("variants").first()  # there is one at most
    if experiment is None:
        return None
    try:
        return ExperimentDivision.of(experiment)
    except DomainError as error:
        _warn_once(experiment.name, error.detail)
        return None


@lru_cache(maxsize=100)
def _warn_once(name: str, error: str) -> None:
    """Log once per process, although the experiment is read every second."""
    logger.warning(
        "The experiment %s does not run: %s Feeds have the default parameters. Correct it in the admin.",
        name,
        error,
    )


_running = TtlCache(_read)
