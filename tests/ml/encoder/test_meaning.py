import numpy as np
import pytest

from ml.arrays import ShapeError
from ml.encoder.head import Head
from ml.encoder.meaning import CATEGORY_SHARE, fit_meaning, head_outputs

JOINT, LEAVES, FEATURES = 3, 2, 3


@pytest.fixture
def head() -> Head:
    """A head whose joint vectors are its features at length one."""
    layers = {"hidden": (np.eye(4, FEATURES), 4), "joint": (np.eye(JOINT, FEATURES), JOINT)}
    layers |= {"root": (np.ones((1, 4)), 1), "leaf": (np.eye(LEAVES, 4), LEAVES)}
    state = {"mean": np.zeros(FEATURES), "scale": np.ones(FEATURES)}
    for name, (weight, width) in layers.items():
        state |= {f"{name}.weight": weight, f"{name}.bias": np.zeros(width)}
    return Head.of({name: np.asarray(value, np.float32) for name, value in state.items()})


def drawn(count: int, seed: int, shift: float = 0.0) -> np.ndarray:
    features = np.random.default_rng(seed).standard_normal((count, FEATURES)) + shift
    return features.astype(np.float32)


def test_head_outputs_are_joint_vectors_and_categories_of_a_fixed_share(head):
    outputs = head_outputs(head, drawn(20, seed=1))
    assert outputs.shape == (20, JOINT + LEAVES)
    np.testing.assert_allclose((outputs[:, :JOINT] ** 2).sum(axis=1), 1, rtol=1e-5)
    np.testing.assert_allclose((outputs[:, JOINT:] ** 2).sum(axis=1), CATEGORY_SHARE, rtol=1e-5)


def test_meaning_vectors_of_photos_and_words_have_length_one_in_the_given_dimension(head):
    photos, words = drawn(60, seed=1), drawn(60, seed=2)
    meaning = fit_meaning(head_outputs(head, photos), head_outputs(head, words), 2)
    for vectors in (meaning.of_photos(head, photos), meaning.of_words(head, words)):
        assert vectors.shape == (60, 2)
        np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, rtol=1e-4)


def test_photos_and_words_are_centred_apart_so_that_neither_side_is_nearest_to_itself(head):
    photos, words = drawn(200, seed=1, shift=0.6), drawn(200, seed=2, shift=-0.6)
    meaning = fit_meaning(head_outputs(head, photos), head_outputs(head, words), 4)
    of_photos, of_words = meaning.of_photos(head, photos), meaning.of_words(head, words)
    within, across = (of_photos @ of_photos.T).mean(), (of_photos @ of_words.T).mean()
    assert abs(within - across) < 0.2
    raw = head_outputs(head, photos), head_outputs(head, words)
    assert (raw[0] @ raw[0].T).mean() - (raw[0] @ raw[1].T).mean() > 0.4


def test_a_meaning_of_more_dimensions_than_the_outputs_is_padded_with_zeros(head):
    outputs = head_outputs(head, drawn(30, seed=1))
    meaning = fit_meaning(outputs, outputs, 9)
    assert meaning.axes.shape == (JOINT + LEAVES, 9)
    assert not meaning.axes[:, JOINT + LEAVES :].any()


def test_fitting_a_meaning_refuses_photos_and_words_of_different_width(head):
    outputs = head_outputs(head, drawn(30, seed=1))
    with pytest.raises(ShapeError):
        fit_meaning(outputs, outputs[:, 1:], 2)
