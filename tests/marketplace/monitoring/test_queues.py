"""Queues and periodic tasks that the health checks look at."""

from datetime import timedelta

from django.utils import timezone

from marketplace.celery import app
from marketplace.monitoring import queues as monitoring_queues
from marketplace.monitoring.results import OK, OVER, UNKNOWN
from recommendations import tasks
from recommendations.popularity import trending
from tests.marketplace.monitoring.results import results


class TestQueues:
    def test_a_message_that_nobody_takes_is_over_the_limit(self, follow):
        tasks.roll_up_trending.apply_async()
        tasks.roll_up_trending.apply_async()
        look = results()
        assert (look["queue_length/events"].value, look["queue_oldest/events"].status) == (2, OK)
        assert look["queue_length/embeddings"].value == 0
        later = results(timezone.now() + timedelta(minutes=6))
        assert later["queue_oldest/events"].status == OVER
        assert "worker-events" in later["queue_oldest/events"].advice

    def test_every_queue_of_the_workers_is_checked(self, follow):
        queues = {name.partition("/")[2] for name in results() if name.startswith("queue_length")}
        assert queues == {"events", "embeddings", "encode", "training"}

    def test_a_foreign_message_in_a_queue_makes_its_age_unknown(self, follow):
        trending.client().lpush("events", b"not json")
        assert results()["queue_oldest/events"].status == UNKNOWN

    def test_a_periodic_task_that_stopped_is_over_the_limit(self, follow, now):
        assert (
            results(now)["task_ran/roll_up_trending"].status == OVER
        )  # no record, because Redis was emptied
        monitoring_queues.record_success(trending.client(), tasks.roll_up_trending.name, now)
        assert results(now)["task_ran/roll_up_trending"].status == OK
        assert results(now + timedelta(minutes=6))["task_ran/roll_up_trending"].status == OVER

    def test_a_periodic_task_that_ran_by_a_clock_ahead_is_over_the_limit(self, follow, now):
        monitoring_queues.record_success(
            trending.client(), tasks.roll_up_trending.name, now + timedelta(days=1)
        )
        assert results(now)["task_ran/roll_up_trending"].status == OVER

    def test_every_frequent_task_of_beat_is_checked(self, follow):
        often = {
            entry["task"].rpartition(".")[2]
            for entry in app.conf.beat_schedule.values()
            if isinstance(entry["schedule"], float)
        }
        assert {name.partition("/")[2] for name in results() if name.startswith("task_ran")} == often
