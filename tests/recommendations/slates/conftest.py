"""A slate of Bob."""

import pytest

from recommendations.slates import store
from tests.recommendations.slates.drafts import draft


@pytest.fixture
def bobs_slate(bob, sofas, now) -> str:
    return store.write(draft([sofa.pk for sofa in sofas], bob), now=now)
