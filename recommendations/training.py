"""Fit a collaborative model on the interactions, ask whether it is worse than what serves, and publish it."""

import logging
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any, NoReturn

import numpy as np

from listings.errors import DomainError
from ml.covisitation import Counts
from recommendations import doubts, evaluation, gate, hindsight, locks, model_store, tuning, watermark
from recommendations.behaviour import Behaviour, read_behaviour
from recommendations.collaborative import Collaborative, Content, fit
from recommendations.content import read_content, read_showable
from recommendations.counted import Counted
from recommendations.decays import learn_decays
from recommendations.gate import Verdict
from recommendations.model_folders import ModelDamaged
from recommendations.models import TrainedModel
from recommendations.progress import Steps, unwatched_steps
from recommendations.recipe import Recipe
from recommendations.weighing import fit_blend

LEAST_EVENTS = 200
LEAST_ACTORS = 10
TEST_SHARE = 0.1  # of the events, the last, is what the gate asks about
CLOCKS_DIFFER = timedelta(days=1)  # or a lock took long: so much after now an event may be

logger = logging.getLogger(__name__)


class TooFewEvents(DomainError):
    """There is not enough behaviour yet to learn from."""


class Refused(DomainError):
    """The model that was trained is worse than what it would replace."""


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
    """Fit on all interactions, those with sold listings included, and make it the active model.

    recipe None: that of the active model. tune_for_s: search so long for a better one first, and report each
    that is tried. force: publish a model that the gate refuses, and say so in its row. wait: for a training
    that is under way.
    Raises TooFewEvents, AlreadyTraining, Refused, OSError; then the model before serves on.
    """
    with locks.training_alone(locks.TRAINING, "a collaborative model", wait=wait):
        model_store.sweep()
        material = _read_material(now)
        chosen = (recipe or recipe_in_use()).as_set()
        if tune_for_s is not None:
            chosen = _tuned(material, chosen, tune_for_s, report).as_set()
        chosen = _weighed(material, chosen, steps)
        verdict = _examine(material, chosen, steps)
        if not verdict.accepted and not force:
            _reject(material, verdict)
        return _publish(material, chosen, verdict, steps)


@dataclass(frozen=True)
class Material:
    """What a training has to go on, all of it as of one position in the interactions.

    In three parts of time, each reaching on from the one before. The gate asks about what came after the
    second; what is tuned and weighed before it is asked about what came between the first two.
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
        """Listings that were to be had while what the gate asks about happened: (s,) int64"""
        return hindsight.on_market(self.second.until, end=self.whole.until)

    def _without_last(self, last_share: float) -> Behaviour:
        moment = hindsight.split_time(1 - last_share, until=self.whole.until)
        return read_behaviour(until=moment, before=self.horizon)

    def fit(self, behaviour: Behaviour, recipe: Recipe, **how: Any) -> tuple[Collaborative, Counts]:
        return fit(behaviour, recipe, version=self.version, content=self.content, **how)


def _read_material(now: datetime) -> Material:
    doubts.find(now=now)
    horizon = watermark.horizon()
    latest = watermark.latest_event(horizon) or now
    until = max(now, min(latest, now + CLOCKS_DIFFER))
    whole = enough(read_behaviour(until=until, before=horizon))
    return Material(f"{now:%Y%m%dT%H%M%S%f}", horizon, whole, read_content())


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


def recipe_in_use() -> Recipe:
    """That of the active model, tuned perhaps; the default where there is none that can be read."""
    row = model_store.active()
    try:
        return Recipe.from_json(model_store.about(row)["recipe"]) if row else Recipe()
    except (ModelDamaged, KeyError, TypeError, ValueError) as error:
        logger.warning("The recipe of the active model cannot be read, the default is used: %s", error)
        return Recipe()


def _tuned(material: Material, start: Recipe, budget_s: float, report: tuning.Report) -> Recipe:
    return tuning.tune(material.first, material.second, start=start, budget_s=budget_s, report=report)


def _weighed(material: Material, recipe: Recipe, steps: Steps) -> Recipe:
    """The recipe with distances as people see them, and fitted weights of the feed's sources.

    The weights are as set by hand where nothing is embedded.
    """
    first, second = material.first, material.second
    recipe = _measured(first, recipe, steps)
    showable = hindsight.on_market(first.until, end=second.until)
    with steps("Fitting to weigh the sources") as progress:
        model, _ = material.fit(first, recipe, showable=showable, progress=progress)
    with steps("Weighing the sources") as progress:
        try:
            return recipe.changed(blend=fit_blend(model, first.until, end=second.until, progress=progress))
        except hindsight.NoWorld:
            return recipe.changed(blend=())


def _measured(behaviour: Behaviour, recipe: Recipe, steps: Steps) -> Recipe:
    """The recipe with how soon too far is, by this behaviour."""
    with steps("Measuring how far people look"):
        return recipe.changed(decays=learn_decays(behaviour))


def _examine(material: Material, recipe: Recipe, steps: Steps) -> Verdict:
    """The gate's verdict on a recipe."""
    earlier = material.second
    with steps("Fitting on what came first") as progress:
        candidate, _ = material.fit(earlier, recipe, showable=material.asked_for, progress=progress)
    rival = _rival(material, candidate, steps)
    models = {"candidate": candidate} | ({"active": rival} if rival else {})
    with steps("Comparing on what came last") as progress:
        try:
            found = evaluation.compare(models, earlier, end=material.whole.until, progress=progress)
        except hindsight.NoWorld as error:
            return Verdict(True, f"Not judged: {error.detail}", {})
    return gate.judge(**found)


def _rival(material: Material, candidate: Collaborative, steps: Steps) -> Collaborative | None:
    """The active model, if it has not seen the answers; else its recipe, fitted without them."""
    row = model_store.active()
    if row is None:
        return None
    try:
        said = model_store.about(row)
        if datetime.fromisoformat(said["trained_until"]) < material.second.until:
            return model_store.load(row)
        recipe = Recipe.from_json(said["recipe"])
    except (ModelDamaged, KeyError, TypeError, ValueError) as error:
        logger.error("The active model cannot be compared with: %s", error)
        return None
    if _fitted_alike(recipe, candidate.recipe):
        return replace(candidate, recipe=recipe)
    with steps("Fitting as what serves") as progress:
        return material.fit(material.second, recipe, showable=material.asked_for, progress=progress)[0]


def _fitted_alike(one: Recipe, other: Recipe) -> bool:
    """Whether they differ in nothing but what is asked of a model once it is fitted."""
    return one.changed(blend=(), decays={}) == other.changed(blend=(), decays={})


def _reject(material: Material, verdict: Verdict) -> NoReturn:
    model_store.reject(
        material.version,
        horizon=material.horizon,
        metrics=_metrics(material, verdict),
        verdict=verdict.reason,
    )
    raise Refused(f"{verdict.reason} It was not published; the model before serves on.")


def _publish(material: Material, recipe: Recipe, verdict: Verdict, steps: Steps) -> TrainedModel:
    behaviour = material.whole
    recipe = _measured(behaviour, recipe, steps)
    with steps("Fitting on everything") as progress:
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
