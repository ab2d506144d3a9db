"""Automatic trainings in separate processes."""

import sys

import pytest
from django.db import connection, connections, transaction
from django.utils import timezone

from recommendations import tasks
from recommendations.collaborative import refresh, store
from recommendations.collaborative.history import read_history
from recommendations.core import locks
from recommendations.interactions import watermark
from recommendations.model_registry import publication
from recommendations.models.events import Interaction
from recommendations.popularity import trending
from recommendations.training import schedule
from tests import factories
from tests.recommendations.conftest import elsewhere

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def started(settings, monkeypatch) -> list[list[str]]:
    """The processes that were started; a training is due after five events."""
    settings.ENVIRONMENT = settings.ENVIRONMENT.model_copy(update={"retrain_after_events": 5})
    processes = []
    monkeypatch.setattr(tasks.subprocess, "Popen", lambda command, **_: processes.append(command))
    return processes


def events(bob, sofa, count: int) -> None:
    for _ in range(count):
        factories.event(bob, sofa)


class TestWhenATrainingIsDue:
    def test_enough_events_start_one_training_and_not_two(self, started, bob, sofa):
        events(bob, sofa, 5)
        assert [tasks.train_when_due() for _ in range(3)] == [True, False, False]
        assert [command[-2:] for command in started] == [["train", "collaborative"]]
        assert started[0][0] == sys.executable

    def test_fewer_events_than_set_start_no_training(self, started, bob, sofa):
        events(bob, sofa, 4)
        assert not tasks.train_when_due()
        assert started == []

    def test_a_setting_of_0_switches_automatic_training_off(self, started, bob, sofa, settings):
        settings.ENVIRONMENT = settings.ENVIRONMENT.model_copy(update={"retrain_after_events": 0})
        events(bob, sofa, 5)
        assert not tasks.train_when_due()

    @pytest.mark.parametrize("verb", ["published", "refused"])
    def test_events_are_counted_from_the_last_training_published_or_refused(self, started, bob, sofa, verb):
        """A refused training is not started again each minute."""
        events(bob, sofa, 5)
        row = store.reject("1", horizon=watermark.horizon(), metrics={}, verdict="")
        if verb == "published":
            publication.activate(row)
        assert not tasks.train_when_due()
        events(bob, sofa, 5)
        assert tasks.train_when_due()

    def test_a_training_that_broke_off_is_not_started_again_each_minute(self, started, bob, sofa):
        events(bob, sofa, 5)
        assert tasks.train_when_due()
        assert not store.trainings().exists(), "it left nothing, not even a row"
        events(bob, sofa, 4)
        assert not tasks.train_when_due()
        events(bob, sofa, 1)
        assert tasks.train_when_due()

    def test_a_training_that_is_due_waits_while_one_runs_and_is_not_forgotten(self, started, bob, sofa):
        events(bob, sofa, 5)
        with elsewhere(locks.TRAINING):
            assert not tasks.train_when_due()
        assert tasks.train_when_due()

    def test_counting_new_events_stops_at_the_limit(self, bob, sofa):
        events(bob, sofa, 5)
        assert schedule.count_between(1, watermark.horizon(), limit=3) == 3

    def test_counting_new_events_reads_the_index_on_transactions(self, bob, sofa):
        events(bob, sofa, 1)
        with connection.cursor() as cursor:
            cursor.execute("SET enable_seqscan = off")
            cursor.execute(f"EXPLAIN {schedule._COUNT}", ["1", "999999999", 5])
            plan = "\n".join(line for (line,) in cursor.fetchall())
            cursor.execute("RESET enable_seqscan")
        assert "interaction_by_transaction" in plan


class TestTasks:
    def test_the_tasks_of_refresh_and_training_call_their_functions(self, started, db):
        assert tasks.refresh_collaborative() == 0
        tasks.train_collaborative()
        assert len(started) == 1

    def test_a_lock_held_elsewhere_is_seen_and_is_not_taken(self, db):
        assert not locks.is_held(locks.TRAINING)
        with elsewhere(locks.TRAINING):
            assert locks.is_held(locks.TRAINING)
            assert not locks.is_held(locks.REFRESHING)
        with locks.advisory_lock(locks.TRAINING) as acquired:
            assert acquired
        assert not locks.is_held(locks.TRAINING)


class TestHorizon:
    def test_a_transaction_that_still_runs_elsewhere_lies_beyond_the_horizon(self, bob, sofa):
        other = connections.create_connection("default")
        try:
            other.set_autocommit(False)
            with other.cursor() as cursor:
                cursor.execute("SELECT pg_current_xact_id()::text::bigint")
                running = cursor.fetchone()[0]
            events(bob, sofa, 1)
            assert watermark.horizon() <= running
            other.rollback()  # a close alone takes its time
            assert watermark.horizon() > running
        finally:
            other.close()

    def test_ones_own_transaction_does_not_lie_beyond_the_horizon(self, bob, sofa, now):
        with transaction.atomic():
            events(bob, sofa, 1)
            assert watermark.latest_event(watermark.horizon()) <= timezone.now()


class TestARestoredDump:
    """Its rows have transaction ids of another server, which this one has not assigned yet."""

    @pytest.fixture
    def foreign(self, bob, sofa):
        events(bob, sofa, 1)
        Interaction.objects.update(transaction_id=10**15)

    def test_events_of_a_restored_dump_are_trained_on_and_trend(self, foreign, bob, sofa, now):
        assert read_history(until=timezone.now(), before=watermark.horizon()).actor_ids.tolist() == [bob.pk]
        assert watermark.latest_event(watermark.horizon()) is not None
        trending.roll_up(now=timezone.now())
        assert trending.top()[0].tolist() == [sofa.pk]

    def test_events_of_a_restored_dump_trend_once(self, foreign, alice, bob, sofa):
        lamp = factories.listing(alice, "Lamp")
        events(bob, lamp, 2)
        for _ in range(4):
            trending.roll_up(now=timezone.now())
        assert trending.top()[0].tolist() == [lamp.pk, sofa.pk]

    def test_after_a_restored_dump_the_positions_of_the_old_server_are_forgotten(
        self, started, foreign, bob, sofa
    ):
        store.reject("1", horizon=10**15, metrics={}, verdict="")
        trending.client().set(schedule.ATTEMPT_KEY, 10**15)
        trending.client().hset(trending.STATE, mapping={"position": 10**15, "t0": timezone.now().isoformat()})
        events(bob, sofa, 5)
        assert tasks.train_when_due()
        assert trending.roll_up(now=timezone.now()) == 1
        assert refresh.read_delta(since=10**15, now=timezone.now()).listing_ids.tolist() == [sofa.pk]
