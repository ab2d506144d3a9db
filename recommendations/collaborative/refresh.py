"""Refresh of the active collaborative model between trainings: new events are counted, listings folded in.

A refresh writes new files for the active model and fits nothing, so that new listings need not wait for the
nightly training.
"""

import logging
import time
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
from django.db import connection

from ml.arrays import Matrix
from ml.collaborative import covisitation
from ml.positions import Positions
from recommendations.collaborative import store
from recommendations.collaborative.content_vectors import read_content, read_showable
from recommendations.collaborative.covisitation_counts import CountedHistories
from recommendations.collaborative.history import InteractionHistory, read_history
from recommendations.collaborative.model import Collaborative
from recommendations.core import locks
from recommendations.core.identity import all_identities
from recommendations.interactions import watermark
from recommendations.interactions.retractions import RETRACTS
from recommendations.interactions.weights import EVENT_WEIGHTS
from recommendations.model_registry import publication
from recommendations.model_registry.artifacts import ModelDamaged
from recommendations.models.trained_models import TrainedModel
from recommendations.trust import detection

SHARE_OF_TIME = 0.25  # that refreshes may take at most; large models are refreshed less often

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class HistoryDelta:
    """Actors and listings with new positive interactions, or retractions of them, since a position."""

    actor_ids: np.ndarray  # (a,) int64
    listing_ids: np.ndarray  # (n,) int64
    horizon: int  # the position from which the next refresh reads
    until: datetime  # no event is later


def refresh_collaborative(*, now: datetime) -> int:
    """Refresh the active model. Returns the number of listings that were folded in.

    Does nothing without a model or new events, and while a training or another refresh is running. A model
    that cannot be loaded is shown in the admin.
    """
    with locks.advisory_lock(locks.REFRESHING) as acquired:
        row = store.active()
        if not acquired or locks.is_held(locks.TRAINING) or row is None or _is_too_soon(row, now):
            return 0
        try:
            return _refresh(row, now)
        except ModelDamaged as error:
            publication.record_problem(row, error, now)
            return 0


def _is_too_soon(row: TrainedModel, now: datetime) -> bool:
    took, at = row.metrics.get("refresh_s", 0), row.metrics.get("refreshed_at")
    if at is None:
        return False
    # A negative difference means that the clock was set back: then refresh.
    return timedelta(0) <= now - datetime.fromisoformat(at) < timedelta(seconds=took / SHARE_OF_TIME)


def _refresh(row: TrainedModel, now: datetime) -> int:
    started_at = time.monotonic()
    news = read_delta(since=int(store.manifest_of(row)["horizon"]), now=now)
    if news is None:
        return 0
    detection.detect_hasty(now=now, actor_ids=news.actor_ids)
    model, counted, folded = _brought_up_to_date(row, news)
    metrics = {
        "refreshed_at": now.isoformat(timespec="seconds"),
        "refreshed_listings": len(folded),
        "refresh_s": round(time.monotonic() - started_at, 2),
        "trained_until": news.until.isoformat(timespec="seconds"),
    }
    switched = store.switch_files(row, model, counted, horizon=news.horizon, metrics=metrics)
    store.sweep()
    return len(folded) if switched else 0


_NEWS = """
    SELECT array_agg(DISTINCT actor_id), array_agg(DISTINCT listing_id), max(occurred_at)
    FROM recommendations_interaction
    WHERE transaction_id >= %(since)s::text::xid8 AND transaction_id < %(horizon)s::text::xid8
      AND kind = ANY(%(kinds)s)
"""


def read_delta(*, since: int, now: datetime) -> HistoryDelta | None:
    """The changes committed from a position up to the horizon, below which all transactions have ended.

    None if nothing changed.
    """
    horizon = watermark.horizon()
    since = watermark.position(since, horizon=horizon)
    kinds = [kind for kind in EVENT_WEIGHTS if EVENT_WEIGHTS[RETRACTS.get(kind, kind)] > 0]
    with connection.cursor() as cursor:
        cursor.execute(_NEWS, {"since": str(since), "horizon": str(horizon), "kinds": kinds})
        actor_ids, listing_ids, latest = cursor.fetchone()
    if latest is None:
        return None
    return HistoryDelta(
        np.array(all_identities(actor_ids), np.int64),
        np.array(listing_ids, np.int64),
        horizon,
        max(now, latest),
    )


