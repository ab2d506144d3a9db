import numpy as np
import pytest

from ml.arrays import ShapeError
from ml.vision.class_concepts import ClassConcepts, ClassificationLayer

# Two classes, separated by the first two of three features; their names mean the first and second direction.
CLASSES = ClassificationLayer(
    ("sofa", "bicycle"), np.array([[9, 0], [0, 9]], np.float32), np.zeros(2, np.float32)
)
MEANINGS = np.eye(2, 4, dtype=np.float32)


def test_the_concept_of_a_photo_means_the_name_of_the_class_that_it_shows():
    sofa, bicycle, both = ClassConcepts.of(CLASSES, MEANINGS).read(
        np.array([[5, 0, 7], [0, 5, 7], [1, 1, 7]], np.float16)
    )
    assert sofa @ MEANINGS[0] > 0.99
    assert bicycle @ MEANINGS[1] > 0.99
    assert both[:2] == pytest.approx([0.5**0.5] * 2, abs=1e-3)


def test_concepts_have_length_one_in_the_space_of_the_sentences():
    concepts = ClassConcepts.of(CLASSES, MEANINGS).read(
        np.random.default_rng(0).random((5, 3)).astype(np.float16)
    )
    assert concepts.shape == (5, 4)
    assert np.linalg.norm(concepts, axis=1) == pytest.approx(1, abs=1e-3)


def test_without_class_names_concepts_have_no_columns():
    assert ClassConcepts.none().read(np.ones((3, 8), np.float16)).shape == (3, 0)


def test_concepts_demand_a_meaning_for_each_class():
    with pytest.raises(ShapeError):
        ClassConcepts.of(CLASSES, MEANINGS[:1])
