"""Training of the collaborative model: fit on the interactions, compare with the active model, publish."""

import logging
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any, NoReturn

import numpy as np

from listings.errors import DomainError
from ml.collaborative.covisitation import Counts
from ml.progress import Progress
from recommendations.collaborative import store
from recommendations.collaborative.config import TrainingConfig
from recommendations.collaborative.content_vectors import read_content, read_showable
from recommendations.collaborative.covisitation_counts import CountedHistories
from recommendations.collaborative.history import InteractionHistory, read_history
from recommendations.collaborative.model import Collaborative, Content, fit
from recommendations.core import locks
from recommendations.core.progress import Steps, unwatched_steps
from recommendations.evaluation import comparison, point_in_time
from recommendations.interactions import watermark
from recommendations.model_registry import gate
from recommendations.model_registry.artifacts import ModelDamaged
from recommendations.model_registry.gate import GateVerdict
from recommendations.models.trained_models import TrainedModel
from recommendations.training import tuning
from recommendations.training.distance_decay import learn_decays
from recommendations.training.source_weights import with_fitted_blend
from recommendations.trust import detection

LEAST_EVENTS = 200
LEAST_ACTORS = 10
TEST_SHARE = 0.1  # of the events: the latest, on which the gate compares models
# Events may be stamped later than `now`: clocks differ, and waiting for a lock takes time.
FUTURE_TOLERANCE = timedelta(days=1)

logger = logging.getLogger(__name__)


class TooFewEvents(DomainError):
    """There are too few interactions to fit a model on."""


class CollaborativeRefused(DomainError):
    """The trained model is worse than the one that it would replace."""


def train_collaborative(
    *,
    now: datetime,
    force: bool = False,
    recipe: TrainingConfig | None = None,
    tune_for_s: float | None = None,
    wait: bool = False,
    steps: Steps = unwatched_steps,
    report: tuning.TrialReport = lambda tried: None,
) -> TrainedModel:
    """Fit a model on all interactions, also those with sold listings, and make it the active one.

    recipe: None means that of the active model. tune_for_s: seconds to search for a better recipe first; each
    trial is passed to `report`. force: publish even if the gate refuses, and note that in the row. wait:
    until another training ends, instead of raising AlreadyTraining.
    Raises TooFewEvents, AlreadyTraining, CollaborativeRefused, OSError; then the previous model keeps
    serving.
    """
    with locks.training_lock(locks.TRAINING, "a collaborative model", wait=wait):
        store.sweep()
        material = _read_material(now)
        chosen = (recipe or active_config()).with_environment()
        last = chosen.decays
        if tune_for_s is not None:
            chosen = _tuned(material, chosen, tune_for_s, report).with_environment()
        chosen = _with_source_weights(material, chosen, steps)
        verdict = _judge(material, chosen, steps)
        if not verdict.accepted and not force:
            _reject(material, verdict)
        return _publish(material, chosen.replaced(decays=last), verdict, steps)


@dataclass(frozen=True)
class CollaborativeDataset:
    """The data of one training, all of it up to one position (`horizon`) in the interactions.

    `first`, `second` and `whole` are histories up to three moments. The gate evaluates on the events after
    `second`; tuning and weighing evaluate on those between `first` and `second`.
    """

    version: str
    horizon: int
    whole: InteractionHistory
    content: Content | None

    @cached_property
    def first(self) -> InteractionHistory:
        return self._without_last(2 * TEST_SHARE)

    @cached_property
    def second(self) -> InteractionHistory:
        return self._without_last(TEST_SHARE)

    @cached_property
    def test_listing_ids(self) -> np.ndarray:
        """Ids of the listings on the market during the gate's test period: (s,) int64"""
        return point_in_time.listings_on_market(self.second.until, end=self.whole.until)

    def _without_last(self, last_share: float) -> InteractionHistory:
        moment = point_in_time.split_time(1 - last_share, until=self.whole.until)
        assert moment is not None  # there are events up to `whole.until`
        return read_history(until=moment, before=self.horizon)

    def fit(
        self, history: InteractionHistory, recipe: TrainingConfig, **options: Any
    ) -> tuple[Collaborative, Counts]:
        return fit(history, recipe, version=self.version, content=self.content, **options)


def _read_material(now: datetime) -> CollaborativeDataset:
    detection.detect(now=now)
    horizon = watermark.horizon()
    latest = watermark.latest_event(horizon) or now
    until = max(now, min(latest, now + FUTURE_TOLERANCE))
    whole = require_enough_events(read_history(until=until, before=horizon))
    return CollaborativeDataset(f"{now:%Y%m%dT%H%M%S%f}", horizon, whole, read_content())


def require_enough_events(history: InteractionHistory) -> InteractionHistory:
    """Return the history unchanged.   Raises TooFewEvents if there are too few interactions to learn from."""
    if not len(history):
        raise TooFewEvents("There are no events yet: send some, or run `manage.py simulate`.")
    if history.event_count < LEAST_EVENTS or len(history.actors) < LEAST_ACTORS:
        raise TooFewEvents(
            f"{history.event_count} events of {len(history.actors)} actors are too few to learn from: "
            f"at least {LEAST_EVENTS} events of {LEAST_ACTORS} actors are needed."
        )
    return history


