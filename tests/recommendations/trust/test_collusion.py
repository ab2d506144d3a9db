import numpy as np
import pytest
from scipy.sparse import csr_matrix

from recommendations.trust import collusion
from recommendations.trust.collusion import shares


def profiles(*touched, listing_count=160) -> csr_matrix:
    dense = np.zeros((len(touched), listing_count), np.float32)
    for row, listings in enumerate(touched):
        dense[row, list(listings)] = 1
    return csr_matrix(dense)


RNG = np.random.default_rng(4)
HONEST = [RNG.choice(140, 4, replace=False).tolist() for _ in range(300)]
SHILLS = [{150, 1, 2, 3}] * 16


class TestShares:
    def test_a_closed_circle_has_low_shares_and_hardly_anybody_else(self):
        share, circles = shares(profiles(*HONEST, *SHILLS))
        assert (share[:300] == 1).mean() > 0.98
        assert (share[300:] < 0.2).all()
        assert circles[300:] == pytest.approx(15)  # fifteen others, all alike, and nobody else holds it

    def test_a_larger_circle_counts_less_in_total(self):
        few, many = (shares(profiles(*HONEST, *SHILLS[:1] * count))[0][300:].sum() for count in (16, 24))
        assert many < few

    def test_actors_who_all_touched_the_same_listings_count_fully(self):
        assert (shares(profiles(*[range(20)] * 30))[0] == 1).all()

    def test_two_equal_profiles_and_profiles_of_one_listing_count_fully(self):
        share, _ = shares(profiles(*HONEST, *SHILLS[:2], *[{151}] * 6))
        assert (share[300:] == 1).all()

    def test_equal_profiles_of_popular_listings_make_no_closed_circle(self):
        """Sixteen equal profiles of listings that many others interacted with."""
        share, _ = shares(profiles(*HONEST, *[{1, 2, 3, 4}] * 16))
        assert share[300:].min() > shares(profiles(*HONEST, *SHILLS))[0][300:].max()

    def test_no_profiles_have_no_shares_and_a_single_one_counts_fully(self):
        assert shares(profiles(listing_count=0))[0].tolist() == []
        assert shares(profiles({1, 2}))[0].tolist() == [1]

    def test_shares_do_not_depend_on_the_size_of_the_chunks(self, monkeypatch):
        whole = shares(profiles(*HONEST, *SHILLS))
        monkeypatch.setattr(collusion, "CHUNK", 7)
        parts = shares(profiles(*HONEST, *SHILLS))
        np.testing.assert_allclose(whole, parts)
