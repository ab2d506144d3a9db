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
    def test_they_are_read_once_in_the_order_asked_for(self, reader, pair, monkeypatch):
        first = stored_sentences(reader, pair)
        assert (first.shape, first.dtype) == ((2, 768), np.float16)
        monkeypatch.delattr(Encoder, "sentences")
        assert np.array_equal(stored_sentences(reader, pair[::-1]), first[::-1])

    def test_changed_words_change_their_own_and_nothing_else(self, reader, pair):
        before = stored_sentences(reader, pair)
        sofa, bike = map(reading_of, pair)
        pair[0] = services.edit_listing(listing=pair[0], description="With a footstool")
        after = stored_sentences(reader, pair)
        assert (before != after).any(axis=1).tolist() == [True, False]
        assert reading_of(pair[0])[1:] != sofa[1:]
        assert reading_of(pair[1]) == bike
        assert TextFeatures.objects.count() == 2

    def test_a_price_changes_nothing(self, reader, pair, monkeypatch):
        before = stored_sentences(reader, pair)
        pair[0] = services.edit_listing(listing=pair[0], price=3)
        monkeypatch.delattr(Encoder, "sentences")
        assert np.array_equal(stored_sentences(reader, pair), before)

    def test_words_that_move_between_title_and_description_are_other_words(self, reader, alice):
        one = factories.listing(alice, "Blue sofa", description="hardly used")
        other = factories.listing(alice, "Blue", description="sofa hardly used")
        embeddings = stored_sentences(reader, [one, other])
        assert reading_of(one)[1] != reading_of(other)[1]
        assert not np.array_equal(embeddings[0], embeddings[1])

    def test_what_was_changed_or_erased_while_it_was_read_is_not_kept(self, reader, pair, monkeypatch):
        read = Encoder.sentences

        def meanwhile(self, words):
            services.edit_listing(listing=pair[0], title="Erased")
            return read(self, words)

        monkeypatch.setattr(Encoder, "sentences", meanwhile)
        assert stored_sentences(reader, pair).shape == (2, 768)
        assert TextFeatures.objects.get().listing == pair[1]

    def test_of_no_listing_there_are_none(self, reader, pair):
        assert stored_sentences(reader, []).shape == (0, 768)

    def test_an_encoder_that_does_without_stores_none(self, encoder, pair):
        assert stored_sentences(selection.load_target(), pair) is None
        assert not TextFeatures.objects.exists()


class TestFeatures:
    def test_they_come_in_the_order_asked_for(self, reader, pair):
        photos = [
            factories.photo(listing, colour) for listing, colour in zip(pair, ["navy", "red"], strict=True)
        ]
        both = stored_features(reader, photos)
        assert (both.shape, both.dtype) == ((2, reader.feature_dimension), np.float16)
        assert np.array_equal(stored_features(reader, photos[::-1]), both[::-1])

    def test_of_no_photo_there_are_none(self, reader):
        assert stored_features(reader, []).shape == (0, reader.feature_dimension)
