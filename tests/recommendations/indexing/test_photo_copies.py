"""Detection of copied photos: recorded after an embedding, found by a command, shown to staff."""

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import pytest
from django.core.management import call_command
from django.db import connection, connections
from django.urls import reverse

from listings import photo_services
from listings.announcing import catalogue_transaction
from listings.models import Listing, Photo
from ml import perceptual_hash as ml_perceptual_hash
from recommendations.indexing import photo_copies
from recommendations.indexing.photo_copies import LOOKED_AT, NEAR_PHOTOS
from recommendations.models.embeddings import PhotoCopy, PhotoFeatures
from tests import factories
from tests.recommendations.pictures import (
    BLANK,
    FOUR_BITS_OFF,
    OTHER_SCENE,
    SCENE,
    THREE_BITS_OFF,
    hashed,
    saved,
    scene,
)


@contextmanager
def held_elsewhere(statement: str, *values) -> Iterator[None]:
    """Another transaction has run this statement and is still open."""
    other = connections.create_connection("default")
    try:
        other.set_autocommit(False)
        with other.cursor() as cursor:
            cursor.execute(statement, values)
        yield
        other.rollback()
    finally:
        other.close()


def store_features(listing: Listing, *values: float) -> None:
    """Stores these features of the listing's photos."""
    features = np.array(values, "<f2").tobytes()
    for photo in listing.photos.all():
        PhotoFeatures.objects.create(photo=photo, backbone="eye", features=features)


class TestNoting:
    @pytest.fixture
    def mine(self, alice, encoder):
        """Alice's listing, with a photo that Bob copies."""
        listing = factories.listing(alice)
        factories.add_picture(listing, saved(scene(1)))
        return listing

    @pytest.fixture
    def his(self, bob, mine):
        """Bob's listing, with her photo made smaller and saved anew."""
        listing = factories.listing(bob, "Sofa, never used")
        factories.add_picture(listing, saved(scene(1).resize((80, 60)), quality=60))
        return listing

    def test_a_photo_of_another_seller_is_recorded_as_a_copy(self, mine, his, follow):
        follow()
        assert photo_copies.note_copies([his.pk]) == 1
        copy = PhotoCopy.objects.get()
        assert (copy.photo.listing, copy.original.listing, copy.other_seller) == (his, mine, True)
        assert (
            copy.hamming <= ml_perceptual_hash.MOST_BITS
            and photo_copies.LEAST_LIKENESS <= copy.likeness <= 1.001
        )

    def test_a_copy_is_recorded_whichever_photo_is_embedded_first(self, mine, his, follow):
        follow()
        assert photo_copies.note_copies([mine.pk]) == 0  # hers was the first
        assert PhotoCopy.objects.get().photo.listing == his

    def test_recording_photo_copies_again_changes_nothing(self, mine, his, follow):
        follow()
        assert photo_copies.note_copies([his.pk, mine.pk]) == photo_copies.note_copies([his.pk, mine.pk]) == 1
        assert PhotoCopy.objects.count() == 1

    def test_a_copy_of_the_sellers_own_photo_is_recorded_as_such(self, alice, mine, follow):
        factories.add_picture(factories.listing(alice), saved(scene(1)))
        follow()
        photo_copies.note_copies([mine.pk])
        assert PhotoCopy.objects.get().other_seller is False

    def test_the_earliest_of_photo_copies_is_the_original(self, charlie, mine, his, follow):
        third = factories.listing(charlie)
        factories.add_picture(third, saved(scene(1), quality=70))
        follow()
        photo_copies.note_copies([third.pk])
        photo_copies.note_copies([his.pk])
        originals = PhotoCopy.objects.order_by("photo_id").values_list("photo__listing", "original__listing")
        assert list(originals) == [(his.pk, mine.pk), (third.pk, mine.pk)]

    def test_photo_copies_go_with_their_original_and_get_another(self, charlie, mine, his, follow):
        third = factories.listing(charlie)
        factories.add_picture(third, saved(scene(1)))
        follow()
        photo_copies.note_copies([his.pk, third.pk])
        photo_services.remove_photo(photo=mine.photos.get())
        assert not PhotoCopy.objects.exists()
        photo_copies.note_copies([his.pk, third.pk])
        assert PhotoCopy.objects.get().original.listing == his

    def test_two_photos_of_one_listing_are_no_copies(self, mine, follow):
        factories.add_picture(mine, saved(scene(1), quality=50))
        follow()
        assert photo_copies.note_copies([mine.pk]) == 0

    def test_no_listings_have_no_photo_copies(self, db):
        assert photo_copies.note_copies([]) == 0


