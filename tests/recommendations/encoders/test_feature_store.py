"""Stored sentence embeddings of listings, computed by MiniLM."""

import numpy as np
import pytest

from listings import services
from ml.encoder.text import MINILM_VERSION
from recommendations.encoders import selection
from recommendations.encoders.encoder import Encoder
from recommendations.encoders.feature_store import stored_features, stored_sentences
from recommendations.models.embeddings import TextFeatures
from recommendations.training.encoder import UntrainedSpace
from tests import factories


@pytest.fixture
def reader(encoder) -> Encoder:
    """An encoder that uses the sentence encoder."""
    loaded = selection.load_target()
    return Encoder(
        "", loaded.record, UntrainedSpace(loaded.backbone_version, loaded.feature_dimension, MINILM_VERSION)
    )


@pytest.fixture
def pair(alice):
    return [factories.listing(alice, "Blue sofa"), factories.listing(alice, "Mountain bike")]


def reading_of(listing) -> tuple[int, str, bytes]:
    return TextFeatures.objects.values_list("pk", "sha256", "features").get(listing=listing)


class TestSentences:
    def test_sentence_embeddings_are_computed_once_and_returned_in_the_order_given(
        self, reader, pair, monkeypatch
    ):
        first = stored_sentences(reader, pair)
        assert (first.shape, first.dtype) == ((2, 768), np.float16)
        monkeypatch.delattr(Encoder, "sentences")
        assert np.array_equal(stored_sentences(reader, pair[::-1]), first[::-1])

    def test_changed_words_renew_the_sentence_embedding_of_their_listing_alone(self, reader, pair):
        before = stored_sentences(reader, pair)
        sofa, bike = map(reading_of, pair)
        pair[0] = services.edit_listing(listing=pair[0], description="With a footstool")
        after = stored_sentences(reader, pair)
        assert (before != after).any(axis=1).tolist() == [True, False]
        assert reading_of(pair[0])[1:] != sofa[1:]
        assert reading_of(pair[1]) == bike
        assert TextFeatures.objects.count() == 2

    def test_a_changed_price_renews_no_sentence_embedding(self, reader, pair, monkeypatch):
        before = stored_sentences(reader, pair)
        pair[0] = services.edit_listing(listing=pair[0], price=3)
        monkeypatch.delattr(Encoder, "sentences")
        assert np.array_equal(stored_sentences(reader, pair), before)

    def test_words_moved_between_title_and_description_have_another_embedding(self, reader, alice):
        one = factories.listing(alice, "Blue sofa", description="hardly used")
        other = factories.listing(alice, "Blue", description="sofa hardly used")
        embeddings = stored_sentences(reader, [one, other])
        assert reading_of(one)[1] != reading_of(other)[1]
        assert not np.array_equal(embeddings[0], embeddings[1])

    def test_embeddings_of_words_that_changed_meanwhile_are_not_stored(self, reader, pair, monkeypatch):
        read = Encoder.sentences

        def meanwhile(self, words):
            services.edit_listing(listing=pair[0], title="Erased")
            return read(self, words)

        monkeypatch.setattr(Encoder, "sentences", meanwhile)
        assert stored_sentences(reader, pair).shape == (2, 768)
        assert TextFeatures.objects.get().listing == pair[1]

    def test_the_sentence_embeddings_of_no_listing_are_an_empty_matrix(self, reader, pair):
        assert stored_sentences(reader, []).shape == (0, 768)

    def test_an_encoder_without_a_sentence_encoder_stores_no_embeddings(self, encoder, pair):
        assert stored_sentences(selection.load_target(), pair) is None
        assert not TextFeatures.objects.exists()


class TestFeatures:
    def test_photo_features_are_returned_in_the_order_given(self, reader, pair):
        photos = [
            factories.photo(listing, colour) for listing, colour in zip(pair, ["navy", "red"], strict=True)
        ]
        both = stored_features(reader, photos)
        assert (both.shape, both.dtype) == ((2, reader.feature_dimension), np.float16)
        assert np.array_equal(stored_features(reader, photos[::-1]), both[::-1])

    def test_the_features_of_no_photo_are_an_empty_matrix(self, reader):
        assert stored_features(reader, []).shape == (0, reader.feature_dimension)
