"""Offline evaluation: methods and models are compared on what actors did after a moment in the past."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
from scipy.sparse import csr_matrix

from listings.models import Actor
from ml.arrays import Rows, Vector
from ml.evaluation import ranking_metrics
from ml.evaluation.estimate import IntervalEstimate
from ml.progress import Progress, ignore_progress
from recommendations.collaborative.history import InteractionHistory
from recommendations.collaborative.model import Collaborative
from recommendations.evaluation import point_in_time
from recommendations.evaluation.baselines import BASELINES, Baseline, EvaluationContext
from recommendations.evaluation.point_in_time import HeldOut
from recommendations.evaluation.runner import run_for_each
from recommendations.feed.pipeline import FeedContext

AT = 20
MOST_ACTORS = 2000
SEED = 13
RESAMPLED = 200  # bootstrap samples for coverage, which is not a mean over actors

# Means over the actors who have relevant listings.
ACCURACY = {
    "recall": ranking_metrics.recall,
    "ndcg": ranking_metrics.ndcg,
    "map": ranking_metrics.average_precision,
}
FEED, LEAD = "blend", "lead"  # lead: by how much the NDCG of the feed exceeds a method's, for the same actors
EVERYONE, COLD_LISTINGS, COLD_ACTORS = "all", "cold listings", "cold actors"


@dataclass(frozen=True)
class SliceResult:
    """Figures for a slice of the actors or of the relevant listings: method -> measure -> figure."""

    name: str
    actor_count: int
    figures: dict[str, dict[str, IntervalEstimate]]


@dataclass(frozen=True)
class EvaluationResult:
    """Figures of every method on the same actors: overall, for cold listings and for cold actors."""

    k: int
    actor_count: int  # evaluated
    eligible_count: int  # all of whom those may be a sample
    listing_count: int
    cold_listing_count: int
    slices: list[SliceResult]


def measure(
    context: EvaluationContext,
    held_out: HeldOut,
    *,
    methods: Sequence[str] = tuple(BASELINES),
    k: int = AT,
    seed: int = SEED,
    progress: Progress = ignore_progress,
) -> EvaluationResult:
    """Rank every listing of the snapshot for each actor, by each method, and compare with the holdout.

    Accuracy is measured overall, with only cold listings as relevant ones (ranked among all others), and for
    cold actors; coverage and novelty overall. Leads of the feed are differences over the same actors. `seed`
    is that of the bootstrap.
    """
    ranked = rank_all(context, held_out.actors, methods, k=k, progress=progress)
    cold_rows = _only(held_out.relevant, held_out.is_cold_row)
    cold_actors = np.flatnonzero(held_out.is_cold_actor)

    def of_slice(name: str, actors: np.ndarray, relevant: csr_matrix) -> SliceResult:
        actor_count = int((np.diff(relevant.indptr) > 0).sum())
        figures = {m: _accuracy(ranked[m][actors], relevant, k, seed) for m in methods}
        if FEED in methods:
            own = {m: ranking_metrics.ndcg(ranked[m][actors], relevant, k) for m in methods}
            for method in methods:
                figures[method][LEAD] = _mean(own[FEED] - own[method], seed)
        return SliceResult(name, actor_count, figures)

    overall = of_slice(EVERYONE, np.arange(len(held_out)), held_out.relevant)
    for method in methods:
        overall.figures[method].update(_variety(ranked[method], context.touched_share, seed))
    return EvaluationResult(
        k=k,
        actor_count=len(held_out),
        eligible_count=held_out.actor_count,
        listing_count=context.snapshot.row_count,
        cold_listing_count=int(held_out.is_cold_row.sum()),
        slices=[
            overall,
            of_slice(COLD_LISTINGS, np.arange(len(held_out)), cold_rows),
            of_slice(COLD_ACTORS, cold_actors, held_out.relevant[cold_actors]),
        ],
    )


def compare(
    models: Mapping[str, Collaborative | None],
    earlier: InteractionHistory,
    *,
    end: datetime,
    max_actors: int = MOST_ACTORS,
    k: int = AT,
    seed: int = SEED,
    progress: Progress = ignore_progress,
) -> dict[str, Vector]:
    """NDCG@k of the feed with each model, and of `popularity`, for the same actors.

    models: at least one; None is the feed without a model. earlier: the history up to the moment of the
    comparison, `earlier.until`; no model may be fitted on later events. Relevant are the listings that actors
    interacted with from then to the end. Returns (a,) float64 for each name, actors in the same order; a is 0
    where nobody interacted with a new listing. Raises SnapshotUnavailable without an encoder or embedded
    listings.
    """
    snapshot = point_in_time.snapshot_at(earlier.until, end=end)
    held_out = point_in_time.read_held_out(snapshot, earlier.until, end=end, max_actors=max_actors, seed=seed)
    measured: dict[str, Vector] = {}
    for place, (name, model) in enumerate(models.items()):
        ranked = rank_all(
            EvaluationContext(snapshot.with_collaborative(model), earlier),
            held_out.actors,
            [FEED] if measured else [FEED, "popularity"],
            k=k,
            progress=_of_many(progress, place, len(models)),
        )
        ndcg = {method: ranking_metrics.ndcg(rows, held_out.relevant, k) for method, rows in ranked.items()}
        measured[name] = ndcg.pop(FEED)
        measured |= ndcg
    return measured


def rank_all(
    context: EvaluationContext,
    actors: Sequence[Actor],
    methods: Sequence[str],
    *,
    k: int,
    progress: Progress = ignore_progress,
) -> dict[str, Rows]:
    """The best k rows for each actor by each method: (a, k) int64, padded with -1."""
    baselines = {name: BASELINES[name](context) for name in methods}
    ranked = {name: np.full((len(actors), k), ranking_metrics.PADDING) for name in methods}

    def answer(feed_context: FeedContext) -> dict[str, Rows]:
        return {name: _best(baseline, feed_context, k) for name, baseline in baselines.items()}

    answers = run_for_each(context.snapshot, context.history.until, actors, answer, progress)
    for place, best in enumerate(answers):
        for name, rows in best.items():
            ranked[name][place, : len(rows)] = rows
    return ranked


def _best(baseline: Baseline, feed_context: FeedContext, k: int) -> Rows:
    scores = np.where(feed_context.allowed, baseline(feed_context), np.nan)
    return ranking_metrics.top_k(scores[None, :], k)[0]


def _only(relevant: csr_matrix, rows: np.ndarray) -> csr_matrix:
    """The matrix without entries outside these rows (n,) bool."""
    kept = relevant.multiply(rows[None, :]).tocsr()
    kept.eliminate_zeros()
    return kept


def _accuracy(ranked: Rows, relevant: csr_matrix, k: int, seed: int) -> dict[str, IntervalEstimate]:
    return {name: _mean(judge(ranked, relevant, k), seed) for name, judge in ACCURACY.items()}


def _variety(ranked: Rows, touched_share: Vector, seed: int) -> dict[str, IntervalEstimate]:
    novelty = np.array([ranking_metrics.novelty(own[None, :], touched_share) for own in ranked])
    return {"coverage": _coverage(ranked, len(touched_share), seed), "novelty": _mean(novelty, seed)}


def _mean(values: Vector, seed: int) -> IntervalEstimate:
    """The mean over actors (a,), without those whose value is NaN."""
    valid = values[~np.isnan(values)]
    if not len(valid):
        return IntervalEstimate(np.nan, np.nan, np.nan)
    low, high = ranking_metrics.bootstrap_interval(valid, rng=np.random.default_rng(seed))
    return IntervalEstimate(float(valid.mean()), low, high)


def _coverage(ranked: Rows, row_count: int, seed: int) -> IntervalEstimate:
    """The share of listings that are recommended to anybody.

    Bootstrap samples repeat actors and so cover fewer listings. Only their spread around their own mean is
    used for the interval.
    """
    value = ranking_metrics.coverage(ranked, row_count)
    actors, places = np.nonzero(ranked >= 0)
    cells = (actors, ranked[actors, places])
    shown = csr_matrix((np.ones(len(actors), np.float32), cells), shape=(len(ranked), row_count))
    rng, chances = np.random.default_rng(seed), np.full(len(ranked), 1 / max(len(ranked), 1))
    samples = [(rng.multinomial(len(ranked), chances) @ shown > 0).mean() for _ in range(RESAMPLED)]
    low, high = np.quantile(samples, [0.025, 0.975]) - np.mean(samples) + value
    return IntervalEstimate(value, float(low), float(high))


def _of_many(progress: Progress, place: int, count: int) -> Progress:
    """Progress of one of several passes over the same actors."""
    return lambda done, total: progress(place * total + done, count * total)
