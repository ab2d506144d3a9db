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

from ml import als, search
from ml.als import AlsModel
from ml.arrays import Matrix
from ml.search import Dial, Values
from recommendations.behaviour import Behaviour
from recommendations.cases import Cases
from recommendations.recipe import Recipe

BUDGET_MIN = 10.0
MOST_CASES = 1000
ROUNDS = 3  # passes over all hyperparameters; the step size is halved after each


@dataclass(frozen=True)
class Tried:
    """A trial: a recipe with its mean NDCG@20 on the validation split."""

    number: int
    recipe: Recipe
    ndcg: float


Report = Callable[[Tried], None]


def tune(
    earlier: Behaviour,
    later: Behaviour,
    *,
    start: Recipe,
    budget_s: float,
    report: Report,
    clock: Callable[[], float] = time.monotonic,
) -> Recipe:
    """The best recipe found in `budget_s` seconds, fitted on the earlier history and validated on the later.

    Coordinate search from `start`, which is tried first and kept unless another is better. A trial that has
    begun when the time is over is finished. The same histories and enough time give the same recipe.
    """
    cases = Cases.between(earlier, later, most=MOST_CASES)
    if not len(cases):
        return start
    until = clock() + budget_s
    tried: list[Tried] = []

    def record(trial: search.Trial) -> None:
        tried.append(Tried(len(tried) + 1, _recipe(start, trial.values), trial.score))
        report(tried[-1])

    best = search.search(
        lambda values: _ndcg(_recipe(start, values), earlier, cases),
        _dials(start),
        rounds=ROUNDS,
        expired=lambda: clock() >= until,
        told=record,
    )
    return _recipe(start, best.values)


def _dials(start: Recipe) -> list[Dial]:
    """The hyperparameters in the order of the search: confidence and regularisation before the size."""
    return [
        Dial("alpha", start.alpha, step=4, least=0.1, most=1000, is_scale=True),
        Dial("regularisation", start.regularisation, step=4, least=0.01, most=1000, is_scale=True),
        Dial("factors", start.factors, step=2, least=8, most=256, is_scale=True),
        Dial("iterations", start.iterations, step=2, least=3, most=60, is_scale=True),
    ]


def _recipe(start: Recipe, values: Values) -> Recipe:
    return start.changed(
        alpha=values["alpha"],
        regularisation=values["regularisation"],
        factors=round(values["factors"]),
        iterations=round(values["iterations"]),
    )


def _ndcg(recipe: Recipe, earlier: Behaviour, cases: Cases) -> float:
    model, _ = als.fit(
        recipe.confidence(earlier.matrix(cases.listing_ids)),
        cases.listing_ids,
        factors=recipe.factors,
        iterations=recipe.iterations,
        regularisation=recipe.regularisation,
        seed=recipe.seed,
    )
    return float(np.mean(cases.ndcg(partial(_scores, model, recipe))))


def _scores(model: AlsModel, recipe: Recipe, touched: csr_matrix) -> Matrix:
    """Scores of all items for actors who are folded in from their history weights: (m, n) -> (m, n)"""
    confidence = recipe.confidence(touched)
    cells = [slice(*confidence.indptr[row : row + 2]) for row in range(confidence.shape[0])]
    actors = [model.fold_in(confidence.indices[cell], confidence.data[cell]) for cell in cells]
    return np.array(actors) @ model.item_factors.T
