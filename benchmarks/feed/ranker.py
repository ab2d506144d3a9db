"""Training of the learned ranker on feeds served by the replay and the log's events after them."""

from datetime import datetime, timedelta

from benchmarks.feed.log import Log
from benchmarks.feed.replay import Replay, show
from benchmarks.protocol import say
from listings.errors import DomainError
from recommendations.feed.pipeline import build_feed
from recommendations.ranker import store
from recommendations.ranker.model import Ranker
from recommendations.retrieval.filters import Filters
from recommendations.training.ranker import train_ranker

TOLD_EVERY = 500


def serve_feeds(replay: Replay, log: Log, since: datetime, until: datetime, *, limit: int) -> int:
    """Serve a feed at each visit, one per actor and day, whose slate later events name; returns their number.

    A shopper of the log never saw that feed. Events with its listings are taken to come from it.
    """
    visits = log.visits(since, until)
    for number, (moment, name) in enumerate(visits, start=1):
        replay.forward_to(moment)
        show(replay.snapshot())
        actor = replay.catalogue.actors[name]
        page = build_feed(actor=actor, filters=Filters(), limit=limit, now=moment, seed=number)
        replay.note_page(name, page, moment)
        if number % TOLD_EVERY == 0:
            say(f"Served {number} of {len(visits)} feeds to learn from")
    return len(visits)


def trained_ranker(now: datetime) -> tuple[Ranker | None, bool]:
    """A ranker trained on these slates, and True if it beats the blend significantly and would serve.

    None, False if it cannot be trained.
    """
    try:
        row = train_ranker(now=now + timedelta(microseconds=1), force=True)
    except DomainError as error:
        say(f"No ranker: {error.detail}")
        return None, False
    say(f"Trained {row}: {row.verdict}")
    return store.load(row), "forced" not in row.metrics
