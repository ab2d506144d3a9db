"""The personalised feed, read from top to bottom."""

import secrets
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cached_property

import numpy as np

from listings import queries
from listings.models import Actor
from ml.arrays import Matrix, Rows, Vector
from recommendations import boosts, experiments, exploring, exposure, fallback, replica, same_photo, slates
from recommendations.arranging import arrange
from recommendations.aversion import penalties
from recommendations.boosts import Boosts
from recommendations.candidates import Candidates, gather, score_rows
from recommendations.explanations import codes, explain
from recommendations.exploring import Explored
from recommendations.exposure import NOTHING_SHOWN, Counted
from recommendations.feed_parameters import FeedParameters
from recommendations.filters import Filters, allowed_rows
from recommendations.matching import unwanted_by
from recommendations.nearby import here_of
from recommendations.pages import Order, Page
from recommendations.ranking import Ranked, rank
from recommendations.replica import NotReady
from recommendations.resting import rested
from recommendations.taste import Taste, read_taste
from recommendations.view import View

SEEDS = 2**31
A_PAGE = 20  # listings


@dataclass(frozen=True, eq=False)
class Asked:
    """One request and the steps of its answer, each made once. After `taste` nothing asks the database, but
    for which photos are the same where `folds_copies`."""

    view: View
    now: datetime
    taste: Taste
    filters: Filters = field(default_factory=Filters)
    parameters: FeedParameters = field(default_factory=FeedParameters)
    boosts: Boosts = field(default_factory=Boosts.none)
    shown: Counted = NOTHING_SHOWN  # how often young listings were, to anybody
    rested: frozenset[int] = frozenset()  # listings that this actor was shown often enough for now
    folds_copies: bool = False

    @cached_property
    def allowed(self) -> np.ndarray:
        """What may be shown: not what they have seen or bought the like of, nor their own.   (rows,) bool"""
        awake = self._allowed(without=self.taste.seen | self.rested)
        # Where there is hardly more than a page, what rests is better than nothing.
        return awake if awake.sum() > A_PAGE else self._allowed(without=self.taste.seen)

    def _allowed(self, *, without: frozenset[int]) -> np.ndarray:
        taste, filters = self.taste, self.filters
        satisfied = taste.satisfied if filters.category is None else frozenset()  # who asks for it wants it
        return allowed_rows(self.view, filters, without=without, not_of=taste.actor_id, not_in=satisfied)

    @cached_property
    def candidates(self) -> Candidates:
        """What the sources propose, with what all of them think of it."""
        where = {"at": self.filters.here, "here": here_of(self.filters, self.taste.habits)}
        seen = {"shown": self.shown, "also": self.behind}
        return gather(self.view, self.taste, self.allowed, now=self.now, **where, **seen)

    @cached_property
    def behind(self) -> Rows:
        """The rows that were promised more showings than they had."""
        if not self.parameters.explore_share:
            return np.empty(0, np.int64)
        return exploring.furthest_behind(self.view, self.shown, self.allowed, now=self.now)

    @cached_property
    def ranked(self) -> Ranked:
        """By the sources or the ranker, by what staff show more of, and away from what was not wanted."""
        rows = self.candidates.rows
        return rank(
            self.candidates,
            self.taste,
            self.view.blend,
            ranker=self.view.ranker and self.view.ranker.model,
            adjusted=np.log(self.boosted(rows)) - penalties(self.view, self.taste, rows),
            says_where=self.filters.here is not None,
            multipliers=self.parameters.source_weights,
        )

    @cached_property
    def arranged(self) -> Rows:
        """Positions in what was ranked, as they are shown but for chance: varied, and without repeats."""
        kept = np.isin(self.ranked.rows, self.behind)
        copies = same_photo.groups(self.view, self.ranked.rows) if self.folds_copies else None
        return arrange(self.view, self.ranked, self.parameters, kept=kept, duplicates=copies)

    @cached_property
    def feed(self) -> Rows:
        """Rows as they are shown but for chance, best first: (m <= slates.LONGEST,) int32"""
        return self.ranked.rows[self.arranged]

    @cached_property
    def by_source(self) -> Matrix:
        """What each source thinks of every row: (rows, len(SOURCES)) float32, NaN where it does not know."""
        every = np.arange(self.view.row_count)
        return score_rows(self.view, self.taste, every, now=self.now, at=self.filters.here, shown=self.shown)

    def explored(self, rng: np.random.Generator) -> Explored:
        """The order with a share of its places given to what few have seen."""
        return exploring.give_chances(
            self.view,
            self.ranked,
            self.arranged,
            self.shown,
            behind=self.behind,
            share=self.parameters.explore_share,
            seller_cap=self.parameters.seller_cap,
            now=self.now,
            rng=rng,
        )

    def boosted(self, rows: Rows) -> Vector:
        """(n,) float32 factors, 1 where staff say nothing."""
        return boosts.factors(self.view, rows, self.boosts)


