import numpy as np
import pytest

from ml.ranking.geography import LEAST_CHOICES, distances_km, fit_decay, half_box, nearness

LONDON, LEEDS, SYDNEY = (51.507, -0.128), (53.797, -1.544), (-33.869, 151.209)


def test_distances_equal_those_of_an_atlas():
    distances = distances_km(np.array([LONDON]), np.array([LONDON, LEEDS, SYDNEY]))
    assert distances[0] == pytest.approx([0, 272, 16_990], rel=0.005, abs=0.5)


def test_the_distance_to_an_unknown_location_is_unknown():
    distances = distances_km(np.array([LONDON, (np.nan, np.nan)]), np.array([LEEDS]))
    assert np.isnan(distances).tolist() == [[False], [True]]


def test_locations_on_both_sides_of_the_date_line_are_near():
    assert distances_km(np.array([(0.0, 179.9)]), np.array([(0.0, -179.9)]))[0, 0] == pytest.approx(22, abs=1)


class TestHalfBox:
    @pytest.mark.parametrize("here", [LONDON, SYDNEY, (0.0, 179.9), (89.0, 10.0)], ids=str)
    @pytest.mark.parametrize("radius_km", [1, 40, 3000])
    def test_the_box_around_a_location_holds_every_point_within_the_radius(self, here, radius_km):
        earth = np.random.default_rng(3).uniform((-90, -180), (90, 180), (20_000, 2))
        near = np.array(here) + np.random.default_rng(4).normal(0, radius_km / 100, (20_000, 2))
        points = np.concatenate([earth, near[np.abs(near[:, 0]) <= 90]])
        inside = points[distances_km(points, np.array([here]))[:, 0] <= radius_km]
        height, width = half_box(here[0], radius_km)
        assert len(inside)
        assert (np.abs(inside[:, 0] - here[0]) <= height).all()
        assert (np.abs((inside[:, 1] - here[1] + 180) % 360 - 180) <= width).all()

    def test_a_margin_widens_the_box_on_each_side(self):
        bare, wider = half_box(53.8, 10), half_box(53.8, 10, margin=0.01)
        assert np.subtract(wider, bare).tolist() == pytest.approx([0.01, 0.01])

    def test_a_box_with_a_pole_inside_spans_all_longitudes(self):
        assert half_box(89.9, 30)[1] == half_box(-89.9, 30)[1] == 180


class TestFitDecay:
    """Choices among listings scattered around places, made with a known decay scale."""

    def choices(self, scale_km: float, count: int = 1500, others: int = 20, seed: int = 1):
        """Each actor has three places; available listings lie up to 600 km away, more of them near."""
        rng = np.random.default_rng(seed)
        apart = rng.uniform(0, 1, (count, 1 + others, 3)) ** 2 * 600
        shares = rng.dirichlet(np.ones(3), count)
        near = nearness(apart, shares[:, None], scale_km)
        chance = near / near.sum(axis=1, keepdims=True)
        chosen = (chance.cumsum(axis=1) < rng.random((count, 1))).sum(axis=1).clip(max=others)
        first = np.arange(count)
        apart[first, 0], apart[first, chosen] = apart[first, chosen], apart[first, 0].copy()
        return apart.astype(np.float32), shares.astype(np.float32), np.ones(count, np.float32)

    @pytest.mark.parametrize("scale_km", [5, 25, 100])
    def test_the_fitted_decay_is_the_scale_by_which_choices_were_made(self, scale_km):
        assert fit_decay(*self.choices(scale_km)) == pytest.approx(scale_km, rel=0.3)

    def test_the_decay_is_found_though_every_third_choice_ignores_distance(self):
        """Every third choice ignores distance."""
        near, anywhere = self.choices(25, count=2000), self.choices(1e6, count=1000, seed=2)
        both = (np.concatenate(pair) for pair in zip(near, anywhere, strict=True))
        assert fit_decay(*both) == pytest.approx(25, rel=0.5)

    def test_choices_that_ignore_distance_give_no_decay(self):
        assert np.isnan(fit_decay(*self.choices(1e6)))

    def test_choices_of_what_is_far_give_no_decay(self):
        apart, shares, weights = self.choices(1e6)
        assert np.isnan(fit_decay(np.where(np.arange(21)[:, None] == 0, 500, apart), shares, weights))

    def test_alternatives_at_unknown_distance_do_not_change_the_decay(self):
        apart, shares, weights = self.choices(25)
        nothing = np.full((len(apart), 10, 3), np.nan, np.float32)
        assert fit_decay(np.hstack([apart, nothing]), shares, weights) == fit_decay(apart, shares, weights)

    def test_choices_of_zero_weight_do_not_change_the_decay(self):
        near, far = self.choices(5), self.choices(1e6, seed=2)
        both = [np.concatenate(pair) for pair in zip(near, far, strict=True)]
        both[2][len(near[2]) :] = 0
        assert fit_decay(*both) == fit_decay(*near)

    def test_thin_data_are_held_to_the_prior_and_many_choices_are_not(self):
        few, many = self.choices(4, count=150), self.choices(4, count=3000)
        assert fit_decay(*few, prior_km=100) > 1.2 * fit_decay(*few, prior_km=4)
        assert fit_decay(*many, prior_km=100) < 1.2 * fit_decay(*many, prior_km=4)

    def test_too_few_choices_give_no_decay(self):
        apart, shares, weights = (part[: LEAST_CHOICES - 1] for part in self.choices(25))
        assert np.isnan(fit_decay(apart, shares, weights))
        assert np.isnan(fit_decay(apart[:0], shares[:0], weights[:0]))

    def test_choices_among_equally_near_listings_give_no_decay(self):
        apart, shares, weights = self.choices(25)
        assert np.isnan(fit_decay(np.full_like(apart, 30), shares, weights))

    def test_choices_without_an_alternative_give_no_decay(self):
        apart, shares, weights = self.choices(25)
        assert np.isnan(fit_decay(apart[:, :1], shares, weights))
