"""Search as in serving, by PostgreSQL's full text and by vectors, over the adverts of a benchmark."""

from datetime import UTC, datetime
from decimal import Decimal

import numpy as np
from django.db import transaction

from benchmarks.adverts import Adverts
from listings.categories import tree
from listings.models import Actor, Listing
from ml.arrays import Rows, Vector
from recommendations.query_parsing import vocabulary
from recommendations.query_parsing.parsed_query import parse_query
from recommendations.retrieval.filters import Filters
from recommendations.search import fulltext
from recommendations.search.matching import DEPTH, NEIGHBOURS
from recommendations.search.pipeline import fuse

NOW = datetime(2026, 1, 1, tzinfo=UTC)


class Searched:
    """Adverts in the database, identified by their rows."""

    @transaction.atomic
    def __init__(self, adverts: Adverts):
        seller = Actor.objects.create(external_id="benchmark")
        category_of = {path: tree.ensure_category(path) for path in set(adverts.paths)}
        listings = [
            Listing(
                seller=seller,
                title=title,
                description=text,
                price=Decimal(0),
                category=category_of[path],
                status=Listing.Status.ACTIVE,
                created_at=NOW,
            )
            for title, text, path in zip(adverts.titles, adverts.descriptions, adverts.paths, strict=True)
        ]
        stored = Listing.objects.bulk_create(listings, batch_size=1000)
        self._row_of = {listing.pk: row for row, listing in enumerate(stored)}
        vocabulary.learn(now=NOW)

    def find(self, query: str, likeness: Vector, least_likeness: float) -> Rows:
        """Rows, best first, for a query and the similarity (n,) float32 of its vector to each advert."""
        wanted = parse_query(query, Filters(), understanding=False, mending=True, now=NOW)
        found = fulltext.find(wanted.wording, Filters(), limit=DEPTH, now=NOW)
        by_words = np.array([self._row_of[pk] for pk in found.listing_ids], np.int64)
        near = np.argsort(-likeness, kind="stable")[:NEIGHBOURS]
        by_vectors = near[(likeness[near] >= least_likeness) | np.isin(near, by_words)]
        return fuse({"words": by_words, "vectors": by_vectors}).rows
