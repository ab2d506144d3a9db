"""Fixtures: settings of rate limits, and a Redis that cannot be reached."""

import pytest

NOWHERE = "redis://127.0.0.1:1"


@pytest.fixture
def limits(settings):
    def set_limits(**changes) -> None:
        settings.ENVIRONMENT = settings.ENVIRONMENT.model_copy(update=changes)

    return set_limits


@pytest.fixture
def without_redis(settings) -> None:
    settings.REDIS_URL = NOWHERE
