"""The log of staff access to an actor's feed and data."""

from uuid import UUID

import pytest
from django.db import OperationalError

from listings.models import Actor
from marketplace.models import StaffAccess
from marketplace.web import authentication
from recommendations.models.events import Interaction
from tests import factories
from tests.problems import is_problem
from tests.recommendations.offered import served


class TestStaffWhoAskForSomebody:
    def recorded(self) -> list[tuple[str, str, str]]:
        return list(StaffAccess.objects.order_by("pk").values_list("by", "whose__external_id", "what"))

    def test_staff_access_to_an_actors_feed_and_search_is_recorded(self, as_staff, bob, now):
        assert as_staff.get("/api/v1/feed/?actor=bob").status_code == 200
        as_staff.get("/api/v1/search/?q=sofa&actor=bob")
        as_staff.post("/api/v1/search/", {"q": "sofa", "actor": "bob"})
        assert self.recorded() == [
            ("staff", "bob", "feed"),
            ("staff", "bob", "search"),
            ("staff", "bob", "search"),
        ]
        assert StaffAccess.objects.first().at >= now

    def test_records_of_staff_access_are_shown_read_only_in_the_admin(self, as_staff, admin_client, bob):
        as_staff.get("/api/v1/feed/?actor=bob")
        url = "/admin/marketplace/staffaccess/"
        page = admin_client.get(url).content.decode()
        assert "bob" in page and ">staff<" in page
        row = StaffAccess.objects.get()
        assert admin_client.post(f"{url}{row.pk}/delete/", {"post": "yes"}).status_code == 403
        admin_client.post(f"{url}{row.pk}/change/", {"by": "nobody"})
        assert self.recorded() == [("staff", "bob", "feed")]

    def test_staff_get_no_feed_when_their_access_cannot_be_recorded(self, as_staff, bob, monkeypatch):
        def full(**_):
            raise OperationalError("No space left on device")

        monkeypatch.setattr(StaffAccess.objects, "create", full)
        assert is_problem(as_staff.get("/api/v1/feed/?actor=bob"), 503)

    def test_feeds_of_staff_themselves_of_unknown_actors_and_of_services_are_not_recorded(
        self, as_staff, as_service, bob
    ):
        for query in ("", "?actor=staff", "?actor=nobody-knows"):
            as_staff.get(f"/api/v1/feed/{query}")
        as_service.get("/api/v1/feed/?actor=bob")
        assert self.recorded() == []


class TestStaffWhoLookInTheAdmin:
    INTERACTIONS = "/admin/recommendations/interaction/"

    @pytest.fixture
    def look(self, admin_client, bob, charlie, alice):
        """look(path) opens an admin page as `admin` and returns the logged actors."""
        for actor in (bob, charlie):
            factories.event(actor, factories.listing(alice))

        def step(path: str) -> list[tuple[str, str, str]]:
            StaffAccess.objects.all().delete()
            assert admin_client.get(path).status_code == 200
            return sorted(StaffAccess.objects.values_list("by", "whose__external_id", "what"))

        return step

    def test_opening_an_actors_event_in_the_admin_is_recorded(self, look, bob):
        event = Interaction.objects.get(actor=bob)
        assert look(f"{self.INTERACTIONS}{event.pk}/change/") == [("admin", "bob", "events")]

    def test_opening_or_searching_an_actors_slates_in_the_admin_is_recorded(self, look, bob, now):
        slate = served(bob, [factories.listing(bob)], now)
        noted = [("admin", "bob", "slates")]
        assert look(f"/admin/recommendations/slate/{UUID(slate)}/change/") == noted
        assert look("/admin/recommendations/slate/?q=bob") == noted

    @pytest.mark.parametrize("query", ["q=bob", "q=BO", 'q="bob"', "actor={0}", "actor__id__exact={0}"])
    def test_searching_or_filtering_events_by_an_actor_is_recorded(self, look, bob, query):
        accesses = look(f"{self.INTERACTIONS}?{query.format(bob.pk)}")
        assert accesses == [("admin", "bob", "events")]

    def test_filtering_events_by_several_actors_is_recorded_for_each(self, look, bob, charlie):
        accesses = look(f"{self.INTERACTIONS}?actor__in={bob.pk},{charlie.pk}")
        assert [whose for _, whose, _ in accesses] == ["bob", "charlie"]

    @pytest.mark.parametrize("query", ["", "q=nobody-there", "kind__exact=view"])
    def test_opening_events_without_choosing_an_actor_is_not_recorded(self, look, query):
        assert look(f"{self.INTERACTIONS}?{query}") == []

    def test_staff_who_open_their_own_events_are_not_recorded(self, look, admin_client, admin_user, alice):
        own = authentication.actor_of(admin_user)
        factories.event(own, factories.listing(alice))
        assert look(f"{self.INTERACTIONS}?q={own.external_id}") == []

    def test_opening_a_merged_visitors_events_is_recorded_for_the_member(self, look, bob, charlie):
        Actor.objects.filter(pk=charlie.pk).update(kind="visitor", user=None, merged_into=bob)
        assert look(f"{self.INTERACTIONS}?q=charlie") == [("admin", "bob", "events")]

    def test_events_are_not_shown_when_the_access_cannot_be_recorded(self, admin_client, look, monkeypatch):
        def unwritten(**_):
            raise OperationalError("no")

        monkeypatch.setattr(StaffAccess.objects, "create", unwritten)
        with pytest.raises(OperationalError):
            admin_client.get(f"{self.INTERACTIONS}?q=bob")
