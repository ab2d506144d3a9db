"""Request ids from request to task, in text and JSON logs, and no secrets."""

import io
import json
import logging
import re
import time

import pytest
import structlog
from celery.contrib.testing.worker import start_worker
from django.db import IntegrityError, ProgrammingError, connection, transaction
from django.test import Client

from marketplace.celery import app
from marketplace.configuration.environment import read_environment
from marketplace.monitoring import logs
from marketplace.servers.processes import LOUD, RECORD, is_loud
from recommendations.encoders import tasks as encoders_tasks
from recommendations.popularity import trending
from tests import factories

KEY = "kYx7Q2-hR_9vLw3mZs8pTn4bJd6cFg1aUe5oXi0y"


@pytest.fixture
def written():
    """written("json") is a stream with every record in that LOG_FORMAT."""
    root, handlers = logging.getLogger(), []
    level = root.level

    def begin(log_format: str) -> io.StringIO:
        handler = logging.StreamHandler(io.StringIO())
        handler.setFormatter(logs.formatter(log_format))
        root.addHandler(handler)
        root.setLevel("INFO")
        handlers.append(handler)
        return handler.stream

    yield begin
    root.setLevel(level)
    for handler in handlers:
        root.removeHandler(handler)


def records(stream: io.StringIO) -> list[dict]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def finished(stream: io.StringIO) -> dict:
    return next(record for record in records(stream) if record["event"] == "request_finished")


class TestRequestId:
    def test_a_sane_request_id_is_kept_and_sent_back(self, client):
        assert client.get("/livez", headers={"X-Request-ID": "edge-7.A_1"})["X-Request-ID"] == "edge-7.A_1"

    @pytest.mark.parametrize("given", ["", "a b", "x" * 65, "a\nb", '"}', "-rf", "é", "../../etc"])
    def test_a_strange_request_id_is_replaced(self, client, given):
        reply = client.get("/livez", headers={"X-Request-ID": given})
        assert re.fullmatch(r"[0-9a-f]{32}", reply["X-Request-ID"])

    def test_two_requests_have_two_request_ids(self, client):
        assert client.get("/livez")["X-Request-ID"] != client.get("/livez")["X-Request-ID"]

    def test_an_error_response_has_the_request_id(self, db, client):
        reply = client.get("/api/v1/listings/nothing/", headers={"X-Request-ID": "lost"})
        assert (reply.status_code, reply["X-Request-ID"]) == (404, "lost")


class TestRecords:
    def test_a_request_leaves_a_log_record_with_id_status_and_duration(self, client, written):
        stream = written("json")
        client.get("/livez", headers={"X-Request-ID": "one"})
        record = finished(stream)
        assert (record["request_id"], record["code"], record["request"]) == ("one", 200, "GET /livez")
        assert record["duration_ms"] >= 0
        assert (record["level"], record["logger"]) == ("info", "django_structlog.middlewares.request")

    def test_records_of_any_library_during_a_request_have_its_id(self, written):
        stream = written("json")
        with structlog.contextvars.bound_contextvars(request_id="one"):
            logging.getLogger("elsewhere").warning("%d left", 3)
        record = records(stream)[-1]
        assert (record["event"], record["request_id"], record["logger"]) == ("3 left", "one", "elsewhere")

    def test_the_log_context_of_a_request_is_empty_after_it(self, client):
        client.get("/livez", headers={"X-Request-ID": "one"})
        assert structlog.contextvars.get_contextvars() == {}

    def test_the_record_of_an_expected_failure_has_the_request_id(self, transactional_db, client, written):
        stream = written("json")
        reply = client.post(
            "/api/v1/classify/", {"words": "sofa"}, "application/json", headers={"X-Request-ID": "later"}
        )
        errors = [record for record in records(stream) if record["level"] == "error"]
        assert reply.status_code == 503
        assert {error["request_id"] for error in errors if "Unavailable" in error["event"]} == {"later"}

    def test_an_unready_answer_to_a_probe_logs_no_error(self, db, client, written):
        stream = written("json")
        assert client.get("/readyz").status_code == 503
        assert not [record for record in records(stream) if record["level"] == "error"]

    def test_a_crash_is_logged_once_with_request_id_and_traceback(self, written, monkeypatch):
        monkeypatch.setattr("marketplace.monitoring.checks.cached_checks", lambda: 1 / 0)
        stream = written("json")
        Client(raise_request_exception=False).get("/readyz", headers={"X-Request-ID": "boom"})
        errors = [record for record in records(stream) if record["level"] == "error"]
        assert [error["request_id"] for error in errors] == ["boom"]
        assert "ZeroDivisionError" in errors[0]["exception"]


