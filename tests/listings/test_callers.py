"""What a caller may change, and what staff may do by Django's permissions."""

import pytest
from django.contrib.auth.models import Permission, User

from listings.callers import STAFF_PERMISSIONS
from listings.models import Actor, Listing
from marketplace.models import PersonToken
from tests import factories
from tests.conftest import client_of
from tests.listings.api.requests import BATCH, LISTINGS, NEW, at, upload
from tests.problems import is_problem

NEEDED = {
    "change a listing": {"listings.change_listing"},
    "give a listing another seller": {"listings.change_listing"},
    "publish what another withdrew": {"listings.change_listing"},
    "publish for another": {"listings.add_listing"},
    "choose an id": {"listings.add_listing"},
    "write a batch": {"listings.add_listing", "listings.change_listing"},
    "read a draft": {"listings.view_listing"},
    "ask for a feed in another's name": {"recommendations.view_interaction"},
    "read metrics": {"marketplace.view_operations"},
}


@pytest.fixture
def plain(db) -> Actor:
    """Staff without any permission."""
    actor = factories.actor("plain")
    User.objects.filter(pk=actor.user_id).update(is_staff=True)
    return Actor.objects.get(pk=actor.pk)


def grant(actor: Actor, *names: str) -> None:
    for name in names:
        label, codename = name.split(".")
        found = Permission.objects.get(content_type__app_label=label, codename=codename)
        actor.user.user_permissions.add(found)


def tried(client, sofa: Listing, draft: Listing) -> dict[str, int]:
    """The status of each thing that staff may be allowed to do."""
    return {
        "change a listing": client.patch(at(sofa), {"price": "1"}).status_code,
        "give a listing another seller": client.patch(at(sofa), {"seller": "alice"}).status_code,
        "publish what another withdrew": client.post(at(draft, "publish")).status_code,
        "publish for another": client.post(LISTINGS, NEW | {"seller": "alice"}).status_code,
        "choose an id": client.post(LISTINGS, NEW | {"id": "mine"}).status_code,
        "write a batch": client.put(
            BATCH, {"listings": [NEW | {"external_id": "b", "seller": "alice"}]}
        ).status_code,
        "read a draft": client.get(at(draft)).status_code,
        "ask for a feed in another's name": client.get("/api/v1/feed/", {"actor": "alice"}).status_code,
        "read metrics": client.get("/metrics").status_code,
    }


class TestPermissions:
    def test_a_user_without_an_actor_gets_one_by_publishing(self, alice, as_alice, sofa):
        user_pk = alice.user_id
        Actor.objects.filter(pk=alice.pk).update(user=None)
        seller = as_alice.post(LISTINGS, NEW).json()["seller"]
        assert Actor.objects.get(external_id=seller).user_id == user_pk
        seller = as_alice.post(LISTINGS, NEW).json()["seller"]
        assert Actor.objects.get(external_id=seller).user_id == user_pk

    def test_charlie_may_not_change_what_alice_sells(self, as_charlie, sofa):
        photo = factories.photo(sofa)
        for response in (
            as_charlie.patch(at(sofa), {"price": 1}),
            as_charlie.delete(at(sofa)),
            as_charlie.post(at(sofa, "sold"), {}),
            as_charlie.post(at(sofa, "photos"), upload(factories.picture()), format="multipart"),
            as_charlie.delete(at(sofa, "photos", photo.external_id)),
            *(as_charlie.post(at(sofa, verb)) for verb in ("publish", "reserve", "release", "withdraw")),
        ):
            assert is_problem(response, 403)
        sofa.refresh_from_db()
        assert (sofa.status, sofa.price, sofa.photos.count()) == ("active", 50, 1)

    def test_staff_and_services_may_edit_any_listing(self, as_staff, as_service, sofa):
        assert as_staff.patch(at(sofa), {"price": "49"}).json()["price"] == "49.00"
        assert as_service.patch(at(sofa), {"price": "48"}).json()["price"] == "48.00"


