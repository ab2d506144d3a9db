"""Shoppers with a browser: pages as text, forms with their CSRF token."""

import pytest
from django.test import Client

from listings.announcing import catalogue_transaction
from listings.models import Actor, Listing
from recommendations.interactions.simulation import simulate
from tests import factories

HTMX = {"HX-Request": "true"}


@pytest.fixture
def chairs(alice, encoder) -> list[Listing]:
    with catalogue_transaction():
        return [factories.listing(alice, f"Chair number {number}", price=10 + number) for number in range(30)]


@pytest.fixture
def bobs_browser(bob) -> Client:
    browser = Client()
    browser.force_login(bob.user)
    return browser


@pytest.fixture
def shoppers(chairs, settings, now) -> list[Actor]:
    """Simulated ones, as whom anyone may look."""
    settings.ENVIRONMENT = settings.ENVIRONMENT.model_copy(update={"demo_shoppers": True})
    simulate(shopper_count=3, seed=2, now=now)
    return list(Actor.objects.filter(external_id__startswith="shopper").order_by("pk"))
