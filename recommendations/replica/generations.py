"""Index generations on disk: built aside, verified, synced and renamed into place.

The previous generation is kept, for readers that have it open and in case the newest is damaged.
"""

import hashlib
import json
import logging
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from django.conf import settings

from ml.arrays import Matrix
from ml.encoder.blocks import Blocks, Comparison, sample_index_queries
from ml.vector_index import IndexFileError, VectorIndex, build_index, load_index
from recommendations.core.failpoints import failpoint
from recommendations.core.files import fsync, sha256_of
from recommendations.replica.columns import ATTRIBUTES, Columns, PhotoRows, with_places_as_shown

KEPT_GENERATIONS = 2
SEED = 7
SELF_SEARCH_SAMPLE = 50
PHOTO_QUERIES = 100  # on which the recall of a grown index of photos is measured
BUILDING = ".building"
FILES = ("vectors.npy", "attributes.npy", "index.faiss", "photos.npy", "photo_rows.npy", "photos.faiss")
PHOTO_ROW = np.dtype([("id", np.int64), ("owner", np.int64)])

INDEX_FILES = ("index.faiss", "photos.faiss")

Indexes = tuple[VectorIndex | None, VectorIndex | None]  # of rows and of photos

logger = logging.getLogger(__name__)


class BadGeneration(Exception):
    """The files of a generation are damaged or do not belong together."""


@dataclass(frozen=True)
class Generation:
    """An immutable state of the live catalogue: its rows, their indexes, and the last change it contains."""

    number: int
    encoder_version: str
    seq: int
    columns: Columns  # vectors memory-mapped, shared by all processes of a host
    index: VectorIndex | None  # None for an empty catalogue
    photo_index: VectorIndex | None  # None for a catalogue without photos


def newest(encoder_version: str) -> Generation | None:
    """The newest undamaged generation, or None. Damaged ones are logged and skipped."""
    for folder in _folders(encoder_version):
        try:
            return _open(folder)
        except (BadGeneration, IndexFileError, OSError, ValueError, KeyError) as error:
            logger.error(
                "The index generation %s is damaged (%s). The one before it is used, or else the tables; "
                "`manage.py rebuild_index` writes a new one",
                folder,
                error,
            )
    return None


def newest_number(encoder_version: str) -> int:
    """The number of the newest generation, damaged or not; 0 when there is none."""
    return next((int(folder.name) for folder in _folders(encoder_version)), 0)


def newest_seq(encoder_version: str) -> int | None:
    """The last change in the newest generation, by its meta.json; None when there is none."""
    return next((_seq_of(folder) for folder in _folders(encoder_version)), None)


def drop_other_encoders(encoder_version: str) -> None:
    """Delete the generations of all other encoders."""
    for folder in _existing(settings.INDEX_ROOT):
        if folder.is_dir() and folder.name != encoder_version:
            shutil.rmtree(folder, ignore_errors=True)


def oldest_kept_seq(encoder_version: str) -> int:
    """The last change in the oldest kept generation: changes before it may be pruned."""
    seqs = [_seq_of(folder) for folder in _folders(encoder_version)]
    return min((seq for seq in seqs if seq is not None), default=0)


def publish_generation(
    encoder_version: str,
    blocks: Blocks,
    columns: Columns,
    seq: int,
    *,
    grown_from: Generation | None = None,
) -> Generation:
    """Write a generation aside, verify it, and rename it into place.

    grown_from: a generation whose rows are the first rows of `columns`. Its indexes are extended by the
    other rows (IVF keeps its centroids); without it they are built anew. The caller ensures that one process
    builds at a time. Raises BadGeneration.
    """
    root = _root(encoder_version)
    aside = root / BUILDING
    shutil.rmtree(aside, ignore_errors=True)  # left by a process that was killed
    aside.mkdir(parents=True)
    failpoint("index.begun")
    try:
        indexes = indexes_of(columns, blocks) if grown_from is None else _grow(grown_from, columns, blocks)
        _write(aside, encoder_version, columns, indexes, seq)
        _verify(_open(aside, number=0), columns)
        failpoint("index.verified")
        folder = root / f"{newest_number(encoder_version) + 1:08d}"
        aside.rename(folder)
        failpoint("index.renamed")
        fsync(root)
    finally:
        shutil.rmtree(aside, ignore_errors=True)
    failpoint("index.in_place")
    _drop_old(encoder_version)
    failpoint("index.swept")
    return _open(folder)


