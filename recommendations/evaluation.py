"""How well each way to recommend would have done, measured on what actors did after a moment in the past."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
from scipy.sparse import csr_matrix

from listings.models import Actor
from ml import metrics
from ml.arrays import Rows, Vector
from ml.figure import Figure
from ml.progress import Progress, unwatched
from recommendations import hindsight
from recommendations.asking import Asked, ask_each
from recommendations.behaviour import Behaviour
from recommendations.collaborative import Collaborative
from recommendations.contenders import CONTENDERS, Contender, Known
from recommendations.hindsight import Aftermath

AT = 20
MOST_ACTORS = 2000
SEED = 13
RESAMPLED = 200  # times, for coverage, which is no mean

# Means over actors; each counts only those who touched anything of what is asked about.
ACCURACY = {"recall": metrics.recall, "ndcg": metrics.ndcg, "map": metrics.average_precision}
EVERYONE, COLD_LISTINGS, COLD_ACTORS = "all", "cold listings", "cold actors"


@dataclass(frozen=True)
class Slice:
    """The figures of some of the questions: method -> measure -> figure."""

    name: str
    actor_count: int
    figures: dict[str, dict[str, Figure]]


@dataclass(frozen=True)
class Measured:
    """The same actors' rankings by every method, judged overall and where little is known."""

    k: int
    actor_count: int  # who were asked about
    eligible_count: int  # of whom those are a sample, or all
    listing_count: int
    cold_listing_count: int
    slices: list[Slice]


def measure(
    known: Known,
    after: Aftermath,
    *,
    methods: Sequence[str] = tuple(CONTENDERS),
    k: int = AT,
    seed: int = SEED,
    progress: Progress = unwatched,
) -> Measured:
    """Rank every listing of the world for each actor, by each method, and hold it against what came after.

    Accuracy is measured overall, with only cold listings as right answers (ranked among all others), and for
    cold actors; coverage and novelty overall. The seed is that of the bootstrap.
    """
    ranked = rank_all(known, after.actors, methods, k=k, progress=progress)
    cold_rows = _only(after.relevant, after.is_cold_row)
    cold_actors = np.flatnonzero(after.is_cold_actor)

    def of_slice(name: str, actors: np.ndarray, relevant: csr_matrix) -> Slice:
        told = int((np.diff(relevant.indptr) > 0).sum())
        figures = {m: _accuracy(ranked[m][actors], relevant, k, seed) for m in methods}
        return Slice(name, told, figures)

    everyone = of_slice(EVERYONE, np.arange(len(after)), after.relevant)
    for method in methods:
        everyone.figures[method].update(_variety(ranked[method], known.touched_share, seed))
    return Measured(
        k=k,
        actor_count=len(after),
        eligible_count=after.actor_count,
        listing_count=known.view.row_count,
        cold_listing_count=int(after.is_cold_row.sum()),
        slices=[
            everyone,
            of_slice(COLD_LISTINGS, np.arange(len(after)), cold_rows),
            of_slice(COLD_ACTORS, cold_actors, after.relevant[cold_actors]),
        ],
    )


def compare(
    models: Mapping[str, Collaborative | None],
    earlier: Behaviour,
    *,
    end: datetime,
    most: int = MOST_ACTORS,
    k: int = AT,
    seed: int = SEED,
    progress: Progress = unwatched,
) -> dict[str, Vector]:
    """NDCG@k of each model's feed as it would have been served, and of `popularity`, for the same actors.

    models: at least one; None is the feed without a model. earlier: what was known at the moment that is
    gone back to, `earlier.until`; no model may have seen more. Right is what actors touched from then to
    the end. Returns (a,) float64 for each name, in the same order of actors; a is 0 where nobody did
    anything new.   Raises NoWorld where there is no encoder, or nothing of that time is embedded.
    """
    view = hindsight.world_at(earlier.until, end=end)
    after = hindsight.aftermath(view, earlier.until, end=end, most=most, seed=seed)
    measured: dict[str, Vector] = {}
    for place, (name, model) in enumerate(models.items()):
        ranked = rank_all(
            Known(view.with_collaborative(model), earlier),
            after.actors,
            ["blend"] if measured else ["blend", "popularity"],
            k=k,
            progress=_of_many(progress, place, len(models)),
        )
        ndcg = {method: metrics.ndcg(rows, after.relevant, k) for method, rows in ranked.items()}
        measured[name] = ndcg.pop("blend")
        measured |= ndcg
    return measured


def rank_all(
    known: Known,
    actors: Sequence[Actor],
    methods: Sequence[str],
    *,
    k: int,
    progress: Progress = unwatched,
) -> dict[str, Rows]:
    """The best k rows for each actor by each method: (a, k) int64, -1 where nothing is left to recommend."""
    contenders = {name: CONTENDERS[name](known) for name in methods}
    ranked = {name: np.full((len(actors), k), metrics.NOBODY) for name in methods}

    def answer(asked: Asked) -> dict[str, Rows]:
        return {name: _best(contender, asked, k) for name, contender in contenders.items()}

    answers = ask_each(known.view, known.behaviour.until, actors, answer, progress)
    for place, best in enumerate(answers):
        for name, rows in best.items():
            ranked[name][place, : len(rows)] = rows
    return ranked


def _best(contender: Contender, asked: Asked, k: int) -> Rows:
    scores = np.where(asked.allowed, contender(asked), np.nan)
    return metrics.top_k(scores[None, :], k)[0]


def _only(relevant: csr_matrix, rows: np.ndarray) -> csr_matrix:
    """With nothing stored outside these rows (n,) bool."""
    kept = relevant.multiply(rows[None, :]).tocsr()
    kept.eliminate_zeros()
    return kept


def _accuracy(ranked: Rows, relevant: csr_matrix, k: int, seed: int) -> dict[str, Figure]:
    return {name: _mean(judge(ranked, relevant, k), seed) for name, judge in ACCURACY.items()}


def _variety(ranked: Rows, touched_share: Vector, seed: int) -> dict[str, Figure]:
    novelty = np.array([metrics.novelty(own[None, :], touched_share) for own in ranked])
    return {"coverage": _coverage(ranked, len(touched_share), seed), "novelty": _mean(novelty, seed)}


def _mean(values: Vector, seed: int) -> Figure:
    """Over actors, NaN left out."""
    told = values[~np.isnan(values)]
    if not len(told):
        return Figure(np.nan, np.nan, np.nan)
    low, high = metrics.bootstrap_interval(told, rng=np.random.default_rng(seed))
    return Figure(float(told.mean()), low, high)


def _coverage(ranked: Rows, row_count: int, seed: int) -> Figure:
    """The share of listings that anybody is recommended.

    Actors drawn with replacement repeat one another and so cover less: of the bootstrap only how far it
    scatters around its own mean is used.
    """
    value = metrics.coverage(ranked, row_count)
    actors, places = np.nonzero(ranked >= 0)
    cells = (actors, ranked[actors, places])
    shown = csr_matrix((np.ones(len(actors), np.float32), cells), shape=(len(ranked), row_count))
    rng, chances = np.random.default_rng(seed), np.full(len(ranked), 1 / max(len(ranked), 1))
    drawn = [(rng.multinomial(len(ranked), chances) @ shown > 0).mean() for _ in range(RESAMPLED)]
    low, high = np.quantile(drawn, [0.025, 0.975]) - np.mean(drawn) + value
    return Figure(value, float(low), float(high))


def _of_many(progress: Progress, place: int, count: int) -> Progress:
    """Progress of one of several rounds through the same actors."""
    return lambda done, total: progress(place * total + done, count * total)
