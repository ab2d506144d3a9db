"""A ranker trained on simulated shoppers."""

import pytest

from ml.ranking.lambdarank import (
    RankerModel,
)
from tests.ml.ranking.shoppers import Shoppers, trained


@pytest.fixture(scope="module")
def earlier() -> Shoppers:
    return Shoppers(0)


@pytest.fixture(scope="module")
def later() -> Shoppers:
    return Shoppers(1, slate_count=100)


@pytest.fixture(scope="module")
def unseen() -> Shoppers:
    return Shoppers(2)


@pytest.fixture(scope="module")
def model(earlier, later) -> RankerModel:
    return trained(earlier.slates, later.slates)
