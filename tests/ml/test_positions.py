import numpy as np

from ml.positions import Positions

IDS = np.array([30, 10, 20], np.int64)


def test_positions_are_the_places_of_ids_in_an_unsorted_array():
    assert Positions.of(IDS).find(np.array([10, 20, 30, 10])).tolist() == [1, 2, 0, 1]


def test_the_position_of_an_unknown_id_is_minus_one():
    assert Positions.of(IDS).find(np.array([5, 10, 25, 99])).tolist() == [-1, 1, -1, -1]


def test_positions_in_an_empty_array_are_all_minus_one():
    assert Positions.of(IDS[:0]).find(IDS).tolist() == [-1, -1, -1]
