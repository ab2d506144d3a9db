"""Fit a collaborative model on the interactions and publish it."""

from collections.abc import Callable
from datetime import datetime

import numpy as np

from listings.errors import DomainError
from recommendations import encoders, locks
from recommendations.behaviour import Behaviour, read_behaviour
from recommendations.collaborative import Content, fit
from recommendations.columns import CHUNK
from recommendations.model_store import publish_collaborative
from recommendations.models import ListingEmbedding, TrainedModel
from recommendations.recipe import Recipe

LEAST_EVENTS = 200
LEAST_ACTORS = 10


class TooFewEvents(DomainError):
    """There is not enough behaviour yet to learn from."""


class AlreadyTraining(DomainError):
    """Another process trains this kind of model."""


def train_collaborative(*, now: datetime, progress: Callable[[int, int], None] | None = None) -> TrainedModel:
    """Fit on all interactions, those with sold listings included, and make it the active model.

    Raises TooFewEvents, AlreadyTraining; the model before serves on.
    """
    with locks.alone(locks.TRAINING) as acquired:
        if not acquired:
            raise AlreadyTraining("Another process trains a collaborative model just now.")
        behaviour = enough(read_behaviour(until=now))
        model, counts = fit(
            behaviour, Recipe(), version=f"{now:%Y%m%dT%H%M%S%f}", content=read_content(), progress=progress
        )
        metrics = {
            "actors": len(behaviour.actors),
            "listings": len(behaviour.listings),
            "events": behaviour.event_count,
        }
        return publish_collaborative(model, counts, metrics)


def enough(behaviour: Behaviour) -> Behaviour:
    """The behaviour itself, if there is enough to learn from. Raises TooFewEvents."""
    if not len(behaviour):
        raise TooFewEvents("There are no events yet: send some, or run `manage.py simulate`.")
    if behaviour.event_count < LEAST_EVENTS or len(behaviour.actors) < LEAST_ACTORS:
        raise TooFewEvents(
            f"{behaviour.event_count} events of {len(behaviour.actors)} actors are too few to learn from: "
            f"at least {LEAST_EVENTS} events of {LEAST_ACTORS} actors are needed."
        )
    return behaviour


def read_content() -> Content | None:
    """Vectors of all listings, sold ones too, by the active encoder; None before there is one."""
    encoder = encoders.active()
    if encoder is None:
        return None
    stored = ListingEmbedding.objects.filter(encoder_version=encoder.version)
    rows = list(stored.values_list("listing_id", "vector").iterator(chunk_size=CHUNK))
    vectors = np.frombuffer(b"".join(bytes(vector) for _, vector in rows), dtype="<f2")
    ids = np.array([pk for pk, _ in rows], np.int64)
    return Content(encoder.version, ids, vectors.reshape(len(ids), -1)) if rows else None
