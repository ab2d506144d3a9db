"""The shares of interests: how much of a page each touched category gets, on a world of made-up listings."""

from dataclasses import replace

import numpy as np
import pytest

from listings.categories.tree import ensure_category
from recommendations.ranking.calibration import ELSEWHERE, calibration_of
from recommendations.taste.affinity import TouchedListings
from tests.recommendations.small_world import load, taste

NAMES = ("Home / Seats / Sofas", "Home / Seats / Chairs", "Sports / Bicycles", "Music")


@pytest.fixture
def paths(db) -> dict[str, int]:
    return {name.rsplit(" / ", 1)[-1]: ensure_category(name).pk for name in NAMES}


@pytest.fixture
def calibrated(paths):
    """calibrated([("Sofas", weight, recency)], ["Chairs"]): of listings of these categories."""

    def make(touched: list[tuple[str, float, float]], shown: list[str]):
        snapshot = load(*[(9000 + number, 0) for number in range(len(shown))])
        snapshot.attributes["category_id"] = [paths[name] for name in shown]
        recent = np.array([recency for _, _, recency in touched], np.float32)
        about = replace(
            TouchedListings.none(),
            shares=recent / max(recent.sum(), 1e-9),
            categories=np.array([paths[name] for name, _, _ in touched], np.int64),
        )
        profile = taste(snapshot, {number: weight for number, (_, weight, _) in enumerate(touched)})
        return calibration_of(snapshot, replace(profile, touched=about), np.arange(len(shown)))

    return make


def shares_of(calibration) -> list[list[float]]:
    """The share of each interest in each listing, elsewhere last."""
    return calibration.memberships[calibration.kinds].tolist()


class TestTarget:
    def test_equal_events_give_equal_shares_beside_what_lies_elsewhere(self, calibrated):
        target = calibrated([("Sofas", 1, 1), ("Bicycles", 1, 1)], ["Sofas"]).target
        assert target == pytest.approx([(1 - ELSEWHERE) / 2, (1 - ELSEWHERE) / 2, ELSEWHERE])

    def test_a_favourite_has_twice_the_share_of_a_view(self, calibrated):
        sofas, bicycles, _ = calibrated([("Sofas", 4, 1), ("Bicycles", 1, 1)], ["Sofas"]).target
        assert sofas == pytest.approx(2 * bicycles)

    def test_a_recent_event_has_a_greater_share(self, calibrated):
        sofas, bicycles, _ = calibrated([("Sofas", 1, 0.5), ("Bicycles", 1, 1)], ["Sofas"]).target
        assert bicycles == pytest.approx(4 * sofas)

    def test_an_actor_who_touched_nothing_has_no_calibration(self, calibrated):
        assert calibrated([], ["Sofas"]) is None


class TestMemberships:
    def test_a_listing_of_a_touched_category_belongs_to_it(self, calibrated):
        found = calibrated([("Sofas", 1, 1), ("Bicycles", 1, 1)], ["Bicycles", "Sofas"])
        assert shares_of(found) == [[0, 1, 0], [1, 0, 0]]

    def test_one_of_a_sibling_category_stands_in_for_those_beside_it(self, calibrated):
        found = calibrated([("Sofas", 1, 1), ("Bicycles", 1, 1)], ["Chairs"])
        assert shares_of(found) == [[1, 0, 0]]

    def test_one_of_another_root_category_lies_elsewhere(self, calibrated):
        assert shares_of(calibrated([("Sofas", 1, 1)], ["Music"])) == [[0, 1]]
