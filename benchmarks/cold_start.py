"""Item cold start: NDCG@20 of items without interactions, ranked by their content, among all cold items.

DIR holds one .txt file with one user a line and their items in order of time, and one .json file with the
integer attributes of each item. A tenth of the items, the cold ones, is removed from training. They are
ranked for each user who took any of them, from the user's other items. Hyper-parameters are chosen in the
same way on a tenth of the remaining items. Reports means of three seeds, and compares with content nearest
neighbours.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path

import numpy as np
from scipy.sparse import csr_matrix, diags

from benchmarks.protocol import BadData, CpuClock, K, arguments, in_batches, ranked_by_blend, run, say, tuned
from benchmarks.sequences import as_sequences, read_sequences, rows_of
from ml.arrays import Matrix, Vector
from ml.collaborative import als, content_prior, covisitation
from ml.collaborative.covisitation import Counting, Normalisation
from ml.evaluation import ranking_metrics
from ml.evaluation.hyperparameter_search import Hyperparameter
from ml.ranking.blending import fit_weights

SEEDS = (0, 1, 2)
COLD = 0.1
NEIGHBOURHOODS = (10, 20, 50, 100, 200, 500)
FACTORS, ITERATIONS = 256, 10
VALIDATION_USERS = 3000
SMOOTHER_DIALS = [
    Hyperparameter("smoother_regularisation", start=3.0, step=3.0, least=0.01, most=1000.0, is_scale=True),
    Hyperparameter("actor_exponent", start=0.5, step=0.25, least=0.0, most=1.5),
    Hyperparameter("source_exponent", start=0.5, step=0.25, least=0.0, most=1.5),
    Hyperparameter("target_exponent", start=0.5, step=0.25, least=0.0, most=1.5),
    Hyperparameter("sharpness", start=1.0, step=0.25, least=0.25, most=3.0),
]
PRIOR_DIALS = [
    Hyperparameter("prior_regularisation", start=1.0, step=10.0, least=1e-3, most=1e3, is_scale=True),
    Hyperparameter("regularisation", start=30.0, step=3.0, least=0.1, most=1000.0, is_scale=True),
    Hyperparameter("alpha", start=20.0, step=3.0, least=1.0, most=500.0, is_scale=True),
]
SMOOTHER_TRIALS, PRIOR_TRIALS = 24, 8

Values = dict[str, float]
Column = Callable[[np.ndarray], Matrix]  # users -> scores (b, cold items)


@dataclass(frozen=True)
class World:
    """A catalogue with cold items, and the users who took any of those.

    vectors (n, d) float32 of all items; touched (all users, n) without cold items; wanted (users, cold).
    """

    lists: list[list[int]]  # of all users, without cold items
    vectors: Matrix
    cold: np.ndarray  # (c,) items
    users: np.ndarray  # (u,) rows of `touched` with something warm and something cold
    wanted: csr_matrix  # (u, c)

    @cached_property
    def touched(self) -> csr_matrix:
        return rows_of(self.lists, len(self.vectors))

    @cached_property
    def degrees(self) -> np.ndarray:
        return np.asarray(self.touched.sum(axis=0)).ravel()

    @cached_property
    def warm(self) -> np.ndarray:
        """(w,) items with interactions."""
        return np.flatnonzero(self.degrees)


def main(folder: Path) -> dict:
    lists = read_sequences(only_file(folder, "*.txt"))
    vectors = read_vectors(only_file(folder, "*.json"), max(max(items) for items in lists) + 1)
    clock = CpuClock()
    runs = [measured(lists, vectors, seed) for seed in SEEDS]
    ours, theirs = (np.concatenate([run[side] for run in runs]) for side in (0, 1))
    low, high = ranking_metrics.bootstrap_ratio(ours, theirs, rng=np.random.default_rng(SEEDS[0]))
    means = np.array([[np.nanmean(values) for values in run] for run in runs]).mean(axis=0)
    return {
        "ndcg20": round(float(means[0]), 5),
        "ndcg20_content_knn": round(float(means[1]), 5),
        "over_content_knn": round(float(means[0] / means[1]), 4),
        "over_content_knn_interval": [round(low, 4), round(high, 4)],
        "over_content_knn_by_seed": [round(float(np.nanmean(a) / np.nanmean(b)), 4) for a, b in runs],
        "cpu_s": clock.seconds,
    }


def measured(lists: list[list[int]], vectors: Matrix, seed: int) -> tuple[Vector, Vector]:
    """NDCG of each user by the blend of models and by content neighbours alone, both tuned on warm items."""
    rng = np.random.default_rng(seed)
    world = world_without(lists, vectors, rng)
    values, weights, neighbourhood = tune(world_without(world.lists, vectors, rng), rng)
    columns = [*fit(world, values), by_content(world, neighbourhood)]
    ours = ranking_metrics.ndcg(ranked_by_blend(sets(columns, world.users), weights), world.wanted, K)
    theirs = ranking_metrics.ndcg(ranked(columns[-1], world.users), world.wanted, K)
    say(f"seed {seed}: {np.nanmean(ours):.4f} against {np.nanmean(theirs):.4f}")
    return ours, theirs


def world_without(lists: list[list[int]], vectors: Matrix, rng: np.random.Generator) -> World:
    """The world in which a tenth of the items, drawn at random, are cold."""
    items = np.unique(np.concatenate([np.array(taken, np.int64) for taken in lists]))
    cold = np.sort(rng.choice(items, max(1, int(COLD * len(items))), replace=False))
    is_cold = np.zeros(len(vectors), bool)
    is_cold[cold] = True
    warm_lists = [[item for item in taken if not is_cold[item]] for taken in lists]
    cold_lists = [[item for item in taken if is_cold[item]] for taken in lists]
    users = np.array(
        [
            user
            for user, (warm, taken) in enumerate(zip(warm_lists, cold_lists, strict=True))
            if warm and taken
        ]
    )
    wanted = rows_of([cold_lists[user] for user in users], len(vectors))[:, cold]
    return World(warm_lists, vectors, cold, users, wanted)


def fit(world: World, values: Values) -> list[Column]:
    """Scores of the cold items by co-visitation and by ALS."""
    return [by_smoother(world, values, next_weights(world, values)), by_prior(world, values)]


def next_weights(world: World, values: Values) -> csr_matrix:
    """Co-visitation weights (n, n) regardless of order, since a cold item may have been taken at any time."""
    counting = Counting(actor_exponent=values["actor_exponent"])
    counts = covisitation.count(as_sequences(world.lists), item_count=len(world.vectors), counting=counting)
    exponents = ("source_exponent", "target_exponent", "sharpness")
    return covisitation.normalise(counts, Normalisation(**{name: values[name] for name in exponents}))


def by_smoother(world: World, values: Values, weights: csr_matrix) -> Column:
    warm = world.vectors[world.warm]
    smoother = content_prior.fit_smoother(warm, regularisation=values["smoother_regularisation"])

    def scores(users: np.ndarray) -> Matrix:
        earned = (world.touched[users] @ weights)[:, world.warm].toarray()
        return smoother.query(warm, earned) @ world.vectors[world.cold].T

    return scores


def by_prior(world: World, values: Values) -> Column:
    confidence = world.touched.copy()
    confidence.data[:] = 1 + values["alpha"]
    model, actor_factors = als.fit(
        confidence,
        np.arange(len(world.vectors)),
        factors=FACTORS,
        iterations=ITERATIONS,
        regularisation=values["regularisation"],
        seed=SEEDS[0],
    )
    prior = content_prior.fit(
        world.vectors[world.warm],
        model.item_factors[world.warm],
        world.degrees[world.warm],
        regularisation=values["prior_regularisation"],
    )
    expected = prior.factors(world.vectors[world.cold])  # (c, k)
    return lambda users: actor_factors[users] @ expected.T


def by_content(world: World, neighbourhood: int) -> Column:
    """Score each cold item by its similarity to those of its nearest warm items that the user touched."""
    likeness = world.vectors[world.cold] @ world.vectors[world.warm].T  # (c, w)
    edge = -np.sort(-likeness, axis=1)[:, min(neighbourhood, likeness.shape[1]) - 1]
    nearest = csr_matrix(np.where(likeness >= edge[:, None], np.maximum(likeness, 0), 0))
    return lambda users: (world.touched[users][:, world.warm] @ nearest.T).toarray()


def tune(world: World, rng: np.random.Generator) -> tuple[Values, Vector, int]:
    """Hyper-parameters, blend weights and the best content neighbourhood, chosen on validation items."""
    users = np.sort(rng.choice(len(world.users), min(VALIDATION_USERS, len(world.users)), replace=False))
    world = World(world.lists, world.vectors, world.cold, world.users[users], world.wanted[users])

    def quality(column: Column) -> float:
        return float(np.nanmean(ranking_metrics.ndcg(ranked(column, world.users), world.wanted, K)))

    by_size = {size: quality(by_content(world, size)) for size in NEIGHBOURHOODS}
    neighbourhood = max(by_size, key=lambda size: by_size[size])
    say(f"content neighbours: {by_size}")
    weights_of = lru_cache(1)(lambda names: next_weights(world, dict(names)))

    def smoother(values: Values) -> float:
        names = ("actor_exponent", "source_exponent", "target_exponent", "sharpness")
        return quality(by_smoother(world, values, weights_of(tuple((name, values[name]) for name in names))))

    values = tuned("smoother", smoother, SMOOTHER_DIALS, trials=SMOOTHER_TRIALS)
    values |= tuned("prior", lambda tried: quality(by_prior(world, tried)), PRIOR_DIALS, trials=PRIOR_TRIALS)
    return (
        values,
        blend_weights([*fit(world, values), by_content(world, neighbourhood)], world),
        neighbourhood,
    )


def blend_weights(columns: list[Column], world: World) -> Vector:
    scored = list(sets(columns, world.users))
    hits = [np.isin(items, world.wanted[row].indices) for row, (items, _) in enumerate(scored)]
    weights = fit_weights([scores for _, scores in scored], hits, start=np.ones(len(columns), np.float32))
    say(f"blend: {weights.tolist()}")
    return weights


def sets(columns: list[Column], users: np.ndarray):
    """All cold items with their scores by all columns, for each user."""
    for batch in in_batches(users):
        scores = np.stack([column(batch) for column in columns], axis=2).astype(np.float32)
        yield from ((np.arange(scores.shape[1]), rows) for rows in scores)


def ranked(column: Column, users: np.ndarray) -> np.ndarray:
    return np.concatenate([ranking_metrics.top_k(column(batch), K) for batch in in_batches(users)])


def read_vectors(path: Path, item_count: int) -> Matrix:
    """(n, d) float32, unit length: attributes weighted by their rarity. Raises BadData."""
    try:
        attributes = {int(item): values for item, values in json.loads(path.read_text()).items()}
        lists = [attributes.get(item, []) for item in range(item_count)]
        width = max(max(values) for values in lists if values) + 1
        named = rows_of(lists, width)
    except (ValueError, TypeError, AttributeError) as error:
        raise BadData(f"{path} is not a map from items to lists of whole numbers: {error}.") from None
    rarity = np.log(item_count / np.maximum(np.asarray(named.sum(axis=0)).ravel(), 1))
    weighed = (named @ diags(rarity)).toarray().astype(np.float32)
    lengths = np.linalg.norm(weighed, axis=1, keepdims=True)
    return np.divide(weighed, lengths, out=np.zeros_like(weighed), where=lengths > 0)


def only_file(folder: Path, pattern: str) -> Path:
    files = sorted(folder.glob(pattern))
    if len(files) != 1:
        raise BadData(f"{folder}: found {len(files)} files like {pattern}; accepted: exactly one.")
    return files[0]


if __name__ == "__main__":
    run(
        main,
        arguments(__doc__ or "", "a folder with one .txt file of users and one .json file of attributes"),
    )
