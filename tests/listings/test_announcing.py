"""Announcements of changed listings."""

from decimal import Decimal

import pytest

from listings import photo_services, services
from listings.announcing import catalogue_transaction, listings_changed
from listings.models import Listing, Photo
from listings.services import NotForSale
from tests import factories
from tests.listings.photo_files import stored_files


@pytest.fixture
def refusing_receiver():
    """A receiver of listings_changed that fails."""

    def refuse(sender, **_):
        raise RuntimeError("The change log is broken.")

    listings_changed.connect(refuse)
    yield
    listings_changed.disconnect(refuse)


class TestAnnouncing:
    def test_nested_verbs_make_one_announcement_with_all_ids_sorted(self, alice, announced):
        with catalogue_transaction():
            sofa = factories.listing(alice)
            chair = factories.listing(alice, "Chair")
            services.edit_listing(listing=chair, price=Decimal(3))
            services.reserve(listing=sofa)
            assert announced == []
        assert announced == [sorted([sofa.pk, chair.pk])]

    def test_a_failing_announcement_rolls_back_the_listing_its_photos_and_files(
        self, alice, refusing_receiver, settings
    ):
        with pytest.raises(RuntimeError), catalogue_transaction():
            sofa = factories.listing(alice)
            factories.photo(sofa)
        assert not Listing.objects.exists()
        assert not Photo.objects.exists()
        assert stored_files(settings.MEDIA_ROOT) == []

    def test_a_photo_whose_removal_is_rolled_back_keeps_its_files(
        self, sofa, settings, django_capture_on_commit_callbacks
    ):
        photo = factories.photo(sofa)
        before = stored_files(settings.MEDIA_ROOT)
        with (
            django_capture_on_commit_callbacks(execute=True),
            pytest.raises(RuntimeError),
            catalogue_transaction(),
        ):
            photo_services.remove_photo(photo=photo)
            raise RuntimeError
        assert stored_files(settings.MEDIA_ROOT) == before
        assert Photo.objects.get().listing == sofa

    def test_a_verb_announces_after_one_that_was_refused(self, sofa, announced):
        with pytest.raises(NotForSale):
            services.release(listing=sofa)
        services.reserve(listing=sofa)
        assert announced == [[sofa.pk]]
