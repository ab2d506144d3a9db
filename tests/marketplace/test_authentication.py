"""Who may do what: session, visitor cookie, person's token, service key."""

import io
from datetime import timedelta
from uuid import UUID

import pytest
from django.contrib.auth.models import User
from django.core.management import call_command
from django.db import OperationalError
from django.test import Client
from django.utils import timezone
from rest_framework.test import APIClient

from listings.models import Actor, Listing
from marketplace import authentication
from marketplace.models import PersonToken, Scope, ServiceKey, StaffAccess
from recommendations.models import Interaction
from tests import factories
from tests.conftest import client_of, service_client
from tests.factories import PASSWORD
from tests.problems import is_problem
from tests.recommendations.offered import served

INTERACTIONS = "/api/v1/interactions/"
LOGIN, LOGOUT = "/api/v1/login/", "/api/v1/logout/"


def view(listing: Listing, event_id: str = "1", **more) -> dict:
    return {"event_id": event_id, "listing": listing.external_id, "kind": "view"} | more


def outcomes(response) -> list[str]:
    assert response.status_code == 200, response.content
    return [result["outcome"] for result in response.json()["results"]]


def visitors() -> list[Actor]:
    return list(Actor.objects.filter(kind="visitor").order_by("pk"))


class TestVisitors:
    def test_reading_makes_no_actor_and_sets_no_cookie(self, anyone, sofa):
        for path in ("listings/", f"listings/{sofa.external_id}/", "categories/", "feed/"):
            assert "visitor" not in anyone.get(f"/api/v1/{path}").cookies
        assert visitors() == []

    def test_the_first_event_does(self, anyone, sofa):
        response = anyone.post(INTERACTIONS, view(sofa))
        assert outcomes(response) == ["accepted"]
        cookie = response.cookies["visitor"]
        assert cookie["httponly"]
        assert cookie["samesite"] == "Lax"
        assert Interaction.objects.get().actor == visitors()[0]

    def test_the_next_event_is_the_same_visitors(self, anyone, sofa):
        anyone.post(INTERACTIONS, view(sofa))
        response = anyone.post(INTERACTIONS, view(sofa, "2"))
        assert "visitor" not in response.cookies
        assert len(visitors()) == 1
        assert Interaction.objects.filter(actor=visitors()[0]).count() == 2

    def test_the_cookie_is_signed(self, anyone, sofa):
        anyone.post(INTERACTIONS, view(sofa))
        mallory = APIClient()
        mallory.cookies["visitor"] = visitors()[0].external_id
        assert outcomes(mallory.post(INTERACTIONS, view(sofa))) == ["accepted"]
        assert len(visitors()) == 2

    @pytest.mark.parametrize("cookie", ["", "x", "a:b:c", "x" * 4000, "\xff:\xff"])
    def test_a_cookie_of_ones_own_making_is_ignored(self, anyone, sofa, cookie):
        client = APIClient(HTTP_COOKIE=f"visitor={cookie}")
        assert client.get("/api/v1/listings/").status_code == 200
        assert outcomes(client.post(INTERACTIONS, view(sofa))) == ["accepted"]

    def test_a_signed_member_name_is_not_a_visitor_cookie(self, anyone, alice, sofa):
        """The cookie's signature is salted with its name: another signed value does not fit."""
        from django.core import signing

        anyone.cookies["visitor"] = signing.get_cookie_signer(salt="other").sign("alice")
        anyone.post(INTERACTIONS, view(sofa))
        assert Interaction.objects.get().actor != alice


