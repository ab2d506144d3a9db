import numpy as np
import pytest

from listings.models import Listing
from ml.progress import ignore_progress
from recommendations.models.feature_names import FEATURES
from recommendations.ranker import dataset
from recommendations.ranker.dataset import read_ranker_dataset
from tests.recommendations.logged_feeds import (
    NAMES,
    Crowd,
    no_taste,
    taste_for_affinity,
)

BLEND = FEATURES.index("blend")


@pytest.fixture
def keen(alice, now) -> Crowd:
    return Crowd(alice, now, appeal=taste_for_affinity)


class TestRankerDataset:
    def read(self, now):
        return read_ranker_dataset(now=now, progress=ignore_progress)

    def test_the_ranker_learns_features_as_they_were_logged(self, keen, now):
        Listing.objects.update(price=9999)
        logged = np.concatenate(keen.drawn)[:, [NAMES.index(name) for name in FEATURES]]
        row_of = {row[BLEND]: row for row in logged}
        for row in self.read(now).held_back.features:
            np.testing.assert_array_equal(row, row_of[row[BLEND]])

    def test_the_last_fifth_of_slates_is_held_back_and_validation_lies_before_it(self, keen, now):
        material = self.read(now)
        counts = [len(part.sizes) for part in (material.training, material.validation, material.held_back)]
        total = material.slate_count
        assert counts[2] == len(material.actors) == int(0.2 * total)
        assert counts[1] == int(0.2 * (total - counts[2]))
        assert sum(counts) == total
        slate_of = {row[0]: number for number, drawn in enumerate(keen.drawn) for row in drawn[:, [BLEND]]}
        parts = (material.training, material.validation, material.held_back)
        numbers = [[slate_of[value] for value in part.features[:, BLEND]] for part in parts]
        assert max(numbers[0]) < min(numbers[1]) <= max(numbers[1]) < min(numbers[2])

    def test_position_bias_is_estimated_from_exploration_slots(self, alice, now):
        Crowd(alice, now, appeal=no_taste, explored=10, position_bias=1.0, slate_count=500)
        material = self.read(now)
        assert material.exploration_clicks >= dataset.LEAST_CLICKS
        assert material.exponent == pytest.approx(1.0, abs=0.35)
        assert material.held_back.examined.min() < 0.3

    def test_without_exploration_slots_no_position_bias_is_assumed(self, keen, now):
        material = self.read(now)
        assert (material.exponent, material.exploration_clicks) == (0.0, 0)
        assert (material.training.examined == 1).all()