def _brought_up_to_date(
    row: TrainedModel, news: HistoryDelta
) -> tuple[Collaborative, CountedHistories, np.ndarray]:
    """The refreshed model, its counts, and the ids of the listings that were folded in (n,) int64."""
    model, counted = store.load(row), _load_counts(row)
    history = _read_history(news, actor_ids=None if counted is None else news.actor_ids)
    unknown = np.setdiff1d(history.listings, model.listing_ids)
    listing_ids = np.concatenate([model.listing_ids, unknown])
    counted = _updated_counts(counted, history, news, listing_ids, model)
    folded = np.union1d(unknown, np.intersect1d(news.listing_ids, listing_ids))
    touched_by = counted.actors_of(Positions.of(listing_ids).find(folded))
    factors = fold_in_listings(model, _read_history(news, actor_ids=touched_by), folded)
    als = model.als.with_listings(folded, factors)
    refreshed = model.updated(als, counted.counts, showable=read_showable(), until=news.until)
    return refreshed, counted, folded


def _read_history(news: HistoryDelta, actor_ids: np.ndarray | None) -> InteractionHistory:
    return read_history(until=news.until, before=news.horizon, actor_ids=actor_ids)


def _load_counts(row: TrainedModel) -> CountedHistories | None:
    """The counts stored with the model, None if their files are damaged."""
    try:
        return store.load_counted(row)
    except ModelDamaged as error:
        logger.error(
            "The stored counts of %s are damaged. They are counted again from all interactions, which takes "
            "longer this time; nothing needs to be done. Cause: %s",
            row,
            error,
        )
        return None


def _updated_counts(
    counted: CountedHistories | None,
    history: InteractionHistory,
    news: HistoryDelta,
    listing_ids: np.ndarray,
    model: Collaborative,
) -> CountedHistories:
    """history: of the actors in `news`, or of all actors when there are no stored counts."""
    counting = model.recipe.counting
    if counted is not None:
        return counted.updated(history, news.actor_ids, listing_ids, counting)
    sequences = history.sequences(listing_ids)
    counts = covisitation.count(sequences, item_count=len(listing_ids), counting=counting)
    return CountedHistories.of(history, listing_ids, counts)


def fold_in_listings(model: Collaborative, history: InteractionHistory, listing_ids: np.ndarray) -> Matrix:
    """Factors of listings from the factors of their actors, who are folded in first: (n, k) float32.

    history: all interactions of these actors; listing_ids (n,) int64. A listing none of whose actors has a
    known item gets the factors of the content prior, or zeros without one.
    """
    actor_factors = _fold_in_actors(model, history)
    place = Positions.of(listing_ids).find(history.listing_ids)
    order = np.argsort(place, kind="stable")
    first = np.searchsorted(place[order], np.arange(len(listing_ids) + 1))
    rows = np.searchsorted(history.actors, history.actor_ids)
    confidence = 1 + model.recipe.alpha * history.weights
    factors = np.zeros((len(listing_ids), model.als.factor_count), np.float32)
    for number in range(len(listing_ids)):
        entries = order[first[number] : first[number + 1]]
        factors[number] = model.als.fold_in_listing(actor_factors[rows[entries]], confidence[entries])
    return _fill_by_content(model, listing_ids, factors)


def _fold_in_actors(model: Collaborative, history: InteractionHistory) -> Matrix:
    """Factors of each actor of the history, (a, k) float32, zeros for those without known items."""
    items = model.items_of(history.listing_ids)
    known = np.flatnonzero(items >= 0)
    rows = np.searchsorted(history.actors, history.actor_ids[known])
    first = np.searchsorted(rows, np.arange(len(history.actors) + 1))
    factors = np.zeros((len(history.actors), model.als.factor_count), np.float32)
    for row in range(len(factors)):
        entries = known[first[row] : first[row + 1]]
        factors[row] = model.fold_in(items[entries], history.weights[entries])
    return factors


def _fill_by_content(model: Collaborative, listing_ids: np.ndarray, factors: Matrix) -> Matrix:
    """Factors whose zero rows are filled by the content prior, where a vector is stored."""
    is_zero = ~factors.any(axis=1)
    if model.prior is None or not is_zero.any():
        return factors
    content = read_content(model.encoder_version, listing_ids[is_zero])
    if content is not None:
        factors[Positions.of(listing_ids).find(content.listing_ids)] = model.prior.factors(content.vectors)
    return factors