class TestMerging:
    @pytest.fixture
    def visitor(self, anyone, sofa) -> Actor:
        anyone.post(INTERACTIONS, view(sofa))
        return visitors()[0]

    def test_a_login_in_the_admin_merges_the_visitor(self, anyone, visitor, sofa):
        staff = factories.actor("staff")
        staff.user.is_staff = True
        staff.user.save()
        browser = Client()
        browser.cookies = anyone.cookies
        browser.post("/admin/login/", {"username": "staff", "password": PASSWORD})
        visitor.refresh_from_db()
        assert visitor.merged_into == staff

    def test_a_login_for_a_token_does_too(self, anyone, visitor, bob):
        reply = anyone.post(LOGIN, {"username": "bob", "password": PASSWORD})
        assert reply.status_code == 200
        assert set(reply.json()) == {"token", "expiry"}
        visitor.refresh_from_db()
        assert visitor.merged_into == bob
        assert Interaction.objects.get().actor == visitor

    def test_a_failed_login_merges_nobody(self, anyone, visitor, bob):
        assert is_problem(anyone.post(LOGIN, {"username": "bob", "password": "guess"}), 401)
        visitor.refresh_from_db()
        assert visitor.merged_into is None

    def test_later_visits_start_anew(self, anyone, visitor, bob, sofa):
        anyone.post(LOGIN, {"username": "bob", "password": PASSWORD})
        response = anyone.post(INTERACTIONS, view(sofa, "2"))
        assert response.cookies["visitor"].value
        assert [actor.merged_into for actor in visitors()] == [bob, None]
        assert Interaction.objects.get(event_id="2").actor == visitors()[1]

    def test_a_visitor_is_merged_once(self, anyone, visitor, bob, charlie):
        anyone.post(LOGIN, {"username": "bob", "password": PASSWORD})
        anyone.post(LOGIN, {"username": "charlie", "password": PASSWORD})
        visitor.refresh_from_db()
        assert visitor.merged_into == bob

    def test_a_user_without_actor_becomes_one_by_logging_in(self, anyone, visitor, admin_user):
        anyone.post(LOGIN, {"username": "admin", "password": "password"})
        visitor.refresh_from_db()
        assert visitor.merged_into.user == admin_user


class TestTokens:
    def test_a_token_is_that_person(self, anyone, bob, sofa):
        token = anyone.post(LOGIN, {"username": "bob", "password": PASSWORD}).json()["token"]
        client = APIClient(HTTP_AUTHORIZATION=f"Token {token}")
        assert outcomes(client.post(INTERACTIONS, view(sofa))) == ["accepted"]
        assert Interaction.objects.get().actor == bob
        assert Interaction.objects.get().source == "actor:bob"

    def test_after_logout_it_is_worth_nothing(self, as_bob, sofa):
        assert as_bob.post(LOGOUT).status_code == 204
        assert is_problem(as_bob.post(INTERACTIONS, view(sofa)), 401)

    def test_logout_ends_this_token_only(self, bob, as_bob):
        other = client_of(bob)
        as_bob.post(LOGOUT)
        assert other.get("/api/v1/listings/").status_code == 200

    def test_whoever_is_not_logged_in_cannot_log_out(self, anyone, as_service):
        assert is_problem(anyone.post(LOGOUT), 401)
        assert is_problem(as_service.post(LOGOUT), 403)

    def test_the_token_of_somebody_who_left_is_refused(self, bob, as_bob):
        bob.user.is_active = False
        bob.user.save()
        assert is_problem(as_bob.get("/api/v1/listings/"), 401)

    @pytest.mark.parametrize(
        "way", ["the admin's form", "their own form", "a command", "none that can be used"]
    )
    def test_a_new_password_ends_the_tokens_that_the_old_one_got(
        self, admin_client, bob, as_bob, charlie, monkeypatch, way
    ):
        others = client_of(charlie)
        new = "entirely another horse"
        asked = {"new_password1": new, "new_password2": new}
        match way:
            case "the admin's form":
                form = {"password1": new, "password2": new, "usable_password": "true"}
                admin_client.post(f"/admin/auth/user/{bob.user.pk}/password/", form)
            case "their own form":
                User.objects.filter(pk=bob.user.pk).update(is_staff=True)
                admin_client.force_login(bob.user)
                admin_client.post("/admin/password_change/", asked | {"old_password": PASSWORD})
            case "a command":
                monkeypatch.setattr("getpass.getpass", lambda **_: new)
                call_command("changepassword", "bob", stdout=io.StringIO())
            case _:
                admin_client.post(
                    f"/admin/auth/user/{bob.user.pk}/password/",
                    {"usable_password": "false", "unset-password": "yes"},
                )
        assert is_problem(as_bob.get("/api/v1/listings/"), 401)
        assert others.get("/api/v1/listings/").status_code == 200

    def test_to_be_renamed_or_seen_ends_none(self, bob, as_bob):
        bob.user.first_name = "Robert"
        bob.user.save()
        assert Client().login(username="bob", password=PASSWORD)

    def test_a_hash_that_django_makes_anew_ends_none(self, bob, as_bob, settings):
        settings.PASSWORD_HASHERS = [
            "django.contrib.auth.hashers.PBKDF2SHA1PasswordHasher",
            *settings.PASSWORD_HASHERS,
        ]
        before = bob.user.password
        assert Client().login(username="bob", password=PASSWORD)
        bob.user.refresh_from_db()
        assert bob.user.password != before
        assert PersonToken.objects.filter(user=bob.user).exists()
        assert as_bob.get("/api/v1/listings/").status_code == 200

    @pytest.mark.parametrize(
        "header", ["Token x", "Token", "Token a b", "Token \xff", "Api-Key", "Api-Key x", "Api-Key \xff"]
    )
    def test_a_credential_that_is_none_is_refused_even_for_reading(self, db, header):
        assert is_problem(APIClient(HTTP_AUTHORIZATION=header).get("/api/v1/listings/"), 401)

    @pytest.mark.parametrize(
        "body",
        [
            {},
            {"username": "bob"},
            {"username": ["bob"], "password": {}},
            {"username": "a\0", "password": "x"},
        ],
        ids=ascii,
    )
    def test_a_login_that_is_none_is_refused(self, anyone, db, body):
        assert is_problem(anyone.post(LOGIN, body), 400)


