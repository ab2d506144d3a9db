"""Array types, and the shape and dtype checks that the public functions of this package begin with."""

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

Matrix = npt.NDArray[np.floating]  # (n, d), float16 or float32
Vector = npt.NDArray[np.floating]  # (d,) or (n,), float32
Rows = npt.NDArray[np.integer]  # (m,), positions in a matrix
Bitmap = npt.NDArray[np.uint8]  # (ceil(n / 8),), bit i of byte j is row 8 j + i

FLOATS = (np.float16, np.float32, np.float64)


class ShapeError(ValueError):
    """An array has another shape, dtype or range than the function accepts."""


def require_matrix(
    array: np.ndarray, *, rows: int | None = None, columns: int | None = None, dtypes: Iterable[type] = FLOATS
) -> Matrix:
    """Return the array if it is (rows, columns) of one of the dtypes, None being any. Raises ShapeError."""
    _require(array, (rows, columns), dtypes)
    return array


def require_vector(
    array: np.ndarray, *, length: int | None = None, dtypes: Iterable[type] = FLOATS
) -> np.ndarray:
    """Return the array if it is (length,) of one of the dtypes, None being any. Raises ShapeError."""
    _require(array, (length,), dtypes)
    return array


def require_confidence(array: np.ndarray, *, length: int | None = None) -> np.ndarray:
    """Return the array if it is (length,) of finite numbers of 0 or more. Raises ShapeError."""
    require_vector(array, length=length)
    if not (np.isfinite(array).all() and (array >= 0).all()):
        raise ShapeError("a confidence is a finite number of 0 or more")
    return array


def means_of(rows: Matrix, owners: Rows, count: int) -> Matrix:
    """Mean of the rows of each owner, NaN for owners without rows.   (p, c), (p,) -> (count, c) float32"""
    total, number = np.zeros((count, rows.shape[1]), np.float32), np.zeros(count, np.float32)
    np.add.at(total, owners, rows)
    np.add.at(number, owners, 1)
    return np.divide(total, number[:, None], out=np.full_like(total, np.nan), where=number[:, None] > 0)


def _require(array: np.ndarray, shape: tuple[int | None, ...], dtypes: Iterable[type]) -> None:
    fits = len(shape) == array.ndim and all(
        want in (None, have) for want, have in zip(shape, array.shape, strict=True)
    )
    accepted = [np.dtype(dtype) for dtype in dtypes]
    if not fits or array.dtype not in accepted:
        wanted = f"{tuple('any' if side is None else side for side in shape)} of {[d.name for d in accepted]}"
        raise ShapeError(f"expected {wanted}, found {array.shape} of {array.dtype.name}")


def unit_rows(matrix: Matrix) -> Matrix:
    """Rows scaled to length 1, as float32; a row of zeros stays zeros.   (n, d) -> (n, d)"""
    wide = np.asarray(matrix, dtype=np.float32)
    lengths = np.linalg.norm(wide, axis=1, keepdims=True)  # (n, 1)
    return np.divide(wide, lengths, out=np.zeros_like(wide), where=lengths > 0)


def pack_mask(mask: np.ndarray) -> Bitmap:
    """A boolean mask as bits in FAISS's order (little).   (n,) bool -> (ceil(n / 8),) uint8"""
    require_vector(mask, dtypes=[np.bool_])
    return np.packbits(mask, bitorder="little")
