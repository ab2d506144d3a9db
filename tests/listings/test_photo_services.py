"""Photos of a listing: added, removed and counted."""

import pytest
from django.db import IntegrityError

from listings import photo_services
from listings.errors import Invalid
from listings.models import Photo
from listings.photos import processing
from tests import factories
from tests.listings.photo_files import stored_files


def received(colour: str = "navy") -> processing.ReceivedPhoto:
    return processing.receive(factories.picture(colour))


class TestPhotos:
    def test_photos_are_appended_in_order_and_make_new_content_versions(self, sofa):
        first, second = factories.photo(sofa, "red"), factories.photo(sofa, "blue")
        assert (first.position, second.position) == (0, 1)
        sofa.refresh_from_db()
        assert sofa.content_version == 3

    def test_the_same_photo_sent_twice_to_a_listing_is_one(self, sofa, settings):
        photo, again = (photo_services.add_photo(listing=sofa, received=same) for same in [received()] * 2)
        assert photo == again and Photo.objects.count() == 1
        assert len(stored_files(settings.MEDIA_ROOT)) == len(processing.Size)
        sofa.refresh_from_db()
        assert sofa.content_version == 2

    def test_adding_a_photo_is_announced(self, sofa, announced):
        factories.photo(sofa)
        assert announced == [[sofa.pk]]

    def test_a_photo_added_after_a_removal_gets_the_next_position(self, sofa):
        first, second = factories.photo(sofa), factories.photo(sofa)
        photo_services.remove_photo(photo=first)
        assert factories.photo(sofa).position == second.position + 1

    def test_removing_a_photo_deletes_its_files_and_announces_it(
        self, sofa, announced, settings, django_capture_on_commit_callbacks
    ):
        photo = factories.photo(sofa)
        announced.clear()
        with django_capture_on_commit_callbacks(execute=True):
            photo_services.remove_photo(photo=photo)
        assert stored_files(settings.MEDIA_ROOT) == []
        assert announced == [[sofa.pk]]
        sofa.refresh_from_db()
        assert sofa.content_version == 3

    def test_a_listing_has_at_most_twenty_photos(self, sofa):
        Photo.objects.bulk_create(
            Photo(listing=sofa, position=position, file="photos/x.jpg", width=1, height=1)
            for position in range(photo_services.MAXIMUM_PHOTOS)
        )
        with pytest.raises(Invalid, match="at most 20 photos"):
            factories.photo(sofa)

    def test_a_photo_refused_for_its_taken_id_leaves_no_file(self, sofa, settings):
        photo_services.add_photo(listing=sofa, received=received(), external_id="front")
        before = stored_files(settings.MEDIA_ROOT)
        with pytest.raises(IntegrityError):
            photo_services.add_photo(listing=sofa, received=received(), external_id="front")
        assert stored_files(settings.MEDIA_ROOT) == before