class TestScopesOfTokens:
    def token(self, **asked) -> APIClient:
        reply = APIClient().post(LOGIN, {"username": "bob", "password": PASSWORD} | asked)
        assert reply.status_code == 200, reply.content
        return APIClient(HTTP_AUTHORIZATION=f"Token {reply.json()['token']}")

    def test_a_token_may_do_what_it_was_asked_for_and_no_more(self, bob, sofa):
        client = self.token(scopes=["events"])
        assert outcomes(client.post(INTERACTIONS, view(sofa))) == ["accepted"]
        assert is_problem(client.post("/api/v1/listings/", {}), 403)

    def test_without_the_feed_scope_its_feed_is_that_of_a_stranger(self, bob, monkeypatch):
        asked = []
        monkeypatch.setattr("recommendations.api.build_feed", lambda actor, **_: asked.append(actor))
        for scopes in (["events"], ["feed"]):
            self.token(scopes=scopes).get("/api/v1/feed/")
        assert asked == [None, bob]

    def test_asking_for_more_than_the_person_may_brings_nothing(self, bob, charlie):
        assert is_problem(self.token(scopes=["staff"]).get("/api/v1/feed/?actor=charlie"), 403)

    def test_staff_whose_token_is_not_for_that_are_like_anybody(self, bob, charlie):
        User.objects.filter(pk=bob.user_id).update(is_staff=True)
        modest, full = self.token(scopes=["feed", "catalogue"]), self.token()
        assert is_problem(modest.get("/api/v1/feed/?actor=charlie"), 403)
        assert full.get("/api/v1/feed/?actor=charlie").status_code == 200
        assert (
            modest.get("/admin/").status_code == full.get("/admin/").status_code == 302
        )  # a session's alone

    @pytest.mark.parametrize("scopes", [[], ["everything"], "feed", [1]], ids=str)
    def test_scopes_that_are_none_are_refused(self, anyone, bob, scopes):
        asked = {"username": "bob", "password": PASSWORD, "scopes": scopes}
        assert is_problem(anyone.post(LOGIN, asked), 400)


