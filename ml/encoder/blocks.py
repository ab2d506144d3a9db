"""Layout of a listing's vector in three blocks, and comparison of such vectors. Serving imports this module.

A block has unit length, or is zeros where the listing lacks what it describes. A comparison uses the blocks
that both sides have. Cosines of photos start from a higher level than those of words, since any two photos
have something in common. Each block is therefore measured from its level, the mean cosine of two random
listings. Without levels, listings without photos rank too low: they are .23 of the catalogue, but were .13 of
the results.
"""

from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from ml.arrays import Matrix, Vector, require_matrix, require_vector, unit_rows
from ml.ranking.blending import weighted_mean

BlockWeights = tuple[float, float, float]

NAMES = ("look", "meaning", "words")
# Chosen on real adverts for category agreement and for the share of photo-less listings among the results.
USUAL_WEIGHTS = (0.2, 0.2, 0.6)
WORDS_ONLY = np.array([0, 0, 1], dtype=np.float32)
DEFAULT_LEVELS = np.array([0.14, 0.14, 0.02], dtype=np.float32)  # until a catalogue is there to measure
LEAST_ROWS = 30  # listings with a block; with fewer its level cannot be measured
MOST_ROWS = 20_000  # listings that a level is measured on; more do not change it
HIGHEST_LEVEL = 0.9  # in a catalogue of look-alikes a higher level would amplify noise


@dataclass(frozen=True)
class Blocks:
    """Dimensions of the blocks, in their order in a vector, and the weights for comparing them."""

    look: int = 96
    meaning: int = 96
    words: int = 320
    # Weights of look, meaning and words: between listings, for a query photo, and for query words.
    weights: BlockWeights = USUAL_WEIGHTS
    photo_weights: BlockWeights = (0.5, 0.5, 0.0)
    words_weights: BlockWeights = (0.0, 0.5, 0.5)
    # Least similarity of a search result found by vectors. Measured with the untrained encoder on 6,435 real
    # adverts: the first result of meaningless queries has .16 to .22, the tenth result of "sofa", "iphone 12"
    # or "hedge trimmer" .31 to .57.
    least_likeness: float = 0.25

    def __post_init__(self) -> None:
        for name in ("weights", "photo_weights", "words_weights"):  # JSON knows lists only
            object.__setattr__(self, name, tuple(getattr(self, name)))

    @property
    def dimension(self) -> int:
        return self.look + self.meaning + self.words

    @property
    def slices(self) -> tuple[slice, slice, slice]:
        """Position of each block in a vector, in the order of NAMES."""
        photos = self.look + self.meaning
        return slice(0, self.look), slice(self.look, photos), slice(photos, self.dimension)

    @property
    def photo_dimension(self) -> int:
        """Dimensions of a photo's vector: look and meaning."""
        return self.look + self.meaning

    def query_weights(self, query: Vector) -> Vector:
        """Block weights for a query, by the blocks that it has.   (D,) -> (3,) float32"""
        has_look, _, has_words = (bool(np.any(query[block])) for block in self.slices)
        if has_look == has_words:
            return np.array(self.weights, np.float32)
        return np.array(self.photo_weights if has_look else self.words_weights, np.float32)

    def to_json(self) -> dict[str, Any]:
        """The dimensions, and those weights that differ from the defaults."""
        usual = asdict(Blocks())
        return {name: value for name, value in asdict(self).items() if name in NAMES or value != usual[name]}


