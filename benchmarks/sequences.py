"""Next-item prediction by S3-Rec's protocol (Zhou et al. 2020) with full ranking: hit rate and NDCG at 10.

FILE holds one user a line with their items in order of time. Models are fitted on all but each user's last
two items; the history includes the second last; the target is the last. Hyper-parameters are chosen one item
earlier: fitted on all but the last three, with the second last as the target.
"""

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
from ml.collaborative.als import AlsModel
from ml.collaborative.covisitation import Counting, Normalisation, Sequences
from ml.evaluation.hyperparameter_search import Hyperparameter
from ml.ranking.blending import fit_weights

SEED = 42
K = 10
FACTORS, ITERATIONS = 128, 10
WINDOW = 100
ORDER_DIALS = [
    Hyperparameter("distance_decay", start=0.9, step=0.1, least=0.1, most=1.0),
    Hyperparameter("backward_weight", start=0.6, step=0.2, least=0.0, most=1.0),
    Hyperparameter("actor_exponent", start=0.5, step=0.25, least=0.0, most=1.5),
    Hyperparameter("source_exponent", start=0.5, step=0.2, least=0.0, most=1.5),
    Hyperparameter("target_exponent", start=0.35, step=0.1, least=0.0, most=1.0),
    Hyperparameter("sharpness", start=1.0, step=0.25, least=0.25, most=3.0),
    Hyperparameter("recency_decay", start=0.7, step=0.15, least=0.05, most=1.0),
]
ALS_DIALS = [
    Hyperparameter("regularisation", start=30.0, step=3.0, least=0.1, most=1000.0, is_scale=True),
    Hyperparameter("alpha", start=20.0, step=3.0, least=1.0, most=500.0, is_scale=True),
]
ORDER_TRIALS, ALS_TRIALS = 60, 8
COUNTING = ("distance_decay", "backward_weight", "actor_exponent")
NORMALISATION = ("source_exponent", "target_exponent", "sharpness")

Values = dict[str, float]


@dataclass(frozen=True)
class Task:
    """Training sequences, histories at prediction time, and target items, for each user."""

    fitted: list[list[int]]
    histories: list[list[int]]
    targets: list[int]
    item_count: int

    @property
    def users(self) -> np.ndarray:
        return np.arange(len(self.targets))

    @property
    def relevant(self) -> csr_matrix:
        return rows_of([[target] for target in self.targets], self.item_count)

    @property
    def touched(self) -> csr_matrix:
        return rows_of(self.histories, self.item_count)


def main(file: Path) -> dict:
    sequences = read_sequences(file)
    item_count = max(max(items) for items in sequences) + 1
    clock = CpuClock()
    values, weights = tune(task_at(sequences, held_out=2, item_count=item_count))
    tune_cpu_s = clock.seconds
    task = task_at(sequences, held_out=1, item_count=item_count)
    clock = CpuClock()
    models = fit(task, values)
    fit_cpu_s = clock.seconds
    say(f"fitted in {fit_cpu_s} s of processor time")
    chosen = values | {"als_weight": round(float(weights[1]), 3)}
    return evaluate(models, task, weights) | {
        "fit_cpu_s": fit_cpu_s,
        "tune_cpu_s": tune_cpu_s,
        "chosen": chosen,
    }


def task_at(sequences: list[list[int]], *, held_out: int, item_count: int) -> Task:
    """The task whose target is so many items from the end, for users with a long enough sequence."""
    long_enough = [items for items in sequences if len(items) > held_out + 1]
    if not long_enough:
        raise BadData(f"No user has more than {held_out + 1} items; accepted: at least one such user.")
    return Task(
        fitted=[items[: -held_out - 1] for items in long_enough],
        histories=[items[:-held_out] for items in long_enough],
        targets=[items[-held_out] for items in long_enough],
        item_count=item_count,
    )


@dataclass(frozen=True)
class Models:
    """Both models, which score all items for some users of a task."""

    recent: csr_matrix  # (users, n): each user's history, the last item at 1
    next_items: csr_matrix  # (n, n)
    factors: AlsModel
    alpha: float

    def by_neighbours(self, users: np.ndarray) -> Matrix:
        return (self.recent[users] @ self.next_items).toarray()

    def by_factors(self, users: np.ndarray) -> Matrix:
        folded = np.array([self._fold_in(user) for user in users])
        return folded @ self.factors.item_factors.T

    def _fold_in(self, user: int) -> Vector:
        row = slice(self.recent.indptr[user], self.recent.indptr[user + 1])
        return self.factors.fold_in(self.recent.indices[row], 1 + self.alpha * self.recent.data[row])


def fit(task: Task, values: Values) -> Models:
    weights = next_item_weights(task, values)
    return Models(
        recent=recent(task, values["recency_decay"]),
        next_items=as_matrix(covisitation.prune(weights)),
        factors=fit_als(task, values),
        alpha=values["alpha"],
    )


