"""Gowalla by LightGCN's protocol: full ranking over all items, training items masked, recall@20 and NDCG@20.

DIR holds train.txt and test.txt, one user a line with their items (He et al. 2020; `Gowalla_m1` of BARS).
Hyper-parameters are chosen on a random tenth of the training file; the test file is read after that.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from scipy.sparse import csr_matrix

from benchmarks.protocol import (
    BadData,
    CpuClock,
    arguments,
    as_matrix,
    candidate_sets,
    judged,
    ranked,
    ranked_by_blend,
    read_lists,
    run,
    say,
    tuned,
)
from ml.arrays import Matrix, Vector
from ml.collaborative import als, covisitation
from ml.collaborative.covisitation import Counting, Counts, Neighbours, Normalisation, Sequences
from ml.evaluation.hyperparameter_search import Hyperparameter
from ml.ranking.blending import fit_weights

SEED = 42
FACTORS, ITERATIONS = 512, 6  # 768 brought no significant gain on validation
TUNING_FACTORS = 256  # the best values are the same as for more factors, in half the time
NEIGHBOURS = 500
HELD_OUT = 0.1  # a greater share would leave a sparser matrix, for which other exponents are best
VALIDATION_USERS = 6000
ITEM_ITEM_DIALS = [
    Hyperparameter("actor_exponent", start=0.6, step=0.2, least=0.0, most=1.5),
    Hyperparameter("source_exponent", start=0.7, step=0.2, least=0.0, most=1.5),
    Hyperparameter("target_exponent", start=0.25, step=0.1, least=0.0, most=1.0),
    Hyperparameter("sharpness", start=1.25, step=0.25, least=0.5, most=3.0),
]
ALS_DIALS = [
    Hyperparameter("regularisation", start=60.0, step=2.0, least=1.0, most=1000.0, is_scale=True),
    Hyperparameter("alpha", start=40.0, step=2.0, least=1.0, most=500.0, is_scale=True),
]
ITEM_ITEM_TRIALS, ALS_TRIALS = 32, 8


@dataclass(frozen=True)
class Models:
    """Both models of the same (users, items) matrix, which score all items for some users."""

    touched: csr_matrix
    neighbours: Neighbours
    actor_factors: Matrix
    item_factors: Matrix

    def by_neighbours(self, users: np.ndarray) -> Matrix:
        return (self.touched[users] @ as_matrix(self.neighbours)).toarray()

    def by_factors(self, users: np.ndarray) -> Matrix:
        return self.actor_factors[users] @ self.item_factors.T


def main(folder: Path) -> dict:
    train = read_users(folder / "train.txt")
    tuning = CpuClock()
    values, weights = tune(train)
    tune_cpu_s = tuning.seconds
    fitting = CpuClock()
    models = fit(train, values)
    fit_cpu_s = fitting.seconds
    say(f"fitted in {fit_cpu_s} s of processor time")
    test = read_users(folder / "test.txt", shape=train.shape)
    figures = evaluate(models, weights, train, test)
    return figures | {
        "fit_cpu_s": fit_cpu_s,
        "tune_cpu_s": tune_cpu_s,
        "chosen": values | {"als_weight": round(float(weights[1]), 3)},
    }


def evaluate(models: Models, weights: Vector, train: csr_matrix, test: csr_matrix) -> dict:
    """Recall and NDCG of the blend and of each model alone, over the users with test items."""
    users = np.flatnonzero(np.diff(test.indptr))
    columns = [models.by_neighbours, models.by_factors]
    blended = ranked_by_blend(candidate_sets(columns, users, train), weights)
    figures = judged(blended, test[users])
    result = {"recall20": figures["recall"], "ndcg20": figures["ndcg"]}
    for name, column in zip(("item_item", "als"), columns, strict=True):
        figures = judged(ranked(column, users, train), test[users])
        result |= {f"{name}_recall20": figures["recall"], f"{name}_ndcg20": figures["ndcg"]}
    return {name: round(value, 5) for name, value in result.items()}


def fit(train: csr_matrix, values: dict[str, float]) -> Models:
    """Both models, fitted on the whole matrix."""
    neighbours = fit_neighbours(train, values)
    item_factors, actor_factors = fit_als(train, values, FACTORS)
    return Models(train, neighbours, actor_factors, item_factors)


def fit_neighbours(train: csr_matrix, values: dict[str, float]) -> Neighbours:
    counts = count(train, values["actor_exponent"])
    return pruned(counts, values)


def pruned(counts: Counts, values: dict[str, float]) -> Neighbours:
    return covisitation.prune(covisitation.normalise(counts, normalisation(values)), keep=NEIGHBOURS)


def count(train: csr_matrix, actor_exponent: float) -> Counts:
    sequences = Sequences.of_matrix(train)
    return covisitation.count(
        sequences, item_count=train.shape[1], counting=Counting(actor_exponent=actor_exponent)
    )


def normalisation(values: dict[str, float]) -> Normalisation:
    return Normalisation(values["source_exponent"], values["target_exponent"], values["sharpness"])


def fit_als(train: csr_matrix, values: dict[str, float], factors: int) -> tuple[Matrix, Matrix]:
    """Item factors (n, k) and user factors (u, k)."""
    confidence = train.copy()
    confidence.data[:] = 1 + values["alpha"]
    model, actor_factors = als.fit(
        confidence,
        np.arange(train.shape[1]),
        factors=factors,
        iterations=ITERATIONS,
        regularisation=values["regularisation"],
        seed=SEED,
    )
    return model.item_factors, actor_factors


def tune(train: csr_matrix) -> tuple[dict[str, float], Vector]:
    """Hyper-parameters and blend weights, chosen on a held-out part of the training items."""
    fitted, held_out = split(train)
    users = sample_users(held_out)
    relevant = held_out[users]

    def quality(score: Callable[[np.ndarray], Matrix]) -> float:
        return judged(ranked(score, users, fitted), relevant)["ndcg"]

    counted = lru_cache(1)(lambda exponent: count(fitted, exponent))

    def item_item(values: dict[str, float]) -> float:
        weights = as_matrix(pruned(counted(values["actor_exponent"]), values))
        return quality(lambda batch: (fitted[batch] @ weights).toarray())

    def factors(values: dict[str, float]) -> float:
        item_factors, actor_factors = fit_als(fitted, values, TUNING_FACTORS)
        return quality(lambda batch: actor_factors[batch] @ item_factors.T)

    values = tuned("item-item", item_item, ITEM_ITEM_DIALS, trials=ITEM_ITEM_TRIALS)
    values |= tuned("ALS", factors, ALS_DIALS, trials=ALS_TRIALS, rounds=1)
    return values, blend_weights(fit(fitted, values), users, fitted, relevant)


def blend_weights(models: Models, users: np.ndarray, fitted: csr_matrix, relevant: csr_matrix) -> Vector:
    """The weights of the two models (2,), fitted over the candidates that serving would score."""
    sets = list(candidate_sets([models.by_neighbours, models.by_factors], users, fitted))
    hits = [np.isin(items, relevant[row].indices) for row, (items, _) in enumerate(sets)]
    weights = fit_weights([scores for _, scores in sets], hits, start=np.ones(2, np.float32))
    say(f"blend: {weights.tolist()}")
    return weights / weights[0]


def read_users(path: Path, shape: tuple[int, int] | None = None) -> csr_matrix:
    """(users, items) float32, 1 where a user is listed with an item.   Raises BadData."""
    rows = [line for line in read_lists(path) if len(line) > 1]
    if not rows:
        raise BadData(f"{path} has no user with items; accepted: one user a line, followed by their items.")
    users = np.repeat([line[0] for line in rows], [len(line) - 1 for line in rows])
    items = np.concatenate([line[1:] for line in rows])
    size = (int(users.max()) + 1, int(items.max()) + 1)
    if shape is not None and (size[0] > shape[0] or size[1] > shape[1]):
        raise BadData(f"{path} has users or items that are not in the training file.")
    matrix = csr_matrix((np.ones(len(users), np.float32), (users, items)), shape=shape or size)
    matrix.data[:] = 1  # an item listed twice counts once
    return matrix


def split(train: csr_matrix) -> tuple[csr_matrix, csr_matrix]:
    """The matrix to fit on, and the held-out entries."""
    users = np.repeat(np.arange(train.shape[0]), np.diff(train.indptr))
    is_held_out = np.random.default_rng(SEED).random(train.nnz) < HELD_OUT
    return _part(train, users, ~is_held_out), _part(train, users, is_held_out)


def _part(matrix: csr_matrix, users: np.ndarray, kept: np.ndarray) -> csr_matrix:
    return csr_matrix((matrix.data[kept], (users[kept], matrix.indices[kept])), shape=matrix.shape)


def sample_users(held_out: csr_matrix) -> np.ndarray:
    users = np.flatnonzero(np.diff(held_out.indptr))
    rng = np.random.default_rng(SEED)
    return np.sort(rng.choice(users, min(VALIDATION_USERS, len(users)), replace=False))


if __name__ == "__main__":
    run(main, arguments(__doc__ or "", "a folder with train.txt and test.txt"))
