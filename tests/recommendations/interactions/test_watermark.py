"""Watermarks: positions in the log of events up to which nothing is missed."""

import pytest
from django.db import connections

from recommendations.interactions import watermark
from recommendations.models.events import Interaction
from tests import factories

ANOTHER_SERVERS = 10**15  # a transaction id that this server has not assigned


def test_the_horizon_stays_before_a_transaction_that_still_runs(db):
    other = connections.create_connection("default")
    try:
        other.set_autocommit(False)
        with other.cursor() as cursor:
            cursor.execute("SELECT pg_current_xact_id()::text::bigint")
            (running,) = cursor.fetchone()
        assert watermark.horizon() <= running
        other.rollback()
    finally:
        other.close()


@pytest.mark.parametrize(("stored", "expected"), [(0, 0), (7, 7), (9, 9), (10, 0)])
def test_a_position_of_another_server_begins_anew(stored, expected):
    assert watermark.position(stored, horizon=9) == expected


def test_the_latest_event_is_the_last_one_before_a_position(bob, sofa, ago):
    assert watermark.latest_event(4) is None
    factories.event(bob, sofa, at=ago(hours=2))
    Interaction.objects.update(transaction_id=3)
    assert watermark.latest_event(4) == ago(hours=2)
    assert watermark.latest_event(3) is None


def test_an_event_of_a_restored_dump_counts_as_old(bob, sofa, ago):
    factories.event(bob, sofa, at=ago(hours=2))
    Interaction.objects.update(transaction_id=ANOTHER_SERVERS)
    assert watermark.latest_event(3) == ago(hours=2)
