"""Offline evaluation of the feed by replaying a log of simulated shoppers through the real code.

DIR (--data) holds adverts as `manage.py import_listings` reads them. DIR (--log) holds events.csv.gz and
listings.csv.gz of SIMULATED shoppers over them, so every figure here is a simulated one. The log is replayed
in order of time in a throwaway database: listings are published and end, events are recorded, trending
listings are rolled up. From day 7 on each visit begins with a feed, and later events with a listing of that
feed name its slate. On day 11 the collaborative model is trained on the events so far, and the ranker on
those slates. From then on each actor with at least three earlier events is evaluated once, at the start of
their next session: 20 listings from `build_feed`, with the catalogue and the tables of that moment. Relevant
are listings that the actor views, favourites, messages about, makes an offer for or buys within 30 minutes,
and had not touched before.
"""

import argparse
import sys
import time
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from benchmarks import installation
from benchmarks.feed import log as feed_log
from benchmarks.feed.catalogue import load
from benchmarks.feed.figures import Judge, K
from benchmarks.feed.log import EvaluatedSession, Log
from benchmarks.feed.photos import require_weights_beside
from benchmarks.feed.ranker import serve_feeds, trained_ranker
from benchmarks.feed.replay import Replay, show
from benchmarks.protocol import BadData, json_option, print_figures, say
from listings.errors import DomainError
from listings.models import Actor
from ml.arrays import Rows, Vector
from ml.evaluation import ranking_metrics
from ml.vision.image_decoding import UnreadablePhoto
from ml.vision.weights import WeightsError
from recommendations.feed.pipeline import FeedContext, build_feed, next_page
from recommendations.models.feature_names import SOURCES
from recommendations.popularity import impression_counts
from recommendations.ranker.model import Ranker
from recommendations.replica.snapshot import CatalogueSnapshot
from recommendations.retrieval.filters import Filters
from recommendations.slates.results import Page
from recommendations.taste.profile import read_profile
from recommendations.training.collaborative import TooFewEvents, train_collaborative

SERVED_FROM, TRAINED_AT = timedelta(days=7), timedelta(days=11)
RANKER = "ranker"
# What the feed is blended of, each by itself; `newest` is the source fresh.
ONE_SOURCE = {
    "content_only": "content",
    "covisitation_only": "covisitation",
    "als_only": "collaborative",
    "affinity_only": "affinity",
    "place_only": "place",
    "trending_only": "trending",
}
SEED = 3
TOLD_EVERY = 200


@dataclass(frozen=True)
class Period:
    """Times of training and evaluation, counted from the log's first day."""

    served_from: timedelta = SERVED_FROM  # feeds that the ranker learns from
    trained_at: timedelta = TRAINED_AT
    until: timedelta = timedelta(days=10_000)


def benchmark(
    data: Path, log_folder: Path, weights: Path, *, trained: bool, cache: Path | None, period: Period
) -> dict:
    """All figures, which are of simulated shoppers. Raises BadData."""
    log = feed_log.read_log(log_folder)
    with installation.servers():
        return replayed(data, log, weights, trained=trained, cache=cache, period=period)


def replayed(
    data: Path, log: Log, weights: Path, *, trained: bool, cache: Path | None, period: Period
) -> dict:
    """The same, in the current database, whose tables must be empty."""
    moment = log.start + period.trained_at
    catalogue = load(data, log, weights, trained_before=moment if trained else None, cache=cache)
    log = log.only(set(catalogue.listings))
    questions = log.questions(moment, log.start + period.until)
    if not questions:
        raise BadData(
            "The log has no session to evaluate after the models are trained; accepted: a log in which "
            "actors with three or more events have a later session."
        )
    replay = Replay(catalogue, log)
    with threadpool_limits(1):
        served_from = log.start + period.served_from
        _train_if_there_is_enough(replay, served_from)
        visits = serve_feeds(replay, log, served_from, moment, limit=K)
        say(f"Served {visits} feeds to simulated shoppers")
        train(replay, moment)
        ranker, serves = trained_ranker(moment)
        replay.take_ranker(ranker if serves else None)
        answers = ask(replay, questions, ranker)
    return figures(Judge(catalogue, log, questions), answers)


def train(replay: Replay, moment: datetime) -> None:
    """Train the collaborative model as `manage.py train collaborative` does, and serve it."""
    replay.forward_to(moment)
    row = train_collaborative(now=moment, force=True)
    say(f"Trained {row}: {row.verdict}")
    replay.take_model()


def _train_if_there_is_enough(replay: Replay, moment: datetime) -> None:
    """Train if possible. The measured feeds need a model, while the ranker's training feeds do not."""
    try:
        train(replay, moment)
    except TooFewEvents as error:
        say(f"No collaborative model yet: {error.detail}")


@dataclass(frozen=True)
class Answers:
    """The rankings of every method: name -> (a, K) int64 rows, -1 where nothing was shown."""

    ranked: dict[str, Rows]
    second: Rows  # (a, K) of the feed's second page
    seconds: Vector  # (a,) that build_feed took


