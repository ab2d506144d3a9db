"""Search by words and photos, read from top to bottom: match, fuse, bring nearer what is liked, show."""

from dataclasses import dataclass, field, replace
from datetime import datetime

import numpy as np

from listings import queries
from listings.errors import Invalid
from listings.models import Actor, Listing
from ml.arrays import Rows, Vector
from ml.blending import blend
from ml.fusion import Fused, reciprocal_rank
from recommendations import copies, replica
from recommendations.asking_words import Understood
from recommendations.candidates import SOURCES as TASTE_SOURCES
from recommendations.candidates import score_rows
from recommendations.filters import Filters
from recommendations.highlighting import Highlight, highlight
from recommendations.hints import Hint, hint_for
from recommendations.matching import Question, Rankings, count_by_root, pose
from recommendations.pages import Item, Page
from recommendations.ranking import weights_for
from recommendations.taste import Taste, read_taste
from recommendations.view import View
from recommendations.wanted import read_query

# What each ranking weighs in the fusion. Vectors bring what was said in other words: at 1, listings are found
# less well by their own (MRR .835 on real adverts for .860 at .25, and .859 without vectors). Taste brings
# nearer what is about as good an answer, and no more.
WEIGHTS = {"words": 1.0, "vectors": 0.25, "photo": 1.0, "newest": 1.0, "taste": 0.5}
FURTHEST = 1000  # place of an order from which a page may begin
RERANKED = 200  # of the fused listings, from the first on, are ordered anew by taste
# What is new or trending would move listings from page to page, and says nothing of who asks.
PERSONAL = np.array([source not in {"trending", "fresh", "popularity"} for source in TASTE_SOURCES])


class NothingAsked(Invalid):
    def __init__(self):
        super().__init__("Send words, a photo, or at least one filter.")


@dataclass(frozen=True)
class SearchItem(Item):
    """A listing that was found; `scores` are what each ranking adds to its score."""

    highlight: Highlight | None = None


@dataclass(frozen=True)
class SearchPage(Page):
    words: str = ""  # that were looked for
    understood: tuple[Understood, ...] = ()
    mended: dict[str, str] = field(default_factory=dict)
    facets: dict[str, int] = field(default_factory=dict)  # root category -> how many match in it
    hint: Hint | None = None  # of an empty result
    next_offset: int | None = None


def search(
    *,
    words: str = "",
    photo: bytes | None = None,
    filters: Filters,
    actor: Actor | None = None,
    understand: bool = True,
    mend: bool = True,
    personalised: bool = True,
    limit: int,
    offset: int = 0,
    now: datetime,
) -> SearchPage:
    """What is for sale and was asked for, best first; with filters alone, the newest.

    photo: a JPEG as listings.photos.receive made it. An offset counts places of one order, which stays the
    same for the same question: a page is shorter than its limit by what is folded into copies.
    Raises NothingAsked, NoSuchCategory; for a photo alone EncoderAway and NotReady.
    """
    wanted = read_query(words, filters, understanding=understand, mending=mend)
    if wanted.is_nothing and photo is None:
        raise NothingAsked
    question = pose(wanted, photo=photo, actor=actor)
    rankings = question.match(wanted.filters)
    if personalised and actor is not None:
        rankings |= _by_taste_of(actor, rankings, question.view, now=now)
    order = fuse(rankings)
    return SearchPage(
        items=_items(order, list(rankings), question, slice(offset, offset + limit)),
        degraded=_degraded(question, rankings),
        words=wanted.words,
        understood=wanted.understood,
        mended=wanted.mended,
        facets=_facets(question, wanted.filters, rankings),
        hint=None if len(order.rows) else hint_for(question, wanted),
        next_offset=_next(offset + limit, length=len(order.rows)),
    )


def _next(offset: int, *, length: int) -> int | None:
    """Where the next page begins, where there is one that may be asked for."""
    return offset if offset < length and offset <= FURTHEST else None


def fuse(rankings: Rankings) -> Fused:
    """One order of all listings that a ranking holds, by reciprocal rank; `rows` are keys of listings."""
    return reciprocal_rank(list(rankings.values()), np.array([WEIGHTS[source] for source in rankings]))


def _by_taste_of(actor: Actor, rankings: Rankings, view: View | None, *, now: datetime) -> Rankings:
    """The top of the fused listings as one more ranking: it moves listings, and brings none in."""
    if view is None or not any(len(ranking) for ranking in rankings.values()):
        return {}
    taste = read_taste(actor, view, now=now)
    if not len(taste.listing_ids):
        return {}
    top = fuse(rankings).rows[:RERANKED]
    liking = _liking(top, taste, view, now=now)
    return {"taste": top[np.argsort(-liking, kind="stable")]}


def _liking(listing_ids: Rows, taste: Taste, view: View, *, now: datetime) -> Vector:
    """How much the actor probably likes these: (m,) -> (m,) float32

    One that nothing is known about is neither liked nor disliked: it stands in the middle.
    """
    rows = view.rows_of(listing_ids)
    scores = np.full((len(rows), len(TASTE_SOURCES)), np.nan, np.float32)
    scores[rows >= 0] = score_rows(view, taste, rows[rows >= 0], now=now)
    liking = blend(scores, weights_for(taste, view.blend) * PERSONAL)
    known = liking[~np.isnan(liking)]
    return np.nan_to_num(liking, nan=float(np.median(known)) if len(known) else 0.0)


def _items(order: Fused, sources: list[str], question: Question, window: slice) -> list[SearchItem]:
    """The listings of this window that are active now, those that show the same photo folded into one."""
    ids = order.rows[window].tolist()
    place = {pk: window.start + position for position, pk in enumerate(ids)}

    def item_of(found: Listing) -> SearchItem:
        parts = zip(sources, order.parts[place[found.pk]].tolist(), strict=True)
        return SearchItem(
            found,
            round(float(order.score[place[found.pk]]), 6),
            {source: None if np.isnan(part) else round(part, 6) for source, part in parts},
            highlight=highlight(question.words, found.title, found.description),
        )

    return copies.group([item_of(found) for found in queries.first_visible(ids, len(ids))], question.view)


def _facets(question: Question, filters: Filters, rankings: Rankings) -> dict[str, int]:
    """Root category -> how many listings match in it whatever category was asked for, most first.

    Counted is what `Question.matching` says: with words or a photo, what the sources found.
    """
    everywhere = replace(filters, category=None)
    if everywhere != filters:
        rankings = question.match(everywhere)
    return count_by_root(question.matching(everywhere, rankings))


def _degraded(question: Question, rankings: Rankings) -> list[str]:
    """What could not be asked, or is not up to date, of what these rankings are made from."""
    used = {"catalogue"} if question.encoded else set()
    used |= {"catalogue", "collaborative"} if "taste" in rankings else set()
    return sorted({*question.degraded, *(used & set(replica.degraded()))})
