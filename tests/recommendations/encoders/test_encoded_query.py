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


def carried(one: EncodedQuery) -> EncodedQuery:
    """The query after a round trip through JSON, as in a reply or the cache."""
    return EncodedQuery.from_json(json.loads(json.dumps(one.to_json()).encode()))


class TestThereAndBack:
    def test_every_number_is_the_same(self):
        one, back = encoded(), carried(encoded())
        for name in ("vector", "photo", "features"):
            part = getattr(back, name)
            assert part.dtype == np.float32
            np.testing.assert_array_equal(part, getattr(one, name))

    def test_names_and_suggestions_are_too(self):
        one, back = encoded(), carried(encoded())
        assert back.encoder_version == one.encoder_version
        assert (back.roots, back.leaves) == (one.roots, one.leaves)

    def test_words_alone_have_neither_photo_nor_features_nor_suggestions(self):
        back = carried(EncodedQuery("v", np.ones(3, np.float32)))
        assert (len(back.photo), len(back.features), back.roots, back.leaves) == (0, 0, (), ())
        assert back.photo.dtype == back.features.dtype == np.float32

    def test_what_comes_back_may_be_reckoned_with_in_place(self):
        back = carried(encoded())
        back.vector[0] = 7
        assert back.vector[0] == 7

    def test_half_precision_is_widened(self):
        halves = np.array([0.5, 0.1], np.float16)
        np.testing.assert_array_equal(carried(encoded(vector=halves)).vector, halves.astype(np.float32))


class TestDamaged:
    """Readers of the cache treat these three errors as an answer of another release."""

    ERRORS = (ValueError, KeyError, TypeError)

    @pytest.mark.parametrize("name", sorted(encoded().to_json()))
    def test_each_part_is_needed(self, name):
        values = encoded().to_json()
        del values[name]
        with pytest.raises(KeyError, match=name):
            EncodedQuery.from_json(values)

    @pytest.mark.parametrize("text", ["AAA", "AAAA", "AAAAAAA=", "zig zag!", "é", None, 3])
    @pytest.mark.parametrize("name", ["vector", "photo", "features"])
    def test_bytes_that_are_no_whole_numbers_are_refused(self, name, text):
        with pytest.raises(self.ERRORS):
            EncodedQuery.from_json(encoded().to_json() | {name: text})

    @pytest.mark.parametrize("pairs", [[["Home"]], [["Home", 0.5, 1]], [3], None])
    @pytest.mark.parametrize("name", ["roots", "leaves"])
    def test_suggestions_of_another_shape_are_refused(self, name, pairs):
        with pytest.raises(self.ERRORS):
            EncodedQuery.from_json(encoded().to_json() | {name: pairs})

    @pytest.mark.parametrize("values", [None, [], "text", 3])
    def test_so_is_what_is_no_answer_at_all(self, values):
        with pytest.raises(self.ERRORS):
            EncodedQuery.from_json(values)