class TestLines:
    def test_the_supervisor_recognises_the_level_of_log_lines(self, written):
        stream = written("text")
        logging.getLogger("shop").warning("low")
        structlog.get_logger("shop").info("fine", code=200)
        low, fine = stream.getvalue().splitlines()
        assert RECORD.match(low)
        assert LOUD.search(low)
        assert is_loud(low, after_loud=False)
        assert not is_loud(fine, after_loud=True)
        assert fine.endswith(" INFO shop: fine code=200")

    def test_a_traceback_follows_its_log_line(self, written):
        stream = written("text")
        try:
            raise ValueError("no")
        except ValueError:
            logging.getLogger("shop").exception("it broke")
        first, *below = stream.getvalue().splitlines()
        assert first.endswith(" ERROR shop: it broke")
        assert (below[0], below[-1]) == ("Traceback (most recent call last):", "ValueError: no")


class TestForgedLines:
    FORGED = "2026-11-21 15:04:05 ERROR shop: sold out"

    @pytest.mark.parametrize("log_format", ["text", "json"])
    def test_a_url_with_newlines_begins_no_log_line_of_its_own(self, client, db, written, log_format):
        stream = written(log_format)
        client.get(f"/nothing/%0A{self.FORGED}%1B[2J")
        client.get("/api/v1/listings/%0A" + self.FORGED)
        text = stream.getvalue()
        assert "GET /nothing/%0A2026" in text and "/api/v1/listings/%0A2026" in text
        assert "\x1b" not in text and "\n2026-11-21 15:04:05" not in text

    def test_the_url_of_a_failed_request_begins_no_log_line_of_its_own(self, written, monkeypatch, db):
        monkeypatch.setattr("listings.queries.for_caller", lambda *_: 1 / 0)
        stream = written("text")
        Client(raise_request_exception=False).get(f"/api/v1/listings/x%0A{self.FORGED}/")
        assert "ERROR django.request" in stream.getvalue()
        assert "\n2026-11-21 15:04:05" not in stream.getvalue()

    def test_an_error_message_with_newlines_begins_no_log_line_of_its_own(self, written):
        stream = written("text")
        try:
            raise ValueError(f"no such thing: a\n{self.FORGED}\x1b[2J")
        except ValueError:
            logging.getLogger("shop").exception("it broke")
        assert "\x1b" not in stream.getvalue() and "\n2026-11-21 15:04:05" not in stream.getvalue()
        assert "\n  2026-11-21 15:04:05" in stream.getvalue()

    def test_logged_values_with_newlines_begin_no_log_line_of_their_own(self, written):
        stream = written("text")
        logging.getLogger("shop").warning("no such file: %s", f"a\n{self.FORGED}")
        structlog.get_logger("shop").info("seen", name=f"a\r\n{self.FORGED}\u2028")
        assert len(stream.getvalue().splitlines()) == 2


class TestRowsOfTheDatabase:
    def test_a_row_that_the_database_refuses_is_not_quoted_in_the_log(self, alice, written):
        stream = written("text")
        sofa = factories.listing(alice, "private words", description="private\n\nlines\nCONTEXT: private")
        for quote in (logging.getLogger("shop").exception, lambda value: logging.error("%r", value)):
            try:
                with transaction.atomic():
                    type(sofa).objects.filter(pk=sofa.pk).update(category_id=None)
            except IntegrityError as error:
                assert "private words" in str(error)
                quote(error)
        text = stream.getvalue()
        assert "private" not in text
        assert text.count("violates not-null constraint") >= 3  # both errors of the chain, and the repr
        assert "The above exception was the direct cause" in text and "IntegrityError" in text

    def test_parameters_of_a_failed_statement_are_not_quoted_in_the_log(self, db, written):
        stream, values = written("json"), ["private words"]
        try:
            with transaction.atomic(), connection.cursor() as cursor:
                cursor.execute("SELECT nothing, %s", values)
        except ProgrammingError:
            logging.getLogger("shop").exception("it broke")
        assert "column" in stream.getvalue() and "private" not in stream.getvalue()


