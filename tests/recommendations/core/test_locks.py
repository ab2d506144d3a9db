"""Advisory locks, held by this connection or by another one."""

import pytest

from recommendations.core import locks
from recommendations.core.locks import AlreadyTraining, advisory_lock, is_held, training_lock
from tests.recommendations.conftest import elsewhere

pytestmark = pytest.mark.django_db


def test_an_advisory_lock_is_held_until_its_block_ends():
    with advisory_lock(locks.TRAINING) as acquired:
        assert acquired
        assert is_held(locks.TRAINING)
        assert not is_held(locks.RANKER)
    assert not is_held(locks.TRAINING)


def test_an_advisory_lock_is_released_by_an_error():
    with pytest.raises(ZeroDivisionError), advisory_lock(locks.TRAINING):
        1 / 0  # noqa: B018
    assert not is_held(locks.TRAINING)


def test_an_advisory_lock_that_is_held_elsewhere_is_not_acquired():
    with elsewhere(locks.TRAINING):
        with advisory_lock(locks.TRAINING) as acquired:
            assert not acquired
        assert is_held(locks.TRAINING)  # it is not released by who does not hold it


def test_a_training_lock_that_is_held_elsewhere_names_the_model():
    with (
        elsewhere(locks.RANKER),
        pytest.raises(AlreadyTraining, match="training a ranker"),
        training_lock(locks.RANKER, "a ranker"),
    ):
        pytest.fail("two processes train")