class TestConfirming:
    """Photos with hashes and features of our choice."""

    @pytest.fixture
    def pair(self, alice, bob):
        def make(perceptual_hash: str = SCENE) -> tuple[Listing, Listing]:
            return hashed(factories.listing(alice), perceptual_hash), hashed(factories.listing(bob), SCENE)

        return make

    def test_photos_with_near_hashes_and_different_features_are_no_copies(self, pair):
        one, other = pair()
        store_features(one, 1, 0)
        store_features(other, 0, 1)
        assert photo_copies.note_copies([other.pk]) == 0

    def test_a_recorded_photo_copy_is_deleted_when_features_refute_it(self, pair):
        one, other = pair()
        store_features(one, 1, 0)
        store_features(other, 1, 0.1)
        assert photo_copies.note_copies([other.pk]) == 1
        PhotoFeatures.objects.filter(photo__listing=other).update(features=np.array([0, 1], "<f2").tobytes())
        assert photo_copies.note_copies([other.pk]) == 0 and not PhotoCopy.objects.exists()

    def test_photos_without_features_are_no_copies_yet(self, pair):
        one, other = pair()
        store_features(one, 1, 0)
        assert photo_copies.note_copies([one.pk, other.pk]) == 0

    def test_photo_features_of_different_backbones_are_not_compared(self, pair):
        one, other = pair()
        store_features(one, 1, 0)
        store_features(other, 1, 0)
        PhotoFeatures.objects.filter(photo__listing=other).update(backbone="other eye")
        assert photo_copies.note_copies([other.pk]) == 0

    def test_the_same_photo_file_is_a_copy_without_features(self, pair):
        _, other = pair()
        Photo.objects.update(sha256="same")
        assert photo_copies.note_copies([other.pk]) == 1

    @pytest.mark.parametrize(
        ("perceptual_hash", "count"), [(THREE_BITS_OFF, 1), ("f0e0d2c1b4a59487", 1), (FOUR_BITS_OFF, 0)]
    )
    def test_hashes_of_photo_copies_differ_in_up_to_three_bits_wherever_they_lie(
        self, pair, perceptual_hash, count
    ):
        one, other = pair(perceptual_hash)
        store_features(one, 1, 0)
        store_features(other, 1, 0)
        assert photo_copies.note_copies([other.pk]) == count

    def test_blank_photos_are_no_copies(self, pair):
        _, other = pair()
        Photo.objects.update(perceptual_hash=BLANK, sha256="same")
        assert photo_copies.note_copies([other.pk]) == 0

    def test_a_photo_that_everybody_uses_is_compared_a_few_times_only(self, alice, bob):
        with catalogue_transaction():
            crowd = [hashed(factories.listing(alice), SCENE) for _ in range(LOOKED_AT + 5)]
        late = hashed(factories.listing(bob), SCENE)
        for listing in (*crowd, late):
            store_features(listing, 1, 0)
        assert len(photo_copies._pairs([late.pk])) == LOOKED_AT
        assert photo_copies.note_copies([late.pk]) == 1
        assert PhotoCopy.objects.get().original.listing == crowd[0]

    def test_photo_copies_of_a_batch_take_as_many_queries_as_one(
        self, alice, bob, django_assert_max_num_queries
    ):
        with catalogue_transaction():
            listings = [hashed(factories.listing(alice), SCENE, OTHER_SCENE) for _ in range(6)]
        for listing in listings:
            store_features(listing, 1, 0)
        with django_assert_max_num_queries(14):  # savepoints and settings are counted too
            assert photo_copies.note_copies([listing.pk for listing in listings]) == 10