def ask(replay: Replay, questions: list[EvaluatedSession], ranker: Ranker | None) -> Answers:
    """Rankings by the feed and by each single source, for each question in order of time."""
    rankings: dict[str, list[Rows]] = {}
    seconds = []
    for number, question in enumerate(questions, start=1):
        replay.forward_to(question.moment)
        snapshot, actor = replay.snapshot(), replay.catalogue.actors[question.actor]
        show(snapshot)
        started = time.perf_counter()
        page = build_feed(actor=actor, filters=Filters(), limit=K, now=question.moment, seed=number)
        seconds.append(time.perf_counter() - started)
        replay.note_page(question.actor, page, question.moment)
        singles = _singles(replay, snapshot, actor, question, ranker)
        pages = {"feed": _rows(snapshot, page), "second": _rows(snapshot, _following(page, actor, question))}
        for name, own in (pages | singles).items():
            rankings.setdefault(name, []).append(_padded(own))
        if number % TOLD_EVERY == 0:
            say(f"Evaluated {number} of {len(questions)} simulated shoppers")
    ranked = {name: np.array(rows) for name, rows in rankings.items()}
    return Answers(second=ranked.pop("second"), ranked=ranked, seconds=np.array(seconds))


def _following(page: Page, actor: Actor, question: EvaluatedSession) -> Page:
    """The next page, by the feed's cursor; empty without one."""
    if page.next_cursor is None:
        return Page([])
    return next_page(cursor=page.next_cursor, actor=actor, limit=K, now=question.moment)


def _rows(snapshot: CatalogueSnapshot, page: Page) -> Rows:
    return snapshot.rows_of(np.array([item.listing.pk for item in page.items], np.int64))


def _singles(
    replay: Replay,
    snapshot: CatalogueSnapshot,
    actor: Actor,
    question: EvaluatedSession,
    ranker: Ranker | None,
) -> dict[str, Rows]:
    """The best allowed listings by each source alone, and the best candidates by the ranker."""
    taste, shown = (
        read_profile(actor, snapshot, now=question.moment),
        impression_counts.impression_counts(question.moment),
    )
    asked = FeedContext(snapshot.with_ranker(ranker), question.moment, taste, shown=shown)
    scores = {"popularity": replay.touched_by, "newest": snapshot.attributes["created_at"]}
    for name, source in ONE_SOURCE.items():
        scores[name] = asked.by_source[:, SOURCES.index(source)]
    own = {name: _best(column, asked.allowed) for name, column in scores.items()}
    return own | ({} if ranker is None else {RANKER: asked.ranked.rows[:K]})


def _best(scores: Vector, allowed: np.ndarray) -> Rows:
    return ranking_metrics.top_k(np.where(allowed, scores, np.nan)[None, :], K)[0]


def _padded(rows: Rows) -> Rows:
    return np.concatenate([rows, np.full(K, ranking_metrics.PADDING)])[:K].astype(np.int64)


def figures(judge: Judge, answers: Answers) -> dict:
    """All figures by their names in the output."""
    feed = answers.ranked["feed"]
    accuracy = judge.accuracy(feed)
    single = {
        name: {key: value for key, value in judge.accuracy(rows).items() if key != "hit_rate20"}
        for name, rows in answers.ranked.items()
        if name != "feed"
    }
    best = max(one["ndcg20"] for name, one in single.items() if name != RANKER)
    result = {
        **accuracy,
        **judge.character(feed, answers.second),
        "single": single,
        "over_best_single": accuracy["ndcg20"] / best if best else 0.0,
        "over_every_source": over_every_source(judge, answers),
        "p50_ms": 1000 * float(np.median(answers.seconds)),
        "feed_users": len(feed),
        "data": "simulated shoppers",
    }
    return _rounded(result)


def over_every_source(judge: Judge, answers: Answers) -> dict[str, Any]:
    """By how much the feed's NDCG exceeds that of the best source, with the paired interval over shoppers."""
    ndcg = {name: judge.ndcg(rows) for name, rows in answers.ranked.items() if name != RANKER}
    feed = ndcg.pop("feed")
    best = max(ndcg, key=lambda name: float(np.mean(ndcg[name])))
    low, high = ranking_metrics.bootstrap_difference(feed, ndcg[best], rng=np.random.default_rng(SEED))
    return {"source": best, "lead": float(np.mean(feed - ndcg[best])), "low": low, "high": high}


def _rounded(value: Any) -> Any:
    match value:
        case dict():
            return {name: _rounded(inner) for name, inner in value.items()}
        case float():
            return round(value, 4)
        case _:
            return value


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True, help="DIR, the adverts")
    parser.add_argument("--log", type=Path, required=True, help="DIR, what simulated shoppers did with them")
    parser.add_argument(
        "--weights",
        type=Path,
        help="a file of MobileNetV2's weights (default: IMAGE_WEIGHTS, else ../weights/ beside the adverts)",
    )
    parser.add_argument(
        "--encoder",
        choices=("untrained", "trained"),
        default="untrained",
        help="untrained: that of a new installation; trained: heads trained on what was published before",
    )
    parser.add_argument("--cache", type=Path, help="a folder to keep features of photos in between runs")
    json_option(parser)
    return parser.parse_args()


def main() -> None:
    options = _options()
    weights = options.weights or require_weights_beside(options.data)
    try:
        result = benchmark(
            options.data,
            options.log,
            weights,
            trained=options.encoder == "trained",
            cache=options.cache,
            period=Period(),
        )
    except (BadData, DomainError, OSError, UnreadablePhoto, WeightsError) as error:
        sys.exit(f"{getattr(error, 'detail', error)}")
    print_figures(result, as_json=options.json)


if __name__ == "__main__":
    main()
