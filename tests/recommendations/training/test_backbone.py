import pytest
from filelock import FileLock

from listings.models import Listing
from listings.photos.processing import MEDIUM, path_of
from recommendations.core.locks import AlreadyTraining
from recommendations.encoders import manifest, selection
from recommendations.models.trained_models import TrainedModel
from recommendations.training import backbone
from recommendations.training.backbone import TooFewPhotos, train_backbone
from recommendations.training.encoder_dataset import DamagedPhoto
from tests import factories

SOFAS, DRILLS = "Home & Garden / Sofas", "DIY Tools & Materials / Drills"
AT_ONCE = 1e-4  # minutes; the round that was begun is broken off


@pytest.fixture
def few_are_enough(monkeypatch):
    monkeypatch.setattr(backbone, "LEAST_PHOTOS", 4)


@pytest.fixture
def shop(alice, few_are_enough):
    """Two sofas and two drills, each with a photo."""
    offered = [(SOFAS, "navy"), (SOFAS, "navy"), (DRILLS, "orange"), (DRILLS, "orange")]
    return [_offer(alice, path, colour) for path, colour in offered]


def _offer(seller, path, colour):
    listing = factories.listing(seller, path=path)
    factories.photo(listing, colour)
    return listing


def photo_file(listing):
    return path_of(listing.photos.get().file.name, MEDIUM)


class TestWhatItLearnsFrom:
    def test_the_small_backbone_learns_each_photo_with_the_root_category_of_its_listing(self, shop):
        photos = backbone.read_photos()
        expected = {photo_file(listing): listing.category.path.split(" / ")[0] for listing in shop}
        assert dict(zip(photos.paths, photos.categories, strict=True)) == expected

    def test_a_photo_of_a_listing_in_a_root_category_has_that_root(self, alice):
        factories.photo(factories.listing(alice, path="Stuff"))
        assert backbone.read_photos().categories == ("Stuff",)

    def test_photos_of_sold_withdrawn_and_draft_listings_train_the_backbone(self, shop, now):
        Listing.objects.filter(pk=shop[0].pk).update(status="sold", sold_at=now)
        for listing, status in zip(shop[1:], ["withdrawn", "reserved", "draft"], strict=True):
            Listing.objects.filter(pk=listing.pk).update(status=status)
        assert len(backbone.read_photos()) == 4

    def test_photos_whose_file_is_gone_do_not_train_the_backbone(self, shop):
        photo_file(shop[0]).unlink()
        assert len(backbone.read_photos()) == 3

    def test_of_very_many_photos_a_sample_trains_the_backbone(self, shop, monkeypatch):
        monkeypatch.setattr(backbone, "MOST_PHOTOS", 3)
        assert len(backbone.read_photos()) == 3


class TestTooLittleToLearnFrom:
    def test_a_backbone_training_on_too_few_photos_is_refused_with_a_remedy(self, alice):
        factories.photo(factories.listing(alice))
        with pytest.raises(TooFewPhotos, match="1 photos in 1 root categories.*import_listings") as caught:
            train_backbone(minutes=AT_ONCE)
        assert "IMAGE_WEIGHTS" in caught.value.detail

    def test_a_backbone_training_on_photos_of_one_category_is_refused(self, alice, few_are_enough):
        for _ in range(4):
            _offer(alice, SOFAS, "navy")
        with pytest.raises(TooFewPhotos, match="4 photos in 1"):
            train_backbone(minutes=AT_ONCE)

    def test_a_backbone_training_names_a_damaged_photo_and_writes_no_weights(self, shop, settings):
        photo_file(shop[1]).write_bytes(b"not a photo")
        with pytest.raises(DamagedPhoto, match=photo_file(shop[1]).name):
            train_backbone(minutes=AT_ONCE)
        assert not list((settings.MODEL_ROOT / "backbone").glob("*.safetensors"))

    def test_two_backbone_trainings_do_not_run_at_once(self, shop, settings):
        settings.MODEL_ROOT.mkdir()
        with FileLock(settings.MODEL_ROOT / "backbone.lock"), pytest.raises(AlreadyTraining):
            train_backbone(minutes=AT_ONCE)


class TestWhatBecomesOfIt:
    def test_a_trained_backbone_becomes_the_candidate_encoder_while_the_active_one_serves_on(
        self, shop, encoder, settings
    ):
        lines = []
        model = train_backbone(minutes=AT_ONCE, say=lines.append)
        assert (selection.active_encoder(), selection.target_encoder()) == (encoder, model)
        assert model.status == TrainedModel.Status.CANDIDATE
        (file,) = (settings.MODEL_ROOT / "backbone").glob("catalogue-*.safetensors")
        record = manifest.EncoderManifest.read(model)
        assert record.weights == str(file)
        assert "4 photos of the catalogue" in record.source
        assert "4 photos of 2 categories" in lines[0]

    def test_the_next_embedding_keeps_the_encoder_over_the_trained_backbone(self, shop, encoder):
        model = train_backbone(minutes=AT_ONCE)
        assert selection.ensure_encoder(lambda line: None) == model

    def test_without_any_encoder_the_one_over_a_trained_backbone_is_active_at_once(self, shop):
        assert train_backbone(minutes=AT_ONCE) == selection.active_encoder()

    def test_the_encoder_over_a_trained_backbone_turns_photos_into_features(self, shop, encoder):
        train_backbone(minutes=AT_ONCE)
        loaded = selection.load_target()
        assert loaded.features([photo_file(shop[0])]).shape == (1, loaded.feature_dimension)
