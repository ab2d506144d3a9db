"""Fixtures for search: a small catalogue, and a cache of encoded queries in place of an encode worker."""

import numpy as np
import pytest

from listings.models import Place
from recommendations.encoders.encoded_query import EncodedQuery
from recommendations.query_parsing import vocabulary
from tests import factories
from tests.recommendations.search.requests import BATH, BIKES, LEEDS, SEATS, YORK


@pytest.fixture(autouse=True)
def without_encode_worker(encoder, impatient):
    """There is an encoder, and no worker that encodes queries."""


@pytest.fixture
def catalogue(alice, now, ago):
    """By name: sofas in three places, a bicycle, and words that every seller uses."""
    made = [
        ("leather", factories.listing(alice, "Leather sofa", price=80, created_at=ago(hours=5), **LEEDS)),
        ("blue", factories.listing(alice, "Blue sofa", price=120, created_at=ago(hours=4), **YORK)),
        ("bed", factories.listing(alice, "Sofa bed", price=30, created_at=ago(hours=3), **BATH)),
        (
            "settee",
            factories.listing(alice, "Settee in velvet", price=60, path=SEATS, created_at=ago(hours=2)),
        ),
        ("bike", factories.listing(alice, "Mountain bike", path=BIKES, price=90, created_at=ago(hours=1))),
    ]
    Place.objects.create(
        name="Leeds",
        county="West Yorkshire",
        country="GB",
        latitude=53.8,
        longitude=-1.55,
        population=536_280,
    )
    vocabulary.learn(now=now)
    return dict(made)


@pytest.fixture
def known(encoder, follow):
    """`known(listing, words=...)` caches an answer for this query: the listing's own vector."""

    def keep(like, *, version: str | None = None, photo: bytes | None = None, words: str = "") -> None:
        snapshot = follow()
        vector = snapshot.vectors(snapshot.rows_of(np.array([like.pk])))[0].astype(np.float32)
        blocks = snapshot.comparison.blocks
        query_vector = np.zeros_like(vector)
        for name, block in zip(("look", "meaning", "words"), blocks.slices, strict=True):
            if (name == "words" and words) or (name != "words" and photo is not None):
                query_vector[block] = vector[block]
        look = query_vector[: blocks.slices[2].start] if photo is not None else np.empty(0, np.float32)
        query = {"words": words, "photo": photo}
        factories.known_answer(EncodedQuery(version or encoder.version, query_vector, photo=look), **query)

    return keep
