"""Configuration of Celery. tests/flows sends real messages."""

import socket

import pytest
from kombu.exceptions import OperationalError
from kombu.serialization import dumps, loads

from marketplace import settings
from marketplace.celery import app, broker_address
from marketplace.servers.processes import WORKERS

conf = app.conf
TASKS = sorted(name for name in app.tasks if not name.startswith("celery."))
ENCODE = "recommendations.tasks.encode_query"
QUEUES = {process.words()[process.words().index("--queues") + 1] for process in WORKERS}


def queue_of(task: str) -> str:
    return conf.task_routes.get(task, {}).get("queue", conf.task_default_queue)


class TestTimeouts:
    def test_the_visibility_timeout_is_the_same_in_all_three_settings(self):
        places = [
            conf.visibility_timeout,
            conf.broker_transport_options["visibility_timeout"],
            conf.result_backend_transport_options["visibility_timeout"],
        ]
        assert len(set(places)) == 1
        assert places[0] > 0

    def test_task_time_limits_are_under_half_the_visibility_timeout(self):
        assert conf.task_soft_time_limit < conf.task_time_limit < conf.visibility_timeout / 2

    def test_time_limits_of_single_tasks_are_under_half_the_visibility_timeout(self):
        for name in TASKS:
            limits = (app.tasks[name].time_limit, app.tasks[name].soft_time_limit)
            assert all(limit is None or limit < conf.visibility_timeout / 2 for limit in limits), name


class TestSilence:
    def test_a_silent_broker_is_given_up_after_the_socket_timeout(self):
        with socket.create_server(("127.0.0.1", 0)) as silent:
            address = f"redis://127.0.0.1:{silent.getsockname()[1]}"
            hurried = conf.broker_transport_options | {"socket_timeout": 0.2}
            ring = app.tasks["recommendations.tasks.embed_pending"].apply_async
            with (
                app.connection_for_write(address, transport_options=hurried) as connection,
                pytest.raises(OperationalError),
            ):
                ring(connection=connection, retry=False)

    def test_the_socket_timeout_is_longer_than_a_worker_waits_for_messages(self):
        with app.connection_for_read() as connection:
            wait_s = connection.default_channel.brpop_timeout
        assert wait_s < conf.broker_transport_options["socket_timeout"] < conf.visibility_timeout


class TestDelivery:
    def test_tasks_are_acknowledged_when_they_are_done(self):
        assert conf.task_acks_late
        assert conf.task_reject_on_worker_lost
        assert all(app.tasks[name].acks_late for name in TASKS if name != ENCODE)

    def test_an_encode_task_that_crashed_its_worker_is_not_retried(self):
        assert not app.tasks[ENCODE].acks_late
        assert not app.tasks[ENCODE].reject_on_worker_lost

    def test_workers_prefetch_one_message(self):
        assert conf.worker_prefetch_multiplier == 1

    def test_workers_get_time_to_finish_their_tasks(self):
        assert conf.worker_soft_shutdown_timeout > 0

    def test_task_results_are_not_kept(self):
        assert conf.task_ignore_result


class TestMessages:
    def test_messages_are_json_only(self):
        assert conf.accept_content == ["json"]
        assert (conf.task_serializer, conf.result_serializer) == ("json", "json")

    def test_a_pickled_message_is_refused(self):
        kind, encoding, body = dumps({"a": 1}, serializer="pickle")
        with pytest.raises(Exception, match="pickle"):
            loads(body, kind, encoding, accept=conf.accept_content)

    def test_scheduled_tasks_have_no_arguments(self):
        for entry in conf.beat_schedule.values():
            assert not entry.get("args")
            assert not entry.get("kwargs")


class TestQueues:
    def test_tasks_of_the_apps_are_registered(self):
        assert "recommendations.tasks.embed_pending" in TASKS

    @pytest.mark.parametrize("task", TASKS)
    def test_every_task_has_a_queue_that_a_worker_listens_to(self, task):
        assert queue_of(task) in QUEUES

    def test_every_route_and_schedule_names_a_task(self):
        named = {*conf.task_routes, *(entry["task"] for entry in conf.beat_schedule.values())}
        assert named <= set(TASKS)

    def test_embedding_training_and_events_have_queues_of_their_own(self):
        assert queue_of("recommendations.tasks.embed_pending") == "embeddings"
        assert queue_of("recommendations.tasks.train_collaborative") == "training"
        assert queue_of("recommendations.tasks.roll_up_trending") == "events"

    def test_fetching_photos_runs_in_the_training_queue(self):
        assert queue_of("recommendations.tasks.fetch_photos") == "training"

    def test_queries_to_encode_have_a_queue_of_their_own(self):
        assert queue_of(ENCODE) == "encode"
        assert [task for task in TASKS if queue_of(task) == "encode"] == [ENCODE]
        assert ENCODE not in [entry["task"] for entry in conf.beat_schedule.values()]

    def test_messages_of_frequent_tasks_expire_within_a_minute(self):
        for entry in conf.beat_schedule.values():
            if isinstance(entry["schedule"], float):
                assert entry["options"]["expires"] <= 60


class TestBrokerAddress:
    @pytest.mark.parametrize(
        ("redis_url", "expected"),
        [
            ("redis://localhost:6379/1", "redis://localhost:6379/1"),
            ("redis://:p%40ss@localhost?socket_timeout=3", "redis://:p%40ss@localhost?socket_timeout=3"),
            ("redis://[::1]:6379", "redis://[::1]:6379"),
            ("unix:///run/redis.sock", "redis+socket:///run/redis.sock?virtual_host=0"),
            ("unix:///run/redis.sock?db=2", "redis+socket:///run/redis.sock?virtual_host=2"),
            ("unix://:secret@/run/r.sock?db=2", "redis+socket://:secret@/run/r.sock?virtual_host=2"),
            ("rediss://localhost", "rediss://localhost?ssl_cert_reqs=required"),
            ("rediss://localhost?ssl_cert_reqs=none", "rediss://localhost?ssl_cert_reqs=none"),
        ],
    )
    def test_redis_urls_are_spelt_as_celery_expects(self, redis_url, expected):
        assert broker_address(redis_url) == expected

    def test_the_broker_url_leads_to_the_configured_redis(self):
        assert conf.broker_url == broker_address(settings.REDIS_URL)
        with app.connection_for_write() as connection:
            connection.ensure_connection(max_retries=1, timeout=5)
