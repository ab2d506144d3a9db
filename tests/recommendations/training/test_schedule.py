"""Automatic trainings in separate processes."""

import sys
from datetime import timedelta

import pytest
from django.db import connection, connections, transaction
from django.utils import timezone

from listings.models import Actor
from marketplace.configuration.environment import Environment
from recommendations import tasks
from recommendations.collaborative import refresh, store
from recommendations.collaborative.history import read_history
from recommendations.core import locks
from recommendations.encoders import selection, training_state
from recommendations.indexing import embedding_jobs
from recommendations.interactions import watermark
from recommendations.interactions.recording import Event, record
from recommendations.model_registry import publication
from recommendations.models.doubts import Doubt
from recommendations.models.events import Interaction
from recommendations.popularity import trending
from recommendations.training import schedule
from recommendations.training.encoder import TooLittleMaterial, train_encoder
from recommendations.trust import weighting
from tests import factories
from tests.recommendations.conftest import elsewhere
from tests.recommendations.indexed import embed

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def started(settings, monkeypatch) -> list[list[str]]:
    """The processes that were started; a training is due after five events."""
    often = {"retrain_after_events": 5, "retrain_least_hours": 0}
    settings.ENVIRONMENT = settings.ENVIRONMENT.model_copy(update=often)
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


class TestEventsThatAreNotBelieved:
    @pytest.fixture
    def visitors(self, db) -> list[Actor]:
        return [Actor.objects.create(external_id=f"visitor-{n}", kind="visitor") for n in range(9)]

    def test_events_of_newcomers_start_no_training(self, started, visitors, sofa):
        for visitor in visitors:
            events(visitor, sofa, 1)
        assert not tasks.train_when_due()

    def test_events_of_visitors_whose_first_day_is_over_start_one(self, started, visitors, sofa, ago):
        Actor.objects.update(created_at=ago(hours=25))
        for visitor in visitors:
            events(visitor, sofa, 1)
        assert tasks.train_when_due()

    def test_events_of_doubted_actors_start_none_until_staff_release_them(self, started, bob, sofa):
        doubt = Doubt.objects.create(actor=bob, reason="haste", share=0, evidence="")
        events(bob, sofa, 5)
        assert not tasks.train_when_due()
        Doubt.objects.filter(pk=doubt.pk).update(decision="released")
        assert tasks.train_when_due()

    def test_events_of_sellers_on_their_own_listings_start_none(self, started, alice, sofa):
        events(alice, sofa, 5)
        assert not tasks.train_when_due()

    def test_false_claims_and_events_without_weight_start_none(self, started, bob, sofa):
        false = [Event(f"f{n}", bob, sofa.external_id, "view", slate="no slate") for n in range(5)]
        light = [Event(f"l{n}", bob, sofa.external_id, "hide") for n in range(5)]
        record(source="tests", events=false + light, now=timezone.now())
        assert not tasks.train_when_due()

    def test_events_of_a_source_without_weight_start_none(self, started, bob, sofa, settings):
        weightless = {"source_weights": {"tests": 0.0}}
        settings.ENVIRONMENT = settings.ENVIRONMENT.model_copy(update=weightless)
        events(bob, sofa, 5)
        assert not tasks.train_when_due()

    def test_events_of_a_person_are_capped_by_the_day_of_reception(self, bob, sofa, ago):
        claims = [
            Event(f"c{n}", bob, sofa.external_id, "view", occurred_at=ago(days=n % 40)) for n in range(200)
        ]
        record(source="tests", events=claims, now=timezone.now())
        count = weighting.believed_count(since=1, until=watermark.horizon(), limit=1000)
        assert count <= 2 * weighting.WEIGHT_CAP  # twice at midnight


