"""Index generations on disk: built aside, verified, synced, renamed into place; the one before is kept."""

import hashlib
import json
import logging
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from django.conf import settings

from ml.arrays import Matrix
from ml.blocks import Blocks, Comparison, sample_questions
from ml.vector_index import IndexFileError, VectorIndex, build_index, load_index
from recommendations.columns import ATTRIBUTES, Columns, PhotoRows, with_places_as_shown
from recommendations.crash_points import reached
from recommendations.durable import sha256_of, sync

KEPT = 2
SEED = 7
SELF_SEARCH_SAMPLE = 50
BUILDING = ".building"
FILES = ("vectors.npy", "attributes.npy", "index.faiss", "photos.npy", "photo_rows.npy", "photos.faiss")
PHOTO_ROW = np.dtype([("id", np.int64), ("owner", np.int64)])

INDEX_FILES = ("index.faiss", "photos.faiss")

Indexes = tuple[VectorIndex | None, VectorIndex | None]  # of rows and of photos

logger = logging.getLogger(__name__)


class BadGeneration(Exception):
    """The files of a generation do not hold together."""


@dataclass(frozen=True)
class Generation:
    """A sealed state of the live catalogue: its rows, its index, and the change it reaches to."""

    number: int
    encoder_version: str
    seq: int
    columns: Columns  # vectors memory-mapped, shared by all processes of a host
    index: VectorIndex | None  # None for an empty catalogue
    photo_index: VectorIndex | None  # None for one without photos


def newest(encoder_version: str) -> Generation | None:
    """The newest generation that is whole. A damaged one is logged and passed over."""
    for folder in _folders(encoder_version):
        try:
            return _open(folder)
        except (BadGeneration, IndexFileError, OSError, ValueError, KeyError) as error:
            logger.error("Index generation %s is damaged, the one before is used: %s", folder, error)
    return None


def newest_number(encoder_version: str) -> int:
    """The number of the newest generation, whole or not; 0 when there is none."""
    return next((int(folder.name) for folder in _folders(encoder_version)), 0)


def newest_seq(encoder_version: str) -> int | None:
    """The change that the newest generation reaches to, by its own word; None when there is none."""
    return next((_seq_of(folder) for folder in _folders(encoder_version)), None)


def drop_other_encoders(encoder_version: str) -> None:
    """Delete the generations of encoders that are not served any more."""
    for folder in _existing(settings.INDEX_ROOT):
        if folder.is_dir() and folder.name != encoder_version:
            shutil.rmtree(folder, ignore_errors=True)


def oldest_kept_seq(encoder_version: str) -> int:
    """The change that the oldest kept generation reaches to: what lies before it may be pruned."""
    seqs = [_seq_of(folder) for folder in _folders(encoder_version)]
    return min((seq for seq in seqs if seq is not None), default=0)


def publish(
    encoder_version: str,
    blocks: Blocks,
    columns: Columns,
    seq: int,
    *,
    grown_from: Generation | None = None,
) -> Generation:
    """Write a generation aside, verify it, and rename it into place.

    With grown_from, whose rows must be the first rows of `columns`, its index is extended by the rest
    (IVF keeps its centroids); else the index is built from nothing. The caller sees to it that one
    process builds at a time. Raises BadGeneration.
    """
    root = _root(encoder_version)
    aside = root / BUILDING
    shutil.rmtree(aside, ignore_errors=True)  # of a process that was killed: one builds at a time
    aside.mkdir(parents=True)
    reached("index.begun")
    try:
        indexes = indexes_of(columns, blocks) if grown_from is None else _grow(grown_from, columns, blocks)
        _write(aside, encoder_version, columns, indexes, seq)
        _verify(_open(aside, number=0), columns)
        reached("index.verified")
        place = root / f"{newest_number(encoder_version) + 1:08d}"
        aside.rename(place)
        reached("index.renamed")
        sync(root)
    finally:
        shutil.rmtree(aside, ignore_errors=True)
    reached("index.in_place")
    _drop_old(encoder_version)
    reached("index.swept")
    return _open(place)


def _write(folder: Path, encoder_version: str, columns: Columns, indexes: Indexes, seq: int) -> None:
    np.save(folder / "vectors.npy", columns.vectors)
    np.save(folder / "attributes.npy", columns.attributes)
    np.save(folder / "photos.npy", columns.photos.vectors)
    np.save(folder / "photo_rows.npy", _photo_rows(columns.photos))
    for name, index in zip(INDEX_FILES, indexes, strict=True):
        (folder / name).touch()
        if index is not None:
            index.save(folder / name)
            reached(f"index.saved.{name}")
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
    reached("index.written")
    for file in folder.iterdir():
        sync(file)
    sync(folder)
    reached("index.synced")


