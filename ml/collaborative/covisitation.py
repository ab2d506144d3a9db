"""Item-item co-visitation: counts of pairs in actors' sequences, normalised and pruned for serving.

Serving imports this module.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_matrix, diags

from ml.arrays import Rows, ShapeError, Vector, require_matrix, require_vector
from ml.model_files import ModelFileError, read_arrays, write_arrays

KEPT_NEIGHBOURS = 200
ROUNDING = 1e-9  # what rounding leaves of a count that was subtracted is below it, real counts are above
CHUNK_PAIRS = 8_000_000  # pairs that are collected before they are summed


@dataclass(frozen=True)
class Sequences:
    """The items that each actor touched, in order of time, every item at most once per actor.

    starts (a + 1,) int64: the entries of actor i are starts[i] to starts[i + 1]; items (m,) int32;
    weights (m,) float32, > 0: confidence of each entry.
    """

    starts: npt.NDArray[np.int64]
    items: npt.NDArray[np.int32]
    weights: Vector

    def __post_init__(self) -> None:
        require_vector(self.starts, dtypes=[np.int64])
        require_vector(self.items, length=int(self.starts[-1]), dtypes=[np.int32])
        require_vector(self.weights, length=len(self.items), dtypes=[np.float32])

    @classmethod
    def of_lengths(cls, lengths: np.ndarray, items: np.ndarray, weights: np.ndarray) -> "Sequences":
        """Sequences from the number of entries of each actor: lengths (a,)."""
        starts = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
        return cls(starts, items.astype(np.int32), weights.astype(np.float32))

    @classmethod
    def of_matrix(cls, matrix: csr_matrix) -> "Sequences":
        """Sequences from (actors, items) > 0, each actor's entries in their stored order."""
        return cls.of_lengths(np.diff(matrix.indptr), matrix.indices, matrix.data)

    @property
    def lengths(self) -> np.ndarray:
        return np.diff(self.starts)

    @property
    def actors(self) -> np.ndarray:
        """The actor of each entry: (m,) int64"""
        return np.repeat(np.arange(len(self.lengths)), self.lengths)


@dataclass(frozen=True)
class Counting:
    """Settings for counting pairs of items in a sequence."""

    window: int | None = None  # greatest distance of a pair in entries; None: any
    distance_decay: float = 1.0  # factor for each further entry between the two
    backward_weight: float = 1.0  # weight from the later item to the earlier one; the other direction has 1
    actor_exponent: float = 0.5  # an actor of m entries has the weight m ** -actor_exponent

    @property
    def is_ordered(self) -> bool:
        return self.window is not None or self.distance_decay != 1 or self.backward_weight != 1


@dataclass(frozen=True)
class Normalisation:
    """Settings of weights = (count / (d_source^source_exponent d_target^target_exponent))^sharpness.

    Degree exponents on both sides follow LinkProp (Fu, Zhang & Liu 2022, "Revisiting Neighborhood-based Link
    Prediction for Collaborative Filtering"). A sharpness above 1 favours one strong pair over many weak ones.
    """

    source_exponent: float = 0.5
    target_exponent: float = 0.5
    sharpness: float = 1.0


@dataclass(frozen=True)
class Counts:
    """Unpruned counts, so that new events can be added and old ones subtracted.

    pairs (n, n) float64: row i, column j counts item j for actors who touched item i; degrees (n,) float64.
    """

    pairs: csr_matrix
    degrees: Vector

    @property
    def item_count(self) -> int:
        return len(self.degrees)

    def save(self, path: Path) -> None:
        """Write the counts to one npz file."""
        pairs = {"data": self.pairs.data, "indices": self.pairs.indices, "indptr": self.pairs.indptr}
        write_arrays(path, {**pairs, "degrees": self.degrees})

    @classmethod
    def load(cls, path: Path) -> "Counts":
        """Read what `save` wrote.   Raises ModelFileError."""
        arrays = read_arrays(path, ("data", "indices", "indptr", "degrees"))
        try:
            size = len(require_vector(arrays["degrees"]))
            pairs = csr_matrix((arrays["data"], arrays["indices"], arrays["indptr"]), shape=(size, size))
            pairs.check_format(full_check=True)  # without it, an index out of range reads foreign memory
        except ValueError as error:
            raise ModelFileError(f"{path} is inconsistent: {error}") from error
        return cls(pairs, arrays["degrees"])