class TestTimeBetweenTrainings:
    @pytest.fixture
    def hourly(self, started, settings) -> list[list[str]]:
        settings.ENVIRONMENT = settings.ENVIRONMENT.model_copy(update={"retrain_least_hours": 1})
        return started

    def test_trainings_are_an_hour_apart_however_many_events_come(self, hourly, bob, sofa, now):
        events(bob, sofa, 5)
        assert schedule.claim_training(now=now)
        events(bob, sofa, 5)
        assert not schedule.claim_training(now=now + timedelta(minutes=59))
        assert schedule.claim_training(now=now + timedelta(minutes=61))

    def test_a_training_that_left_a_row_delays_the_next_without_redis(self, hourly, bob, sofa, now):
        store.reject("1", horizon=watermark.horizon(), metrics={}, verdict="")
        trending.client().flushdb()
        events(bob, sofa, 5)
        assert not schedule.claim_training(now=now + timedelta(minutes=59))
        assert schedule.claim_training(now=now + timedelta(minutes=61))

    def test_a_clock_that_was_put_back_delays_no_training(self, hourly, bob, sofa, now):
        events(bob, sofa, 5)
        assert schedule.claim_training(now=now + timedelta(days=300))
        events(bob, sofa, 5)
        assert schedule.claim_training(now=now)

    def test_trainings_are_an_hour_apart_by_default(self):
        assert Environment.model_fields["retrain_least_hours"].default == 1


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


class TestWhenAnEncoderIsDue:
    """Trained by itself from three embedded listings on."""

    @pytest.fixture
    def catalogue(self, encoder, started, settings, alice) -> list[list[str]]:
        """Three embedded listings; the processes that were started."""
        few = {"train_encoder_after_listings": 3}
        settings.ENVIRONMENT = settings.ENVIRONMENT.model_copy(update=few)
        trending.client().delete(training_state.ATTEMPT_KEY)
        self.advertise(alice, 3)
        return started

    def advertise(self, alice: Actor, count: int) -> None:
        for _ in range(count):
            factories.listing(alice, "Sofa")
        embed()

    def trained(self, listing_count: int, requested: str) -> None:
        """A training of so many listings left this row."""
        metrics = {"listings": listing_count, "requested": requested}
        selection.reject("trained", metrics, "Worse than the active encoder.")

    def test_enough_embedded_listings_start_one_training_and_not_two(self, catalogue):
        assert [tasks.train_encoder_when_due() for _ in range(2)] == [True, False]
        assert [command[-2:] for command in catalogue] == [["train", "encoder"]]

    def test_fewer_listings_than_set_start_none(self, catalogue, settings):
        settings.ENVIRONMENT = settings.ENVIRONMENT.model_copy(update={"train_encoder_after_listings": 4})
        assert not tasks.train_encoder_when_due()

    def test_a_setting_of_0_trains_no_encoder_by_itself(self, catalogue, settings):
        settings.ENVIRONMENT = settings.ENVIRONMENT.model_copy(update={"train_encoder_after_listings": 0})
        assert not tasks.train_encoder_when_due()

    def test_none_is_trained_during_a_bulk_load(self, catalogue, alice):
        factories.listing(alice, "Waits for its vector")
        embedding_jobs.request_missing()
        assert not tasks.train_encoder_when_due()
        embed()
        assert tasks.train_encoder_when_due()

    def test_none_is_trained_while_another_training_runs(self, catalogue):
        with elsewhere(locks.ENCODER):
            assert not tasks.train_encoder_when_due()

    def test_the_next_is_due_once_the_catalogue_has_grown_by_half(self, catalogue, alice):
        self.trained(3, selection.requested_weights())
        self.advertise(alice, 1)
        assert not tasks.train_encoder_when_due()
        self.advertise(alice, 1)
        assert tasks.train_encoder_when_due()

    def test_the_next_is_due_once_another_backbone_is_asked_for(self, catalogue, settings):
        self.trained(3, selection.requested_weights())
        assert not tasks.train_encoder_when_due()
        other = {"image_backbone": "efficientnet_lite2", "image_weights": None}
        settings.ENVIRONMENT = settings.ENVIRONMENT.model_copy(update=other)
        assert tasks.train_encoder_when_due()

    def test_none_is_trained_before_the_last_one_serves(self, catalogue, encoder):
        selection.register("next", encoder.path, encoder.sha256, {})
        assert not tasks.train_encoder_when_due()

    def test_a_training_that_cannot_succeed_is_not_started_again_all_the_time(self, catalogue, settings):
        with pytest.raises(TooLittleMaterial):
            train_encoder(now=timezone.now())
        assert not tasks.train_encoder_when_due()
