"""The joint encoder: its vectors, its categories, and saving and loading."""

from dataclasses import replace

import numpy as np
import pytest

from ml.encoder.blocks import Comparison
from ml.encoder.classifier import calibration_error
from ml.encoder.joint import HEADS, LABELS, JointEncoder
from ml.encoder.training import (
    fit_encoder,
)
from ml.evaluation.retrieval_metrics import recall_at
from ml.model_files import ModelFileError
from tests.ml.encoder.catalogue import KINDS, OPTIONS, catalogue, encode, query


@pytest.fixture(scope="module")
def encoder(material, held_out) -> JointEncoder:
    return fit_encoder(material, held_out, OPTIONS)[0]


class TestVectors:
    def test_every_block_of_the_joint_encoder_has_length_one_or_is_empty(self, encoder, material):
        coded = encode(encoder, material)
        for block in encoder.blocks.slices:
            lengths = np.linalg.norm(coded.listings[:, block].astype(np.float32), axis=1)
            assert np.all((np.abs(lengths - 1) < 0.01) | (lengths == 0))
        assert coded.photos.shape == (len(material.owners), encoder.blocks.photo_dimension)

    def test_listings_similar_by_the_joint_encoder_are_of_the_same_category(self, encoder):
        fresh = catalogue(80, seed=9)
        vectors = encode(encoder, fresh).listings.astype(np.float32)
        scores = Comparison.of(encoder.blocks, vectors).likeness(vectors, vectors)
        np.fill_diagonal(scores, -np.inf)
        nearest = scores.argmax(axis=1)
        assert np.mean([fresh.paths[row] == fresh.paths[near] for row, near in enumerate(nearest)]) > 0.9

    def test_words_find_photos_of_listings_that_the_joint_encoder_did_not_train_on(self, encoder):
        fresh = catalogue(80, seed=9)
        photos = encode(encoder, fresh).photos.astype(np.float32)
        meaning = encoder.blocks.slices[1]
        for path, words in KINDS.items():
            vector = query(encoder, words[0])
            best = np.argsort(-photos[:, meaning] @ vector[meaning])[:5]
            assert [fresh.paths[fresh.owners[row]] for row in best] == [path] * 5

    def test_the_other_photo_of_a_listing_is_near_by_the_joint_encoder(self, encoder):
        fresh = catalogue(80, seed=9)
        photos = encode(encoder, fresh).photos.astype(np.float32)
        rows = np.arange(len(photos))
        assert recall_at(photos, photos, fresh.owners, fresh.owners, 5, own=rows) > 0.8


class TestWithoutPhotos:
    """With an empty meaning block they would rank behind all listings with photos."""

    def test_a_listing_without_photos_carries_its_words_in_the_meaning_block(self, encoder, material):
        coded = encode(encoder, material).listings
        look, meaning, words = encoder.blocks.slices
        assert not coded[0, look].any()
        assert np.array_equal(coded[0, meaning], coded[0, words])
        assert not np.array_equal(coded[1, meaning], coded[1, words])

    def test_the_share_of_listings_without_photos_among_results_is_about_that_in_the_catalogue(self, encoder):
        fresh = catalogue(400, seed=9)
        vectors = encode(encoder, fresh).listings.astype(np.float32)
        scores = Comparison.of(encoder.blocks, vectors).likeness(vectors, vectors)
        np.fill_diagonal(scores, -np.inf)
        nearest = np.argsort(-scores, axis=1)[:, :20]
        assert 0.5 / 8 < np.mean(nearest % 8 == 0) < 2 / 8

    def test_an_empty_text_is_encoded_to_zeros(self, encoder):
        assert not query(encoder, "").any()


class TestCategories:
    def test_the_joint_encoder_tells_root_categories_by_photo_words_and_both(self, encoder):
        fresh = catalogue(80, seed=9)
        names = encoder.classifier.labels.roots
        right = np.array([names.index(root) for root in fresh.roots])
        arguments = fresh.features, fresh.owners, fresh.titles, fresh.descriptions
        nothing = [""] * 80
        both = encoder.classifier.roots(encoder.evidence(*arguments))
        by_photo = encoder.classifier.roots(encoder.evidence(fresh.features, fresh.owners, nothing, nothing))
        shown = ~np.isnan(by_photo[:, 0])
        assert (both.argmax(axis=1) == right).mean() > 0.9
        assert (by_photo.argmax(axis=1) == right)[shown].mean() > 0.8
        assert np.array_equal(shown, np.arange(80) % 8 != 0)
        assert calibration_error(both, right) < 0.15

    def test_the_joint_encoders_path_probabilities_sum_to_those_of_their_roots(self, encoder, material):
        evidence = encoder.evidence(
            material.features, material.owners, material.titles, material.descriptions
        )
        leaves, roots = encoder.classifier.leaves(evidence), encoder.classifier.roots(evidence)
        home = [
            place for place, path in enumerate(encoder.classifier.labels.leaves) if path.startswith("Home")
        ]
        assert leaves[:, home].sum(axis=1) == pytest.approx(
            roots[:, encoder.classifier.labels.roots.index("Home")], abs=1e-4
        )


class TestKeeping:
    def test_a_saved_joint_encoder_encodes_the_same(self, encoder, material, tmp_path):
        encoder.save(tmp_path)
        back = JointEncoder.load(tmp_path)
        assert back.version == encoder.version
        assert np.array_equal(encode(back, material).listings, encode(encoder, material).listings)

    def test_a_joint_encoder_saves_its_labels_as_json(self, encoder, tmp_path):
        encoder.save(tmp_path)
        assert '"Sports / Bicycles"' in (tmp_path / LABELS).read_text()

    def test_another_training_gives_the_joint_encoder_another_version(self, encoder, material, held_out):
        other, _ = fit_encoder(material, held_out, replace(OPTIONS, epochs=1))
        assert other.version != encoder.version

    @pytest.mark.parametrize("name", [HEADS, LABELS])
    def test_loading_a_joint_encoder_names_the_damaged_file(self, encoder, tmp_path, name):
        encoder.save(tmp_path)
        (tmp_path / name).write_bytes((tmp_path / name).read_bytes()[:100])
        with pytest.raises(ModelFileError, match=name):
            JointEncoder.load(tmp_path)
