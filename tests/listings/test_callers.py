"""What a caller may change."""

from listings.models import Actor
from tests import factories
from tests.listings.api.requests import LISTINGS, NEW, at, upload
from tests.problems import is_problem


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
