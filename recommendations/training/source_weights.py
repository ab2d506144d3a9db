"""Blend weights of the feed's sources, fitted on what actors did after a moment in the past."""

from collections.abc import Callable
from datetime import datetime

import numpy as np

from ml.arrays import Matrix, Vector
from ml.progress import Progress, ignore_progress
from ml.ranking.blending import fit_weights
from recommendations.collaborative.config import BlendBucket, TrainingConfig
from recommendations.collaborative.model import Collaborative
from recommendations.core.progress import Steps
from recommendations.evaluation import point_in_time
from recommendations.evaluation.point_in_time import SnapshotUnavailable
from recommendations.evaluation.runner import run_for_each
from recommendations.feed.pipeline import FeedContext
from recommendations.models.feature_names import SOURCES
from recommendations.ranking.scoring import WARMTH_WEIGHTS

LEAST_CASES = 50  # actors; weights from fewer would be fitted to noise
MOST_ACTORS = 1500
SAMPLE_COUNT = 4  # bootstrap samples of the cases, over whose fits the weights are averaged
AT = 20
SEED = 17


def with_fitted_blend(
    recipe: TrainingConfig,
    fit_model: Callable[[Progress], Collaborative],
    moment: datetime,
    *,
    end: datetime,
    steps: Steps,
) -> TrainingConfig:
    """The recipe with blend weights that were fitted on the events from a moment to the end.

    fit_model: makes a model of the events up to the moment. The blend is empty, so the manual weights apply,
    where no listing of that time is embedded.
    """
    with steps("Fitting a model for the source weights") as progress:
        model = fit_model(progress)
    with steps("Fitting source weights") as progress:
        try:
            fitted = fit_blend(model, moment, end=end, last=recipe.blend, progress=progress)
            return recipe.replaced(blend=fitted)
        except SnapshotUnavailable:
            return recipe.replaced(blend=())


def fit_blend(
    model: Collaborative | None,
    moment: datetime,
    *,
    end: datetime,
    last: tuple[BlendBucket, ...] = (),
    max_actors: int = MOST_ACTORS,
    seed: int = SEED,
    progress: Progress = ignore_progress,
) -> tuple[BlendBucket, ...]:
    """The weights for `TrainingConfig.blend` that rank the feed's candidates of a moment best.

    model: fitted on the events up to the moment and no later ones. Relevant are the listings that actors
    interacted with from then to the end. Each bucket of WARMTH_WEIGHTS is fitted separately and
    scaled to a greatest weight of 1. A bucket with fewer than LEAST_CASES actors who have a relevant
    candidate keeps its manual weights. last: those of the training before. They are where a fit begins, and
    new ones go half the way from there.   Raises SnapshotUnavailable.
    """
    snapshot = point_in_time.snapshot_at(moment, end=end).with_collaborative(model)
    held_out = point_in_time.read_held_out(snapshot, moment, end=end, max_actors=max_actors, seed=seed)
    candidates = run_for_each(snapshot, moment, held_out.actors, _candidates_of, progress)
    cases: dict[float, list[tuple[Matrix, np.ndarray]]] = {least: [] for least, _ in WARMTH_WEIGHTS}
    for place, (event_weight, rows, scores) in enumerate(candidates):
        least = next((least for least, _ in WARMTH_WEIGHTS if event_weight > least), None)
        is_relevant = np.isin(rows, held_out.relevant[place].indices)
        if least is not None and is_relevant.any():
            cases[least].append((scores, is_relevant))
    known = {least: weights for least, weights in last if len(weights) == len(SOURCES)}
    return tuple(
        (least, _fitted(manual, cases[least], last=known.get(least), seed=seed))
        for least, manual in WARMTH_WEIGHTS
    )


def _candidates_of(context: FeedContext) -> tuple[float, np.ndarray, Matrix]:
    """The weight of the actor's events, and the rows (m,) and scores (m, sources) of the candidates."""
    return context.profile.event_weight, context.candidates.rows, context.candidates.scores


def _fitted(
    manual: tuple[float, ...],
    cases: list[tuple[Matrix, np.ndarray]],
    *,
    last: tuple[float, ...] | None,
    seed: int,
) -> tuple[float, ...]:
    """The mean of weights that are fitted on samples of the cases: those of a single fit jump by chance."""
    start = manual if last is None else last
    if len(cases) < LEAST_CASES:
        return start
    rng = np.random.default_rng(seed)
    samples = [rng.integers(len(cases), size=len(cases)) for _ in range(SAMPLE_COUNT)]
    weights = np.mean([_fitted_on([cases[place] for place in sample], start) for sample in samples], axis=0)
    weights = weights / weights.max()
    if last is not None:
        weights = (weights + np.array(last)) / 2
    return tuple(round(float(weight), 3) for weight in weights / weights.max())


def _fitted_on(cases: list[tuple[Matrix, np.ndarray]], start: tuple[float, ...]) -> Vector:
    scores, is_relevant = zip(*cases, strict=True)
    weights = fit_weights(scores, is_relevant, start=np.array(start, np.float32), k=AT)
    return weights / weights.max()
