"""Training of the collaborative model: fit on the interactions, compare with the active model, publish."""

import logging
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any, NoReturn

import numpy as np

from listings.errors import DomainError
from ml.covisitation import Counts
from ml.progress import Progress
from recommendations import doubts, evaluation, gate, hindsight, locks, model_store, tuning, watermark
from recommendations.behaviour import Behaviour, read_behaviour
from recommendations.collaborative import Collaborative, Content, fit
from recommendations.content import read_content, read_showable
from recommendations.counted import Counted
from recommendations.decays import learn_decays
from recommendations.gate import Verdict
from recommendations.model_folders import ModelDamaged
from recommendations.models.trained_models import TrainedModel
from recommendations.progress import Steps, unwatched_steps
from recommendations.recipe import Recipe
from recommendations.weighing import with_fitted_blend

LEAST_EVENTS = 200
LEAST_ACTORS = 10
TEST_SHARE = 0.1  # of the events: the latest, on which the gate compares models
# Events may be stamped later than `now`: clocks differ, and waiting for a lock takes time.
FUTURE_TOLERANCE = timedelta(days=1)

logger = logging.getLogger(__name__)


class TooFewEvents(DomainError):
    """There are too few interactions to fit a model on."""


class Refused(DomainError):
    """The trained model is worse than the one that it would replace."""


def train_collaborative(
    *,
    now: datetime,
    force: bool = False,
    recipe: Recipe | None = None,
    tune_for_s: float | None = None,
    wait: bool = False,
    steps: Steps = unwatched_steps,
    report: tuning.Report = lambda tried: None,
) -> TrainedModel:
    """Fit a model on all interactions, also those with sold listings, and make it the active one.

    recipe: None means that of the active model. tune_for_s: seconds to search for a better recipe first; each
    trial is passed to `report`. force: publish even if the gate refuses, and note that in the row. wait:
    until another training ends, instead of raising AlreadyTraining.
    Raises TooFewEvents, AlreadyTraining, Refused, OSError; then the previous model keeps serving.
    """
    with locks.training_alone(locks.TRAINING, "a collaborative model", wait=wait):
        model_store.sweep()
        material = _read_material(now)
        chosen = (recipe or recipe_in_use()).as_set()
        if tune_for_s is not None:
            chosen = _tuned(material, chosen, tune_for_s, report).as_set()
        chosen = _with_source_weights(material, chosen, steps)
        verdict = _judge(material, chosen, steps)
        if not verdict.accepted and not force:
            _reject(material, verdict)
        return _publish(material, chosen, verdict, steps)


@dataclass(frozen=True)
class Material:
    """The data of one training, all of it up to one position (`horizon`) in the interactions.

    `first`, `second` and `whole` are histories up to three moments. The gate evaluates on the events after
    `second`; tuning and weighing evaluate on those between `first` and `second`.
    """

    version: str
    horizon: int
    whole: Behaviour
    content: Content | None

    @cached_property
    def first(self) -> Behaviour:
        return self._without_last(2 * TEST_SHARE)

    @cached_property
    def second(self) -> Behaviour:
        return self._without_last(TEST_SHARE)

    @cached_property
    def asked_for(self) -> np.ndarray:
        """Ids of the listings on the market during the gate's test period: (s,) int64"""
        return hindsight.on_market(self.second.until, end=self.whole.until)

    def _without_last(self, last_share: float) -> Behaviour:
        moment = hindsight.split_time(1 - last_share, until=self.whole.until)
        return read_behaviour(until=moment, before=self.horizon)

    def fit(self, behaviour: Behaviour, recipe: Recipe, **options: Any) -> tuple[Collaborative, Counts]:
        return fit(behaviour, recipe, version=self.version, content=self.content, **options)


def _read_material(now: datetime) -> Material:
    doubts.find(now=now)
    horizon = watermark.horizon()
    latest = watermark.latest_event(horizon) or now
    until = max(now, min(latest, now + FUTURE_TOLERANCE))
    whole = enough(read_behaviour(until=until, before=horizon))
    return Material(f"{now:%Y%m%dT%H%M%S%f}", horizon, whole, read_content())


def enough(behaviour: Behaviour) -> Behaviour:
    """Return the history unchanged.   Raises TooFewEvents if there are too few interactions to learn from."""
    if not len(behaviour):
        raise TooFewEvents("There are no events yet: send some, or run `manage.py simulate`.")
    if behaviour.event_count < LEAST_EVENTS or len(behaviour.actors) < LEAST_ACTORS:
        raise TooFewEvents(
            f"{behaviour.event_count} events of {len(behaviour.actors)} actors are too few to learn from: "
            f"at least {LEAST_EVENTS} events of {LEAST_ACTORS} actors are needed."
        )
    return behaviour