def indexes_of(columns: Columns, blocks: Blocks) -> Indexes:
    """Indexes over these rows and over their photos, built from nothing; None for no rows, or no photos."""
    return _row_index(columns, blocks), _photo_index(columns.photos)


def _row_index(columns: Columns, blocks: Blocks) -> VectorIndex | None:
    """Tuned on what serving asks."""
    if not len(columns):
        return None
    questions = sample_questions(columns.vectors, Comparison.of(blocks, columns.vectors), seed=SEED)
    return build_index(columns.vectors, seed=SEED, queries=questions)


def _photo_index(photos: PhotoRows) -> VectorIndex | None:
    return build_index(photos.vectors, seed=SEED) if len(photos) else None


def _grow(generation: Generation, columns: Columns, blocks: Blocks) -> Indexes:
    """The generation's indexes with what `columns` has beyond; each built anew only when it is outgrown."""
    folder = _root(generation.encoder_version) / f"{generation.number:08d}"
    rows = _grown(folder / "index.faiss", generation.index, columns.vectors)
    photos = _grown(folder / "photos.faiss", generation.photo_index, columns.photos.vectors)
    return rows or _row_index(columns, blocks), photos or _photo_index(columns.photos)


def _grown(file: Path, there: VectorIndex | None, vectors: Matrix) -> VectorIndex | None:
    """The index of a file with the further vectors; None when there was none, or it is outgrown."""
    if there is None:
        return None
    index = load_index(file, share=False)
    index.add(vectors[index.count :])
    return None if index.outgrown else index


def _photo_rows(photos: PhotoRows) -> np.ndarray:
    rows = np.empty(len(photos), PHOTO_ROW)
    rows["id"], rows["owner"] = photos.ids, photos.owners
    return rows


def _open(folder: Path, number: int | None = None) -> Generation:
    meta = _meta(folder)
    for name, digest in meta["sha256"].items():
        if sha256_of(folder / name) != digest:
            raise BadGeneration(f"{name} has another digest than meta.json says")
    columns = _columns(folder)
    counts = len(columns.vectors), len(columns.photos)
    if columns.attributes.dtype != ATTRIBUTES or counts != (meta["count"], meta["photo_count"]):
        raise BadGeneration("the columns are not those that meta.json names")
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
    """Every row and photo is there, and a sample of them is found by its own vector."""
    _verify_index(generation.index, columns.vectors, "rows")
    _verify_index(generation.photo_index, columns.photos.vectors, "photos")


def _verify_index(index: VectorIndex | None, vectors: Matrix, what: str) -> None:
    count = index.count if index else 0
    if count != len(vectors):
        raise BadGeneration(f"the index holds {count} {what} of {len(vectors)}")
    if index is None:
        return
    chosen = np.random.default_rng(SEED).choice(count, size=min(SELF_SEARCH_SAMPLE, count), replace=False)
    queries = vectors[chosen].astype(np.float32)
    _, scores = index.search(queries, 1)
    own = (queries**2).sum(axis=1)
    if not (scores[:, 0] >= 0.98 * own).mean() >= 0.9:
        raise BadGeneration(f"{what} are not found by their own vectors")


def _drop_old(encoder_version: str) -> None:
    for folder in _folders(encoder_version)[KEPT:]:
        shutil.rmtree(folder, ignore_errors=True)


def _folders(encoder_version: str) -> list[Path]:
    """Newest first."""
    return sorted((f for f in _existing(_root(encoder_version)) if f.name.isdigit()), reverse=True)


def _existing(root: Path) -> Iterator[Path]:
    return root.iterdir() if root.is_dir() else iter(())


def _root(encoder_version: str) -> Path:
    return settings.INDEX_ROOT / encoder_version


def _seq_of(folder: Path) -> int | None:
    """The change that a generation reaches to; None when its own word cannot be read."""
    try:
        return _meta(folder)["seq"]
    except (BadGeneration, OSError, ValueError, KeyError):
        return None


def _meta(folder: Path) -> dict[str, Any]:
    """What a generation says of itself. Raises BadGeneration, OSError, ValueError, KeyError."""
    meta = json.loads((folder / "meta.json").read_text())
    if meta["own_sha256"] != _own_digest(meta):
        raise BadGeneration("meta.json is not what was written")
    return meta


def _own_digest(meta: dict[str, Any]) -> str:
    """Of all but itself. A digit of `seq` that changed would have readers pass over changes."""
    told = {name: value for name, value in meta.items() if name != "own_sha256"}
    return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()