def build_feed(
    *,
    actor: Actor | None,
    filters: Filters,
    limit: int,
    now: datetime,
    is_kept: bool = True,
    seed: int | None = None,
) -> Page:
    """The listings to show this actor now. Raises NoSuchCategory.

    Unless `is_kept` is false, what is shown, and what would come after it, is kept as a slate: its id is what
    events name, and its cursor leads to the next page. seed: of what is drawn by chance; it is kept, too.
    """
    try:
        view = replica.view()
    except NotReady:
        return fallback.without_view(actor=actor, filters=filters, limit=limit, now=now)
    given = experiments.assignment(actor, now)
    asked = _ask(view, actor, filters, given.parameters, now)
    seed = secrets.randbelow(SEEDS) if seed is None else seed
    explored = asked.explored(np.random.default_rng(seed))
    reasons = codes(asked.ranked, explored, asked.boosted(asked.ranked.rows) > 1)
    order = Order.of(view, asked.ranked, explored, reasons)
    told = {**given.exposure, "filters": filters.to_json(), "limit": limit, **explored.to_json()}
    slate = slates.offer(order.draft(view, actor, told, seed=seed), now=now) if is_kept else None
    return _page(order, slate, asked=(view, asked.taste), actor=actor, limit=limit, now=now)


def _ask(
    view: View, actor: Actor | None, filters: Filters, parameters: FeedParameters, now: datetime
) -> Asked:
    """All that the database knows of this request, read before anything is ranked."""
    taste = read_taste(actor, view, now=now)
    return Asked(
        view,
        now,
        taste,
        filters=filters,
        parameters=parameters,
        boosts=boosts.active(now),
        shown=exposure.counted(now),
        rested=rested(taste.selves, after=parameters.rest_after, now=now),
        folds_copies=True,
    )


def next_page(*, cursor: str, actor: Actor | None, limit: int, now: datetime, is_kept: bool = True) -> Page:
    """What comes after a page that was served: the order stays, less what was sold or hidden since, and less
    what is their own, which a visitor's order may hold who has logged in meanwhile.

    is_kept: note that it was served. Raises BadCursor.
    """
    slate, offset = slates.read_cursor(cursor, actor=actor, now=now)
    order = Order.from_slate(slate)
    hidden = unwanted_by(actor) | queries.own_among(order.listing_ids, actor)
    asking = {"actor": actor, "limit": limit, "now": now, "offset": offset, "without": hidden}
    asked = _asked_at(actor, slate.created_at)
    return _page(order, slate.pk.hex, asked=asked, is_noted=is_kept, **asking)


def _asked_at(actor: Actor | None, moment: datetime) -> tuple[View, Taste] | None:
    """What the first page went by, so that reasons stay what they were; None where there is no view."""
    try:
        view = replica.view()
    except NotReady:
        return None
    return view, read_taste(actor, view, now=moment)


def _degraded() -> list[str]:
    """What this feed is made without: what cannot be asked just now, and a model that nobody has trained."""
    try:
        untrained = set() if replica.view().collaborative else {"collaborative"}
    except NotReady:
        untrained = {"catalogue"}
    return sorted({*replica.degraded(), *untrained})


def _page(
    order: Order,
    slate: str | None,
    *,
    asked: tuple[View, Taste] | None,
    actor: Actor | None,
    limit: int,
    now: datetime,
    offset: int = 0,
    without: frozenset[int] = frozenset(),
    is_noted: bool = True,
) -> Page:
    """The first from an offset on that are still active: the index proposes, the database disposes."""
    rest = [pk for pk in order.listing_ids[offset:] if pk not in without]
    shown = queries.first_visible(rest, limit)
    ids = [listing.pk for listing in shown]
    given = [order.reasons[order.place[pk]] for pk in ids]
    reasons = explain(*asked, ids, given) if asked else [None] * len(ids)
    items = [order.item(listing, reason) for listing, reason in zip(shown, reasons, strict=True)]
    page = Page(items, degraded=_degraded(), slate_id=slate)
    if slate is None or not items:
        return page
    places = [order.place[pk] for pk in ids]
    end = places[-1] + 1
    if is_noted:
        slates.note_served(slate, places, now=now, is_new=offset == 0)
    if end >= len(order.listing_ids):
        return page
    return replace(page, next_cursor=slates.cursor_after(slate, offset=end, actor=actor, now=now))
