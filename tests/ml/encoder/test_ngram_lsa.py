import numpy as np
import pytest

from ml.encoder.ngram_lsa import DIMENSION, NgramLsa, fit_ngram_lsa

KINDS = {
    "sofa": ["leather", "corner", "velvet", "recliner"],
    "bicycle": ["mountain", "racing", "folding", "tandem"],
    "lamp": ["brass", "standing", "bedside", "ceiling"],
}
TITLES = [f"{how} {what} {size}" for what, hows in KINDS.items() for how in hows for size in ("small", "big")]
SERIAL = "9876543210"  # stands in one listing
DESCRIPTIONS = ["", *["kept indoors"] * (len(TITLES) - 2), SERIAL]


@pytest.fixture(scope="module")
def basis() -> NgramLsa:
    return fit_ngram_lsa(TITLES, DESCRIPTIONS, seed=1)


def alike(basis: NgramLsa, one: str, other: str) -> float:
    rows = basis.read([one, other], ["", ""])
    return float(rows[0] @ rows[1])


class TestReading:
    def test_lsa_vectors_have_length_one(self, basis):
        rows = basis.read(TITLES, DESCRIPTIONS)
        assert rows.shape == (len(TITLES), basis.dimension)
        assert rows.dtype == np.float32
        np.testing.assert_allclose(np.linalg.norm(rows, axis=1), 1, atol=1e-5)

    def test_words_that_the_catalogue_has_never_seen_have_a_zero_lsa_vector(self, basis):
        assert not basis.read(["zyxwv", "", "the"], ["", "", "7777"]).any()

    def test_words_of_a_single_listing_have_a_zero_lsa_vector(self, basis):
        assert not basis.read([SERIAL], [""]).any()

    def test_in_lsa_a_sofa_is_nearer_to_a_sofa_than_to_a_lamp(self, basis):
        assert alike(basis, "velvet sofa", "leather sofa") > alike(basis, "velvet sofa", "brass lamp") + 0.1

    def test_in_lsa_a_rare_word_tells_more_than_a_frequent_one(self, basis):
        title = "tandem bicycle"
        assert alike(basis, title, "tandem") > alike(basis, title, "bicycle") > 0

    def test_the_nearest_lsa_vector_is_of_the_same_kind_of_listing(self, basis):
        rows = basis.read(TITLES, DESCRIPTIONS)
        nearest = rows @ rows.T - 2 * np.eye(len(rows))
        kind = np.repeat(np.arange(3), 8)
        assert (kind[nearest.argmax(axis=1)] == kind).all()

    def test_an_lsa_batch_gives_what_each_text_gives_alone(self, basis):
        batch = basis.read(TITLES[:4], DESCRIPTIONS[:4])
        alone = [basis.read([TITLES[row]], [DESCRIPTIONS[row]])[0] for row in range(4)]
        np.testing.assert_allclose(batch, alone, atol=1e-6)


class TestFitting:
    def test_a_small_catalogue_has_no_more_lsa_axes_than_listings(self, basis):
        assert basis.dimension == min(DIMENSION, len(TITLES), len(basis.columns))

    def test_the_same_seed_fits_the_same_lsa(self, basis):
        again = fit_ngram_lsa(TITLES, DESCRIPTIONS, seed=1)
        for name, array in basis.arrays().items():
            assert np.array_equal(array, again.arrays()[name]), name

    def test_a_saved_lsa_reads_texts_unchanged(self, basis):
        back = NgramLsa(**basis.arrays())
        assert np.array_equal(back.read(TITLES, DESCRIPTIONS), basis.read(TITLES, DESCRIPTIONS))

    def test_fitting_lsa_demands_a_description_for_each_title(self):
        with pytest.raises(ValueError, match="1 for 2"):
            fit_ngram_lsa(["a", "b"], ["c"], seed=1)
