"""The access log of the admin: which pages record that staff looked at somebody's rows."""

import pytest

from marketplace.models import StaffAccess
from tests import factories

EVENTS = "/admin/recommendations/interaction/"


@pytest.fixture
def accesses_after(admin_client, sofas, bob, charlie):
    """accesses_after(query): whose rows are recorded as seen after the list of events was opened with it."""
    for actor in (bob, charlie):
        factories.event(actor, sofas[0])

    def open_list(query: str) -> list[str]:
        assert admin_client.get(f"{EVENTS}{query}").status_code == 200
        return sorted(StaffAccess.objects.values_list("whose__external_id", flat=True))

    return open_list


def test_a_list_of_everybodys_events_records_no_access(accesses_after):
    assert accesses_after("") == []


def test_a_search_records_only_the_actors_whose_id_it_matches(accesses_after):
    assert accesses_after("?q=BOB") == ["bob"]


def test_a_search_for_a_listing_records_no_access(accesses_after, sofas):
    assert accesses_after(f"?q={sofas[0].external_id}") == []


def test_a_filter_by_actor_records_the_actor(accesses_after, charlie):
    assert accesses_after(f"?actor__id__exact={charlie.pk}") == ["charlie"]


def test_a_list_opened_by_the_actor_themselves_records_no_access(accesses_after, bob, admin_user):
    bob.user = admin_user
    bob.save()
    assert accesses_after("?q=bob") == []
