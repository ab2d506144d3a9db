"""Fixtures: checks that are made anew."""

import pytest

from marketplace.monitoring import checks


@pytest.fixture(autouse=True)
def looks_each_time():
    checks.forget()
    yield
    checks.forget()
