"""Search for ALS hyperparameters, for `train collaborative --tune`.

Trials are compared on a validation split before the gate's test period, so that the gate's test data stays
unseen.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
from scipy.sparse import csr_matrix

from ml.arrays import Matrix
from ml.collaborative import als
from ml.collaborative.als import AlsModel
from ml.evaluation import hyperparameter_search
from ml.evaluation.hyperparameter_search import Hyperparameter, Values
from recommendations.collaborative.config import TrainingConfig
from recommendations.collaborative.history import InteractionHistory
from recommendations.training.holdout import HoldoutCases

BUDGET_MIN = 10.0
MOST_CASES = 1000
ROUNDS = 3  # passes over all hyperparameters; the step size is halved after each


@dataclass(frozen=True)
class TuningTrial:
    """A trial: a recipe with its mean NDCG@20 on the validation split."""

    number: int
    recipe: TrainingConfig
    ndcg: float


TrialReport = Callable[[TuningTrial], None]


def tune(
    earlier: InteractionHistory,
    later: InteractionHistory,
    *,
    start: TrainingConfig,
    budget_s: float,
    report: TrialReport,
    clock: Callable[[], float] = time.monotonic,
) -> TrainingConfig:
    """The best recipe found in `budget_s` seconds, fitted on the earlier history and validated on the later.

    Coordinate search from `start`, which is tried first and kept unless another is better. A trial that has
    begun when the time is over is finished. The same histories and enough time give the same recipe.
    """
    cases = HoldoutCases.between(earlier, later, most=MOST_CASES)
    if not len(cases):
        return start
    until = clock() + budget_s
    tried: list[TuningTrial] = []

    def record(trial: hyperparameter_search.Trial) -> None:
        tried.append(TuningTrial(len(tried) + 1, _recipe(start, trial.values), trial.score))
        report(tried[-1])

    best = hyperparameter_search.coordinate_ascent(
        lambda values: _ndcg(_recipe(start, values), earlier, cases),
        _dials(start),
        rounds=ROUNDS,
        expired=lambda: clock() >= until,
        on_trial=record,
    )
    return _recipe(start, best.values)


def _dials(start: TrainingConfig) -> list[Hyperparameter]:
    """The hyperparameters in the order of the search: confidence and regularisation before the size."""
    return [
        Hyperparameter("alpha", start.alpha, step=4, least=0.1, most=1000, is_scale=True),
        Hyperparameter("regularisation", start.regularisation, step=4, least=0.01, most=1000, is_scale=True),
        Hyperparameter("factors", start.factors, step=2, least=8, most=256, is_scale=True),
        Hyperparameter("iterations", start.iterations, step=2, least=3, most=60, is_scale=True),
    ]


def _recipe(start: TrainingConfig, values: Values) -> TrainingConfig:
    return start.replaced(
        alpha=values["alpha"],
        regularisation=values["regularisation"],
        factors=round(values["factors"]),
        iterations=round(values["iterations"]),
    )


def _ndcg(recipe: TrainingConfig, earlier: InteractionHistory, cases: HoldoutCases) -> float:
    model, _ = als.fit(
        recipe.confidence(earlier.matrix(cases.listing_ids)),
        cases.listing_ids,
        factors=recipe.factors,
        iterations=recipe.iterations,
        regularisation=recipe.regularisation,
        seed=recipe.seed,
    )
    return float(np.mean(cases.ndcg(partial(_scores, model, recipe))))


def _scores(model: AlsModel, recipe: TrainingConfig, touched: csr_matrix) -> Matrix:
    """Scores of all items for actors who are folded in from their history weights: (m, n) -> (m, n)"""
    confidence = recipe.confidence(touched)
    cells = [slice(*confidence.indptr[row : row + 2]) for row in range(confidence.shape[0])]
    actors = [model.fold_in(confidence.indices[cell], confidence.data[cell]) for cell in cells]
    return np.array(actors) @ model.item_factors.T
