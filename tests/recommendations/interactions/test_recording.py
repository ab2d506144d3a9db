"""Recording of events, over the API and by several senders at once."""

import threading
from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone

from listings.models import Actor, Listing
from recommendations.interactions.recording import Event, RecordOutcome, record
from recommendations.models.events import Interaction
from tests import factories
from tests.recommendations.interactions.requests import ADDRESS, body, outcomes


class TestSendingEvents:
    def test_an_event_is_accepted_once_and_then_a_duplicate(self, as_bob, sofa):
        assert outcomes(as_bob.post(ADDRESS, body(sofa))) == ["accepted"]
        assert outcomes(as_bob.post(ADDRESS, body(sofa))) == ["duplicate"]
        assert Interaction.objects.count() == 1

    def test_the_same_event_id_with_another_body_is_a_conflict_and_changes_nothing(self, as_bob, sofa):
        as_bob.post(ADDRESS, body(sofa))
        assert outcomes(as_bob.post(ADDRESS, body(sofa, kind="favourite"))) == ["conflict"]
        assert Interaction.objects.get().kind == "view"

    def test_two_persons_may_use_the_same_event_id(self, as_bob, as_charlie, sofa):
        assert outcomes(as_bob.post(ADDRESS, body(sofa))) == ["accepted"]
        assert outcomes(as_charlie.post(ADDRESS, body(sofa))) == ["accepted"]

    def test_events_of_a_batch_are_judged_one_by_one(self, as_bob, sofa):
        events = [
            body(sofa, "a"),
            body(sofa, "a"),
            body(sofa, "a", kind="hide"),
            body(sofa, "b", kind="dance"),
            {"event_id": "c", "listing": "no-such", "kind": "view"},
            {"event_id": "c2", "listing": "a/b", "kind": "view"},
            body(sofa, "d", occurred_at="2026-03-01T10:00:00"),
            body(sofa, "e", occurred_at="2026-03-01T10:00:00Z"),
            "nonsense",
        ]
        response = as_bob.post(ADDRESS, {"events": events[:-1]})
        assert outcomes(response) == [
            *("accepted", "duplicate", "conflict", "rejected", "parked", "rejected", "rejected", "accepted")
        ]
        reasons = [result["reason"] for result in response.json()["results"]]
        assert "dance" in reasons[3]
        assert "without '/'" in reasons[5]
        assert "time zone" in reasons[6]
        assert as_bob.post(ADDRESS, {"events": events}).status_code == 400

    def test_a_batch_of_more_than_500_events_is_refused(self, as_bob, sofa):
        events = [body(sofa, str(number)) for number in range(501)]
        assert as_bob.post(ADDRESS, {"events": events}).status_code == 400
        assert not Interaction.objects.exists()

    def test_an_event_of_the_future_is_set_to_now_and_may_be_sent_again(self, as_bob, sofa):
        future = (timezone.now() + timedelta(days=3)).isoformat()
        assert outcomes(as_bob.post(ADDRESS, body(sofa, occurred_at=future))) == ["accepted"]
        assert Interaction.objects.get().occurred_at <= timezone.now()
        assert outcomes(as_bob.post(ADDRESS, body(sofa, occurred_at=future))) == ["duplicate"]

    def test_what_was_taken_otherwise_than_it_was_sent_is_noted(self, as_bob, sofa):
        future = (timezone.now() + timedelta(days=3)).isoformat()
        reply = as_bob.post(ADDRESS, body(sofa, occurred_at=future, slate="s-1")).json()
        assert reply["results"][0]["notes"] == [
            "occurred_at: it lies ahead, so now was taken.",
            "slate: there is no such slate.",
        ]
        assert as_bob.post(ADDRESS, body(sofa, event_id="2")).json()["results"][0]["notes"] == []

    def test_a_purchase_event_does_not_sell_the_listing(self, as_bob, sofa):
        as_bob.post(ADDRESS, body(sofa, kind="purchase"))
        sofa.refresh_from_db()
        assert sofa.status == Listing.Status.ACTIVE

    def test_slate_and_position_of_an_event_are_stored(self, as_bob, sofa):
        as_bob.post(ADDRESS, body(sofa, slate="s-1", position=4))
        assert (Interaction.objects.get().slate, Interaction.objects.get().position) == ("s-1", 4)

    def test_a_rejected_event_of_a_visitor_makes_no_actor(self, anyone, alice):
        never = {"event_id": "1", "kind": "view", "listing": "no/id"}
        assert outcomes(anyone.post(ADDRESS, never)) == ["rejected"]
        assert not Actor.objects.filter(kind="visitor").exists()

    def test_a_batch_of_events_of_many_actors_takes_few_queries(
        self, as_service, sofa, django_assert_max_num_queries
    ):
        events = [body(sofa, str(number), actor=f"customer-{number}") for number in range(200)]
        with django_assert_max_num_queries(12):
            assert set(outcomes(as_service.post(ADDRESS, {"events": events}))) == {"accepted"}


class TestWhoDidIt:
    def test_a_service_names_the_actor_of_an_event_who_is_made_on_first_sight(self, as_service, sofa):
        assert outcomes(as_service.post(ADDRESS, body(sofa, actor="customer-7"))) == ["accepted"]
        stored = Interaction.objects.get()
        assert stored.actor.external_id == "customer-7"
        assert stored.source == "service:shop"

    def test_an_event_of_a_service_without_an_actor_is_rejected(self, as_service, sofa):
        response = as_service.post(ADDRESS, body(sofa))
        assert outcomes(response) == ["rejected"]
        assert "actor" in response.json()["results"][0]["reason"]

    def test_an_actor_cannot_send_events_of_another(self, as_charlie, sofa, bob):
        assert outcomes(as_charlie.post(ADDRESS, body(sofa, actor="bob"))) == ["rejected"]
        assert not Interaction.objects.exists()

    def test_an_event_cannot_name_its_own_source(self, as_bob, sofa):
        assert outcomes(as_bob.post(ADDRESS, body(sofa, source="service:shop"))) == ["rejected"]
        as_bob.post(ADDRESS, body(sofa))
        assert Interaction.objects.get().source == "actor:bob"

    def test_a_visitor_becomes_an_actor_by_the_first_event_and_never_by_a_get(self, anyone, sofa, follow):
        follow()
        assert anyone.get("/api/v1/feed/").status_code == 200
        assert not Actor.objects.filter(kind="visitor").exists()
        anyone.post(ADDRESS, body(sofa, "first"))
        anyone.post(ADDRESS, body(sofa, "second"))
        assert Actor.objects.filter(kind="visitor").count() == 1
        assert Interaction.objects.count() == 2


@pytest.mark.django_db(transaction=True)
class TestTheSameBatchTwiceAtOnce:
    def test_each_event_of_a_batch_sent_twice_at_once_is_accepted_once(self):
        bob = factories.actor("bob")
        sofa = factories.listing(factories.actor("alice"))
        events = [Event(f"e{number}", bob, sofa.external_id, "view") for number in range(200)]
        results = []

        def send(batch):
            results.append(record(source="tests", events=batch, now=timezone.now()))
            connection.close()

        threads = [threading.Thread(target=send, args=(batch,)) for batch in (events, events[::-1])]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        accepted = [r.event_id for batch in results for r in batch if r.outcome == RecordOutcome.ACCEPTED]
        assert sorted(accepted) == sorted(event.event_id for event in events)
        assert Interaction.objects.count() == 200
