import numpy as np
import pytest

from ml.text import NGRAM_COUNT, hash_text, hash_texts, telling_words


def alike(one: tuple[str, str], other: tuple[str, str]) -> float:
    """Cosine of two (title, description)."""
    return float((hash_text(*one) @ hash_text(*other).T).toarray()[0, 0])


class TestHashTexts:
    def test_each_listing_is_one_unit_row(self):
        rows = hash_texts(["Oak table", "Bicycle"], ["Seats six", ""])
        assert rows.shape == (2, NGRAM_COUNT) and rows.dtype == np.float32
        assert np.allclose(np.sqrt(rows.multiply(rows).sum(axis=1)), 1, atol=1e-5)

    def test_a_batch_gives_what_each_gives_alone(self):
        batch = hash_texts(["Oak table", "Bicycle"], ["Seats six", "Red"])
        assert abs(batch[1] - hash_text("Bicycle", "Red")).max() < 1e-6

    @pytest.mark.parametrize("title", ["", "   ", "!!!", "🛋️", "the only good one"])
    def test_a_text_that_says_nothing_is_a_row_of_zeros(self, title):
        assert hash_text(title).nnz == 0

    def test_a_word_of_the_title_weighs_more_than_one_of_the_description(self):
        story = "Bought for our first flat, seats six, leather with wooden feet, a few scratches"
        asked = ("Sofa", "")
        assert alike(("Sofa", story), asked) > alike(("Seating", f"{story}, sofa"), asked)

    def test_inflected_and_compound_words_are_near(self):
        assert (
            alike(("bookshelves", ""), ("bookshelf", "")) > alike(("bookshelves", ""), ("bicycle", "")) + 0.2
        )

    def test_model_numbers_tell_apart(self):
        asked = ("Bosch GSR18V drill", "")
        assert alike(asked, ("Bosch GSR18V drill", "")) > alike(asked, ("Bosch PSB500 drill", "")) + 0.2

    def test_what_every_advert_says_does_not_make_two_alike(self):
        polite = "Collection only, cash please, good condition"
        assert alike(("Sofa", polite), ("Phone case", polite)) < 0.2

    def test_repeating_a_word_hardly_changes_anything(self):
        assert alike(("Sofa bed", "sofa " * 40), ("Sofa bed", "sofa")) > 0.8

    def test_a_description_for_each_title_is_demanded(self):
        with pytest.raises(ValueError, match="1 for 2"):
            hash_texts(["a", "b"], ["c"])


def test_words_are_read_without_marks_and_case():
    assert telling_words("LEATHER-Sofa, the 3_seater!") == "leather sofa 3 seater"