@dataclass(frozen=True)
class Neighbours:
    """The strongest neighbours of each item, strongest first.

    items (n, k) int32, weights (n, k) float16 >= 0. Shorter lists are padded with item 0 at weight 0.
    """

    items: npt.NDArray[np.int32]
    weights: npt.NDArray[np.float16]

    def __post_init__(self) -> None:
        require_matrix(self.items, dtypes=[np.int32])
        require_matrix(self.weights, rows=len(self.items), columns=self.items.shape[1], dtypes=[np.float16])

    def save(self, path: Path) -> None:
        """Write the lists to one npz file."""
        write_arrays(path, {"items": self.items, "weights": self.weights})

    @classmethod
    def load(cls, path: Path) -> "Neighbours":
        """Read what `save` wrote.   Raises ModelFileError."""
        arrays = read_arrays(path, ("items", "weights"))
        try:
            neighbours = cls(**arrays)
        except ShapeError as error:
            raise ModelFileError(f"{path} is inconsistent: {error}") from error
        if not ((neighbours.items >= 0) & (neighbours.items < len(neighbours.items))).all():
            raise ModelFileError(f"{path} is inconsistent: a neighbour is not among the items")
        return neighbours

    def of(self, item: int) -> tuple[Rows, Vector]:
        """The neighbours of an item, the strongest first: items (j,) int32, weights (j,) float32 > 0."""
        is_one = self.weights[item] > 0  # not padding
        return self.items[item, is_one], self.weights[item, is_one].astype(np.float32)

    def score(self, touched: Rows, weights: Vector) -> Vector:
        """Scores of all items for an actor who touched these: the weighted sum of their neighbour lists.

        touched (m,) int; weights (m,) float, > 0: confidence and recency -> (n,) float32, 0 for an item that
        is no neighbour of a touched one.
        """
        require_vector(weights, length=len(touched))
        votes = self.weights[touched].astype(np.float32) * np.asarray(weights, np.float32)[:, None]
        total = np.bincount(self.items[touched].ravel(), votes.ravel(), minlength=len(self.items))
        return total.astype(np.float32)


def count(sequences: Sequences, *, item_count: int, counting: Counting) -> Counts:
    """Count every pair of items that the same actor touched, by the geometric mean of the two weights.

    When order plays no part (no window, no decay, both directions alike) this is the Gram matrix of the
    (actors, items) matrix without its diagonal, with actors weighted by the length of their sequences.
    """
    roots = np.sqrt(sequences.weights, dtype=np.float64)  # (m,), whose products are geometric means
    degrees: Vector = np.bincount(sequences.items, roots, minlength=item_count).astype(np.float64)
    pairs = _ordered_pairs if counting.is_ordered else _gram
    return Counts(_without_diagonal(pairs(sequences, roots, item_count, counting)), degrees)


def update(
    counts: Counts, *, before: Sequences, after: Sequences, item_count: int, counting: Counting
) -> Counts:
    """Counts after some actors' sequences changed, equal to a new count of all sequences.

    before, after: the whole sequences of the same actors as they were counted and as they are now. Items may
    be new; item_count must not be smaller than before.   Raises ShapeError.
    """
    if item_count < counts.item_count:
        raise ShapeError(f"expected {counts.item_count} items, as were counted, or more; found {item_count}")
    old = count(before, item_count=item_count, counting=counting)
    new = count(after, item_count=item_count, counting=counting)
    grown = csr_matrix(
        (counts.pairs.data, counts.pairs.indices, _padded(counts.pairs.indptr, item_count)),
        shape=(item_count, item_count),
    )
    pairs = (grown - old.pairs + new.pairs).tocsr()
    pairs.data[np.abs(pairs.data) < ROUNDING] = 0
    pairs.eliminate_zeros()
    degrees = np.zeros(item_count)
    degrees[: counts.item_count] = counts.degrees
    return Counts(pairs, np.asarray(degrees - old.degrees + new.degrees))


def normalise(counts: Counts, normalisation: Normalisation) -> csr_matrix:
    """Weights (n, n) float32 from counts divided by powers of both degrees; the greatest weight is 1."""
    source = diags(_power(counts.degrees, -normalisation.source_exponent))
    target = diags(_power(counts.degrees, -normalisation.target_exponent))
    weights = (source @ counts.pairs @ target).tocsr()
    weights.data = (weights.data / weights.data.max(initial=ROUNDING)) ** normalisation.sharpness
    return weights.astype(np.float32)


