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
    def asked(self) -> list[tuple[str, str, str]]:
        return list(StaffAccess.objects.order_by("pk").values_list("by", "whose__external_id", "what"))

    def test_are_written_down(self, as_staff, bob, now):
        assert as_staff.get("/api/v1/feed/?actor=bob").status_code == 200
        as_staff.get("/api/v1/search/?q=sofa&actor=bob")
        as_staff.post("/api/v1/search/", {"q": "sofa", "actor": "bob"})
        assert self.asked() == [
            ("staff", "bob", "feed"),
            ("staff", "bob", "search"),
            ("staff", "bob", "search"),
        ]
        assert StaffAccess.objects.first().at >= now

    def test_and_seen_in_the_admin_where_nobody_can_change_it(self, as_staff, admin_client, bob):
        as_staff.get("/api/v1/feed/?actor=bob")
        url = "/admin/marketplace/staffaccess/"
        page = admin_client.get(url).content.decode()
        assert "bob" in page and ">staff<" in page
        row = StaffAccess.objects.get()
        assert admin_client.post(f"{url}{row.pk}/delete/", {"post": "yes"}).status_code == 403
        admin_client.post(f"{url}{row.pk}/change/", {"by": "nobody"})
        assert self.asked() == [("staff", "bob", "feed")]

    def test_what_cannot_be_written_down_is_not_answered(self, as_staff, bob, monkeypatch):
        def full(**_):
            raise OperationalError("No space left on device")

        monkeypatch.setattr(StaffAccess.objects, "create", full)
        assert is_problem(as_staff.get("/api/v1/feed/?actor=bob"), 503)

    def test_their_own_feed_a_stranger_and_services_are_not(self, as_staff, as_service, bob):
        for query in ("", "?actor=staff", "?actor=nobody-knows"):
            as_staff.get(f"/api/v1/feed/{query}")
        as_service.get("/api/v1/feed/?actor=bob")
        assert self.asked() == []


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

    def test_at_an_event_of_somebodys_are_noted(self, look, bob):
        event = Interaction.objects.get(actor=bob)
        assert look(f"{self.INTERACTIONS}{event.pk}/change/") == [("admin", "bob", "events")]

    def test_at_a_slate_are_too(self, look, bob, now):
        slate = served(bob, [factories.listing(bob)], now)
        noted = [("admin", "bob", "slates")]
        assert look(f"/admin/recommendations/slate/{UUID(slate)}/change/") == noted
        assert look("/admin/recommendations/slate/?q=bob") == noted

    @pytest.mark.parametrize("query", ["q=bob", "q=BO", 'q="bob"', "actor={0}", "actor__id__exact={0}"])
    def test_for_all_that_somebody_did_are_noted(self, look, bob, query):
        found = look(f"{self.INTERACTIONS}?{query.format(bob.pk)}")
        assert found == [("admin", "bob", "events")]

    def test_for_several_are_noted_for_each(self, look, bob, charlie):
        found = look(f"{self.INTERACTIONS}?actor__in={bob.pk},{charlie.pk}")
        assert [whose for _, whose, _ in found] == ["bob", "charlie"]

    @pytest.mark.parametrize("query", ["", "q=nobody-there", "kind__exact=view"])
    def test_at_all_or_at_nothing_are_not(self, look, query):
        assert look(f"{self.INTERACTIONS}?{query}") == []

    def test_at_what_they_did_themselves_are_not(self, look, admin_client, admin_user, alice):
        own = authentication.actor_of(admin_user)
        factories.event(own, factories.listing(alice))
        assert look(f"{self.INTERACTIONS}?q={own.external_id}") == []

    def test_what_a_visitor_did_was_the_members(self, look, bob, charlie):
        Actor.objects.filter(pk=charlie.pk).update(kind="visitor", user=None, merged_into=bob)
        assert look(f"{self.INTERACTIONS}?q=charlie") == [("admin", "bob", "events")]

    def test_and_is_not_shown_where_that_cannot_be_written(self, admin_client, look, monkeypatch):
        def unwritten(**_):
            raise OperationalError("no")

        monkeypatch.setattr(StaffAccess.objects, "create", unwritten)
        with pytest.raises(OperationalError):
            admin_client.get(f"{self.INTERACTIONS}?q=bob")