@dataclass(frozen=True, eq=False)  # == of arrays is not a bool
class Comparison:
    """Similarity of vectors: the blocks, their weights, and the level that each is measured from."""

    blocks: Blocks = field(default_factory=Blocks)
    weights: Vector = field(default_factory=lambda: np.array(USUAL_WEIGHTS, np.float32))  # (3,), >= 0
    levels: Vector = field(default_factory=DEFAULT_LEVELS.copy)  # (3,) float32, < 1

    @classmethod
    def of(cls, blocks: Blocks, vectors: Matrix) -> "Comparison":
        """A comparison with the weights of the blocks and the levels of a catalogue's vectors (n, D)."""
        return cls(blocks, np.array(blocks.weights, np.float32), measure_levels(vectors, blocks))

    def scores(self, query: Vector, vectors: Matrix) -> Vector:
        """Similarity of a query to each vector, NaN where they share no block.   (D,), (n, D) -> (n,)"""
        return weigh(block_scores(query, vectors, self.blocks), self.weights, self.levels)

    def likeness(self, queries: Matrix, vectors: Matrix) -> Matrix:
        """Similarity of each query to each vector, as `scores` computes it, in one matrix product.

        queries (q, d), vectors (n, d) float32 -> (q, n) float32, NaN where the two share no block.
        """
        slices = self.blocks.slices
        gains = self.weights / (1 - self.levels)  # (3,)
        scale = np.repeat(gains, [block.stop - block.start for block in slices])  # (d,)
        query_has, vector_has = _has_blocks(queries, slices), _has_blocks(vectors, slices)  # (q, 3), (n, 3)
        total = (queries * scale) @ vectors.T - (query_has * gains * self.levels) @ vector_has.T
        weight = (query_has * self.weights) @ vector_has.T
        return np.divide(total, weight, out=np.full_like(total, np.nan), where=weight > 0)

    def weighted(self, vectors: Matrix) -> Matrix:
        """Unit vectors whose blocks are scaled so that their cosines weigh blocks as `scores` does.

        (n, D) -> (n, D) float32
        """
        scales = np.sqrt(self.weights / (1 - self.levels))  # once on each side of an inner product
        blocks = self.blocks.slices
        scaled = [vectors[:, block] * scale for block, scale in zip(blocks, scales, strict=True)]
        return unit_rows(np.hstack(scaled))

    def queries(self, query: Vector) -> Matrix:
        """Queries for an inner-product index whose results contain the best listings by `scores`.

        The first one orders the listings that have every block of the query. The second has words alone and
        finds listings without photos, which the first one ranks too low. (D,) -> (0 to 2, D) float32
        """
        full = weighted_query(query, self.weights, self.levels, self.blocks)
        words = np.zeros_like(full)
        words[self.blocks.slices[2]] = full[self.blocks.slices[2]]
        unique = [full, words] if np.any(full - words) else [full]
        return np.array([vector for vector in unique if vector.any()]).reshape(-1, len(full))


def sample_index_queries(vectors: Matrix, comparison: Comparison, *, seed: int, count: int = 50) -> Matrix:
    """A sample of the queries that serving sends to an index, for `build_index(queries=...)`.

    An index tuned on whole vectors finds too few listings by words alone: its recall was .87 instead of .97.
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
    """Weighted mean over the known blocks of (score - level) / (1 - level).

    scores (n, 3) by `block_scores`; weights, levels (3,) -> (n,) float32, NaN without a known weighted block
    """
    return weighted_mean((scores - levels) / (1 - levels), weights)


def weighted_query(query: Vector, weights: Vector, levels: Vector, blocks: Blocks) -> Vector:
    """A query whose inner products order listings as `weigh` does, if they have all of its blocks.

    (D,) -> (D,) float32
    """
    weighted = np.asarray(query, dtype=np.float32).copy()
    for block, weight, level in zip(blocks.slices, weights, levels, strict=True):
        weighted[block] *= weight / (1 - level)
    return weighted


def measure_levels(vectors: Matrix, blocks: Blocks) -> Vector:
    """Mean cosine of two different listings of a catalogue, by block.   (n, D) -> (3,) float32

    A block that fewer than LEAST_ROWS listings have gets its default level.
    """
    sample = vectors[:: max(1, -(-len(vectors) // MOST_ROWS))]
    levels = [_level(unit_rows(sample[:, block])) for block in blocks.slices]
    return np.where(np.isnan(levels), DEFAULT_LEVELS, levels).astype(np.float32)


def _has_blocks(vectors: Matrix, slices: tuple[slice, slice, slice]) -> Matrix:
    """1 for each block that a vector has, else 0.   (n, d) -> (n, 3) float32"""
    return np.stack([np.any(vectors[:, block], axis=1) for block in slices], axis=1).astype(np.float32)


def _cosines(query: Vector, vectors: Matrix) -> Vector:
    """(d,), (n, d), each unit length or zeros -> (n,) float32, NaN where either is zeros"""
    cosines = np.asarray(vectors, dtype=np.float32) @ np.asarray(query, dtype=np.float32)
    return np.where(np.any(query) & np.any(vectors, axis=1), cosines, np.float32(np.nan))


def _level(units: Matrix) -> float:
    """Mean cosine over all pairs of different nonzero rows; NaN for fewer than LEAST_ROWS.   (n, d)"""
    count = int(np.any(units, axis=1).sum())
    if count < LEAST_ROWS:
        return np.nan
    # The squared norm of the sum is the sum of all pairs' cosines, including each row with itself.
    total = units.sum(axis=0, dtype=np.float64)
    return float(np.clip((total @ total - count) / (count * (count - 1)), 0, HIGHEST_LEVEL))