class TestWhenACredentialWasUsed:
    @pytest.mark.parametrize("model", [ServiceKey, PersonToken])
    def test_it_is_written_once_a_minute(self, as_service, as_bob, model, now):
        client = as_service if model is ServiceKey else as_bob
        assert model.objects.get().last_used_at is None
        client.get("/api/v1/listings/")
        first = model.objects.get().last_used_at
        assert now <= first <= timezone.now()
        client.get("/api/v1/listings/")
        assert model.objects.get().last_used_at == first
        model.objects.update(last_used_at=now - timedelta(minutes=1))
        client.get("/api/v1/listings/")
        assert model.objects.get().last_used_at >= first

    def test_two_processes_at_once_write_it_once(self, as_service, now):
        stale = ServiceKey.objects.get()
        ServiceKey.objects.update(last_used_at=now)
        stale.note_use(now + timedelta(seconds=1))
        assert ServiceKey.objects.get().last_used_at == now

    def test_a_refused_one_was_not_used(self, as_service, now):
        ServiceKey.objects.update(revoked_at=now)
        as_service.get("/api/v1/listings/")
        assert ServiceKey.objects.get().last_used_at is None

    def test_the_admin_shows_it(self, admin_client, as_service, as_bob):
        as_service.get("/api/v1/listings/")
        as_bob.get("/api/v1/listings/")
        for name in ("servicekey", "persontoken"):
            page = admin_client.get(f"/admin/marketplace/{name}/").content.decode()
            assert 'class="field-last_used_at nowrap">-<' not in page
            assert "field-last_used_at" in page

    def test_a_token_ends_after_90_days_or_when_staff_delete_it(self, admin_client, as_bob, now):
        token = PersonToken.objects.get()
        assert abs(token.expiry - now - timedelta(days=90)) < timedelta(minutes=1)
        admin_client.post(f"/admin/marketplace/persontoken/{token.pk}/delete/", {"post": "yes"})
        assert is_problem(as_bob.get("/api/v1/listings/"), 401)

    def test_an_expired_token_is_refused(self, as_bob, now):
        PersonToken.objects.update(expiry=now - timedelta(seconds=1))
        assert is_problem(as_bob.get("/api/v1/listings/"), 401)


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
        """look(path) opens a page of the admin as `admin`, and says who was noted then."""
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


class TestServices:
    def test_a_revoked_key_is_refused(self, as_service):
        assert as_service.get("/api/v1/listings/").status_code == 200
        ServiceKey.objects.update(revoked_at=timezone.now())
        response = as_service.get("/api/v1/listings/")
        assert is_problem(response, 401)
        assert response.headers["WWW-Authenticate"]

    def test_a_key_ends_when_it_expires(self, as_service, now):
        ServiceKey.objects.update(expires_at=now + timedelta(hours=1))
        assert as_service.get("/api/v1/listings/").status_code == 200
        ServiceKey.objects.update(expires_at=now)
        assert is_problem(as_service.get("/api/v1/listings/"), 401)

    def test_a_key_is_kept_as_a_digest_only(self, db):
        key, secret = ServiceKey.issue(name="shop", scopes=["feed"])
        assert secret not in str(ServiceKey.objects.values().get(pk=key.pk))

    def test_it_names_the_actor_who_is_made_at_first_sight(self, as_service, sofa):
        events = [view(sofa, "1", actor="shopper-1"), view(sofa, "2", actor="shopper-1")]
        assert outcomes(as_service.post(INTERACTIONS, {"events": events})) == ["accepted", "accepted"]
        shopper = Actor.objects.get(external_id="shopper-1")
        assert shopper.kind == "member"
        assert set(Interaction.objects.values_list("source", "actor")) == {("service:shop", shopper.pk)}

    def test_one_that_names_nobody_is_told(self, as_service, sofa):
        assert outcomes(as_service.post(INTERACTIONS, view(sofa))) == ["rejected"]

    def test_persons_and_visitors_may_not_name_somebody_else(self, as_bob, anyone, sofa):
        for client in (as_bob, anyone):
            assert outcomes(client.post(INTERACTIONS, view(sofa, actor="charlie"))) == ["rejected"]
        assert not Interaction.objects.exists()

    def test_persons_may_not_read_somebody_elses_feed(self, as_charlie, anyone, bob):
        for client in (as_charlie, anyone):
            assert is_problem(client.get("/api/v1/feed/", {"actor": "bob"}), 403)

    @pytest.mark.parametrize("scope", Scope.values)
    def test_each_scope_allows_its_own_and_no_more(self, follow, sofa, scope):
        client = service_client(scope, [scope])
        body = {"title": "Chair", "price": 1, "category": "Chairs", "seller": "x"}
        asked = {
            "catalogue": client.post("/api/v1/listings/", body).status_code,
            "events": client.post(INTERACTIONS, view(sofa, actor="x")).status_code,
            "feed": client.get("/api/v1/feed/", {"actor": "x"}).status_code,
        }
        follow()
        allowed = {"catalogue": 201, "events": 200, "feed": 200}
        assert asked == {name: allowed[name] if name == scope else 403 for name in asked}

    def test_a_key_that_may_not_write_still_reads_what_anyone_reads(self, sofa):
        client = service_client("events only", ["events"])
        assert client.get("/api/v1/listings/").status_code == 200

    def test_nobody_elses_source_can_be_claimed(self, as_service, as_bob, sofa):
        claimed = as_service.post(INTERACTIONS, view(sofa, actor="bob", source="service:other"))
        assert outcomes(claimed) == ["rejected"]
        as_service.post(INTERACTIONS, view(sofa, actor="bob"))
        as_bob.post(INTERACTIONS, view(sofa))
        assert set(Interaction.objects.values_list("source", flat=True)) == {"service:shop", "actor:bob"}


