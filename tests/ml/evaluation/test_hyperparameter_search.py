import pytest

from ml.evaluation.hyperparameter_search import Hyperparameter, coordinate_ascent

WIDTH = Hyperparameter("width", start=1.0, step=1.0, least=0.0, most=9.0)
SCALE = Hyperparameter("scale", start=1.0, step=4.0, least=0.01, most=1000.0, is_scale=True)


def peak_at(width: float, scale: float):
    def measure(values):
        return 100 - (values["width"] - width) ** 2 - abs(values["scale"] - scale)

    return measure


class TestSearch:
    def test_coordinate_ascent_climbs_to_the_peak_of_each_hyperparameter(self):
        best = coordinate_ascent(peak_at(5, 64), [WIDTH, SCALE], rounds=3)
        assert best.values == {"width": 5.0, "scale": 64.0}

    def test_the_steps_of_coordinate_ascent_halve_from_round_to_round(self):
        assert coordinate_ascent(
            lambda values: 10 - (values["width"] - 1.5) ** 2, [WIDTH], rounds=2
        ).values == {"width": 1.5}

    def test_coordinate_ascent_goes_down_where_up_does_not_help(self):
        assert coordinate_ascent(lambda values: 10 - values["width"], [WIDTH]).values == {"width": 0.0}

    def test_coordinate_ascent_never_leaves_the_range(self):
        seen = []
        coordinate_ascent(lambda values: seen.append(values["width"]) or values["width"], [WIDTH], rounds=3)
        assert max(seen) == 9.0 and min(seen) >= 0

    def test_coordinate_ascent_tries_nothing_twice(self):
        tried = []
        coordinate_ascent(
            peak_at(3, 4), [WIDTH, SCALE], rounds=4, on_trial=lambda trial: tried.append(str(trial.values))
        )
        assert len(tried) == len(set(tried))

    def test_when_time_is_up_coordinate_ascent_returns_the_best_so_far(self):
        left = iter([False, False, True, True, True, True])
        best = coordinate_ascent(
            lambda values: values["width"], [WIDTH], rounds=1, expired=lambda: next(left)
        )
        assert best.values == {"width": 3.0}

    def test_coordinate_ascent_ignores_a_gain_that_is_mere_chance(self):
        best = coordinate_ascent(lambda values: 1 + values["width"] * 1e-6, [WIDTH])
        assert best.values == {"width": 1.0}

    def test_coordinate_ascent_keeps_its_start_where_nothing_is_better(self):
        with_start = coordinate_ascent(peak_at(1, 1), [WIDTH, SCALE])
        assert with_start.values == {"width": 1.0, "scale": 1.0} and with_start.score == pytest.approx(100)
