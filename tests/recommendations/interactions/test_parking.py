"""Parked events: events of listings that are not published yet."""

import json
import threading
from datetime import timedelta

import pytest
from django.core.management import call_command
from django.db import connection, transaction
from django.utils import timezone

from listings import services
from listings.batches.listings import ListingRow, upsert_batch
from listings.models import Listing, Writer
from recommendations.interactions import parking
from recommendations.interactions.recording import Event, RecordOutcome, record
from recommendations.models.events import Interaction, ParkedInteraction
from recommendations.popularity import trending
from tests import factories

ADDRESS = "/api/v1/interactions/"
SOON = "sofa-to-come"


@pytest.fixture
def says(bob, now):
    """says("1", kind="view") records an event of Bob on the unpublished sofa and returns its outcome."""

    def say(event_id, kind="view", listing=SOON, *, source="shop", at=None, **fields) -> str:
        event = Event(event_id, fields.pop("actor", bob), listing, kind, occurred_at=at, **fields)
        return record(source=source, events=[event], now=now)[0].outcome

    return say


def publish(seller, external_id=SOON, **content) -> Listing:
    return factories.listing(seller, external_id=external_id, **content)


class TestParking:
    def test_a_parked_event_becomes_an_interaction_as_its_listing_comes(self, says, alice, bob, ago):
        assert says("1", "favourite", at=ago(hours=3), slate="s", position=4) == "parked"
        assert not Interaction.objects.exists()
        sofa = publish(alice)
        event = Interaction.objects.get()
        assert (event.source, event.event_id, event.actor, event.listing) == ("shop", "1", bob, sofa)
        assert (event.kind, event.slate, event.position) == ("favourite", "s", 4)
        assert event.occurred_at == ago(hours=3)
        assert not ParkedInteraction.objects.exists()

    def test_parked_events_of_other_listings_go_on_waiting(self, says, alice):
        says("1")
        says("2", listing="another")
        publish(alice)
        assert ParkedInteraction.objects.get().event_id == "2"

    def test_an_event_sent_again_is_a_duplicate_parked_or_not(self, says, alice, ago):
        assert says("1", at=ago(hours=3)) == "parked"
        assert says("1", at=ago(hours=3)) == "duplicate"
        publish(alice)
        assert says("1", at=ago(hours=3)) == "duplicate"
        assert Interaction.objects.count() == 1

    def test_an_event_with_another_body_is_a_conflict_parked_or_not(self, says, alice, charlie):
        there = publish(alice, "lamp").external_id
        says("1")
        says("2", listing=there)
        others = (
            {"kind": "hide"},
            {"listing": "a third"},
            {"listing": there},
            {"actor": charlie},
            {"slate": "s"},
        )
        assert {says("1", **other) for other in others} == {"conflict"}
        assert says("2", listing="a third") == "conflict"
        publish(alice)
        assert {says("1", **other) for other in others} == {"conflict"}
        assert Interaction.objects.count() == 2
        assert not ParkedInteraction.objects.exists()

    def test_a_parked_event_of_the_future_is_set_to_now_and_may_be_sent_again(self, says, alice, now):
        future = now + timedelta(days=3)
        assert says("1", at=future) == "parked"
        assert says("1", at=future) == "duplicate"
        publish(alice)
        assert Interaction.objects.get().occurred_at == now
        assert says("1", at=future) == "duplicate"

    def test_parked_and_recorded_events_of_a_batch_are_judged_one_by_one(self, bob, alice, now):
        there = publish(alice, "lamp").external_id
        rows = [("1", SOON), ("1", SOON), ("2", there), ("1", there), ("2", SOON), ("3", SOON)]
        events = [Event(event_id, bob, listing, "view") for event_id, listing in rows]
        outcomes = [result.outcome for result in record(source="shop", events=events, now=now)]
        assert outcomes == ["parked", "duplicate", "accepted", "conflict", "conflict", "parked"]

    def test_the_api_reports_parked_events(self, as_bob, alice):
        body = {"event_id": "1", "kind": "view", "listing": SOON, "slate": "no uuid", "position": 3}
        assert as_bob.post(ADDRESS, body).json()["results"][0]["outcome"] == "parked"
        publish(alice)
        assert Interaction.objects.get().slate == "no uuid"

    def test_two_sources_may_park_the_same_event_id(self, says, alice):
        assert {says("1", source="shop"), says("1", source="another")} == {"parked"}
        publish(alice)
        assert Interaction.objects.count() == 2


class TestWhatWasNeverPublic:
    """Nobody may learn of it: an event of it is treated like that of an id which does not exist."""

    @pytest.mark.parametrize("status", ["draft", "withdrawn"])
    def test_it_is_unknown_until_it_is_published(self, says, alice, as_bob, now, status):
        row = ListingRow(SOON, "alice", "Blue sofa", "Home / Sofas", 50, status=status)
        upsert_batch(rows=[row], now=now)
        assert says("1") == "parked"
        body = {"event_id": "2", "kind": "favourite", "listing": SOON}
        assert as_bob.post(ADDRESS, body).json()["results"][0]["outcome"] == "parked"
        services.edit_listing(listing=Listing.objects.get(), title="Green sofa")
        assert not Interaction.objects.exists()
        services.publish(listing=Listing.objects.get(), by=Writer.SERVICE)
        assert Interaction.objects.count() == 2
        assert says("3") == "accepted"

    def test_a_draft_that_is_withdrawn_stays_unknown(self, says, alice):
        services.withdraw(listing=publish(alice, status="draft"))
        assert says("1") == "parked"

    @pytest.mark.parametrize("status", ["draft", "withdrawn"])
    def test_what_was_public_once_stays_known(self, says, alice, now, status):
        publish(alice)
        row = ListingRow(SOON, "alice", "Blue sofa", "Home / Sofas", 50, status=status)
        assert upsert_batch(rows=[row], now=now)[0].outcome == "updated"
        assert says("1") == "accepted"