class TestStaff:
    @pytest.fixture
    def draft(self, alice) -> Listing:
        return factories.listing(alice, status="draft")

    def test_staff_without_a_permission_may_do_no_more_than_members(self, plain, sofa, draft):
        statuses = tried(client_of(plain), sofa, draft)
        assert set(statuses) == set(NEEDED)
        assert set(statuses.values()) == {403, 404}

    @pytest.mark.parametrize("name", STAFF_PERMISSIONS)
    def test_staff_with_one_permission_may_do_what_it_says(self, plain, sofa, draft, name):
        grant(plain, name)
        statuses = tried(client_of(plain), sofa, draft)
        allowed = {deed for deed, status in statuses.items() if status < 400}
        expected = {deed for deed, needed in NEEDED.items() if needed == {name}}
        if name == "listings.change_listing":
            expected.add("read a draft")
        assert allowed == expected

    def test_staff_with_all_permissions_may_do_everything(self, plain, sofa, draft):
        grant(plain, *STAFF_PERMISSIONS)
        assert max(tried(client_of(plain), sofa, draft).values()) < 400

    def test_a_token_without_the_staff_scope_carries_no_permission(self, plain, sofa, draft):
        grant(plain, *STAFF_PERMISSIONS)
        client = client_of(plain)
        PersonToken.objects.update(scopes=["feed", "events", "catalogue"])
        assert min(tried(client, sofa, draft).values()) >= 403


class TestIdsVersionsAndSellers:
    """A member who chose them would keep the marketplace's own writes out for ever."""

    def test_a_member_may_not_name_an_id(self, as_alice, as_service, sofa):
        response = as_alice.post(LISTINGS, NEW | {"id": "advert-1"})
        assert is_problem(response, 403)
        assert response.json()["errors"][0]["field"] == "id"
        row = NEW | {"external_id": "advert-1", "seller": "ada"}
        result = as_service.put(BATCH, {"listings": [row]}).json()["results"][0]
        assert (result["outcome"], Listing.objects.get(external_id="advert-1").seller.external_id) == (
            "created",
            "ada",
        )

    def test_staff_may_name_an_id(self, as_staff, sofa):
        assert as_staff.post(LISTINGS, NEW | {"id": "advert-1"}).json()["id"] == "advert-1"

    @pytest.mark.parametrize("version", [0, 7, 2**63 - 1])
    def test_a_member_may_not_set_a_version(self, as_alice, as_service, sofa, version):
        for response in (
            as_alice.post(LISTINGS, NEW | {"source_version": version}),
            as_alice.patch(at(sofa), {"title": "Mine", "source_version": version}),
        ):
            assert is_problem(response, 403)
            assert response.json()["errors"][0]["field"] == "source_version"
        assert list(Listing.objects.values_list("title", "source_version")) == [("Blue sofa", None)]
        row = NEW | {"external_id": sofa.external_id, "seller": "alice", "source_version": 1, "price": "9"}
        assert as_service.put(BATCH, {"listings": [row]}).json()["results"][0]["outcome"] == "updated"

    @pytest.mark.parametrize("name", ["as_service", "as_staff"])
    def test_services_and_staff_move_a_listing_to_another_seller(self, request, sofa, announced, name):
        response = request.getfixturevalue(name).patch(at(sofa), {"seller": "ada", "price": "9"})
        assert (response.json()["seller"], response.json()["price"]) == ("ada", "9.00")
        assert announced == [[sofa.pk]]

    @pytest.mark.parametrize("name", ["as_service", "as_staff"])
    def test_batches_of_services_and_staff_move_a_listing_to_another_seller(
        self, request, sofa, announced, name
    ):
        row = NEW | {"external_id": sofa.external_id, "seller": "ada"}
        results = request.getfixturevalue(name).put(BATCH, {"listings": [row]}).json()["results"]
        assert results[0]["outcome"] == "updated"
        assert Listing.objects.get().seller.external_id == "ada"
        assert announced == [[sofa.pk]]

    def test_an_owner_may_not_give_a_listing_another_seller(self, as_alice, sofa, bob):
        response = as_alice.patch(at(sofa), {"seller": "bob"})
        assert is_problem(response, 403)
        assert response.json()["errors"][0]["field"] == "seller"
        assert Listing.objects.get().seller.external_id == "alice"
