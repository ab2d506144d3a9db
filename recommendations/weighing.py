"""Blend weights of the feed's sources, fitted on what actors did after a moment in the past."""

from collections.abc import Callable
from datetime import datetime

import numpy as np

from ml.arrays import Matrix
from ml.blending import fit_weights
from ml.progress import Progress, unwatched
from recommendations import hindsight
from recommendations.asking import ask_each
from recommendations.collaborative import Collaborative
from recommendations.feed import Asked
from recommendations.hindsight import NoWorld
from recommendations.progress import Steps
from recommendations.ranking import WARMTH_WEIGHTS
from recommendations.recipe import Recipe, Warmth

LEAST_CASES = 50  # actors; weights from fewer would be fitted to noise
MOST_ACTORS = 1500
AT = 20
SEED = 17


def with_fitted_blend(
    recipe: Recipe,
    fit_model: Callable[[Progress], Collaborative],
    moment: datetime,
    *,
    end: datetime,
    steps: Steps,
) -> Recipe:
    """The recipe with blend weights that were fitted on the events from a moment to the end.

    fit_model: makes a model of the events up to the moment. The blend is empty, so the manual weights apply,
    where no listing of that time is embedded.
    """
    with steps("Fitting a model for the source weights") as progress:
        model = fit_model(progress)
    with steps("Fitting source weights") as progress:
        try:
            return recipe.changed(blend=fit_blend(model, moment, end=end, progress=progress))
        except NoWorld:
            return recipe.changed(blend=())


def fit_blend(
    model: Collaborative | None,
    moment: datetime,
    *,
    end: datetime,
    most: int = MOST_ACTORS,
    seed: int = SEED,
    progress: Progress = unwatched,
) -> tuple[Warmth, ...]:
    """The weights for `Recipe.blend` that rank the feed's candidates of a moment best.

    model: fitted on the events up to the moment and no later ones. Relevant are the listings that actors
    interacted with from then to the end. Each bucket of ranking.WARMTH_WEIGHTS is fitted separately and
    scaled to a greatest weight of 1. A bucket with fewer than LEAST_CASES actors who have a relevant
    candidate keeps its manual weights.   Raises NoWorld.
    """
    view = hindsight.world_at(moment, end=end).with_collaborative(model)
    held_out = hindsight.aftermath(view, moment, end=end, most=most, seed=seed)
    candidates = ask_each(view, moment, held_out.actors, _candidates_of, progress)
    cases: dict[float, list[tuple[Matrix, np.ndarray]]] = {least: [] for least, _ in WARMTH_WEIGHTS}
    for place, (event_weight, rows, scores) in enumerate(candidates):
        least = next((least for least, _ in WARMTH_WEIGHTS if event_weight > least), None)
        is_relevant = np.isin(rows, held_out.relevant[place].indices)
        if least is not None and is_relevant.any():
            cases[least].append((scores, is_relevant))
    return tuple((least, _fitted(manual, cases[least])) for least, manual in WARMTH_WEIGHTS)


def _candidates_of(context: Asked) -> tuple[float, np.ndarray, Matrix]:
    """The weight of the actor's events, and the rows (m,) and scores (m, sources) of the candidates."""
    return context.taste.event_weight, context.candidates.rows, context.candidates.scores


def _fitted(manual: tuple[float, ...], cases: list[tuple[Matrix, np.ndarray]]) -> tuple[float, ...]:
    if len(cases) < LEAST_CASES:
        return manual
    scores, is_relevant = zip(*cases, strict=True)
    weights = fit_weights(scores, is_relevant, start=np.array(manual, np.float32), k=AT)
    return tuple(round(float(weight), 3) for weight in weights / weights.max())
