"""Training of the ranker on served slates; it is published only if it beats the blend significantly."""

import os
from datetime import datetime
from typing import Any, NoReturn

from listings.errors import DomainError
from ml.evaluation.slate_metrics import graded_ndcg, slate_weights
from ml.ranking.lambdarank import NoPreferences, RankerModel, fit
from recommendations.core import locks
from recommendations.core.progress import Steps, unwatched_steps
from recommendations.model_registry import gate
from recommendations.model_registry.gate import GateVerdict
from recommendations.models.feature_names import FEATURES
from recommendations.models.trained_models import TrainedModel
from recommendations.ranker import store
from recommendations.ranker.dataset import RankerDataset, TooFewSlates, read_ranker_dataset

MONOTONE = {"distance_km": -1, "place": 1, "blend": 1}  # direction in which a feature may move the score
SEED = 5
MOST_THREADS = 8


class RankerRefused(DomainError):
    """The trained ranker does not beat the blend significantly."""


def train_ranker(
    *, now: datetime, force: bool = False, wait: bool = False, steps: Steps = unwatched_steps
) -> TrainedModel:
    """Train on the feed slates that were served until now, and make the ranker the active one.

    force: publish even if the gate refuses, and note that in the row. wait: until another training ends,
    instead of raising AlreadyTraining.
    Raises TooFewSlates, AlreadyTraining, RankerRefused, OSError; then the feed keeps its current order.
    """
    with locks.training_lock(locks.RANKER, "a ranker", wait=wait):
        store.sweep()
        with steps("Reading slates") as progress:
            material = read_ranker_dataset(now=now, progress=progress)
        with steps("Training the ranker"):
            model = _fit(material)
        verdict = _judge(model, material)
        version, metrics = f"{now:%Y%m%dT%H%M%S%f}", _metrics(model, material, verdict)
        if not verdict.accepted and not force:
            _reject(version, metrics, verdict)
        return _publish(model, version, metrics, verdict)


def _fit(material: RankerDataset) -> RankerModel:
    try:
        return fit(
            material.training,
            material.validation,
            feature_names=FEATURES,
            monotone=MONOTONE,
            seed=SEED,
            thread_count=min(os.cpu_count() or 1, MOST_THREADS),
        )
    except NoPreferences as error:
        raise TooFewSlates(f"No ranker can be fitted on the served slates: {error}.") from error


def _judge(model: RankerModel, material: RankerDataset) -> GateVerdict:
    slates = material.held_back
    return gate.judge_order(
        candidate=graded_ndcg(slates, model.predict(slates.features)),
        blend=graded_ndcg(slates, material.blend),
        weights=slate_weights(slates),
        actors=material.actors,
    )


def _reject(version: str, metrics: dict[str, Any], verdict: GateVerdict) -> NoReturn:
    store.reject(version, metrics=metrics, verdict=verdict.reason)
    raise RankerRefused(f"{verdict.reason} It was not published; the feed keeps its current order.")


def _publish(model: RankerModel, version: str, metrics: dict[str, Any], verdict: GateVerdict) -> TrainedModel:
    forced = {} if verdict.accepted else {"forced": True}
    reason = verdict.reason if verdict.accepted else f"Published by force. {verdict.reason}"
    return store.publish(model, version, metrics=metrics | forced, verdict=reason)


def _metrics(model: RankerModel, material: RankerDataset, verdict: GateVerdict) -> dict[str, Any]:
    return {
        "slates": material.slate_count,
        "actors": material.actor_count,
        "simulated_slates": material.simulated_count,
        "position_bias": round(material.exponent, 2),
        "exploration_clicks": material.exploration_clicks,
        "validation_ndcg": round(model.validation_ndcg, 4),
        **verdict.metrics,
    }
