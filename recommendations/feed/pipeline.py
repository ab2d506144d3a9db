"""The personalised feed: candidates, ranking, diversity, exploration and reasons, as one pipeline."""

import secrets
from dataclasses import dataclass, field, replace
from datetime import datetime

import numpy as np

from listings import queries
from listings.models import Actor
from ml.arrays import Matrix, Rows, Vector
from recommendations.core.once import once
from recommendations.feed import experiments, fallback
from recommendations.feed.order import Order
from recommendations.interactions.retractions import unwanted_by
from recommendations.models.feed_parameters import FeedParameters
from recommendations.popularity import impression_counts
from recommendations.popularity.impression_counts import NO_IMPRESSIONS, ImpressionCounts
from recommendations.ranking import boosts, exploration, photo_duplicates
from recommendations.ranking.boosts import Boosts
from recommendations.ranking.calibration import calibration_of
from recommendations.ranking.diversity import diversified_order
from recommendations.ranking.explanations import explain, reason_codes, related
from recommendations.ranking.exploration import ExploredOrder
from recommendations.ranking.negative_feedback import penalties
from recommendations.ranking.scoring import Ranked, rank
from recommendations.replica import follower
from recommendations.replica.follower import ReplicaNotReady
from recommendations.replica.snapshot import CatalogueSnapshot
from recommendations.retrieval.candidates import Candidates, gather, score_rows
from recommendations.retrieval.filters import Filters, allowed_rows
from recommendations.retrieval.nearby import location_of
from recommendations.slates import store
from recommendations.slates.results import Page
from recommendations.taste.profile import UserProfile, read_profile

SEEDS = 2**31
PAGE_LENGTH = 20  # listings


@dataclass(frozen=True, eq=False)
class FeedContext:
    """One request and the steps of its answer, each computed once.

    The database is not read after the profile was, except for duplicate photos where `folds_copies` is set.
    """

    snapshot: CatalogueSnapshot
    now: datetime
    profile: UserProfile
    filters: Filters = field(default_factory=Filters)
    parameters: FeedParameters = field(default_factory=FeedParameters)
    boosts: Boosts = field(default_factory=Boosts.none)
    shown: ImpressionCounts = NO_IMPRESSIONS  # impressions and clicks of young listings, over all actors
    folds_copies: bool = False  # show one of the listings that share a photo

    @once
    def allowed(self) -> np.ndarray:
        """The rows that may be shown: (rows,) bool

        The actor's own listings, those that they touched, hid or were shown too often, and categories in
        which they bought what they looked for are left out.
        """
        allowed = self._allowed(without=self.profile.seen | self.profile.rested)
        # With hardly more than a page left, show those that were shown too often rather than nothing.
        return allowed if allowed.sum() > PAGE_LENGTH else self._allowed(without=self.profile.seen)

    def _allowed(self, *, without: frozenset[int]) -> np.ndarray:
        profile, filters = self.profile, self.filters
        # Whoever filters by a category wants it, whatever they bought.
        satisfied = profile.satisfied if filters.category is None else frozenset()
        return allowed_rows(
            self.snapshot,
            filters,
            excluded_listings=without,
            excluded_seller=profile.actor_id,
            excluded_categories=satisfied,
        )

    @once
    def candidates(self) -> Candidates:
        """The rows that the sources propose, scored by all of them.

        A listing with the photo of another seller is left out where that seller's is among them.
        """
        found = self.gathered
        if not self._recorded_copies:
            return found
        kept = ~photo_duplicates.foreign_copies(self.snapshot, found.rows, self._recorded_copies)
        return Candidates(found.rows[kept], found.scores[kept], found.facts[kept])

    @once
    def _recorded_copies(self) -> list[photo_duplicates.RecordedCopy]:
        if not self.folds_copies:
            return []
        return photo_duplicates.recorded_copies(self.snapshot, self.gathered.rows)

    @once
    def gathered(self) -> Candidates:
        """The candidates before copies of photos are left out."""
        return gather(
            self.snapshot,
            self.profile,
            self.allowed,
            now=self.now,
            stated_location=self.filters.stated_location,
            location=location_of(self.filters, self.profile.location_profile),
            shown=self.shown,
            also=self.underexposed,
        )

    @once
    def underexposed(self) -> Rows:
        """The young rows that lag furthest behind their promised impressions: (b,) int64"""
        if not self.parameters.explore_share:
            return np.empty(0, np.int64)
        return exploration.most_underexposed(self.snapshot, self.shown, self.allowed, now=self.now)

    @once
    def ranked(self) -> Ranked:
        """The candidates in order, by ranker or blend, with boosts and negative feedback added."""
        rows = self.candidates.rows
        return rank(
            self.candidates,
            self.profile,
            self.snapshot.blend,
            ranker=self.snapshot.ranker.model if self.snapshot.ranker else None,
            adjusted=np.log(self.boosted(rows)) - penalties(self.snapshot, self.profile, rows),
            states_location=self.filters.stated_location is not None,
            multipliers=self.parameters.source_weights,
        )

    @once
    def arranged(self) -> Rows:
        """Positions in `ranked` in the order before exploration: diverse, and without duplicate photos."""
        kept = np.isin(self.ranked.rows, self.underexposed)
        rows, copies = self.ranked.rows, self._recorded_copies
        groups = photo_duplicates.photo_groups(self.snapshot, rows, copies) if copies else None
        return diversified_order(
            self.snapshot,
            self.ranked,
            self.parameters,
            kept=kept,
            duplicates=groups,
            calibration=calibration_of(self.snapshot, self.profile, rows),
        )

    @once
    def feed(self) -> Rows:
        """Rows in the order before exploration, best first: (m <= MAX_SLATE_LENGTH,) int32"""
        return self.ranked.rows[self.arranged]

    @once
    def by_source(self) -> Matrix:
        """The score of every row from each source: (rows, len(SOURCES)) float32, NaN = unknown."""
        return score_rows(
            self.snapshot,
            self.profile,
            np.arange(self.snapshot.row_count),
            now=self.now,
            stated_location=self.filters.stated_location,
            shown=self.shown,
        )

    def explored(self, rng: np.random.Generator) -> ExploredOrder:
        """The order with a share of its places given to listings that few have seen."""
        return exploration.explore_order(
            self.snapshot,
            self.ranked,
            self.arranged,
            self.shown,
            behind=self.underexposed,
            share=self.parameters.explore_share,
            seller_cap=self.parameters.seller_cap,
            now=self.now,
            rng=rng,
        )

    def boosted(self, rows: Rows) -> Vector:
        """Boost factors of rows: (n,) -> (n,) float32, 1 without a boost."""
        return boosts.factors(self.snapshot, rows, self.boosts)


