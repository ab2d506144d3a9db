"""A listing's vector in its three blocks, and how two vectors are compared. Serving imports this module.

A block is unit length, or zeros where a listing lacks what it describes; a comparison counts the blocks that
both sides have. Cosines of photos start from a higher level than those of words (two photos of anything are
both photos), so each block is measured from the level of a random pair: without that, listings without photos
are outranked by whatever has one (tried: .13 of the results for .23 of the catalogue).
"""

from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from ml.arrays import Matrix, Vector, require_matrix, require_vector, unit_rows
from ml.blending import weighted_mean

Weights = tuple[float, float, float]

NAMES = ("look", "meaning", "words")
# Chosen on real adverts for category agreement and for the share of photo-less listings among the results.
USUAL_WEIGHTS = (0.2, 0.2, 0.6)
WORDS_ONLY = np.array([0, 0, 1], dtype=np.float32)
DEFAULT_LEVELS = np.array([0.14, 0.14, 0.02], dtype=np.float32)  # until a catalogue is there to measure
LEAST_ROWS = 30  # fewer listings with a block do not tell its level
MOST_ROWS = 20_000  # more do not tell it better
HIGHEST_LEVEL = 0.9  # a catalogue of look-alikes must not blow up the little that tells them apart


@dataclass(frozen=True)
class Blocks:
    """How many dimensions each block has, in the order in which they lie in a vector."""

    look: int = 96
    meaning: int = 96
    words: int = 320
    # How look, meaning and words weigh: between listings, for a photo that is looked for, and for words.
    weights: Weights = USUAL_WEIGHTS
    photo_weights: Weights = (0.5, 0.5, 0.0)
    words_weights: Weights = (0.0, 0.5, 0.5)
    # From which likeness on a listing counts as found by words. Seen before any training, over 6,435 real
    # adverts: queries without any sense reach .16 to .22 at the first place, while the tenth of "sofa",
    # "iphone 12" or "hedge trimmer" has .31 to .57.
    least_likeness: float = 0.25

    def __post_init__(self) -> None:
        for name in ("weights", "photo_weights", "words_weights"):  # JSON knows lists only
            object.__setattr__(self, name, tuple(getattr(self, name)))

    @property
    def dimension(self) -> int:
        return self.look + self.meaning + self.words

    @property
    def slices(self) -> tuple[slice, slice, slice]:
        """Where each block lies, in the order of NAMES."""
        photos = self.look + self.meaning
        return slice(0, self.look), slice(self.look, photos), slice(photos, self.dimension)

    @property
    def photo_dimension(self) -> int:
        """Of what one photo is: look and meaning."""
        return self.look + self.meaning

    def query_weights(self, query: Vector) -> Vector:
        """How the blocks count for a query, by which of them it fills.   (D,) -> (3,) float32"""
        has_look, _, has_words = (bool(np.any(query[block])) for block in self.slices)
        if has_look == has_words:
            return np.array(self.weights, np.float32)
        return np.array(self.photo_weights if has_look else self.words_weights, np.float32)

    def to_json(self) -> dict[str, Any]:
        """The dimensions, and the weights that are not the usual ones."""
        usual = asdict(Blocks())
        return {name: value for name, value in asdict(self).items() if name in NAMES or value != usual[name]}


@dataclass(frozen=True, eq=False)  # arrays have no one answer to ==
class Comparison:
    """How two listings are compared: by which blocks, with what weights, measured from which levels."""

    blocks: Blocks = field(default_factory=Blocks)
    weights: Vector = field(default_factory=lambda: np.array(USUAL_WEIGHTS, np.float32))  # (3,), >= 0
    levels: Vector = field(default_factory=DEFAULT_LEVELS.copy)  # (3,) float32, < 1

    @classmethod
    def of(cls, blocks: Blocks, vectors: Matrix) -> "Comparison":
        """With the weights of the blocks and the levels of a catalogue's vectors (n, D)."""
        return cls(blocks, np.array(blocks.weights, np.float32), measure_levels(vectors, blocks))

    def scores(self, query: Vector, vectors: Matrix) -> Vector:
        """How alike a query and each vector are, NaN where they share no block.   (D,), (n, D) -> (n,)"""
        return weigh(block_scores(query, vectors, self.blocks), self.weights, self.levels)

    def likeness(self, queries: Matrix, vectors: Matrix) -> Matrix:
        """What `scores` says of each query and each vector, in one matrix product.

        queries (q, d), vectors (n, d) float32 -> (q, n) float32, NaN where the two share no block.
        """
        slices = self.blocks.slices
        gains = self.weights / (1 - self.levels)  # (3,)
        scale = np.repeat(gains, [block.stop - block.start for block in slices])  # (d,)
        asked, had = _has_blocks(queries, slices), _has_blocks(vectors, slices)  # (q, 3), (n, 3)
        total = (queries * scale) @ vectors.T - (asked * gains * self.levels) @ had.T
        weight = (asked * self.weights) @ had.T
        return np.divide(total, weight, out=np.full_like(total, np.nan), where=weight > 0)

    def weighted(self, vectors: Matrix) -> Matrix:
        """The vectors with each block at its weight, at length 1: their cosines count blocks as `scores`.

        (n, D) -> (n, D) float32
        """
        scales = np.sqrt(self.weights / (1 - self.levels))  # once on each side of an inner product
        blocks = self.blocks.slices
        scaled = [vectors[:, block] * scale for block, scale in zip(blocks, scales, strict=True)]
        return unit_rows(np.hstack(scaled))

    def queries(self, query: Vector) -> Matrix:
        """What to ask an inner-product index, so that the best by `scores` are among what it proposes.

        One question orders the listings that have every block of the query; the other, of words alone, finds
        those that lack photos, which would never reach the top of the first. (D,) -> (0 to 2, D) float32
        """
        full = weighted_query(query, self.weights, self.levels, self.blocks)
        words = np.zeros_like(full)
        words[self.blocks.slices[2]] = full[self.blocks.slices[2]]
        different = [full, words] if np.any(full - words) else [full]
        return np.array([asked for asked in different if asked.any()]).reshape(-1, len(full))


