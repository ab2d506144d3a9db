"""Between trainings, what happened since is counted and folded in: a new listing need not wait for the night.

A refresh gives the active model new files; nothing is fitted. What it learned so far it keeps.
"""

import logging
import time
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
from django.db import connection

from ml import covisitation
from ml.arrays import Matrix
from recommendations import doubts, locks, model_store, watermark
from recommendations.behaviour import Behaviour, read_behaviour
from recommendations.collaborative import Collaborative
from recommendations.columns import Positions
from recommendations.content import read_content, read_showable
from recommendations.counted import Counted
from recommendations.identity import with_merged
from recommendations.interaction_weights import WEIGHTS
from recommendations.model_folders import ModelDamaged
from recommendations.models import TrainedModel
from recommendations.standing import RETRACTS

SHARE_OF_TIME = 0.25  # that refreshing may take at most, however large the model is

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class News:
    """Who did something that tells of taste, or took it back, between two positions in the interactions."""

    actor_ids: np.ndarray  # (a,) int64
    listing_ids: np.ndarray  # (n,) int64, with what
    horizon: int  # of the next refresh
    until: datetime  # no event of theirs is later


def refresh_collaborative(*, now: datetime) -> int:
    """Bring the active model up to date; how many listings were folded in.

    Does nothing while there is no model, nothing new, a training, or another refresh under way.
    A model that cannot be loaded is shown in the admin.
    """
    with locks.alone(locks.REFRESHING) as acquired:
        row = model_store.active()
        if not acquired or locks.is_held(locks.TRAINING) or row is None or _is_too_soon(row, now):
            return 0
        try:
            return _refresh(row, now)
        except ModelDamaged as error:
            model_store.note_problem(row, error, now)
            return 0


def _is_too_soon(row: TrainedModel, now: datetime) -> bool:
    took, at = row.metrics.get("refresh_s", 0), row.metrics.get("refreshed_at")
    if at is None:
        return False
    # The clock may have been put back since.
    return timedelta(0) <= now - datetime.fromisoformat(at) < timedelta(seconds=took / SHARE_OF_TIME)


def _refresh(row: TrainedModel, now: datetime) -> int:
    began = time.monotonic()
    news = read_news(since=int(model_store.about(row)["horizon"]), now=now)
    if news is None:
        return 0
    doubts.find_hasty(now=now, actor_ids=news.actor_ids)
    model, counted, folded = _brought_up_to_date(row, news)
    metrics = {
        "refreshed_at": now.isoformat(timespec="seconds"),
        "refreshed_listings": len(folded),
        "refresh_s": round(time.monotonic() - began, 2),
        "trained_until": news.until.isoformat(timespec="seconds"),
    }
    switched = model_store.switch_files(row, model, counted, horizon=news.horizon, metrics=metrics)
    model_store.sweep()
    return len(folded) if switched else 0


_NEWS = """
    SELECT array_agg(DISTINCT actor_id), array_agg(DISTINCT listing_id), max(occurred_at)
    FROM recommendations_interaction
    WHERE transaction_id >= %(since)s::text::xid8 AND transaction_id < %(horizon)s::text::xid8
      AND kind = ANY(%(kinds)s)
"""


def read_news(*, since: int, now: datetime) -> News | None:
    """What was committed since a position, as far as nothing can be missed; None when that is nothing."""
    horizon = watermark.horizon()
    since = watermark.position(since, horizon=horizon)
    kinds = [kind for kind in WEIGHTS if WEIGHTS[RETRACTS.get(kind, kind)] > 0]
    with connection.cursor() as cursor:
        cursor.execute(_NEWS, {"since": str(since), "horizon": str(horizon), "kinds": kinds})
        actor_ids, listing_ids, latest = cursor.fetchone()
    if latest is None:
        return None
    return News(
        np.array(with_merged(actor_ids), np.int64), np.array(listing_ids, np.int64), horizon, max(now, latest)
    )


