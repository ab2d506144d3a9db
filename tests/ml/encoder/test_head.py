import numpy as np
import pytest

from ml.arrays import ShapeError
from ml.encoder.head import Head

# Standardised it is (2, 1): everything below can be reckoned by hand.
FEATURES = np.array([[3, 4]], np.float32)


def state(**changed) -> dict[str, np.ndarray]:
    """Of two features, two hidden units, a joint space of two, two roots and three leaves."""
    numbers = {
        "mean": [1, 2],
        "scale": [1, 0.5],
        "hidden.weight": [[1, 0], [0, -1]],
        "hidden.bias": [0.5, 0],
        "joint.weight": [[1, 0], [1, 1]],
        "joint.bias": [1, 1],
        "root.weight": [[1, 0], [0, 1]],
        "root.bias": [0, 1],
        "leaf.weight": [[2, 0], [0, 1], [1, 1]],
        "leaf.bias": [0, 0, 0.5],
    }
    return {name: np.array(value, np.float32) for name, value in (numbers | changed).items()}


@pytest.fixture
def head() -> Head:
    return Head.of(state())


class TestReading:
    def test_hidden_units_are_of_standardised_features_and_never_negative(self, head):
        assert head.hidden(FEATURES).tolist() == [[2.5, 0]]

    def test_the_joint_vector_has_length_one(self, head):
        np.testing.assert_allclose(head.joint(FEATURES), [[0.6, 0.8]], rtol=1e-6)  # of (3, 4)

    def test_roots_and_leaves_are_logits_of_the_hidden_units(self, head):
        hidden = head.hidden(FEATURES)
        assert head.roots(hidden).tolist() == [[2.5, 1]]
        assert head.leaves(hidden).tolist() == [[5, 0, 3]]

    def test_a_head_reads_half_precision_features_in_single(self, head, rng):
        features = rng.standard_normal((20, 2)).astype(np.float16)
        for read in (head.hidden, head.joint):
            assert read(features).dtype == np.float32
            np.testing.assert_array_equal(read(features), read(features.astype(np.float32)))

    def test_a_head_reads_each_row_independently_of_the_others(self, head, rng):
        features = rng.standard_normal((20, 2)).astype(np.float32)
        alone = np.concatenate([head.joint(features[row : row + 1]) for row in range(20)])
        np.testing.assert_allclose(head.joint(features), alone, atol=1e-6)

    def test_a_head_reads_no_rows_as_no_rows(self, head):
        nothing = np.empty((0, 2), np.float16)
        assert head.joint(nothing).shape == (0, 2)
        assert head.leaves(head.hidden(nothing)).shape == (0, 3)

    @pytest.mark.parametrize("features", [np.zeros((1, 3), np.float32), np.zeros(2, np.float32)])
    def test_a_head_refuses_features_of_another_shape(self, head, features):
        for read in (head.hidden, head.joint):
            with pytest.raises(ShapeError):
                read(features)


class TestKeeping:
    def test_two_heads_come_back_from_one_set_of_arrays(self, head):
        other = Head.of(state(mean=[0, 0]))
        saved = head.arrays("photo") | other.arrays("words")
        for prefix, kept in (("photo", head), ("words", other)):
            back = Head.from_arrays(saved, prefix)
            assert back.joint(FEATURES).tolist() == kept.joint(FEATURES).tolist()
            assert back.leaves(back.hidden(FEATURES)).tolist() == kept.leaves(kept.hidden(FEATURES)).tolist()
        assert head.joint(FEATURES).tolist() != other.joint(FEATURES).tolist()

    def test_the_names_of_a_head_are_those_of_its_arrays(self, head):
        assert sorted(Head.names("photo")) == sorted(head.arrays("photo"))

    def test_a_head_names_the_layer_that_its_state_lacks(self):
        lacking = {name: array for name, array in state().items() if name != "leaf.bias"}
        with pytest.raises(KeyError, match=r"leaf\.bias"):
            Head.of(lacking)

    def test_a_head_names_the_saved_array_that_is_missing(self, head):
        saved = head.arrays("photo")
        del saved["photo_scale"]
        with pytest.raises(KeyError, match="photo_scale"):
            Head.from_arrays(saved, "photo")
