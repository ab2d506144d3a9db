"""Collaborative models that are published without a training's comparisons, which take most of its time."""

from datetime import datetime

from recommendations.collaborative import store
from recommendations.collaborative.config import TrainingConfig
from recommendations.collaborative.content_vectors import read_content, read_showable
from recommendations.collaborative.covisitation_counts import CountedHistories
from recommendations.collaborative.history import read_history
from recommendations.collaborative.model import fit
from recommendations.interactions import watermark
from recommendations.models.trained_models import TrainedModel


def publish_collaborative(*, now: datetime) -> TrainedModel:
    """A model of all events so far, with the blend's standard weights and no decays of distance."""
    horizon = watermark.horizon()
    history = read_history(until=now, before=horizon)
    version, recipe = f"{now:%Y%m%dT%H%M%S%f}", TrainingConfig().with_environment()
    model, counts = fit(history, recipe, version=version, content=read_content(), showable=read_showable())
    counted = CountedHistories.of(history, model.listing_ids, counts)
    metrics = {"events": history.event_count, "trained_until": history.until.isoformat(timespec="seconds")}
    return store.publish(model, counted, horizon=horizon, metrics=metrics, verdict="")
