"""Resolution of the actor of a request, by caller and name."""

import pytest

from listings.callers import VIEW_EVENTS, Caller
from listings.errors import Forbidden
from listings.models import Actor
from recommendations.core.acting_for import accessed_by_staff, resolve_actor
from tests import factories

FEED = frozenset({"feed"})


def test_a_caller_acts_for_themselves_when_nobody_is_named(bob):
    assert resolve_actor(Caller("actor:bob", FEED, bob), None, data_kind="feed") == bob


def test_a_caller_without_the_feed_scope_acts_for_nobody(bob):
    assert resolve_actor(Caller("actor:bob", frozenset({"events"}), bob), None, data_kind="feed") is None


@pytest.mark.parametrize(
    ("scopes", "is_service"), [(FEED, False), (frozenset({"events"}), True)], ids=["actor", "other scope"]
)
def test_naming_another_actor_is_forbidden_without_being_a_service_for_feeds(
    bob, charlie, scopes, is_service
):
    caller = Caller("caller", scopes, None if is_service else charlie, is_service=is_service)
    with pytest.raises(Forbidden):
        resolve_actor(caller, "bob", data_kind="feed")


def test_a_service_acts_for_the_member_whom_a_visitor_was_merged_into(bob):
    Actor.objects.create(external_id="visitor-1", kind="visitor", merged_into=bob)
    service = Caller("service:shop", FEED, is_service=True)
    assert resolve_actor(service, "bob", data_kind="feed") == bob
    assert resolve_actor(service, "visitor-1", data_kind="feed") == bob
    assert resolve_actor(service, "nobody", data_kind="feed") is None


def test_acting_for_another_actor_as_staff_is_announced_and_for_oneself_is_not(bob):
    staff = factories.actor("staff")
    caller = Caller("actor:staff", FEED, staff, permissions=frozenset({VIEW_EVENTS}))
    accesses = []

    def note(sender, by, actor, what, **more):
        accesses.append((by, actor, what))

    accessed_by_staff.connect(note)
    try:
        assert resolve_actor(caller, "staff", data_kind="feed") == staff
        assert resolve_actor(caller, "bob", data_kind="feed") == bob
    finally:
        accessed_by_staff.disconnect(note)
    assert accesses == [("staff", bob, "feed")]
