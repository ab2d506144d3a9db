import numpy as np
import pytest
from scipy.sparse import csr_matrix

from recommendations.trust import collusion
from recommendations.trust.collusion import shares


def profiles(*touched, listing_count=90) -> csr_matrix:
    dense = np.zeros((len(touched), listing_count), np.float32)
    for row, listings in enumerate(touched):
        dense[row, list(listings)] = 1
    return csr_matrix(dense)


RNG = np.random.default_rng(4)
HONEST = [RNG.choice(60, 4, replace=False).tolist() for _ in range(100)]
SHILLS = [{80, 1, 2, 3}] * 6


class TestShares:
    def test_a_closed_circle_counts_less_and_hardly_anybody_else(self):
        share, circles = shares(profiles(*HONEST, *SHILLS))
        assert (share[:100] == 1).mean() > 0.9
        assert (share[100:] < 0.3).all()
        assert circles[100:] == pytest.approx(5)  # five others, all alike, and nobody else holds it

    def test_the_larger_the_circle_the_less_it_counts_together(self):
        few, many = (shares(profiles(*HONEST, *SHILLS[:1] * count))[0][100:].sum() for count in (4, 7))
        assert many < few

    def test_where_all_touched_everything_all_count(self):
        assert (shares(profiles(*[range(20)] * 30))[0] == 1).all()

    def test_a_couple_and_profiles_of_one_listing_are_left_alone(self):
        share, _ = shares(profiles(*HONEST, *SHILLS[:2], *[{81}] * 6))
        assert (share[100:] == 1).all()

    def test_what_others_like_too_makes_no_closed_circle(self):
        """Six equal profiles of listings that many others interacted with."""
        share, _ = shares(profiles(*HONEST, *[{1, 2, 3, 4}] * 6))
        assert share[100:].min() > shares(profiles(*HONEST, *SHILLS))[0][100:].max()

    def test_nobody_and_one_alone(self):
        assert shares(profiles(listing_count=0))[0].tolist() == []
        assert shares(profiles({1, 2}))[0].tolist() == [1]

    def test_it_does_not_matter_how_many_are_compared_at_once(self, monkeypatch):
        whole = shares(profiles(*HONEST, *SHILLS))
        monkeypatch.setattr(collusion, "CHUNK", 7)
        parts = shares(profiles(*HONEST, *SHILLS))
        np.testing.assert_allclose(whole, parts)