class TestSecrets:
    @pytest.mark.parametrize("log_format", ["text", "json"])
    def test_neither_credentials_nor_bodies_nor_queries_are_logged(self, db, client, written, log_format):
        stream = written(log_format)
        bad = {"Authorization": f"Api-Key {KEY}"}
        body = {"title": "a-very-private-title", "password": "hunter2-hunter2"}
        client.post("/api/v1/listings/?q=secret-wish", body, "application/json", headers=bad)
        client.get("/api/v1/search/?q=secret-wish", headers=bad)
        text = stream.getvalue()
        assert "/api/v1/search/" in text
        assert not re.search(f"{KEY}|private|hunter2|wish", text)

    @pytest.mark.parametrize(
        "text",
        [
            f"header Authorization: Api-Key {KEY}",
            f"refused Token {KEY}",
            "could not connect to postgresql://shop:hunter2-hunter2@db/shop",
            "{'password': 'hunter2-hunter2', 'username': 'bob'}",
            "sessionid=hunter2-hunter2; path=/",
        ],
    )
    def test_secrets_in_a_librarys_log_message_are_hidden(self, written, text):
        stream = written("json")
        logging.getLogger("library").error("it said %s", text)
        assert not re.search(f"{KEY}|hunter2", stream.getvalue())
        assert logs.HIDDEN in stream.getvalue()

    def test_ordinary_text_that_resembles_credentials_is_not_hidden(self):
        text = "Token of Alice, basic office chair, cookie jar: sold at https://shop.example/a@b"
        assert logs.without_secrets(text) == text


class TestTasks:
    @pytest.fixture
    def logged_by_worker(self, transactional_db, written):
        """logged_by_worker() is the output of a worker after a query."""
        # A worker sets up Django's log handlers again when it starts, so the test's handler is added later.
        with start_worker(
            app, queues=["encode"], loglevel="info", perform_ping_check=False, shutdown_timeout=60
        ):
            stream = written("json")

            def ask() -> dict:
                query = {"words": "a secret wish", "photo": "%", "reply_to": "nobody"}
                encoders_tasks.encode_query.apply_async(kwargs=query)
                eventually(lambda: "succeeded" in stream.getvalue())
                assert "wish" not in stream.getvalue()
                return next(record for record in records(stream) if "succeeded" in record["event"])

            yield ask

    def test_records_of_a_task_have_the_id_of_the_request_that_sent_it(self, logged_by_worker):
        with structlog.contextvars.bound_contextvars(request_id="from-the-web"):
            assert logged_by_worker()["request_id"] == "from-the-web"

    def test_the_wakeup_message_of_a_new_listing_has_the_request_id(self, transactional_db, alice):
        def rung_by() -> list[str | None]:
            waiting = trending.client().lrange("embeddings", 0, -1)
            headers = [json.loads(message)["headers"] for message in waiting]
            return [header["__django_structlog__"].get("request_id") for header in headers]

        with structlog.contextvars.bound_contextvars(request_id="from-the-web"):
            factories.listing(alice)
        eventually(lambda: rung_by() == ["from-the-web"])
        factories.listing(alice)
        eventually(lambda: rung_by() == [None, "from-the-web"])

    def test_records_of_a_task_without_a_request_have_no_request_id(self, logged_by_worker):
        assert "request_id" not in logged_by_worker()

    def test_a_worker_keeps_the_log_levels_of_the_settings(self, transactional_db):
        with start_worker(app, queues=["encode"], perform_ping_check=False, shutdown_timeout=60):
            assert logging.getLogger("recommendations").getEffectiveLevel() == logging.INFO
            assert logging.getLogger("celery.worker").getEffectiveLevel() == logging.ERROR


class TestFormat:
    def test_logs_are_text_in_development_and_json_in_production(self, monkeypatch):
        monkeypatch.delenv("LOG_FORMAT", raising=False)
        assert read_environment(https_only=False).chosen_log_format == "text"
        assert read_environment(https_only=True).chosen_log_format == "json"

    @pytest.mark.parametrize("log_format", ["text", "json"])
    @pytest.mark.parametrize("https_only", [True, False])
    def test_the_log_format_can_be_set(self, monkeypatch, log_format, https_only):
        monkeypatch.setenv("LOG_FORMAT", log_format)
        assert read_environment(https_only=https_only).chosen_log_format == log_format


def eventually(check) -> None:
    deadline = time.monotonic() + 30
    while not check():
        assert time.monotonic() < deadline, "it did not happen in 30 s"
        time.sleep(0.05)
