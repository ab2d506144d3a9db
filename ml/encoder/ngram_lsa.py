"""Latent semantic analysis of a catalogue's hashed n-grams, fitted in seconds."""

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
from scipy.sparse import csr_matrix
from sklearn.preprocessing import normalize
from sklearn.utils.extmath import randomized_svd

from ml.arrays import Matrix, Rows, Vector, unit_rows
from ml.encoder.text import hash_texts

DIMENSION = 384
LEAST_TEXTS = 2  # number of listings that an n-gram must occur in


@dataclass(frozen=True, eq=False)
class NgramLsa:
    """The columns of hashed n-grams in use, their weights, and the axes that they are projected to."""

    columns: Rows  # (m,) int32
    weights: Vector  # (m,) float32, inverse document frequency
    axes: Matrix  # (m, d) float16

    @property
    def dimension(self) -> int:
        return self.axes.shape[1]

    def read(self, titles: Sequence[str], descriptions: Sequence[str]) -> Matrix:
        """Vectors of texts, of unit length; zeros without any known n-gram.   -> (n, d) float32"""
        return unit_rows(_weighted(hash_texts(titles, descriptions), self) @ self.axes.astype(np.float32))

    def arrays(self) -> dict[str, np.ndarray]:
        return {field.name: getattr(self, field.name) for field in fields(self)}


def fit_ngram_lsa(titles: Sequence[str], descriptions: Sequence[str], *, seed: int) -> NgramLsa:
    """Fit the leading singular vectors of the n-grams of these listings (Deerwester et al. 1990)."""
    hashed = hash_texts(titles, descriptions)
    counts = np.bincount(hashed.indices, minlength=hashed.shape[1])
    columns = np.flatnonzero(counts >= min(LEAST_TEXTS, counts.max())).astype(np.int32)
    weights = (np.log((1 + len(titles)) / (1 + counts[columns])) + 1).astype(np.float32)
    nothing = np.zeros((len(columns), 0), np.float16)
    weighted = _weighted(hashed, NgramLsa(columns, weights, nothing))
    dimension = min(DIMENSION, *weighted.shape)
    _, _, axes = randomized_svd(weighted, dimension, n_iter=2, random_state=seed)
    return NgramLsa(columns, weights, axes.T.astype(np.float16))


def _weighted(hashed: csr_matrix, basis: NgramLsa) -> csr_matrix:
    return normalize(hashed[:, basis.columns].multiply(basis.weights).tocsr())
