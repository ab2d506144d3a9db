"""Training of the joint encoder on a small catalogue: retrieval, saving and loading."""

from dataclasses import replace

import numpy as np
import pytest

from ml.arrays import ShapeError
from ml.encoder.joint import JointEncoder
from ml.encoder.training import (
    TooLittleTrainingData,
    fit_encoder,
    subset,
    without_photos,
)
from ml.vision.class_concepts import ClassConcepts, ClassificationLayer
from tests.ml.encoder.catalogue import COUNT, FEATURES, KINDS, OPTIONS, encode


class TestMaterial:
    def test_a_subset_of_training_data_keeps_the_photos_of_its_listings(self, material):
        some = subset(material, np.arange(COUNT) >= COUNT - 3)
        assert some.titles == material.titles[-3:]
        assert some.owners.tolist() == [0, 0, 1, 1, 2, 2]
        assert np.array_equal(some.features, material.features[-6:])

    def test_leaving_photos_out_of_training_data_keeps_their_listings(self, material):
        less = without_photos(material, material.owners == 1)
        assert len(less.titles) == COUNT
        assert 1 not in less.owners

    def test_too_few_training_listings_are_refused_with_their_count(self, material, held_out):
        few = np.arange(COUNT) < 30
        with pytest.raises(TooLittleTrainingData, match="found 25 listings"):
            fit_encoder(subset(material, few), held_out[few], OPTIONS)

    def test_training_data_of_one_category_is_refused(self, material, held_out):
        one = replace(material, roots=["Home"] * COUNT, paths=["Home"] * COUNT)
        with pytest.raises(TooLittleTrainingData, match="1 categories"):
            fit_encoder(one, held_out, OPTIONS)

    def test_the_joint_encoder_learns_from_sentences_and_class_names(self, material, held_out, tmp_path):
        """The backbone has four classes, whose names have the embeddings of such listings' sentences."""
        meanings = np.linalg.qr(np.random.default_rng(5).normal(size=(8, 8)))[0][:4].astype(np.float32)
        places = np.array([list(KINDS).index(path) for path in material.paths])
        layer = np.random.default_rng(1).normal(size=(len(KINDS), FEATURES)).astype(np.float32)
        concepts = ClassConcepts.of(
            ClassificationLayer(tuple(KINDS), layer, np.zeros(4, np.float32)), meanings
        )
        with_sentences = replace(
            material,
            text_encoder="drawn",
            sentences=np.tile(meanings[places], 2).astype(np.float16),
            concepts=concepts,
        )
        encoder, trained = fit_encoder(with_sentences, held_out, OPTIONS)
        assert trained.best.words_to_photo > 0.5  # chance: 10 of 35
        encoder.save(tmp_path)
        coded, back = encode(encoder, with_sentences), encode(JointEncoder.load(tmp_path), with_sentences)
        assert np.array_equal(coded.photos, back.photos)
        without = replace(with_sentences, concepts=ClassConcepts.none())
        with pytest.raises(ShapeError):  # heads that learned from concepts need them
            encode(replace(encoder, concepts=without.concepts), without)
