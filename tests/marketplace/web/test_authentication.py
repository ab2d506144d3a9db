"""Callers: visitors by cookie, members by session, services by key."""

from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.core.management import call_command
from django.test import Client
from django.utils import timezone
from rest_framework.test import APIClient

from listings.models import Actor
from marketplace.models import Scope, ServiceKey
from recommendations.models.events import Interaction
from tests import factories
from tests.conftest import service_client
from tests.factories import PASSWORD
from tests.marketplace.web.requests import INTERACTIONS, LOGIN, outcomes, view
from tests.problems import is_problem


def visitors() -> list[Actor]:
    return list(Actor.objects.filter(kind="visitor").order_by("pk"))


class TestVisitors:
    def test_a_visitor_who_only_reads_gets_no_actor_and_no_cookie(self, anyone, sofa):
        for path in ("listings/", f"listings/{sofa.external_id}/", "categories/", "feed/"):
            assert "visitor" not in anyone.get(f"/api/v1/{path}").cookies
        assert visitors() == []

    def test_a_visitors_first_event_makes_an_actor_and_sets_a_cookie(self, anyone, sofa):
        response = anyone.post(INTERACTIONS, view(sofa))
        assert outcomes(response) == ["accepted"]
        cookie = response.cookies["visitor"]
        assert cookie["httponly"]
        assert cookie["samesite"] == "Lax"
        assert Interaction.objects.get().actor == visitors()[0]

    def test_a_visitors_next_event_belongs_to_the_same_actor(self, anyone, sofa):
        anyone.post(INTERACTIONS, view(sofa))
        response = anyone.post(INTERACTIONS, view(sofa, "2"))
        assert "visitor" not in response.cookies
        assert len(visitors()) == 1
        assert Interaction.objects.filter(actor=visitors()[0]).count() == 2

    def test_an_unsigned_visitor_cookie_makes_a_new_visitor(self, anyone, sofa):
        anyone.post(INTERACTIONS, view(sofa))
        mallory = APIClient()
        mallory.cookies["visitor"] = visitors()[0].external_id
        assert outcomes(mallory.post(INTERACTIONS, view(sofa))) == ["accepted"]
        assert len(visitors()) == 2

    @pytest.mark.parametrize("cookie", ["", "x", "a:b:c", "x" * 4000, "\xff:\xff"])
    def test_a_forged_visitor_cookie_is_ignored(self, anyone, sofa, cookie):
        client = APIClient(HTTP_COOKIE=f"visitor={cookie}")
        assert client.get("/api/v1/listings/").status_code == 200
        assert outcomes(client.post(INTERACTIONS, view(sofa))) == ["accepted"]

    def test_a_signed_member_name_is_not_a_visitor_cookie(self, anyone, alice, sofa):
        """The cookie's signature is salted with its name, so another signed value is invalid."""
        from django.core import signing

        anyone.cookies["visitor"] = signing.get_cookie_signer(salt="other").sign("alice")
        anyone.post(INTERACTIONS, view(sofa))
        assert Interaction.objects.get().actor != alice


class TestMerging:
    @pytest.fixture
    def visitor(self, anyone, sofa) -> Actor:
        anyone.post(INTERACTIONS, view(sofa))
        return visitors()[0]

    def test_a_login_in_the_admin_merges_the_visitor_into_the_person(self, anyone, visitor, sofa):
        staff = factories.actor("staff")
        staff.user.is_staff = True
        staff.user.save()
        browser = Client()
        browser.cookies = anyone.cookies
        browser.post("/admin/login/", {"username": "staff", "password": PASSWORD})
        visitor.refresh_from_db()
        assert visitor.merged_into == staff

    def test_a_login_for_a_token_merges_the_visitor_into_the_person(self, anyone, visitor, bob):
        reply = anyone.post(LOGIN, {"username": "bob", "password": PASSWORD})
        assert reply.status_code == 200
        assert set(reply.json()) == {"token", "expiry"}
        visitor.refresh_from_db()
        assert visitor.merged_into == bob
        assert Interaction.objects.get().actor == visitor

    def test_a_failed_login_does_not_merge_the_visitor(self, anyone, visitor, bob):
        assert is_problem(anyone.post(LOGIN, {"username": "bob", "password": "guess"}), 401)
        visitor.refresh_from_db()
        assert visitor.merged_into is None

    def test_events_after_a_login_start_a_new_visitor(self, anyone, visitor, bob, sofa):
        anyone.post(LOGIN, {"username": "bob", "password": PASSWORD})
        response = anyone.post(INTERACTIONS, view(sofa, "2"))
        assert response.cookies["visitor"].value
        assert [actor.merged_into for actor in visitors()] == [bob, None]
        assert Interaction.objects.get(event_id="2").actor == visitors()[1]

    def test_a_visitor_is_merged_into_the_first_person_only(self, anyone, visitor, bob, charlie):
        anyone.post(LOGIN, {"username": "bob", "password": PASSWORD})
        anyone.post(LOGIN, {"username": "charlie", "password": PASSWORD})
        visitor.refresh_from_db()
        assert visitor.merged_into == bob

    def test_a_user_without_an_actor_gets_one_by_logging_in(self, anyone, visitor, admin_user):
        anyone.post(LOGIN, {"username": "admin", "password": "password"})
        visitor.refresh_from_db()
        assert visitor.merged_into.user == admin_user


