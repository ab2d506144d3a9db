"""Classification of listings into categories by photo, words or both, with calibrated probabilities."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from scipy.optimize import minimize
from scipy.special import expit, log_softmax, logit, logsumexp, softmax

from ml.arrays import Matrix, Rows, Vector, require_matrix, require_vector

BIN_COUNT = 15  # of Guo et al. 2017
# Prior of the photo's weight beside words. On two validation splits of real adverts accuracy is highest here;
# at the likeliest share, .33, it is .003 lower.
USUAL_SHARE = 0.4
SHARE_STRENGTH = 5.0  # of that prior: it counts as much as some dozens of listings


@dataclass(frozen=True)
class Labels:
    """Category labels: root categories, full paths, and the root of each path."""

    roots: tuple[str, ...]
    leaves: tuple[str, ...]
    root_of_leaf: tuple[int, ...]

    @classmethod
    def of(cls, roots: Sequence[str], paths: Sequence[str]) -> "Labels":
        """The labels of a catalogue, from the root and the full path of each listing."""
        root_of = dict(zip(paths, roots, strict=True))
        names, leaves = sorted(set(roots)), sorted(root_of)
        return cls(tuple(names), tuple(leaves), tuple(names.index(root_of[leaf]) for leaf in leaves))

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, saved: dict[str, Any]) -> "Labels":
        """The labels that `to_json` saved. Raises KeyError."""
        return cls(*(tuple(saved[name]) for name in ("roots", "leaves", "root_of_leaf")))


@dataclass(frozen=True)
class Calibration:
    """Softmax temperatures by the evidence that a listing has, and the photo's weight beside words.

    Temperature scaling: Guo et al. 2017, "On Calibration of Modern Neural Networks".
    """

    photo: float = 1.0
    words: float = 1.0
    both: float = 1.0
    photo_share: float = USUAL_SHARE


@dataclass(frozen=True, eq=False)
class Evidence:
    """Log-probabilities of categories by the photo head and the words head; NaN rows without that side.

    photo_roots, words_roots (n, r); photo_leaves, words_leaves (n, l), float32.
    """

    photo_roots: Matrix
    words_roots: Matrix
    photo_leaves: Matrix
    words_leaves: Matrix


@dataclass(frozen=True)
class Classifier:
    """Labels and calibration, which turn evidence into probabilities."""

    labels: Labels
    calibration: Calibration = field(default_factory=Calibration)

    def side(self, roots: Matrix, leaves: Matrix) -> tuple[Matrix, Matrix]:
        """Log-probabilities of roots and leaves from a head's logits.

        Those of a root average its own logits and the sum over its leaves.
        (n, r), (n, l) -> (n, r), (n, l) float32
        """
        require_matrix(roots, columns=len(self.labels.roots))
        require_matrix(leaves, rows=len(roots), columns=len(self.labels.leaves))
        leaf_logs = log_softmax(leaves, axis=1)
        below = np.stack([_log_sum(leaf_logs, rows) for rows in self._leaves_of_root], axis=1)
        return log_softmax((log_softmax(roots, axis=1) + below) / 2, axis=1), leaf_logs

    def roots(self, evidence: Evidence) -> Matrix:
        """Probabilities of the root categories, NaN rows where neither side is known.   -> (n, r) float32"""
        mixed, temperatures = self._combined(evidence.photo_roots, evidence.words_roots)
        return softmax(mixed / temperatures[:, None], axis=1).astype(np.float32)

    def leaves(self, evidence: Evidence) -> Matrix:
        """Probabilities of the full paths; those below a root sum to the root's.   -> (n, l) float32"""
        mixed, temperatures = self._combined(evidence.photo_leaves, evidence.words_leaves)
        logs = mixed / temperatures[:, None]
        by_root = self.roots(evidence)
        probabilities = np.empty_like(mixed, dtype=np.float32)
        for root, leaves in enumerate(self._leaves_of_root):
            probabilities[:, leaves] = softmax(logs[:, leaves], axis=1) * by_root[:, [root]]
        return probabilities

    @property
    def _leaves_of_root(self) -> list[Rows]:
        owner = np.array(self.labels.root_of_leaf)
        return [np.flatnonzero(owner == root) for root in range(len(self.labels.roots))]

    def _combined(self, photo: Matrix, words: Matrix) -> tuple[Matrix, Vector]:
        """Log-probabilities combined from the sides that a row has, and the temperature of each row."""
        has_photo, has_words = ~np.isnan(photo[:, 0]), ~np.isnan(words[:, 0])
        calibration, share = self.calibration, self.calibration.photo_share
        both = share * photo + (1 - share) * words
        combined = np.where(
            (has_photo & has_words)[:, None], both, np.where(has_photo[:, None], photo, words)
        )
        temperatures = np.where(
            has_photo & has_words, calibration.both, np.where(has_photo, calibration.photo, calibration.words)
        )
        return combined, temperatures.astype(np.float32)


def fit_calibration(evidence: Evidence, roots: Rows) -> Calibration:
    """Maximum-likelihood temperatures and photo share on held-out roots (n,), with a prior on the share.

    A side that no listing has keeps its default.
    """
    photo, words = evidence.photo_roots, evidence.words_roots
    with_photo, with_words = ~np.isnan(photo).any(axis=1), ~np.isnan(words).any(axis=1)
    with_both = with_photo & with_words
    share, both = _fit_both(photo[with_both], words[with_both], roots[with_both])
    return Calibration(
        photo=_fit_temperature(photo[with_photo], roots[with_photo]),
        words=_fit_temperature(words[with_words], roots[with_words]),
        both=both,
        photo_share=share,
    )


def calibration_error(probabilities: Matrix, labels: Rows, *, bin_count: int = BIN_COUNT) -> float:
    """Expected calibration error of the likeliest label (Guo et al. 2017, eq. 3).   (n, r), (n,) -> [0, 1]"""
    require_vector(labels, length=len(probabilities), dtypes=[np.int32, np.int64])
    confidence, right = probabilities.max(axis=1), probabilities.argmax(axis=1) == labels
    bins = np.minimum((confidence * bin_count).astype(int), bin_count - 1)
    gaps = np.bincount(bins, right - confidence, minlength=bin_count)
    return float(np.abs(gaps).sum() / max(len(labels), 1))


def _log_sum(logs: Matrix, columns: Rows) -> Vector:
    return logsumexp(logs[:, columns], axis=1)


def _fit_temperature(logs: Matrix, labels: Rows) -> float:
    if not len(labels):
        return 1.0
    optimum = minimize(lambda t: _loss(logs / np.exp(t[0]), labels), [0.0], method="Nelder-Mead")
    return float(np.exp(optimum.x[0]))


def _fit_both(photo: Matrix, words: Matrix, labels: Rows) -> tuple[float, float]:
    default = Calibration()
    if not len(labels):
        return default.photo_share, default.both

    def loss(point: np.ndarray) -> float:
        prior = SHARE_STRENGTH / len(labels) * (point[0] - logit(USUAL_SHARE)) ** 2
        share = expit(point[0])
        return prior + _loss((share * photo + (1 - share) * words) / np.exp(point[1]), labels)

    optimum = minimize(loss, [logit(USUAL_SHARE), -0.5], method="Nelder-Mead")
    return float(expit(optimum.x[0])), float(np.exp(optimum.x[1]))


def _loss(logits: Matrix, labels: Rows) -> float:
    return -float(log_softmax(logits, axis=1)[np.arange(len(labels)), labels].mean())
