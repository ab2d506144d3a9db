"""The format in which vectors are stored: float16 bytes, little endian."""

from collections.abc import Iterable

import numpy as np

from ml.arrays import Matrix

CHUNK = 5000


def decode_vectors(stored: Iterable[bytes | memoryview], dimension: int) -> Matrix:
    """Vectors from their stored form, little-endian float16: (n, dimension) float16"""
    return np.frombuffer(b"".join(bytes(part) for part in stored), dtype="<f2").reshape(-1, dimension)