class TestServices:
    def test_a_revoked_service_key_is_refused(self, as_service):
        assert as_service.get("/api/v1/listings/").status_code == 200
        ServiceKey.objects.update(revoked_at=timezone.now())
        response = as_service.get("/api/v1/listings/")
        assert is_problem(response, 401)
        assert response.headers["WWW-Authenticate"]

    def test_an_expired_service_key_is_refused(self, as_service, now):
        ServiceKey.objects.update(expires_at=now + timedelta(hours=1))
        assert as_service.get("/api/v1/listings/").status_code == 200
        ServiceKey.objects.update(expires_at=now)
        assert is_problem(as_service.get("/api/v1/listings/"), 401)

    def test_an_actor_whom_a_service_names_is_created_when_unknown(self, as_service, sofa):
        events = [view(sofa, "1", actor="shopper-1"), view(sofa, "2", actor="shopper-1")]
        assert outcomes(as_service.post(INTERACTIONS, {"events": events})) == ["accepted", "accepted"]
        shopper = Actor.objects.get(external_id="shopper-1")
        assert shopper.kind == "member"
        assert set(Interaction.objects.values_list("source", "actor")) == {("service:shop", shopper.pk)}

    def test_an_event_of_a_service_that_names_no_actor_is_rejected(self, as_service, sofa):
        assert outcomes(as_service.post(INTERACTIONS, view(sofa))) == ["rejected"]

    def test_persons_and_visitors_may_not_send_events_for_somebody_else(self, as_bob, anyone, sofa):
        for client in (as_bob, anyone):
            assert outcomes(client.post(INTERACTIONS, view(sofa, actor="charlie"))) == ["rejected"]
        assert not Interaction.objects.exists()

    def test_persons_may_not_read_somebody_elses_feed(self, as_charlie, anyone, bob):
        for client in (as_charlie, anyone):
            assert is_problem(client.get("/api/v1/feed/", {"actor": "bob"}), 403)

    @pytest.mark.parametrize("scope", Scope.values)
    def test_each_scope_of_a_service_key_allows_its_requests_and_no_others(self, follow, sofa, scope):
        client = service_client(scope, [scope])
        body = {"title": "Chair", "price": 1, "category": "Chairs", "seller": "x"}
        statuses = {
            "catalogue": client.post("/api/v1/listings/", body).status_code,
            "events": client.post(INTERACTIONS, view(sofa, actor="x")).status_code,
            "feed": client.get("/api/v1/feed/", {"actor": "x"}).status_code,
        }
        follow()
        allowed = {"catalogue": 201, "events": 200, "feed": 200}
        assert statuses == {name: allowed[name] if name == scope else 403 for name in statuses}

    def test_a_service_key_of_any_scope_reads_listings(self, sofa):
        client = service_client("events only", ["events"])
        assert client.get("/api/v1/listings/").status_code == 200

    def test_an_event_cannot_claim_another_callers_source(self, as_service, as_bob, sofa):
        claimed = as_service.post(INTERACTIONS, view(sofa, actor="bob", source="service:other"))
        assert outcomes(claimed) == ["rejected"]
        as_service.post(INTERACTIONS, view(sofa, actor="bob"))
        as_bob.post(INTERACTIONS, view(sofa))
        assert set(Interaction.objects.values_list("source", flat=True)) == {"service:shop", "actor:bob"}


class TestIssuing:
    def test_issue_key_prints_a_valid_service_key_and_refuses_a_taken_name(self, db, capsys):
        from django.core.management import CommandError

        call_command("issue_key", "shop", scopes=["events"])
        secret = capsys.readouterr().out.strip()
        client = APIClient(HTTP_AUTHORIZATION=f"Api-Key {secret}")
        assert client.get("/api/v1/listings/").status_code == 200
        with pytest.raises(CommandError, match="a key named shop already"):
            call_command("issue_key", "shop")

    def test_issue_key_sets_the_expiry_of_a_service_key(self, db, now):
        from django.core.management import CommandError

        call_command("issue_key", "shop", "--expires-days", "30")
        assert abs(ServiceKey.objects.get().expires_at - now - timedelta(days=30)) < timedelta(minutes=1)
        for days in ("0", "-1", "99999999"):
            with pytest.raises(CommandError):
                call_command("issue_key", "other", "--expires-days", days)


class TestPersonsAndServicesNameActorsApart:
    def test_a_new_person_never_becomes_an_actor_that_a_service_named(self, as_service, sofa, db):

        user = User.objects.create_user("dora", password=PASSWORD)
        as_service.post(INTERACTIONS, view(sofa, actor=f"user-{user.pk}"))
        as_service.post(INTERACTIONS, view(sofa, "2", actor="dora"))
        dora = APIClient()
        token = dora.post(LOGIN, {"username": "dora", "password": PASSWORD}).json()["token"]
        dora.credentials(HTTP_AUTHORIZATION=f"Token {token}")
        assert outcomes(dora.post(INTERACTIONS, view(sofa, "3"))) == ["accepted"]
        assert Interaction.objects.get(event_id="3").actor.user == user
        assert not Actor.objects.filter(external_id__in=[f"user-{user.pk}", "dora"], user=user).exists()


class TestAnUnknownKindOfCredential:
    def test_a_credential_of_an_unknown_kind_is_refused(self, anyone, sofa):
        response = anyone.get("/api/v1/listings/", headers={"authorization": "Bearer abc"})
        assert is_problem(response, 401)
        assert "Api-Key" in response.json()["detail"]
