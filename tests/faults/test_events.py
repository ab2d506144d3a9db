"""Event batches whose web process is killed, or which two processes receive at once."""

import threading
from contextlib import contextmanager

import pytest
from django.db import connection, transaction
from django.utils import timezone

from listings.models import Listing
from recommendations.models.events import Interaction
from recommendations.popularity import trending
from tests import factories
from tests.flows.conftest import eventually, kill

COUNT = 300


@pytest.fixture
def sofa(installation):
    return factories.listing(factories.actor("alice"))


def batch(sofa) -> dict:
    """Events of three people, one of them for an unknown listing."""
    events = [
        {"event_id": f"{n}", "actor": f"shopper-{n % 3}", "listing": sofa.external_id, "kind": "view"}
        for n in range(COUNT)
    ]
    events[7]["listing"] = "still-to-come"
    return {"events": events}


def outcomes(reply: dict) -> dict[str, int]:
    results = [result["outcome"] for result in reply["results"]]
    return {outcome: results.count(outcome) for outcome in sorted(set(results))}


def somebody_waits_for_a_lock() -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted)")
        return cursor.fetchone()[0]


@contextmanager
def while_it_waits(installation, body: dict, key: dict):
    """Send the batch; its transaction waits for a lock of the caller."""

    def send() -> None:
        try:
            installation.post("/api/v1/interactions/", body, **key)
        except OSError:
            return  # the process was killed

    sender = threading.Thread(target=send)
    sender.start()
    eventually(somebody_waits_for_a_lock, "the batch waits")
    yield
    sender.join()


class TestAWebProcessKilledInABatch:
    def test_a_batch_of_events_killed_before_its_commit_leaves_nothing_and_can_be_sent_again(
        self, installation, sofa, key
    ):
        installation.serve()
        web = installation.running[-1]
        shopper = factories.actor("shopper-1")
        now = timezone.now()
        with transaction.atomic():
            Interaction.objects.create(
                source="service:shop",
                event_id="150",
                actor=shopper,
                listing=sofa,
                kind="view",
                occurred_at=now,
            )
            with while_it_waits(installation, batch(sofa), key):
                kill(web)
            transaction.set_rollback(True)
        assert not Interaction.objects.exists()
        self.assert_sent_again(installation, sofa, key, {"accepted": COUNT - 1, "parked": 1})

    def test_a_batch_of_events_killed_at_its_commit_is_complete_and_not_counted_again(
        self, installation, sofa, key
    ):
        """The commit checks foreign keys, so it waits for a lock on the listing."""
        installation.serve()
        web = installation.running[-1]
        with transaction.atomic():
            Listing.objects.select_for_update().get(pk=sofa.pk)
            with while_it_waits(installation, batch(sofa), key):
                kill(web)
        eventually(Interaction.objects.exists, "the commit is done, although nobody hears of it")
        self.assert_sent_again(installation, sofa, key, {"duplicate": COUNT})

    def assert_sent_again(self, installation, sofa, key, expected: dict[str, int]) -> None:
        """The first response of the new process has these counts, and every event exists once."""
        installation.serve()
        status, reply = installation.post("/api/v1/interactions/", batch(sofa), **key)
        assert (status, outcomes(reply)) == (200, expected)
        status, reply = installation.post("/api/v1/interactions/", batch(sofa), **key)
        assert (status, outcomes(reply)) == (200, {"duplicate": COUNT})
        seller = sofa.seller
        factories.listing(seller, "What was waited for", external_id="still-to-come")
        assert Interaction.objects.count() == COUNT
        assert len(set(Interaction.objects.values_list("event_id"))) == COUNT
        trending.roll_up(now=timezone.now())
        assert len(trending.top()[0]) == 2


class TestTheSameBatchTwiceAtOnce:
    def test_a_batch_sent_to_two_processes_at_once_is_accepted_once(self, installation, sofa, key):
        installation.serve()
        replies = []

        def send(body: dict) -> None:
            replies.append(installation.post("/api/v1/interactions/", body, **key))

        turned = {"events": batch(sofa)["events"][::-1]}
        senders = [threading.Thread(target=send, args=(body,)) for body in [batch(sofa), turned] * 3]
        for sender in senders:
            sender.start()
        for sender in senders:
            sender.join()
        assert {status for status, _ in replies} == {200}
        counts = [outcomes(reply) for _, reply in replies]
        assert sum(count.get("accepted", 0) for count in counts) == COUNT - 1
        assert sum(count.get("parked", 0) for count in counts) == 1
        assert sum(count.get("duplicate", 0) for count in counts) == 5 * COUNT
        assert Interaction.objects.count() == COUNT - 1