def _brought_up_to_date(row: TrainedModel, news: News) -> tuple[Collaborative, Counted, np.ndarray]:
    """The model with the news in it, its counts, and which listings were folded in."""
    model, counted = model_store.load(row), _counted_before(row)
    behaviour = _behaviour(news, actor_ids=None if counted is None else news.actor_ids)
    unknown = np.setdiff1d(behaviour.listings, model.listing_ids)
    listing_ids = np.concatenate([model.listing_ids, unknown])
    counted = _counted_now(counted, behaviour, news, listing_ids, model)
    folded = np.union1d(unknown, np.intersect1d(news.listing_ids, listing_ids))
    touched_by = counted.actors_of(Positions.of(listing_ids).find(folded))
    factors = fold_in_listings(model, _behaviour(news, actor_ids=touched_by), folded)
    als = model.als.with_listings(folded, factors)
    refreshed = model.brought_up_to_date(als, counted.counts, showable=read_showable(), until=news.until)
    return refreshed, counted, folded


def _behaviour(news: News, actor_ids: np.ndarray | None) -> Behaviour:
    return read_behaviour(until=news.until, before=news.horizon, actor_ids=actor_ids)


def _counted_before(row: TrainedModel) -> Counted | None:
    """What the model was counted from; None when its files are damaged."""
    try:
        return model_store.load_counted(row)
    except ModelDamaged as error:
        logger.error("The counts of %s are made anew from all interactions: %s", row, error)
        return None


def _counted_now(
    counted: Counted | None, behaviour: Behaviour, news: News, listing_ids: np.ndarray, model: Collaborative
) -> Counted:
    """behaviour: of who did something new, or of everybody when there is nothing to go on from."""
    counting = model.recipe.counting
    if counted is not None:
        return counted.updated(behaviour, news.actor_ids, listing_ids, counting)
    sequences = behaviour.sequences(listing_ids)
    counts = covisitation.count(sequences, item_count=len(listing_ids), counting=counting)
    return Counted.of(behaviour, listing_ids, counts)


def fold_in_listings(model: Collaborative, behaviour: Behaviour, listing_ids: np.ndarray) -> Matrix:
    """Factors of listings from who touched them, those folded in first: (n, k) float32.

    behaviour: all that these actors did; listing_ids (n,) int64. Where the model knows nobody who touched
    a listing, its content speaks.
    """
    actor_factors = _fold_in_actors(model, behaviour)
    place = Positions.of(listing_ids).find(behaviour.listing_ids)
    order = np.argsort(place, kind="stable")
    first = np.searchsorted(place[order], np.arange(len(listing_ids) + 1))
    rows = np.searchsorted(behaviour.actors, behaviour.actor_ids)
    confidence = 1 + model.recipe.alpha * behaviour.weights
    factors = np.zeros((len(listing_ids), model.als.factor_count), np.float32)
    for number in range(len(listing_ids)):
        touches = order[first[number] : first[number + 1]]
        factors[number] = model.als.fold_in_listing(actor_factors[rows[touches]], confidence[touches])
    return _or_by_content(model, listing_ids, factors)


def _fold_in_actors(model: Collaborative, behaviour: Behaviour) -> Matrix:
    """Factors of each of the behaviour's actors, (a, k) float32."""
    items = model.items_of(behaviour.listing_ids)
    known = np.flatnonzero(items >= 0)
    rows = np.searchsorted(behaviour.actors, behaviour.actor_ids[known])
    first = np.searchsorted(rows, np.arange(len(behaviour.actors) + 1))
    factors = np.zeros((len(behaviour.actors), model.als.factor_count), np.float32)
    for row in range(len(factors)):
        touched = known[first[row] : first[row + 1]]
        factors[row] = model.fold_in(items[touched], behaviour.weights[touched])
    return factors


def _or_by_content(model: Collaborative, listing_ids: np.ndarray, factors: Matrix) -> Matrix:
    silent = ~factors.any(axis=1)
    if model.prior is None or not silent.any():
        return factors
    content = read_content(model.encoder_version, listing_ids[silent])
    if content is not None:
        factors[Positions.of(listing_ids).find(content.listing_ids)] = model.prior.factors(content.vectors)
    return factors