def build_feed(
    *,
    actor: Actor | None,
    filters: Filters,
    limit: int,
    now: datetime,
    is_kept: bool = True,
    seed: int | None = None,
) -> Page:
    """The first page of the feed of this actor, and its slate. Raises NoSuchCategory.

    is_kept: store the whole order as a slate. Events name its id, and its cursor leads to the next page.
    seed: of the draws of exploration; stored with the slate. Without a snapshot the page is the fallback's.
    """
    try:
        snapshot = follower.snapshot()
    except ReplicaNotReady:
        return fallback.build_fallback(actor=actor, filters=filters, limit=limit, now=now)
    assignment = experiments.assignment(actor, now)
    context = read_context(snapshot, actor, filters, assignment.parameters, now)
    seed = secrets.randbelow(SEEDS) if seed is None else seed
    explored = context.explored(np.random.default_rng(seed))
    rows = context.ranked.rows
    reasons = reason_codes(
        context.ranked, explored, context.boosted(rows) > 1, related(snapshot, context.profile, rows)
    )
    order = Order.of(snapshot, context.ranked, explored, reasons)
    recorded = {**assignment.exposure, "filters": filters.to_json(), "limit": limit, **explored.to_json()}
    page, places = _cut(order, explained_by=(snapshot, context.profile), limit=limit)
    if not is_kept:
        return page
    slate = store.write_or_none(
        order.draft(snapshot, actor, recorded, seed=seed), now=now, shown=places.tolist()
    )
    return _continued(page, order, slate, places, actor=actor, now=now)


def read_context(
    snapshot: CatalogueSnapshot,
    actor: Actor | None,
    filters: Filters,
    parameters: FeedParameters,
    now: datetime,
) -> FeedContext:
    """Everything that is read from the database for a request, before anything is ranked."""
    profile = read_profile(actor, snapshot, now=now, rest_after=parameters.rest_after)
    return FeedContext(
        snapshot,
        now,
        profile,
        filters=filters,
        parameters=parameters,
        boosts=boosts.active(now),
        shown=impression_counts.impression_counts(now),
        folds_copies=True,
    )


def next_page(*, cursor: str, actor: Actor | None, limit: int, now: datetime, is_kept: bool = True) -> Page:
    """The page after one that was served, in the order of its slate. Raises BadCursor.

    Listings that were sold or hidden meanwhile are left out, and so are the actor's own: the order of a
    visitor who logged in meanwhile may contain them. is_kept: log an impression for the page.
    """
    slate, offset = store.read_cursor(cursor, actor=actor, now=now)
    order = Order.from_slate(slate)
    page, places = _cut(
        order,
        explained_by=_explained_by(actor, slate.created_at),
        limit=limit,
        offset=offset,
        without=unwanted_by(actor) | queries.ids_sold_by(order.listing_ids, actor),
    )
    if is_kept and len(places):
        store.log_impressions(slate.pk.hex, places.tolist(), now=now)
    return _continued(page, order, slate.pk.hex, places, actor=actor, now=now)


def _explained_by(actor: Actor | None, moment: datetime) -> tuple[CatalogueSnapshot, UserProfile] | None:
    """The snapshot, and the profile as of the first page, so that reasons stay; None without a snapshot."""
    try:
        snapshot = follower.snapshot()
    except ReplicaNotReady:
        return None
    return snapshot, read_profile(actor, snapshot, now=moment)


def _cut(
    order: Order,
    *,
    explained_by: tuple[CatalogueSnapshot, UserProfile] | None,
    limit: int,
    offset: int = 0,
    without: frozenset[int] = frozenset(),
) -> tuple[Page, Rows]:
    """The first listings from an offset on that the database still has as active, and their places."""
    remaining = [pk for pk in order.listing_ids[offset:] if pk not in without]
    shown = queries.first_visible(remaining, limit)
    ids = [listing.pk for listing in shown]
    places = np.array([order.place[pk] for pk in ids], np.int64)
    codes = [order.reasons[place] for place in places]
    reasons = explain(*explained_by, ids, codes) if explained_by else [None] * len(ids)
    items = [order.item(listing, reason) for listing, reason in zip(shown, reasons, strict=True)]
    return Page(items, degraded=fallback.missing_inputs()), places


def _continued(
    page: Page, order: Order, slate: str | None, places: Rows, *, actor: Actor | None, now: datetime
) -> Page:
    """The page with the id of its slate, and a cursor to what follows its places."""
    if slate is None or not len(places) or (end := int(places[-1]) + 1) >= len(order.listing_ids):
        return replace(page, slate_id=slate)
    return replace(
        page,
        slate_id=slate,
        next_cursor=store.cursor_after(slate, offset=end, actor=actor, now=now),
    )