class TestHowTheListingMayCome:
    def test_a_listing_published_in_a_batch_releases_its_parked_events(self, says, as_service):
        says("1")
        row = {"external_id": SOON, "seller": "ada", "title": "Oak table", "price": "80.00"}
        body = {"listings": [row | {"category": "Home & Garden / Tables", "status": "active"}]}
        assert as_service.put("/api/v1/listings/batch/", body, format="json").status_code == 200
        assert Interaction.objects.get().listing.external_id == SOON

    def test_imported_events_are_parked_until_their_listing_comes(self, tmp_path, alice):
        file = tmp_path / "events.jsonl"
        fields = {"occurred_at": "2026-03-02T00:57:13Z", "actor": "shopper", "kind": "view", "listing": SOON}
        file.write_text("\n".join(json.dumps(fields | {"event_id": str(number)}) for number in range(3)))
        call_command("import_interactions", str(file))
        assert ParkedInteraction.objects.count() == 3
        publish(alice)
        assert Interaction.objects.count() == 3

    def test_a_draft_releases_its_parked_events_once_it_is_published(self, says, alice):
        says("1")
        draft = publish(alice, status=Listing.Status.DRAFT)
        assert not Interaction.objects.exists()
        services.publish(listing=draft)
        assert Interaction.objects.count() == 1

    def test_a_sale_releases_no_parked_events_of_other_listings(self, says, alice, bob, now):
        lamp = publish(alice, "lamp")
        says("1")
        services.mark_sold(listing=lamp, buyer=bob, now=now)
        assert ParkedInteraction.objects.count() == 1


class TestLimits:
    def test_events_of_a_source_with_too_many_parked_ones_are_rejected(
        self, says, bob, alice, now, monkeypatch
    ):
        monkeypatch.setattr(parking, "MOST_PARKED", 3)
        events = [Event(str(number), bob, f"to-come-{number}", "view") for number in range(5)]
        results = record(source="shop", events=events, now=now)
        assert [result.outcome for result in results] == ["parked"] * 3 + ["rejected"] * 2
        assert "3 events wait" in results[3].reason
        assert says("5") == "rejected"
        assert says("0", listing="to-come-0") == "duplicate"
        assert says("5", source="another") == "parked"
        publish(alice, "to-come-1")
        assert says("6") == "parked"

    def test_events_parked_too_long_are_deleted_with_the_slates(self, says, ago, capsys):
        says("1")
        says("2")
        ParkedInteraction.objects.filter(event_id="1").update(received_at=ago(days=31))
        call_command("prune_slates")
        assert "1 events of listings that never came" in capsys.readouterr().out
        assert ParkedInteraction.objects.get().event_id == "2"


@pytest.mark.django_db(transaction=True)
class TestAtTheSameMoment:
    """A listing is published while one of its events is recorded."""

    def run(self, *steps):
        def closing(step):
            try:
                step()
            finally:
                connection.close()

        threads = [threading.Thread(target=closing, args=(step,)) for step in steps]
        for thread in threads:
            thread.start()
        return threads

    def test_a_publication_waits_for_an_event_that_is_being_parked(self, says):
        alice = factories.actor("alice")
        parked, go_on = threading.Event(), threading.Event()

        def park():
            with transaction.atomic():
                assert says("1") == RecordOutcome.PARKED
                parked.set()
                go_on.wait(10)

        (parker,) = self.run(park)
        parked.wait(10)
        (publisher,) = self.run(lambda: publish(alice))
        publisher.join(0.3)  # long enough to miss it, did it not wait
        go_on.set()
        parker.join(10)
        publisher.join(10)
        assert Interaction.objects.get().event_id == "1"
        assert not ParkedInteraction.objects.exists()

    def test_an_event_that_comes_as_its_listing_is_committed_is_accepted(self, says):
        alice = factories.actor("alice")
        published, outcomes = threading.Event(), []

        def bring():
            with transaction.atomic():
                publish(alice)
                published.set()
                sender.join(0.3)

        sender = threading.Thread(
            target=lambda: (published.wait(10), outcomes.append(says("1")), connection.close())
        )
        sender.start()
        (publisher,) = self.run(bring)
        publisher.join(10)
        sender.join(10)
        assert outcomes == [RecordOutcome.ACCEPTED]
        assert not ParkedInteraction.objects.exists()

    def test_a_publication_that_is_rolled_back_releases_no_parked_events(self, says):
        alice = factories.actor("alice")
        says("1")
        with pytest.raises(RuntimeError), transaction.atomic():
            publish(alice)
            raise RuntimeError
        assert ParkedInteraction.objects.count() == 1
        assert not Interaction.objects.exists()
        publish(alice)
        assert Interaction.objects.count() == 1

    def test_trending_counts_released_events_older_than_its_last_roll_up(self, says, ago):
        alice = factories.actor("alice")
        lamp = publish(alice, "lamp")
        says("1", "favourite", at=ago(minutes=5))
        says("2", listing="lamp")
        trending.roll_up(now=timezone.now())
        assert trending.top()[0].tolist() == [lamp.pk]
        sofa = publish(alice)
        trending.roll_up(now=timezone.now())
        assert trending.top()[0].tolist() == [sofa.pk, lamp.pk]
