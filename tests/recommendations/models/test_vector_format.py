"""The format in which vectors are stored."""

import numpy as np
import pytest

from recommendations.models.vector_format import decode_vectors


def test_stored_vectors_are_read_as_rows_of_little_endian_float16():
    stored = [np.array(row, "<f2").tobytes() for row in ([1, -0.5], [0.25, 3])]
    vectors = decode_vectors(stored, 2)
    assert (vectors.tolist(), vectors.dtype) == ([[1, -0.5], [0.25, 3]], np.float16)


def test_vectors_that_the_database_returns_as_memory_views_are_read():
    assert decode_vectors([memoryview(np.ones(3, "<f2").tobytes())], 3).tolist() == [[1, 1, 1]]


def test_no_stored_vectors_are_a_matrix_without_rows():
    assert decode_vectors([], 5).shape == (0, 5)


def test_stored_bytes_of_another_dimension_are_refused():
    with pytest.raises(ValueError, match="reshape"):
        decode_vectors([np.ones(3, "<f2").tobytes()], 2)
