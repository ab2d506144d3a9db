import json

import numpy as np
import pytest

from recommendations.encoders.encoded_query import CategorySuggestion, EncodedQuery


def encoded(**changed) -> EncodedQuery:
    usual = {
        "encoder_version": "joint-0123456789ab",
        "vector": np.array([0.1, -0.2, 0], np.float32),
        "photo": np.array([1e-30, 3.5], np.float32),
        "features": np.arange(5, dtype=np.float32),
        "roots": (CategorySuggestion("Home & Garden", 0.75), CategorySuggestion("Sports", 0.25)),
        "leaves": (CategorySuggestion("Home & Garden / Sofas £", 0.5),),
    }
    return EncodedQuery(**usual | changed)


def through_json(encoded_query: EncodedQuery) -> EncodedQuery:
    """The query after a round trip through JSON, as in a reply or the cache."""
    return EncodedQuery.from_json(json.loads(json.dumps(encoded_query.to_json()).encode()))


class TestThereAndBack:
    def test_an_encoded_query_keeps_every_number_through_json(self):
        encoded_query, decoded = encoded(), through_json(encoded())
        for name in ("vector", "photo", "features"):
            part = getattr(decoded, name)
            assert part.dtype == np.float32
            np.testing.assert_array_equal(part, getattr(encoded_query, name))

    def test_an_encoded_query_keeps_its_version_and_suggestions_through_json(self):
        encoded_query, decoded = encoded(), through_json(encoded())
        assert decoded.encoder_version == encoded_query.encoder_version
        assert (decoded.roots, decoded.leaves) == (encoded_query.roots, encoded_query.leaves)

    def test_an_encoded_query_of_words_alone_has_no_photo_features_or_suggestions(self):
        decoded = through_json(EncodedQuery("v", np.ones(3, np.float32)))
        assert (len(decoded.photo), len(decoded.features), decoded.roots, decoded.leaves) == (0, 0, (), ())
        assert decoded.photo.dtype == decoded.features.dtype == np.float32

    def test_vectors_of_a_decoded_query_are_writable(self):
        decoded = through_json(encoded())
        decoded.vector[0] = 7
        assert decoded.vector[0] == 7

    def test_half_precision_vectors_of_a_query_are_decoded_as_single_precision(self):
        halves = np.array([0.5, 0.1], np.float16)
        np.testing.assert_array_equal(through_json(encoded(vector=halves)).vector, halves.astype(np.float32))


class TestDamaged:
    """Readers of the cache treat these three errors as an answer of another release."""

    ERRORS = (ValueError, KeyError, TypeError)

    @pytest.mark.parametrize("name", sorted(encoded().to_json()))
    def test_each_field_of_an_encoded_query_is_required(self, name):
        values = encoded().to_json()
        del values[name]
        with pytest.raises(KeyError, match=name):
            EncodedQuery.from_json(values)

    @pytest.mark.parametrize("text", ["AAA", "AAAA", "AAAAAAA=", "zig zag!", "é", None, 3])
    @pytest.mark.parametrize("name", ["vector", "photo", "features"])
    def test_malformed_vectors_of_an_encoded_query_are_refused(self, name, text):
        with pytest.raises(self.ERRORS):
            EncodedQuery.from_json(encoded().to_json() | {name: text})

    @pytest.mark.parametrize("pairs", [[["Home"]], [["Home", 0.5, 1]], [3], None])
    @pytest.mark.parametrize("name", ["roots", "leaves"])
    def test_malformed_suggestions_of_an_encoded_query_are_refused(self, name, pairs):
        with pytest.raises(self.ERRORS):
            EncodedQuery.from_json(encoded().to_json() | {name: pairs})

    @pytest.mark.parametrize("values", [None, [], "text", 3])
    def test_a_value_that_is_no_encoded_query_is_refused(self, values):
        with pytest.raises(self.ERRORS):
            EncodedQuery.from_json(values)