def _write(folder: Path, encoder_version: str, columns: Columns, indexes: Indexes, seq: int) -> None:
    np.save(folder / "vectors.npy", columns.vectors)
    np.save(folder / "attributes.npy", columns.attributes)
    np.save(folder / "photos.npy", columns.photos.vectors)
    np.save(folder / "photo_rows.npy", _photo_rows(columns.photos))
    for name, index in zip(INDEX_FILES, indexes, strict=True):
        (folder / name).touch()
        if index is not None:
            index.save(folder / name)
            failpoint(f"index.saved.{name}")
    meta = {
        "encoder_version": encoder_version,
        "dimension": int(columns.vectors.shape[1]),
        "count": len(columns),
        "photo_count": len(columns.photos),
        "seq": seq,
        "sha256": {name: sha256_of(folder / name) for name in FILES},
    }
    meta["own_sha256"] = _own_digest(meta)
    (folder / "meta.json").write_text(json.dumps(meta, indent=1))
    failpoint("index.written")
    for file in folder.iterdir():
        fsync(file)
    fsync(folder)
    failpoint("index.synced")


def indexes_of(columns: Columns, blocks: Blocks) -> Indexes:
    """New indexes over these rows and over their photos; None where there are none."""
    return _row_index(columns, blocks), _photo_index(columns.photos)


def _row_index(columns: Columns, blocks: Blocks) -> VectorIndex | None:
    """An index over the rows, tuned on queries like those of serving."""
    if not len(columns):
        return None
    queries = sample_index_queries(columns.vectors, Comparison.of(blocks, columns.vectors), seed=SEED)
    return build_index(columns.vectors, seed=SEED, queries=queries)


def _photo_queries(vectors: Matrix) -> Matrix:
    """A sample of the photos, as float32."""
    count = min(PHOTO_QUERIES, len(vectors))
    rows = np.random.default_rng(SEED).choice(len(vectors), size=count, replace=False)
    return vectors[np.sort(rows)].astype(np.float32)


def _photo_index(photos: PhotoRows) -> VectorIndex | None:
    return build_index(photos.vectors, seed=SEED) if len(photos) else None


def _grow(generation: Generation, columns: Columns, blocks: Blocks) -> Indexes:
    """The generation's indexes extended by the further rows. An index that is outgrown is built anew."""
    folder = _root(generation.encoder_version) / f"{generation.number:08d}"
    row_queries = partial(sample_index_queries, comparison=Comparison.of(blocks, columns.vectors), seed=SEED)
    rows = _grown(folder / "index.faiss", generation.index, columns.vectors, row_queries)
    photos = _grown(folder / "photos.faiss", generation.photo_index, columns.photos.vectors, _photo_queries)
    return rows or _row_index(columns, blocks), photos or _photo_index(columns.photos)