def sample_questions(vectors: Matrix, comparison: Comparison, *, seed: int, count: int = 50) -> Matrix:
    """What serving would ask an index about some of the listings, for `build_index(queries=...)`.

    An index that settled its recall on whole vectors finds too few by words alone (tried: .87 for .97).
    vectors (n, D) -> (at most 2 count, D) float32
    """
    rows = np.random.default_rng(seed).choice(len(vectors), size=min(count, len(vectors)), replace=False)
    return np.concatenate([comparison.queries(vectors[row]) for row in np.sort(rows)])


def block_scores(query: Vector, vectors: Matrix, blocks: Blocks) -> Matrix:
    """Cosine by block, NaN where either side lacks the block.   (D,), (n, D) -> (n, 3) float32"""
    require_vector(query, length=blocks.dimension)
    require_matrix(vectors, columns=blocks.dimension)
    cosines = [_cosines(query[block], vectors[:, block]) for block in blocks.slices]
    return np.stack(cosines, axis=1)


def weigh(scores: Matrix, weights: Vector, levels: Vector) -> Vector:
    """Weighted mean over the known blocks of how far each lies above its level, as a share of the way to 1.

    scores (n, 3) by `block_scores`; weights, levels (3,) -> (n,) float32, NaN where no weighted block knows
    """
    return weighted_mean((scores - levels) / (1 - levels), weights)


def weighted_query(query: Vector, weights: Vector, levels: Vector, blocks: Blocks) -> Vector:
    """One whose inner product orders listings that have its blocks as `weigh` does.   (D,) -> (D,) float32"""
    weighted = np.asarray(query, dtype=np.float32).copy()
    for block, weight, level in zip(blocks.slices, weights, levels, strict=True):
        weighted[block] *= weight / (1 - level)
    return weighted


def measure_levels(vectors: Matrix, blocks: Blocks) -> Vector:
    """The mean cosine of two different listings of a catalogue, by block.   (n, D) -> (3,) float32

    A block that too few listings have keeps its default.
    """
    sample = vectors[:: max(1, -(-len(vectors) // MOST_ROWS))]
    levels = [_level(unit_rows(sample[:, block])) for block in blocks.slices]
    return np.where(np.isnan(levels), DEFAULT_LEVELS, levels).astype(np.float32)


def _has_blocks(vectors: Matrix, slices: tuple[slice, slice, slice]) -> Matrix:
    """Which blocks each vector has.   (n, d) -> (n, 3) float32, 1 or 0"""
    return np.stack([np.any(vectors[:, block], axis=1) for block in slices], axis=1).astype(np.float32)


def _cosines(query: Vector, vectors: Matrix) -> Vector:
    """(d,), (n, d), each unit or zeros -> (n,) float32, NaN where one is zeros"""
    cosines = np.asarray(vectors, dtype=np.float32) @ np.asarray(query, dtype=np.float32)
    return np.where(np.any(query) & np.any(vectors, axis=1), cosines, np.float32(np.nan))


def _level(units: Matrix) -> float:
    """Mean cosine over all pairs of different rows that are not zeros; NaN when they are few.   (n, d)"""
    count = int(np.any(units, axis=1).sum())
    if count < LEAST_ROWS:
        return np.nan
    total = units.sum(
        axis=0, dtype=np.float64
    )  # its square sums every pair's cosine, each row's own included
    return float(np.clip((total @ total - count) / (count * (count - 1)), 0, HIGHEST_LEVEL))