def prune(
    weights: csr_matrix, *, keep: int = KEPT_NEIGHBOURS, targets: np.ndarray | None = None
) -> Neighbours:
    """The strongest neighbours of each item, among the targets (n,) bool if they are given."""
    if targets is not None:
        weights = (weights @ diags(targets.astype(np.float32))).tocsr()
        weights.eliminate_zeros()
    item_count = weights.shape[0]
    width = min(keep, int(np.diff(weights.indptr).max(initial=0))) or 1
    items = np.zeros((item_count, width), np.int32)
    kept = np.zeros((item_count, width), np.float16)
    for row in np.flatnonzero(np.diff(weights.indptr)):
        cells = slice(weights.indptr[row], weights.indptr[row + 1])
        strongest = _strongest(weights.data[cells], width)
        items[row, : len(strongest)] = weights.indices[cells][strongest]
        kept[row, : len(strongest)] = weights.data[cells][strongest]
    return Neighbours(items, kept)


def recency(lengths: np.ndarray, decay: float) -> Vector:
    """decay^(count of later entries) for each entry of these sequences.   lengths (a,) -> (sum,) float32"""
    ends = np.repeat(np.cumsum(lengths), lengths)  # (m,)
    return (decay ** (ends - 1 - np.arange(len(ends)))).astype(np.float32)


def _gram(sequences: Sequences, roots: Vector, item_count: int, counting: Counting) -> csr_matrix:
    shape = (len(sequences.lengths), item_count)
    touched = csr_matrix((roots, sequences.items, sequences.starts), shape=shape)
    return (touched.T @ diags(_power(sequences.lengths, -counting.actor_exponent)) @ touched).tocsr()


def _ordered_pairs(sequences: Sequences, roots: Vector, item_count: int, counting: Counting) -> csr_matrix:
    forward = csr_matrix((item_count, item_count))
    for chunk in _chunked(_pairs_by_gap(sequences, roots, counting)):
        earlier, later, weights = (np.concatenate(parts) for parts in zip(*chunk, strict=True))
        forward = forward + csr_matrix((weights, (earlier, later)), shape=forward.shape)
    return (forward + counting.backward_weight * forward.T).tocsr()


Pairs = tuple[np.ndarray, np.ndarray, np.ndarray]  # earlier items, later items, weights


def _pairs_by_gap(sequences: Sequences, roots: Vector, counting: Counting) -> Iterator[Pairs]:
    """All pairs at a distance of one entry, then of two, up to the window."""
    actors, items = sequences.actors, sequences.items
    share = _power(sequences.lengths, -counting.actor_exponent)[actors]  # (m,)
    longest = int(sequences.lengths.max(initial=0))
    for gap in range(1, min(longest, (counting.window or longest) + 1)):
        first = np.flatnonzero(actors[:-gap] == actors[gap:])
        weights = share[first] * roots[first] * roots[first + gap] * counting.distance_decay ** (gap - 1)
        yield items[first], items[first + gap], weights


def _chunked(pairs: Iterator[Pairs]) -> Iterator[list[Pairs]]:
    chunk: list[Pairs] = []
    for part in pairs:
        chunk.append(part)
        if sum(len(weights) for _, _, weights in chunk) >= CHUNK_PAIRS:
            yield chunk
            chunk = []
    if chunk:
        yield chunk


def _without_diagonal(pairs: csr_matrix) -> csr_matrix:
    pairs.setdiag(0)
    pairs.eliminate_zeros()
    pairs.sort_indices()
    return pairs


def _padded(indptr: np.ndarray, item_count: int) -> np.ndarray:
    return np.concatenate([indptr, np.full(item_count + 1 - len(indptr), indptr[-1])])


def _power(values: np.ndarray, exponent: float) -> Vector:
    """values^exponent, 0 where the value is 0.   (n,) -> (n,) float64"""
    wide = np.asarray(values, np.float64)
    return np.where(wide > ROUNDING, np.maximum(wide, ROUNDING) ** exponent, 0)


def _strongest(weights: np.ndarray, keep: int) -> np.ndarray:
    """Positions of the greatest weights, greatest first."""
    top = np.argpartition(-weights, keep - 1)[:keep] if len(weights) > keep else np.arange(len(weights))
    return top[np.argsort(-weights[top], kind="stable")]
