"""PostgreSQL stops and restarts under requests."""

import os
import signal
import time
from collections.abc import Callable

import pytest
from django.db import connections
from django.utils import timezone

from listings.models import Listing
from marketplace.servers.home import ServerHome
from marketplace.servers.postgres import PostgresServer
from recommendations.indexing import embedding_jobs
from recommendations.models.events import Interaction
from tests import factories, servers
from tests.faults.asking import Asking, Reply, ask
from tests.faults.conftest import assert_agrees
from tests.flows.conftest import eventually


@pytest.fixture
def postgres():
    """The server of this test run, restarted after the test."""
    server = PostgresServer(ServerHome(servers.FOLDER), durable=False)
    yield server
    server.start()


def is_clean(reply: Reply) -> bool:
    """Whether it succeeded or is a 503 problem with Retry-After."""
    return reply.status in (200, 201) or (
        reply.status == 503
        and reply.headers["content-type"] == "application/problem+json"
        and int(reply.headers["retry-after"]) > 0
        and reply.body["status"] == 503
    )


def questions_about(sofa, port: int, key: dict) -> list[Callable[[int], Reply]]:
    """Request functions, one for each thread."""

    def asking_for(method: str, path: str, body=None):
        return lambda number: ask(port, method, path, body and body(number), key)

    def event(number: int) -> dict:
        content = {"actor": "bob", "listing": sofa.external_id, "kind": "view"}
        return {"event_id": f"event-{number}"} | content

    def new(number: int) -> dict:
        content = {"title": "Lamp", "price": "5", "category": "Home / Lamps"}
        return {"id": f"lamp-{number}", "seller": "alice"} | content

    return [
        asking_for("GET", "/api/v1/feed/?actor=bob"),
        asking_for("GET", f"/api/v1/listings/{sofa.external_id}/similar/"),
        asking_for("GET", "/api/v1/search/?q=sofa"),
        asking_for("GET", f"/api/v1/listings/{sofa.external_id}/"),
        asking_for("POST", "/api/v1/interactions/", event),
        asking_for("POST", "/api/v1/listings/", new),
    ]


class TestARestartAndACrashUnderRequests:
    def test_requests_fail_with_503_while_postgresql_is_down_and_then_succeed(
        self, installation, postgres, key
    ):
        sofa = factories.listing(factories.actor("alice"))
        factories.actor("bob")
        embedding_jobs.embed_claimed_batches(clock=timezone.now)
        # As in production. Tests usually run without, and would lose the last writes when the server is
        # killed.
        installation.environment["DATABASE_URL"] += "?options=-c%20synchronous_commit%3Don"
        installation.serve()

        def postgres_killed() -> None:
            os.kill(postgres._pid(), signal.SIGKILL)

        questions = questions_about(sofa, installation.port, key)
        with Asking(*questions) as asking:
            kinds = len(questions)
            eventually(lambda: answered(asking.replies, ok=True) == kinds, "everything answers")
            for stop in (postgres.stop, postgres_killed):
                connections.close_all()
                stop()
                self.wait_for(asking, kinds, "everything notices", ok=False)
                postgres.start()
                self.wait_for(asking, kinds, "everything answers again", ok=True)
            healed = time.monotonic()
            eventually(lambda: len(asking.since(healed)) > 60, "many ask")
        assert asking.problems == []
        assert [reply for reply in asking.replies if not is_clean(reply)] == []
        assert {reply.status for reply in asking.since(healed)} <= {200, 201}
        batches = [
            reply.body for reply in asking.replies if "interactions" in reply.what and reply.status == 200
        ]
        accepted = [result["event_id"] for reply in batches for result in reply["results"]]
        assert set(accepted) <= set(Interaction.objects.values_list("event_id", flat=True))
        embedding_jobs.embed_claimed_batches(clock=timezone.now)
        made = sum(reply.status == 201 for reply in asking.replies)
        assert Listing.objects.count() >= 1 + made, "one whose commit was not heard of may be there too"
        assert_agrees(Listing.objects.count())

    def wait_for(self, asking: Asking, kinds: int, what: str, *, ok: bool) -> None:
        now = time.monotonic()
        eventually(lambda: answered(asking.since(now), ok=ok) == kinds, what)


def answered(replies: list[Reply], *, ok: bool) -> int:
    """Number of request kinds with such a response."""
    return len({reply.what for reply in replies if (reply.status < 300) == ok})