def next_item_weights(task: Task, values: Values) -> csr_matrix:
    counting = Counting(window=WINDOW, **{name: values[name] for name in COUNTING})
    counts = covisitation.count(as_sequences(task.fitted), item_count=task.item_count, counting=counting)
    return covisitation.normalise(counts, Normalisation(**{name: values[name] for name in NORMALISATION}))


def fit_als(task: Task, values: Values) -> AlsModel:
    confidence = rows_of(task.fitted, task.item_count)
    confidence.data[:] = 1 + values["alpha"]
    return als.fit(
        confidence,
        np.arange(task.item_count),
        factors=FACTORS,
        iterations=ITERATIONS,
        regularisation=values["regularisation"],
        seed=SEED,
    )[0]


def tune(task: Task) -> tuple[Values, Vector]:
    """Hyper-parameters and blend weights, chosen one item before the targets of the benchmark."""

    def quality(score) -> float:
        return judged(ranked(score, task.users, task.touched, k=K), task.relevant, k=K)["ndcg"]

    weights_of = lru_cache(1)(lambda names: next_item_weights(task, dict(names)))

    def order(values: Values) -> float:
        weights = weights_of(tuple((name, values[name]) for name in (*COUNTING, *NORMALISATION)))
        histories = recent(task, values["recency_decay"])
        return quality(lambda users: (histories[users] @ weights).toarray())

    values = tuned("co-visitation", order, ORDER_DIALS, trials=ORDER_TRIALS)

    def factors(tried: Values) -> float:
        models = Models(
            recent(task, values["recency_decay"]), csr_matrix((0, 0)), fit_als(task, tried), tried["alpha"]
        )
        return quality(models.by_factors)

    values |= tuned("ALS", factors, ALS_DIALS, trials=ALS_TRIALS, rounds=1)
    return values, blend_weights(fit(task, values), task)


def blend_weights(models: Models, task: Task) -> Vector:
    """The weights of the two models (2,), fitted over the candidates that serving would score."""
    sets = list(candidate_sets([models.by_neighbours, models.by_factors], task.users, task.touched))
    hits = [items == target for (items, _), target in zip(sets, task.targets, strict=True)]
    weights = fit_weights([scores for _, scores in sets], hits, start=np.array([1, 0.3], np.float32), k=K)
    say(f"blend: {weights.tolist()}")
    return weights / weights[0]


def evaluate(models: Models, task: Task, weights: Vector) -> dict:
    """Hit rate and NDCG of the blend and of each model alone. With one target, recall is the hit rate."""
    columns = [models.by_neighbours, models.by_factors]
    blended = ranked_by_blend(candidate_sets(columns, task.users, task.touched), weights, k=K)
    figures = judged(blended, task.relevant, k=K)
    result = {"hr10": figures["recall"], "ndcg10": figures["ndcg"]}
    for name, column in zip(("covisitation", "als"), columns, strict=True):
        figures = judged(ranked(column, task.users, task.touched, k=K), task.relevant, k=K)
        result |= {f"{name}_hr10": figures["recall"], f"{name}_ndcg10": figures["ndcg"]}
    return {name: round(value, 5) for name, value in result.items()}


def recent(task: Task, decay: float) -> csr_matrix:
    """(users, n) float32: 1 for the last item of each history, decaying for earlier ones."""
    lengths = np.array([len(items) for items in task.histories])
    return rows_of(task.histories, task.item_count, covisitation.recency(lengths, decay))


def as_sequences(lists: list[list[int]]) -> Sequences:
    lengths = np.array([len(items) for items in lists])
    items = np.concatenate([np.array(items, np.int32) for items in lists])
    return Sequences.of_lengths(lengths, items, np.ones(len(items)))


def rows_of(lists: list[list[int]], item_count: int, values: Vector | None = None) -> csr_matrix:
    """(lists, n) float32: the values, or ones, at the items of each list."""
    items = np.concatenate([np.array(items, np.int64) for items in lists])
    rows = np.repeat(np.arange(len(lists)), [len(items) for items in lists])
    cells = np.ones(len(items), np.float32) if values is None else values
    return csr_matrix((cells, (rows, items)), shape=(len(lists), item_count))


def read_sequences(file: Path) -> list[list[int]]:
    """Each user's items in order, every item once, at its last occurrence.   Raises BadData."""
    sequences = [_last_of_each(line[1:]) for line in read_lists(file) if len(line) > 1]
    if not sequences:
        raise BadData(f"{file} has no user with items; accepted: one user a line, followed by their items.")
    return sequences


def _last_of_each(items: list[int]) -> list[int]:
    return list(dict.fromkeys(reversed(items)))[::-1]


if __name__ == "__main__":
    run(main, arguments(__doc__ or "", "a file with one user a line and their items in the order of time"))
