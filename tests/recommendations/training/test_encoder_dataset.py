import shutil

import numpy as np
import pytest

from listings.announcing import catalogue_transaction
from listings.models import Listing
from recommendations.encoders import selection
from recommendations.models.embeddings import PhotoFeatures
from recommendations.training import encoder_dataset
from recommendations.training.encoder_dataset import (
    DamagedPhoto,
    file_of,
    is_held_out,
    labelled_photos,
    read_dataset,
)
from tests import factories
from tests.recommendations.market import JUDGES, advertise, another_photo


def read(progress=lambda done, total: None):
    return read_dataset(selection.load_target(), progress)


@pytest.fixture
def adverts(encoder, now) -> list[Listing]:
    return advertise(now)


def judges(material) -> dict[int, bool]:
    return dict(zip(material.listing_ids.tolist(), material.held_out.tolist(), strict=True))


class TestWhoJudges:
    def test_about_one_listing_in_ten_is_held_out_from_encoder_training(self):
        assert 0.09 < np.mean([is_held_out(f"listing-{number}") for number in range(10_000)]) < 0.11

    def test_whether_a_listing_is_held_out_follows_from_its_id_and_never_changes(self):
        """All encoders are compared on these listings: another hash would train on some of them."""
        assert [number for number in range(60) if is_held_out(f"advert-{number}")] == [1, 10, 16, 31, 50, 58]

    def test_held_out_listings_stay_so_whatever_else_is_in_the_catalogue(self, adverts, alice):
        before = judges(read())
        assert sum(before.values()) == JUDGES
        Listing.objects.filter(pk__in=[listing.pk for listing in adverts[::3]]).delete()
        with catalogue_transaction():
            for number in range(15):
                factories.listing(alice, external_id=f"newcomer-{number}")
        after = judges(read())
        common = before.keys() & after.keys()
        assert len(common) == 62
        assert {pk: before[pk] for pk in common} == {pk: after[pk] for pk in common}

    def test_fine_tuning_holds_out_the_photos_of_the_same_listings(self, market):
        expected = judges(read())
        is_held_out_of = {photo.listing_id: is_judge for photo, _, _, is_judge in labelled_photos()}
        assert is_held_out_of == {pk: expected[pk] for pk in is_held_out_of}


class TestWhatTeaches:
    def test_sold_and_withdrawn_listings_teach_the_encoder_and_drafts_do_not(self, adverts, now):
        sold, withdrawn, reserved, draft = adverts[:4]
        factories.photo(draft), factories.photo(sold)
        Listing.objects.filter(pk=sold.pk).update(status="sold", sold_at=now)
        for listing, status in [(withdrawn, "withdrawn"), (reserved, "reserved"), (draft, "draft")]:
            Listing.objects.filter(pk=listing.pk).update(status=status)
        expected = [listing.pk for listing in adverts if listing != draft]
        assert read().listing_ids.tolist() == expected
        assert {photo.listing_id for photo, *_ in labelled_photos()} == {sold.pk}

    def test_the_encoder_dataset_holds_photos_by_listing_and_listings_with_words_and_categories(self, market):
        material = read()
        owners = material.listing_ids[material.owners].tolist()
        assert owners == [listing.pk for listing in market for _ in range(listing.photos.count())]
        row = 7
        assert material.titles[row] == market[row].title
        assert material.descriptions[row] == market[row].description
        assert material.paths[row] == market[row].category.path
        assert material.roots[row] == market[row].category.path.split(" / ")[0]

    def test_a_listing_in_a_root_category_has_that_root_in_the_encoder_dataset(self, alice, encoder):
        factories.listing(alice, path="Stuff")
        assert read().roots == read().paths == ["Stuff"]

    def test_of_very_many_listings_the_newest_teach_the_encoder(self, adverts, monkeypatch):
        monkeypatch.setattr(encoder_dataset, "MOST_LISTINGS", 10)
        assert read().listing_ids.tolist() == [listing.pk for listing in adverts[-10:]]

    def test_an_empty_catalogue_is_an_empty_encoder_dataset(self, encoder):
        material = read()
        assert (len(material), len(material.features), material.sentences) == (0, 0, None)

    def test_reading_the_encoder_dataset_reports_progress_to_the_end(self, adverts):
        steps = []
        read(lambda done, total: steps.append((done, total)))
        assert steps == [(64, 93), (93, 93)]


class TestFeaturesOnce:
    def test_photo_features_are_computed_once(self, market, settings):
        first = read()
        assert PhotoFeatures.objects.count() == len(first.features) > 90
        shutil.rmtree(settings.MEDIA_ROOT)
        assert np.array_equal(read().features, first.features)

    def test_only_a_changed_photo_has_its_features_computed_again(self, market, settings):
        before = read()
        shutil.rmtree(settings.MEDIA_ROOT)
        another_photo(market[0])
        after = read()
        changed = (before.features != after.features).any(axis=1)
        assert np.flatnonzero(changed).tolist() == [0]
        assert PhotoFeatures.objects.count() == len(after.features)

    def test_each_backbone_has_photo_features_of_its_own(self, market, monkeypatch):
        read()
        count = PhotoFeatures.objects.count()
        other = selection.load_target()
        monkeypatch.setattr(type(other), "backbone_version", "another backbone")
        read_dataset(other, lambda done, total: None)
        assert PhotoFeatures.objects.count() == 2 * count


class TestBadPhotos:
    def test_a_listing_whose_photo_file_is_gone_teaches_by_its_words(self, market):
        file_of(market[0].photos.get()).unlink()
        material = read()
        assert 0 not in material.owners
        assert len(material) == len(market)

    def test_a_damaged_photo_is_named_with_a_remedy(self, market):
        file = file_of(market[0].photos.get())
        file.write_bytes(b"not a photo")
        with pytest.raises(DamagedPhoto, match=f"{file.name}.*Remove the photo or restore its file"):
            read()
