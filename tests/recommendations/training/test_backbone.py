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
    def test_each_photo_comes_with_the_root_category_of_its_listing(self, shop):
        photos = backbone.read_photos()
        expected = {photo_file(listing): listing.category.path.split(" / ")[0] for listing in shop}
        assert dict(zip(photos.paths, photos.categories, strict=True)) == expected

    def test_a_root_category_is_its_own_root(self, alice):
        factories.photo(factories.listing(alice, path="Stuff"))
        assert backbone.read_photos().categories == ("Stuff",)

    def test_what_was_sold_or_withdrawn_teaches_too(self, shop, now):
        Listing.objects.filter(pk=shop[0].pk).update(status="sold", sold_at=now)
        for listing, status in zip(shop[1:], ["withdrawn", "reserved", "draft"], strict=True):
            Listing.objects.filter(pk=listing.pk).update(status=status)
        assert len(backbone.read_photos()) == 4

    def test_a_file_that_is_gone_is_left_out(self, shop):
        photo_file(shop[0]).unlink()
        assert len(backbone.read_photos()) == 3

    def test_of_very_many_photos_a_sample_is_enough(self, shop, monkeypatch):
        monkeypatch.setattr(backbone, "MOST_PHOTOS", 3)
        assert len(backbone.read_photos()) == 3


class TestTooLittleToLearnFrom:
    def test_few_photos_are_refused_with_what_would_help(self, alice):
        factories.photo(factories.listing(alice))
        with pytest.raises(TooFewPhotos, match="1 photos in 1 root categories.*import_listings") as caught:
            train_backbone(minutes=AT_ONCE)
        assert "IMAGE_WEIGHTS" in caught.value.detail

    def test_many_photos_of_one_category_are_refused(self, alice, few_are_enough):
        for _ in range(4):
            _offer(alice, SOFAS, "navy")
        with pytest.raises(TooFewPhotos, match="4 photos in 1"):
            train_backbone(minutes=AT_ONCE)

    def test_a_damaged_photo_is_named_and_nothing_is_changed(self, shop, settings):
        photo_file(shop[1]).write_bytes(b"not a photo")
        with pytest.raises(DamagedPhoto, match=photo_file(shop[1]).name):
            train_backbone(minutes=AT_ONCE)
        assert not list((settings.MODEL_ROOT / "backbone").glob("*.safetensors"))

    def test_two_do_not_train_at_once(self, shop, settings):
        settings.MODEL_ROOT.mkdir()
        with FileLock(settings.MODEL_ROOT / "backbone.lock"), pytest.raises(AlreadyTraining):
            train_backbone(minutes=AT_ONCE)


class TestWhatBecomesOfIt:
    def test_it_is_the_backbone_of_the_next_encoder_while_the_one_before_serves_on(
        self, shop, encoder, settings
    ):
        said = []
        model = train_backbone(minutes=AT_ONCE, say=said.append)
        assert (selection.active_encoder(), selection.target_encoder()) == (encoder, model)
        assert model.status == TrainedModel.Status.CANDIDATE
        (file,) = (settings.MODEL_ROOT / "backbone").glob("catalogue-*.safetensors")
        record = manifest.EncoderManifest.read(model)
        assert record.weights == str(file)
        assert "4 photos of the catalogue" in record.source
        assert "4 photos of 2 categories" in said[0]

    def test_the_next_embed_does_not_go_back_to_the_one_before(self, shop, encoder):
        model = train_backbone(minutes=AT_ONCE)
        assert selection.ensure_encoder(lambda line: None) == model

    def test_without_any_encoder_it_serves_at_once(self, shop):
        assert train_backbone(minutes=AT_ONCE) == selection.active_encoder()

    def test_its_encoder_turns_photos_into_features(self, shop, encoder):
        train_backbone(minutes=AT_ONCE)
        loaded = selection.load_target()
        assert loaded.features([photo_file(shop[0])]).shape == (1, loaded.feature_dimension)
