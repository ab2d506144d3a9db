"""Evaluation of search by everyday intents over real adverts, through the code that serves.

DIR (--data) holds adverts as `manage.py import_listings` reads them. FILE (--intents) holds queries with
rules for what is right; without it, fifty intents that come with this benchmark are used. Adverts are
embedded with MobileNetV2's features, and the encoder is trained on them as in a real installation. Figures:
`precision10`, the mean share of the first ten that is right; `below_half`, the number of intents with less
than half; `search_ms`, the median time of one search with its query encoded.
"""

import argparse
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import fmean, median
from typing import cast

from benchmarks import installation
from benchmarks.feed.photos import require_weights_beside
from benchmarks.feed.replay import show
from benchmarks.protocol import BadData, json_option, print_figures, say
from benchmarks.search.intents import FIRST, Advert, Intent, read_intents
from benchmarks.stored_adverts import (
    embed_all,
    read_listings,
    store_actors,
    store_drafts,
    store_features,
    train_encoder,
)
from listings.errors import DomainError
from listings.models import Listing
from ml.vision.image_decoding import UnreadablePhoto
from ml.vision.weights import WeightsError
from recommendations.encoders import query_client, selection
from recommendations.encoders.encoded_query import EncodedQuery
from recommendations.encoders.query_channel import EncodeRequest
from recommendations.query_parsing import vocabulary
from recommendations.replica import follower
from recommendations.retrieval.filters import Filters
from recommendations.search.pipeline import SearchPage, search

OWN = Path(__file__).with_name("everyday_intents.json")
PUBLISHED_AT = datetime(2026, 1, 1, tzinfo=UTC)
NOW = PUBLISHED_AT + timedelta(days=30)


class EncoderHere(query_client.EncodeClient):
    """Encodes queries in this process, in place of the encode worker."""

    def _ask_worker(self, question: EncodeRequest) -> EncodedQuery:
        return selection.load_active().encode_query(question.words, question.photo)


def benchmark(
    data: Path, intents: list[Intent], weights: Path, *, trained: bool, cache: Path | None, tell: bool = False
) -> dict[str, float]:
    """All figures.   Raises BadData."""
    with installation.servers():
        load(data, weights, trained=trained, cache=cache)
        return judged(intents, tell=tell)


def load(data: Path, weights: Path, *, trained: bool, cache: Path | None) -> None:
    """Load the adverts into an empty database and embed them."""
    rows = read_listings(data)
    actors = store_actors({row.seller for row in rows})
    # Every advert a second after the one before: the newest come first among equals.
    published_at = {row.external_id: PUBLISHED_AT + timedelta(seconds=n) for n, row in enumerate(rows)}
    listings = store_drafts(rows, published_at, actors)
    store_features(data, listings, weights, cache)
    Listing.objects.update(status=Listing.Status.ACTIVE)
    say(f"{len(listings)} adverts")
    if trained:
        train_encoder(NOW)
    embed_all()


def judged(intents: list[Intent], *, tell: bool = False) -> dict[str, float]:
    """The figures of these intents over the listings of the database. tell: also what was wrong."""
    vocabulary.learn(now=NOW)
    _serve()
    adverts = [_advert(listing) for listing in Listing.objects.select_related("category")]
    scores, times_ms = [], []
    for intent in intents:
        ask(intent.query)  # the query is encoded once, as it is in the cache of an installation
        start = time.perf_counter()
        page = ask(intent.query)
        times_ms.append(1000 * (time.perf_counter() - start))
        found = [_advert(item.listing) for item in page.items]
        right_count = sum(map(intent.is_right, adverts))
        scores.append(intent.precision(found, right_count, page.hint is not None))
        wrong = [advert.title for advert in found if not intent.is_right(advert)]
        if tell:
            say(f"{scores[-1]:.2f} of {right_count} {intent.query!r}, not right: {wrong}")
    return {
        "intents": len(scores),
        "precision10": round(fmean(scores), 4),
        "below_half": sum(score < 0.5 for score in scores),
        "search_ms": round(median(times_ms), 1),
    }


def ask(query: str) -> SearchPage:
    """The first page for a query, as anyone gets it."""
    return search(words=query, filters=Filters(), limit=FIRST, now=NOW)


def _serve() -> None:
    """Answer from a snapshot of the tables, without a thread that follows them, and encode queries here."""
    model = selection.active_encoder()
    if model is None:
        raise BadData("No encoder could be chosen for these adverts.")
    show(follower.from_table(model))
    query_client._client = EncoderHere()


def _advert(listing: Listing) -> Advert:
    return Advert(listing.title, cast(str, listing.category.path), float(listing.price), listing.description)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True, help="DIR, adverts with photos")
    parser.add_argument("--intents", type=Path, default=OWN, help="FILE, queries with rules")
    parser.add_argument("--weights", type=Path, help="a file of MobileNetV2's weights")
    parser.add_argument("--cache", type=Path, help="a folder in which features of photos are kept")
    parser.add_argument("--untrained", action="store_true", help="use the encoder of a new installation")
    parser.add_argument("-v", action="store_true", dest="tell", help="say for each intent what was not right")
    json_option(parser)
    return parser.parse_args()


def main() -> None:
    options = _options()
    weights = options.weights or require_weights_beside(options.data)
    try:
        intents = read_intents(options.intents)
        result = benchmark(
            options.data,
            intents,
            weights,
            trained=not options.untrained,
            cache=options.cache,
            tell=options.tell,
        )
    except (BadData, DomainError, OSError, UnreadablePhoto, WeightsError) as error:
        sys.exit(f"{error}")
    print_figures(result, as_json=options.json)


if __name__ == "__main__":
    main()