class TestInsideAnotherTransaction:
    def test_a_failed_recording_of_photo_copies_is_rolled_back_and_the_batch_goes_on(self, alice, caplog):
        hashed(factories.listing(alice), "no hash at all..")
        listing = hashed(factories.listing(alice), "no hash at all..")
        assert photo_copies.note_copies([listing.pk]) == 0
        assert "not noted" in caplog.text
        assert Listing.objects.count() == 2  # the transaction is usable

    def test_recording_photo_copies_restores_the_lock_timeout(self, alice):
        with connection.cursor() as cursor:
            cursor.execute("SET LOCAL lock_timeout = '7s'")
            photo_copies.note_copies([hashed(factories.listing(alice), SCENE).pk])
            cursor.execute("SHOW lock_timeout")
            assert cursor.fetchone() == ("7s",)

    @pytest.mark.django_db(transaction=True)
    def test_recording_photo_copies_does_not_wait_for_a_photo_being_removed(self, alice, bob, caplog):
        one, other = hashed(factories.listing(alice), SCENE), hashed(factories.listing(bob), SCENE)
        Photo.objects.update(sha256="same")
        with held_elsewhere("SELECT id FROM listings_photo WHERE listing_id = %s FOR UPDATE", one.pk):
            assert photo_copies.note_copies([other.pk]) == 0
        assert "not noted" in caplog.text
        assert photo_copies.note_copies([other.pk]) == 1


class TestTheSearchForNearHashes:
    def test_each_band_of_a_perceptual_hash_is_searched_by_its_index(self, alice):
        with connection.cursor() as cursor:
            cursor.execute("TRUNCATE listings_photo CASCADE")  # and the planner's statistics of earlier tests
        listing = hashed(factories.listing(alice), SCENE)
        limits = {"listing_ids": [listing.pk], "most_bits": 3, "looked_at": 10, "plain": 8}
        with connection.cursor() as cursor:
            cursor.execute("SET LOCAL enable_seqscan = off")  # on one row the planner would choose it
            cursor.execute("SET LOCAL enable_bitmapscan = off")  # as in `record_copies`
            cursor.execute("EXPLAIN " + NEAR_PHOTOS, limits)
            plan = "\n".join(line for (line,) in cursor.fetchall())
        for start in (1, 5, 9, 13):
            assert f"Index Scan using photo_hash_band_{start} " in plan


class TestForStaff:
    @pytest.fixture
    def taken(self, alice, bob):
        """Bob's listing, with a photo of Alice's."""
        mine = hashed(factories.listing(alice, "Hers"), SCENE)
        his = hashed(factories.listing(bob, "His <b>sofa</b>"), SCENE)
        Photo.objects.update(sha256="same")
        call_command("find_copies")
        return mine, his

    def test_find_copies_finds_copies_of_photos_that_exist_already(self, taken, capsys):
        call_command("find_copies")
        assert capsys.readouterr().out.endswith("1 photos were shown before, 1 of them by another seller.\n")
        assert PhotoCopy.objects.count() == 1

    @pytest.mark.parametrize(("place", "sentence"), [(0, "Shown again by bob"), (1, "Shown before by alice")])
    def test_the_admin_page_of_a_listing_shows_where_else_its_photos_are(
        self, admin_client, taken, place, sentence
    ):
        page = admin_client.get(reverse("admin:listings_listing_change", args=[taken[place].pk]))
        other = reverse("admin:listings_listing_change", args=[taken[1 - place].pk])
        assert sentence in page.content.decode() and f'href="{other}"' in page.content.decode()
        assert "<b>sofa" not in page.content.decode()

    @pytest.mark.parametrize(("choice", "place"), [("yes", 1), ("no", 0)])
    def test_the_admin_list_can_be_narrowed_to_listings_with_copied_photos(
        self, admin_client, taken, choice, place
    ):
        page = admin_client.get("/admin/listings/listing/", {"used_before": choice})
        assert [listing.pk for listing in page.context["cl"].result_list] == [taken[place].pk]

    def test_the_admin_page_for_a_new_listing_shows_no_photo_copies(self, admin_client, db):
        assert (
            "Photos shown elsewhere" not in admin_client.get("/admin/listings/listing/add/").content.decode()
        )

    def test_photo_copies_are_read_only_in_the_admin(self, admin_client, taken):
        page = admin_client.get("/admin/recommendations/photocopy/").content.decode()
        assert "Hers" in page and page.count("<img") >= 2
        assert admin_client.get("/admin/recommendations/photocopy/add/").status_code == 403
