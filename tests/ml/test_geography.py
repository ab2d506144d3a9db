import numpy as np
import pytest

from ml.geography import distances_km

LONDON, LEEDS, SYDNEY = (51.507, -0.128), (53.797, -1.544), (-33.869, 151.209)


def test_distances_are_those_of_an_atlas():
    found = distances_km(np.array([LONDON]), np.array([LONDON, LEEDS, SYDNEY]))
    assert found[0] == pytest.approx([0, 272, 16_990], rel=0.005, abs=0.5)


def test_what_lies_nowhere_is_at_no_distance():
    found = distances_km(np.array([LONDON, (np.nan, np.nan)]), np.array([LEEDS]))
    assert np.isnan(found).tolist() == [[False], [True]]


def test_over_the_date_line_is_near():
    assert distances_km(np.array([(0.0, 179.9)]), np.array([(0.0, -179.9)]))[0, 0] == pytest.approx(22, abs=1)
