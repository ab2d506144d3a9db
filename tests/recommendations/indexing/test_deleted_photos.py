"""Photos that are deleted while their listings are being embedded."""

from contextlib import suppress

import pytest
from django.db import OperationalError, connection, connections
from django.utils import timezone

from listings import photo_services
from listings.batches.photos import PhotoRow, upsert_photos
from listings.photos import processing
from recommendations.encoders.encoder import Encoder
from recommendations.models.embeddings import EmbeddingJob, ListingEmbedding, PhotoFeatures
from recommendations.privacy.erasure import erase, find_person
from tests import factories
from tests.recommendations.indexed import embed

pytestmark = pytest.mark.usefixtures("encoder")


@pytest.mark.django_db(transaction=True)
class TestAPhotoThatIsDeletedMeanwhile:
    """Right after its upload, while the batch with its listing is being embedded."""

    @pytest.fixture
    def photo(self, sofa):
        return factories.photo(sofa)

    @pytest.mark.parametrize("moment", ["before its file is read", "before its features are stored"])
    def test_a_batch_is_embedded_although_one_of_its_photos_is_deleted(
        self, alice, sofa, photo, monkeypatch, moment
    ):
        lamp = factories.listing(alice, "Lamp")
        kept = factories.photo(lamp)
        features = Encoder.features

        def deleted_meanwhile(encoder, paths):
            monkeypatch.setattr(Encoder, "features", features)
            if moment == "before its file is read":
                photo_services.remove_photo(photo=photo)
                return features(encoder, paths)
            computed = features(encoder, paths)
            photo_services.remove_photo(photo=photo)
            return computed

        monkeypatch.setattr(Encoder, "features", deleted_meanwhile)
        assert embed()["embedded"] >= 1
        assert ListingEmbedding.objects.get(listing=lamp).photo_ids == [kept.pk]
        embed()
        assert ListingEmbedding.objects.get(listing=sofa).photo_ids == []
        assert not EmbeddingJob.objects.exists()
        assert list(PhotoFeatures.objects.values_list("photo", flat=True)) == [kept.pk]

    def test_a_photo_whose_file_is_missing_fails(self, sofa, photo):
        processing.delete_files([photo.file_name])
        assert embed() == {"failed": 1}

    @pytest.mark.parametrize("way", ["removed", "replaced", "erased"])
    def test_a_photo_is_deleted_while_its_features_are_stored(self, alice, sofa, photo, way):
        """Features are stored by another connection just before the photo's row goes."""
        other = connections.create_connection("default")
        tried = []

        def store_features(execute, sql, params, many, context):
            if sql.startswith('DELETE FROM "listings_photo"'):
                tried.append(sql)
                with suppress(OperationalError), other.cursor() as cursor:
                    cursor.execute("SET lock_timeout = '200ms'")
                    cursor.execute(
                        "INSERT INTO recommendations_photofeatures (photo_id, backbone, features) "
                        "VALUES (%s, 'b', '')",
                        [photo.pk],
                    )
            return execute(sql, params, many, context)

        try:
            with connection.execute_wrapper(store_features):
                if way == "removed":
                    photo_services.remove_photo(photo=photo)
                elif way == "replaced":
                    received = processing.receive(factories.picture("red"))
                    row = PhotoRow(sofa.pk, photo.external_id, received)
                    assert upsert_photos(rows=[row])[0].outcome == "updated"
                else:
                    erase(find_person("alice"), now=timezone.now())
        finally:
            other.close()
        assert tried
        assert not PhotoFeatures.objects.exists()

    def test_deleting_a_photo_twice_changes_its_listing_once(self, photo):
        for _ in range(2):
            photo_services.remove_photo(photo=photo)
        photo.listing.refresh_from_db()
        assert photo.listing.content_version == 3