def _grown(
    file: Path, existing: VectorIndex | None, vectors: Matrix, queries_like: Callable[[Matrix], Matrix]
) -> VectorIndex | None:
    """The index of a file, extended by the further vectors; None when there was none, or it is outgrown.

    queries_like: a sample of queries for some vectors. The newest tenth is sampled apart: an index finds
    vectors of a new kind badly.
    """
    if existing is None:
        return None
    index = load_index(file, share=False)
    index.add(vectors[index.count :])
    newest = vectors[-max(1, len(vectors) // 10) :]
    return None if index.is_outgrown(queries_like(vectors), queries_like(newest)) else index


def _photo_rows(photos: PhotoRows) -> np.ndarray:
    rows = np.empty(len(photos), PHOTO_ROW)
    rows["id"], rows["owner"] = photos.ids, photos.owners
    return rows


def _open(folder: Path, number: int | None = None) -> Generation:
    meta = _meta(folder)
    for name, digest in meta["sha256"].items():
        if sha256_of(folder / name) != digest:
            raise BadGeneration(f"{name} has another digest than meta.json states")
    columns = _columns(folder)
    counts = len(columns.vectors), len(columns.photos)
    if columns.attributes.dtype != ATTRIBUTES or counts != (meta["count"], meta["photo_count"]):
        raise BadGeneration("the rows and photos are not as many as meta.json states, or of another layout")
    indexes = (
        load_index(folder / name) if count else None for name, count in zip(INDEX_FILES, counts, strict=True)
    )
    number = int(folder.name) if number is None else number
    return Generation(number, meta["encoder_version"], meta["seq"], columns, *indexes)


def _columns(folder: Path) -> Columns:
    photo_rows = np.load(folder / "photo_rows.npy")
    photos = PhotoRows(
        np.ascontiguousarray(photo_rows["id"]),
        np.ascontiguousarray(photo_rows["owner"]),
        np.load(folder / "photos.npy", mmap_mode="r"),
    )
    vectors = np.load(folder / "vectors.npy", mmap_mode="r")
    return Columns(with_places_as_shown(np.load(folder / "attributes.npy")), vectors, photos)


def _verify(generation: Generation, columns: Columns) -> None:
    """Check that the indexes hold every row and photo, and find a sample of them by their own vectors.

    Raises BadGeneration.
    """
    _verify_index(generation.index, columns.vectors, "rows")
    _verify_index(generation.photo_index, columns.photos.vectors, "photos")


def _verify_index(index: VectorIndex | None, vectors: Matrix, kind: str) -> None:
    count = index.count if index else 0
    if count != len(vectors):
        raise BadGeneration(f"the index holds {count} {kind} of {len(vectors)}")
    if index is None:
        return
    chosen = np.random.default_rng(SEED).choice(count, size=min(SELF_SEARCH_SAMPLE, count), replace=False)
    queries = vectors[chosen].astype(np.float32)
    _, scores = index.search(queries, 1)
    own = (queries**2).sum(axis=1)
    if not (scores[:, 0] >= 0.98 * own).mean() >= 0.9:
        raise BadGeneration(f"{kind} are not found by their own vectors")


def _drop_old(encoder_version: str) -> None:
    for folder in _folders(encoder_version)[KEPT_GENERATIONS:]:
        shutil.rmtree(folder, ignore_errors=True)


def _folders(encoder_version: str) -> list[Path]:
    """The folders of all generations of an encoder, newest first."""
    return sorted((f for f in _existing(_root(encoder_version)) if f.name.isdigit()), reverse=True)


def _existing(root: Path) -> Iterator[Path]:
    return root.iterdir() if root.is_dir() else iter(())


def _root(encoder_version: str) -> Path:
    return settings.INDEX_ROOT / encoder_version


def _seq_of(folder: Path) -> int | None:
    """The last change in a generation; None when its meta.json cannot be read."""
    try:
        return _meta(folder)["seq"]
    except (BadGeneration, OSError, ValueError, KeyError):
        return None


def _meta(folder: Path) -> dict[str, Any]:
    """The meta.json of a generation. Raises BadGeneration, OSError, ValueError, KeyError."""
    meta = json.loads((folder / "meta.json").read_text())
    if meta["own_sha256"] != _own_digest(meta):
        raise BadGeneration("meta.json has another digest than it states")
    return meta


def _own_digest(meta: dict[str, Any]) -> str:
    """Digest of all fields but itself. A damaged `seq` would make readers skip changes."""
    others = {name: value for name, value in meta.items() if name != "own_sha256"}
    return hashlib.sha256(json.dumps(others, sort_keys=True).encode()).hexdigest()