def recipe_in_use() -> Recipe:
    """The recipe of the active model, tuned or not; the default one if there is none or it is unreadable."""
    row = model_store.active()
    try:
        return Recipe.from_json(model_store.about(row)["recipe"]) if row else Recipe()
    except (ModelDamaged, KeyError, TypeError, ValueError) as error:
        logger.warning(
            "The training configuration of the active model cannot be read; training goes on with the "
            "default. If it had been tuned, run `train collaborative --tune` again. Cause: %s",
            error,
        )
        return Recipe()


def _tuned(material: Material, start: Recipe, budget_s: float, report: tuning.Report) -> Recipe:
    return tuning.tune(material.first, material.second, start=start, budget_s=budget_s, report=report)


def _with_source_weights(material: Material, recipe: Recipe, steps: Steps) -> Recipe:
    """The recipe with learned distance decays and fitted blend weights of the feed's sources."""
    first, second = material.first, material.second
    recipe = _with_decays(first, recipe, steps)

    def fit_first(progress: Progress) -> Collaborative:
        showable = hindsight.on_market(first.until, end=second.until)
        return material.fit(first, recipe, showable=showable, progress=progress)[0]

    return with_fitted_blend(recipe, fit_first, first.until, end=second.until, steps=steps)


def _with_decays(behaviour: Behaviour, recipe: Recipe, steps: Steps) -> Recipe:
    """The recipe with distance decays that were learned from this history."""
    with steps("Learning distance decays"):
        return recipe.changed(decays=learn_decays(behaviour))


def _judge(material: Material, recipe: Recipe, steps: Steps) -> Verdict:
    """The gate's verdict on a model that was fitted with this recipe on all but the test period."""
    earlier = material.second
    with steps("Fitting on the earlier events") as progress:
        candidate, _ = material.fit(earlier, recipe, showable=material.asked_for, progress=progress)
    rival = _rival(material, candidate, steps)
    models = {"candidate": candidate} | ({"active": rival} if rival else {})
    with steps("Comparing on the later events") as progress:
        try:
            ndcg = evaluation.compare(models, earlier, end=material.whole.until, progress=progress)
        except hindsight.NoWorld as error:
            return Verdict(True, f"Not judged: {error.detail}", {})
    return gate.judge(**ndcg)


def _rival(material: Material, candidate: Collaborative, steps: Steps) -> Collaborative | None:
    """The active model if it was fitted before the test period; else one by its recipe, fitted before it."""
    row = model_store.active()
    if row is None:
        return None
    try:
        about = model_store.about(row)
        if datetime.fromisoformat(about["trained_until"]) < material.second.until:
            return model_store.load(row)
        recipe = Recipe.from_json(about["recipe"])
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
        return material.fit(material.second, recipe, showable=material.asked_for, progress=progress)[0]


def _fitted_alike(one: Recipe, other: Recipe) -> bool:
    """Whether both recipes give the same fit: they differ at most in values that only serving uses."""
    return one.changed(blend=(), decays={}) == other.changed(blend=(), decays={})


def _reject(material: Material, verdict: Verdict) -> NoReturn:
    model_store.reject(
        material.version,
        horizon=material.horizon,
        metrics=_metrics(material, verdict),
        verdict=verdict.reason,
    )
    raise Refused(f"{verdict.reason} It was not published; the previous model keeps serving.")


def _publish(material: Material, recipe: Recipe, verdict: Verdict, steps: Steps) -> TrainedModel:
    behaviour = material.whole
    recipe = _with_decays(behaviour, recipe, steps)
    with steps("Fitting on all events") as progress:
        model, counts = material.fit(behaviour, recipe, showable=read_showable(), progress=progress)
    forced = {} if verdict.accepted else {"forced": True}
    reason = verdict.reason if verdict.accepted else f"Published by force. {verdict.reason}"
    return model_store.publish(
        model,
        Counted.of(behaviour, model.listing_ids, counts),
        horizon=material.horizon,
        metrics=_metrics(material, verdict) | {"decays_km": recipe.decays} | forced,
        verdict=reason,
    )


def _metrics(material: Material, verdict: Verdict) -> dict[str, Any]:
    behaviour = material.whole
    return {
        "actors": len(behaviour.actors),
        "listings": len(behaviour.listings),
        "events": behaviour.event_count,
        "trained_until": behaviour.until.isoformat(timespec="seconds"),
        **verdict.metrics,
    }