def active_config() -> TrainingConfig:
    """The recipe of the active model, tuned or not; the default one if there is none or it is unreadable."""
    row = store.active()
    try:
        return TrainingConfig.from_json(store.manifest_of(row)["recipe"]) if row else TrainingConfig()
    except (ModelDamaged, KeyError, TypeError, ValueError) as error:
        logger.warning(
            "The training configuration of the active model cannot be read; training goes on with the "
            "default. If it had been tuned, run `train collaborative --tune` again. Cause: %s",
            error,
        )
        return TrainingConfig()


def _tuned(
    material: CollaborativeDataset, start: TrainingConfig, budget_s: float, report: tuning.TrialReport
) -> TrainingConfig:
    return tuning.tune(material.first, material.second, start=start, budget_s=budget_s, report=report)


def _with_source_weights(
    material: CollaborativeDataset, recipe: TrainingConfig, steps: Steps
) -> TrainingConfig:
    """The recipe with learned distance decays and fitted blend weights of the feed's sources."""
    first, second = material.first, material.second
    recipe = _with_decays(first, recipe, steps)

    def fit_first(progress: Progress) -> Collaborative:
        showable = point_in_time.listings_on_market(first.until, end=second.until)
        return material.fit(first, recipe, showable=showable, progress=progress)[0]

    return with_fitted_blend(recipe, fit_first, first.until, end=second.until, steps=steps)


def _with_decays(history: InteractionHistory, recipe: TrainingConfig, steps: Steps) -> TrainingConfig:
    """The recipe with distance decays that were learned from this history, starting from its own."""
    with steps("Learning distance decays"):
        return recipe.replaced(decays=learn_decays(history, recipe.decays))


def _judge(material: CollaborativeDataset, recipe: TrainingConfig, steps: Steps) -> GateVerdict:
    """The gate's verdict on a model that was fitted with this recipe on all but the test period."""
    earlier = material.second
    with steps("Fitting on the earlier events") as progress:
        candidate, _ = material.fit(earlier, recipe, showable=material.test_listing_ids, progress=progress)
    rival = _rival(material, candidate, steps)
    models = {"candidate": candidate} | ({"active": rival} if rival else {})
    with steps("Comparing on the later events") as progress:
        try:
            ndcg = comparison.compare(models, earlier, end=material.whole.until, progress=progress)
        except point_in_time.SnapshotUnavailable as error:
            return GateVerdict(True, f"Not judged: {error.detail}", {})
    return gate.judge(**ndcg)


def _rival(material: CollaborativeDataset, candidate: Collaborative, steps: Steps) -> Collaborative | None:
    """The active model if it was fitted before the test period; else one by its recipe, fitted before it."""
    row = store.active()
    if row is None:
        return None
    try:
        about = store.manifest_of(row)
        if datetime.fromisoformat(about["trained_until"]) < material.second.until:
            return store.load(row)
        recipe = TrainingConfig.from_json(about["recipe"])
    except (ModelDamaged, KeyError, TypeError, ValueError) as error:
        logger.error(
            "The files of the active model cannot be read; the new model is compared with popularity alone. "
            "Cause: %s",
            error,
        )
        return None
    if _fitted_alike(recipe, candidate.recipe):
        return replace(candidate, recipe=recipe)
    with steps("Fitting with the configuration of the active model") as progress:
        return material.fit(material.second, recipe, showable=material.test_listing_ids, progress=progress)[0]


def _fitted_alike(one: TrainingConfig, other: TrainingConfig) -> bool:
    """Whether both recipes give the same fit: they differ at most in values that only serving uses."""
    return one.replaced(blend=(), decays={}) == other.replaced(blend=(), decays={})


def _reject(material: CollaborativeDataset, verdict: GateVerdict) -> NoReturn:
    store.reject(
        material.version,
        horizon=material.horizon,
        metrics=_metrics(material, verdict),
        verdict=verdict.reason,
    )
    raise CollaborativeRefused(f"{verdict.reason} It was not published; the previous model keeps serving.")


def _publish(
    material: CollaborativeDataset, recipe: TrainingConfig, verdict: GateVerdict, steps: Steps
) -> TrainedModel:
    history = material.whole
    recipe = _with_decays(history, recipe, steps)
    with steps("Fitting on all events") as progress:
        model, counts = material.fit(history, recipe, showable=read_showable(), progress=progress)
    forced = {} if verdict.accepted else {"forced": True}
    reason = verdict.reason if verdict.accepted else f"Published by force. {verdict.reason}"
    return store.publish(
        model,
        CountedHistories.of(history, model.listing_ids, counts),
        horizon=material.horizon,
        metrics=_metrics(material, verdict) | {"decays_km": recipe.decays} | forced,
        verdict=reason,
    )


def _metrics(material: CollaborativeDataset, verdict: GateVerdict) -> dict[str, Any]:
    history = material.whole
    return {
        "actors": len(history.actors),
        "listings": len(history.listings),
        "events": history.event_count,
        "trained_until": history.until.isoformat(timespec="seconds"),
        **verdict.metrics,
    }
