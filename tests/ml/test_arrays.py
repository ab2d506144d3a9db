import faiss
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from ml.arrays import ShapeError, pack_mask, require_matrix, require_vector, unit_rows

matrices = arrays.arrays(
    np.float32, st.tuples(st.integers(0, 8), st.integers(1, 6)), elements=st.floats(-100, 100, width=16)
)


class TestUnitRows:
    @given(matrices)
    def test_every_unit_row_has_length_one_or_was_zero(self, matrix):
        lengths = np.linalg.norm(unit_rows(matrix), axis=1)
        assert np.allclose(lengths, np.any(matrix, axis=1), atol=1e-5)

    def test_unit_rows_of_half_precision_are_single_precision(self):
        assert unit_rows(np.ones((2, 3), np.float16)).dtype == np.float32

    def test_unit_rows_leave_their_input_unchanged(self):
        matrix = np.full((2, 2), 3, np.float32)
        unit_rows(matrix)
        assert (matrix == 3).all()


class TestPackMask:
    @given(st.lists(st.booleans(), min_size=1, max_size=40))
    def test_faiss_reads_the_same_rows_out_of_a_packed_mask(self, mask):
        bitmap = pack_mask(np.array(mask))
        selector = faiss.IDSelectorBitmap(bitmap)
        assert [selector.is_member(row) for row in range(len(mask))] == mask

    def test_packing_a_mask_of_numbers_is_refused(self):
        with pytest.raises(ShapeError, match="bool"):
            pack_mask(np.ones(3, np.int64))


class TestDoors:
    def test_a_matrix_that_fits_is_returned_as_it_is(self):
        matrix = np.zeros((2, 3), np.float16)
        assert require_matrix(matrix, rows=2, columns=3) is matrix

    @pytest.mark.parametrize("array", [np.zeros(3), np.zeros((2, 4)), np.zeros((2, 3), np.int64)])
    def test_a_matrix_that_does_not_fit_is_refused_with_its_shape(self, array):
        with pytest.raises(ShapeError, match="found"):
            require_matrix(array, columns=3)

    def test_a_vector_of_another_length_is_refused(self):
        with pytest.raises(ShapeError, match="4"):
            require_vector(np.zeros(4, np.float32), length=3)
