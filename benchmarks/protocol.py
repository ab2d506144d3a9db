"""Common parts of the benchmarks: arguments, processor time, data files, tuning and ranking metrics."""

import argparse
import json
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from scipy.sparse import csr_matrix

from ml.arrays import Matrix, Vector
from ml.collaborative.covisitation import Neighbours
from ml.evaluation import ranking_metrics
from ml.evaluation.hyperparameter_search import Hyperparameter, Measure, Trial, coordinate_ascent
from ml.ranking.blending import blend

K = 20
PROPOSED = 200  # candidates by each model for each actor, as in serving
BATCH = 500  # actors that are scored at once


class BadData(Exception):
    """A file is not in the format that the benchmark reads. The message names it."""


def arguments(description: str, data: str) -> argparse.Namespace:
    """The options --data and --json of a benchmark that reads data."""
    parser = _parser(description)
    parser.add_argument("--data", type=Path, required=True, help=data)
    return parser.parse_args()


def report_options(description: str) -> argparse.Namespace:
    """The option --json of a benchmark that reads no data."""
    return _parser(description).parse_args()


def _parser(description: str) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    json_option(parser)
    return parser


def json_option(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="print one JSON object as the last line")


def run(benchmark: Callable[..., dict], options: argparse.Namespace) -> None:
    """Run a benchmark and print its figures. Bad files end it with a message and exit status 1."""
    try:
        result = benchmark(options.data) if "data" in options else benchmark()
    except (BadData, OSError) as error:
        sys.exit(f"{error}")
    print_figures(result, as_json=options.json)


def print_figures(result: dict, *, as_json: bool) -> None:
    """Print one figure a line, or all as one JSON object."""
    if as_json:
        print(json.dumps(result))
        return
    for name, value in result.items():
        print(f"{name:32}{value}")


def say(text: str) -> None:
    """Report progress on standard error, with the processor time so far."""
    print(f"{time.process_time():8.1f} s  {text}", file=sys.stderr, flush=True)


class CpuClock:
    """Processor seconds of this process since the clock was created, all threads together."""

    def __init__(self) -> None:
        self._start = time.process_time()

    @property
    def seconds(self) -> float:
        return round(time.process_time() - self._start, 1)


def read_lists(path: Path) -> Iterator[list[int]]:
    """The numbers of each line: a user, followed by their items.   Raises BadData."""
    with path.open() as lines:
        for number, line in enumerate(lines, start=1):
            try:
                yield [int(word) for word in line.split()]
            except ValueError:
                raise BadData(
                    f"{path}, line {number}: found {line.strip()!r}; accepted: whole numbers."
                ) from None


def tuned(
    name: str,
    measure: Measure,
    dials: list[Hyperparameter],
    *,
    trials: int,
    rounds: int = 2,
) -> dict[str, float]:
    """The best values of at most so many trials, each of which is reported."""
    finished: list[Trial] = []

    def note(trial: Trial) -> None:
        finished.append(trial)
        say(f"{name}: {trial.score:.4f} with {trial.values}")

    return coordinate_ascent(
        measure, dials, rounds=rounds, expired=lambda: len(finished) >= trials, on_trial=note
    ).values


def in_batches(actors: np.ndarray) -> Iterator[np.ndarray]:
    """Actors in batches of BATCH."""
    for start in range(0, len(actors), BATCH):
        yield actors[start : start + BATCH]


def ranked(
    score: Callable[[np.ndarray], Matrix], actors: np.ndarray, touched: csr_matrix, *, k: int = K
) -> np.ndarray:
    """Each actor's best items of the whole catalogue, without those they touched.

    score(actors) -> (b, n); touched (all actors, n) -> (len(actors), k) int64
    """
    return np.concatenate(
        [ranking_metrics.top_k(score(batch), k, touched[batch]) for batch in in_batches(actors)]
    )


def judged(ranking: np.ndarray, relevant: csr_matrix, *, k: int = K) -> dict[str, float]:
    """Mean recall and NDCG at k over the actors with relevant items."""
    return {
        "recall": float(np.nanmean(ranking_metrics.recall(ranking, relevant, k))),
        "ndcg": float(np.nanmean(ranking_metrics.ndcg(ranking, relevant, k))),
    }


def candidate_sets(
    columns: list[Callable[[np.ndarray], Matrix]], actors: np.ndarray, touched: csr_matrix
) -> Iterator[tuple[np.ndarray, Matrix]]:
    """The candidates of each actor as in serving: the best items of each model, scored by all models.

    Yields items (c,) int64 and scores (c, models) float32.
    """
    for batch in in_batches(actors):
        scores = [column(batch) for column in columns]
        proposed = [ranking_metrics.top_k(matrix, PROPOSED, touched[batch]) for matrix in scores]
        for row in range(len(batch)):
            items = np.unique(np.concatenate([best[row] for best in proposed]))
            items = items[items >= 0]
            yield items, np.column_stack([matrix[row, items] for matrix in scores]).astype(np.float32)


def ranked_by_blend(sets: Iterator[tuple[np.ndarray, Matrix]], weights: Vector, *, k: int = K) -> np.ndarray:
    """Each actor's candidates in the order of their blended score: (a, k) int64, padded with -1."""
    rows = []
    for items, scores in sets:
        best = items[np.argsort(-blend(scores, weights), kind="stable")][:k]
        rows.append(np.concatenate([best, np.full(k - len(best), -1)]))
    return np.array(rows, np.int64)


def as_matrix(neighbours: Neighbours) -> csr_matrix:
    """Neighbour lists as a sparse (n, n) matrix, to score many users at once."""
    item_count, width = neighbours.items.shape
    starts = np.arange(item_count + 1) * width
    return csr_matrix(
        (neighbours.weights.ravel().astype(np.float32), neighbours.items.ravel(), starts),
        shape=(item_count, item_count),
    )
