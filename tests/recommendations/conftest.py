"""Listings, shoppers to learn from, and other processes to share a database with."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from django.db import connections

from listings.announcing import catalogue_transaction
from listings.models import Actor, Listing
from recommendations.interactions.simulation import simulate
from tests import factories
from tests.recommendations.indexed import embed
from tests.recommendations.market import open_large_market, open_market


@pytest.fixture
def shoppers(alice, encoder, now) -> list[Actor]:
    """Thirty, with two weeks of events over sofas and bicycles; nothing is embedded yet.

    Listings have ids of their own: what is simulated follows from the seed and the order of ids.
    """
    with catalogue_transaction():
        for number in range(12):
            factories.listing(
                alice, f"Blue sofa {number}", price=20 + number, external_id=f"sofa-{number:02}"
            )
            title, path = f"Mountain bike {number}", "Sports / Bicycles"
            factories.listing(alice, title, path=path, price=80 + number, external_id=f"bike-{number:02}")
    simulate(shopper_count=30, seed=2, now=now)
    return list(Actor.objects.filter(external_id__startswith="shopper").order_by("pk"))


@pytest.fixture
def sofas(alice):
    with catalogue_transaction():
        return [factories.listing(alice, f"Blue sofa {number}") for number in range(6)]


@pytest.fixture
def embedded_sofas(encoder, alice) -> list[Listing]:
    """Eight of Alice's, with vectors."""
    with catalogue_transaction():
        made = [factories.listing(alice, f"Blue sofa number {number}") for number in range(8)]
    embed()
    return made


@pytest.fixture
def impatient(settings) -> None:
    """No encode worker runs: queries that are not cached fail soon."""
    settings.ENVIRONMENT = settings.ENVIRONMENT.model_copy(update={"encode_timeout_s": 0.02})


@pytest.fixture
def by_ngrams(encoder, settings, tmp_path) -> None:
    """Encoders are trained without MiniLM; curves are drawn in this test's folder."""
    settings.VAR = tmp_path
    settings.ENVIRONMENT = settings.ENVIRONMENT.model_copy(update={"text_encoder": "ngrams"})


@pytest.fixture
def market(by_ngrams, now) -> list[Listing]:
    """What an encoder can be trained on, and what is too small to refuse one."""
    return open_market(now)


@pytest.fixture
def large_market(by_ngrams, now) -> list[Listing]:
    """What an encoder can be trained on, and be refused for."""
    return open_large_market(now)


@contextmanager
def elsewhere(lock: int) -> Iterator[None]:
    """Another process holds the lock."""
    other = connections.create_connection("default")
    try:
        with other.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_lock(%s)", [lock])
            yield
            cursor.execute("SELECT pg_advisory_unlock(%s)", [lock])  # a close alone takes its time
    finally:
        other.close()
