import json

import numpy as np
import pytest

from ml.arrays import ShapeError
from ml.encoder.blocks import Blocks
from ml.encoder.projection import EncoderError, ProjectionEncoder, pool_photos

FEATURES = 64
TITLES = ["Leather sofa", "Sofa bed", "Mountain bicycle", "Desk lamp"]
OWNERS = np.array([0, 0, 1, 2], np.int32)  # two photos, one, one, none


@pytest.fixture
def encoder() -> ProjectionEncoder:
    return ProjectionEncoder("resnet50-abc", FEATURES, seed=3, blocks=Blocks(look=16, meaning=16, words=512))


@pytest.fixture
def features(rng) -> np.ndarray:
    return np.abs(rng.standard_normal((4, FEATURES))).astype(np.float16)


@pytest.fixture
def vectors(encoder, features) -> np.ndarray:
    return encoder.encode(features, OWNERS, TITLES, [""] * 4).listings


class TestEncode:
    def test_each_projected_block_has_length_one_or_is_empty(self, encoder, vectors):
        lengths = np.array([np.linalg.norm(vectors[:, part], axis=1) for part in encoder.blocks.slices])
        assert np.allclose(lengths, [[1, 1, 1, 0], [1, 1, 1, 0], [1, 1, 1, 1]], atol=2e-3)

    def test_projected_vectors_are_one_row_a_listing_in_half_precision(self, encoder, vectors):
        assert vectors.shape == (4, encoder.dimension) and vectors.dtype == np.float16

    def test_photos_count_alike_however_bright_they_are(self, encoder, features, vectors):
        brighter = features.copy()
        brighter[0] *= 4
        again = encoder.encode(brighter, OWNERS, TITLES, [""] * 4).listings
        assert np.allclose(again, vectors, atol=5e-3)

    def test_the_order_of_a_listings_photos_does_not_matter(self, encoder, features, vectors):
        again = encoder.encode(features[[3, 1, 2, 0]], OWNERS[[3, 1, 2, 0]], TITLES, [""] * 4).listings
        assert np.allclose(again, vectors, atol=2e-3)

    def test_a_listing_lies_near_each_of_its_photos(self, encoder, features, vectors):
        single = encoder.encode(features, np.arange(4, dtype=np.int32), TITLES, [""] * 4).listings
        look = encoder.blocks.slices[0]
        cosines = single[:, look].astype(np.float32) @ vectors[0, look].astype(np.float32)
        assert cosines[:2].min() > cosines[2:].max()

    def test_words_in_common_bring_projected_listings_together(self, encoder, vectors):
        words = vectors[:, encoder.blocks.slices[2]].astype(np.float32)
        assert words[0] @ words[1] > words[0] @ words[2] + 0.2

    def test_look_and_meaning_are_different_projections(self, encoder, vectors):
        look, meaning, _ = encoder.blocks.slices
        assert not np.allclose(vectors[:3, look], vectors[:3, meaning], atol=0.1)

    def test_the_projection_encodes_a_catalogue_without_any_photo(self, encoder):
        nothing = np.empty((0, FEATURES), np.float16)
        vectors = encoder.encode(nothing, np.empty(0, np.int32), ["Sofa"], [""]).listings
        assert not vectors[:, :32].any() and vectors[:, 32:].any()

    def test_the_projection_refuses_features_of_another_backbone(self, encoder):
        with pytest.raises(ShapeError):
            encoder.encode(np.zeros((1, 7), np.float16), np.zeros(1, np.int32), ["Sofa"], [""])


class TestPoolPhotos:
    def test_pooled_photos_of_different_things_are_about_orthogonal(self, rng):
        photos = np.abs(rng.standard_normal((200, FEATURES))).astype(np.float16)
        units = pool_photos(photos, np.arange(200), 200)
        cosines = (units @ units.T)[~np.eye(200, dtype=bool)]
        assert abs(cosines.mean()) < 0.05


class TestSavedEncoder:
    def test_a_projection_encoder_from_json_encodes_the_same(self, encoder, features, vectors):
        loaded = ProjectionEncoder.from_json(json.loads(json.dumps(encoder.to_json())))
        assert loaded == encoder and loaded.version == encoder.version
        assert (loaded.encode(features, OWNERS, TITLES, [""] * 4).listings == vectors).all()

    @pytest.mark.parametrize(
        "other",
        [
            ProjectionEncoder("resnet50-abd", FEATURES, seed=3),
            ProjectionEncoder("resnet50-abc", FEATURES, seed=4),
            ProjectionEncoder("resnet50-abc", FEATURES + 1, seed=3),
            ProjectionEncoder("resnet50-abc", FEATURES, seed=3, blocks=Blocks(words=64)),
        ],
    )
    def test_whatever_changes_projected_vectors_changes_the_encoder_version(self, other):
        assert other.version != ProjectionEncoder("resnet50-abc", FEATURES, seed=3).version

    @pytest.mark.parametrize(
        "change",
        [
            {"kind": "joint"},
            {"text": "ngrams-0"},
            {"photos": "raw"},
            {"seed": None},
            {"blocks": {"sound": 3}},
        ],
    )
    def test_a_projection_encoder_of_another_kind_or_form_is_refused(self, encoder, change):
        with pytest.raises(EncoderError):
            ProjectionEncoder.from_json(encoder.to_json() | change)

    def test_a_projection_encoder_with_a_missing_field_is_refused(self, encoder):
        saved = encoder.to_json()
        del saved["backbone"]
        with pytest.raises(EncoderError, match="backbone"):
            ProjectionEncoder.from_json(saved)
