import uuid
from datetime import timedelta

import pytest
from django.utils import timezone

from listings.models import Actor
from recommendations.event_files.import_files import import_events
from recommendations.interactions.recording import Event, record
from recommendations.models.events import Interaction
from recommendations.models.slates import ANONYMOUS_RETENTION
from recommendations.slates import store
from tests import factories
from tests.recommendations.slates.test_store import draft


@pytest.fixture
def shown(bob, sofas, now) -> str:
    """Bob was shown the first two sofas of a slate of four."""
    slate = store.write(draft([sofa.pk for sofa in sofas[:4]], bob), now=now)
    store.log_impression(slate, offset=0, count=2, now=now)
    return slate


def is_doubtful(actor, listing, slate, at=None) -> bool:
    event = Event(uuid.uuid4().hex, actor, listing.external_id, "view", at, slate)
    assert record(source="tests", events=[event], now=timezone.now())[0].outcome == "accepted"
    return Interaction.objects.get(event_id=event.event_id).is_doubtful


class TestClaims:
    def test_a_claim_of_a_listing_that_a_page_showed_is_believed(self, bob, sofas, shown):
        assert [is_doubtful(bob, sofa, shown) for sofa in sofas[:2]] == [False, False]
        assert not is_doubtful(bob, sofas[0], str(uuid.UUID(shown)).upper())

    def test_a_claim_of_a_listing_that_no_page_showed_is_doubtful(self, bob, sofas, shown, now):
        """Listings further down the slate, and on no slate."""
        assert [is_doubtful(bob, sofa, shown) for sofa in (sofas[2], sofas[5])] == [True, True]
        store.log_impression(shown, offset=2, count=2, now=now)
        assert [is_doubtful(bob, sofa, shown) for sofa in (sofas[2], sofas[5])] == [False, True]

    def test_a_claim_of_a_slate_shown_to_another_actor_is_doubtful(self, charlie, sofas, shown):
        assert is_doubtful(charlie, sofas[0], shown)

    def test_anybody_may_claim_a_slate_made_for_nobody(self, bob, charlie, sofas, now):
        slate = store.write(draft([sofas[0].pk]), now=now)
        store.log_impression(slate, offset=0, count=1, now=now)
        assert not is_doubtful(bob, sofas[0], slate) and not is_doubtful(charlie, sofas[0], slate)
        assert is_doubtful(bob, sofas[1], slate)

    def test_a_visitor_and_the_member_they_became_may_claim_each_others_slates(self, bob, sofas, shown, now):
        visitor = Actor.objects.create(external_id="visitor-1", kind="visitor", merged_into=bob)
        slate = store.write(draft([sofas[3].pk], visitor), now=now)
        store.log_impression(slate, offset=0, count=1, now=now)
        assert not is_doubtful(bob, sofas[3], slate)
        assert not is_doubtful(visitor, sofas[0], shown)

    @pytest.mark.parametrize("slate", ["s-1", "f" * 32, "-" * 40, "f" * 31, "%s", "'"])
    def test_a_claim_of_a_slate_that_never_was_is_doubtful(self, bob, sofas, slate):
        assert is_doubtful(bob, sofas[0], slate)

    @pytest.mark.parametrize("slate", [None, ""])
    def test_an_event_that_names_no_slate_is_not_doubtful(self, bob, sofas, slate):
        assert not is_doubtful(bob, sofas[0], slate)

    def test_a_claim_of_a_slate_that_may_have_been_deleted_since_is_believed(self, bob, sofas, ago):
        days = ANONYMOUS_RETENTION.days
        assert not is_doubtful(bob, sofas[0], "f" * 32, at=ago(days=days))
        assert is_doubtful(bob, sofas[0], "f" * 32, at=ago(days=days - 2))
        assert is_doubtful(bob, sofas[0], "no slate", at=ago(days=days))

    def test_a_claim_of_a_slate_that_still_exists_is_checked_however_old_the_event(
        self, bob, sofas, shown, ago
    ):
        assert is_doubtful(bob, sofas[5], shown, at=ago(days=300))

    def test_the_claim_of_a_parked_event_is_checked_when_its_listing_comes(self, alice, bob, shown):
        events = [
            Event(name, bob, "later", "view", slate=slate) for name, slate in (("a", shown), ("b", None))
        ]
        assert {result.outcome for result in record(source="tests", events=events, now=timezone.now())} == {
            "parked"
        }
        factories.listing(alice, external_id="later")
        is_doubtful = dict(Interaction.objects.values_list("event_id", "is_doubtful"))
        assert is_doubtful == {"a": True, "b": False}

    def test_the_claims_of_imported_events_are_not_checked(self, bob, sofas, tmp_path, now):
        file = tmp_path / "events.csv"
        row = f"1,{now - timedelta(hours=1):%Y-%m-%dT%H:%M:%SZ},bob,{sofas[0].external_id},view,{'f' * 32}"
        file.write_text(f"event_id,occurred_at,actor,listing,kind,slate\n{row}\n")
        import_events(file, source=None, now=now)
        assert not Interaction.objects.get().is_doubtful

    def test_claims_of_a_served_feed_by_its_actor_are_believed(self, as_bob, follow, sofas):
        follow()
        page = as_bob.get("/api/v1/feed/?limit=3").json()
        events = [
            {
                "event_id": item["listing"]["id"],
                "listing": item["listing"]["id"],
                "kind": "view",
                "slate": page["slate_id"],
            }
            for item in page["items"]
        ]
        as_bob.post("/api/v1/interactions/", {"events": events})
        assert list(Interaction.objects.values_list("is_doubtful", flat=True)) == [False] * 3
