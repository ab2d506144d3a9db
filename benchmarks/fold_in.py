"""Duration of one ALS fold-in: 50 listings among 100,000, one thread, the best of several repetitions."""

import timeit

import numpy as np

from benchmarks.protocol import report_options, run
from ml.collaborative.als import AlsModel, of_factors

SEED = 42
LISTINGS, EVENTS = 100_000, 50
CALLS, REPETITIONS = 300, 7


def main() -> dict:
    return {f"fold_in_{factors}_ms": round(milliseconds(random_model(factors)), 4) for factors in (64, 128)}


def milliseconds(model: AlsModel) -> float:
    """Milliseconds of one fold-in, from the shortest repetition, which was disturbed least."""
    rng = np.random.default_rng(SEED)
    items = rng.choice(LISTINGS, EVENTS, replace=False)
    confidence = (1 + 8 * rng.random(EVENTS)).astype(np.float32)
    seconds = timeit.repeat(lambda: model.fold_in(items, confidence), number=CALLS, repeat=REPETITIONS)
    return 1000 * min(seconds) / CALLS


def random_model(factors: int) -> AlsModel:
    drawn = np.random.default_rng(SEED).standard_normal((LISTINGS, factors)).astype(np.float32)
    return of_factors(np.arange(LISTINGS), drawn, drawn.T @ drawn, regularisation=5.0)


if __name__ == "__main__":
    run(main, report_options(__doc__ or ""))