class TestIssuing:
    def test_the_command_prints_the_key_once(self, db, capsys):
        from django.core.management import CommandError, call_command

        call_command("issue_key", "shop", scopes=["events"])
        secret = capsys.readouterr().out.strip()
        client = APIClient(HTTP_AUTHORIZATION=f"Api-Key {secret}")
        assert client.get("/api/v1/listings/").status_code == 200
        with pytest.raises(CommandError, match="a key named shop already"):
            call_command("issue_key", "shop")

    def test_the_command_can_set_when_it_ends(self, db, now):
        from django.core.management import CommandError, call_command

        call_command("issue_key", "shop", "--expires-days", "30")
        assert abs(ServiceKey.objects.get().expires_at - now - timedelta(days=30)) < timedelta(minutes=1)
        for days in ("0", "-1", "99999999"):
            with pytest.raises(CommandError):
                call_command("issue_key", "other", "--expires-days", days)

    def test_the_admin_can_too(self, admin_client, db):
        asked = {"name": "shop", "scopes": ["feed"], "expires_at_0": "2030-01-01", "expires_at_1": "00:00"}
        admin_client.post("/admin/marketplace/servicekey/add/", asked)
        assert ServiceKey.objects.get().expires_at.year in (2029, 2030)

    def test_the_admin_shows_it_once_and_revokes_it(self, admin_client):
        url = "/admin/marketplace/servicekey/"
        page = admin_client.post(f"{url}add/", {"name": "shop", "scopes": ["feed"]}, follow=True)
        secret = page.content.decode().split("shown this once: ")[1].split("<")[0]
        client = APIClient(HTTP_AUTHORIZATION=f"Api-Key {secret}")
        assert client.get("/api/v1/listings/").status_code == 200
        assert secret not in admin_client.get(url).content.decode()
        chosen = {"action": "revoke", "_selected_action": [ServiceKey.objects.get().pk]}
        admin_client.post(url, chosen)
        assert is_problem(client.get("/api/v1/listings/"), 401)

    def test_editing_a_key_in_the_admin_keeps_its_secret(self, admin_client, as_service):
        key = ServiceKey.objects.get()
        admin_client.post(
            f"/admin/marketplace/servicekey/{key.pk}/change/", {"name": "shop", "scopes": ["feed"]}
        )
        assert ServiceKey.objects.get().scopes == ["feed"]
        assert as_service.get("/api/v1/listings/").status_code == 200


class TestPersonsAndServicesNameActorsApart:
    def test_a_new_person_never_becomes_an_actor_that_a_service_named(self, as_service, sofa, db):
        from django.contrib.auth.models import User

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
    def test_it_is_refused_and_not_taken_for_a_stranger(self, anyone, sofa):
        response = anyone.get("/api/v1/listings/", headers={"authorization": "Bearer abc"})
        assert is_problem(response, 401)
        assert "Api-Key" in response.json()["detail"]
