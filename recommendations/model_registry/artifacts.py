"""Folders of model files, written to a temporary folder, synced, and renamed into place as a whole.

A folder's `model.json` holds the sha256 of every other file, and the registry holds that of `model.json`.
So a reader of some of the files verifies only those.
"""

import contextlib
import os
import shutil
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from django.conf import settings

from ml.model_files import ModelFileError, read_settings, write_settings
from recommendations.core.failpoints import failpoint
from recommendations.core.files import fsync, sha256_of

MANIFEST, FORM = "model.json", "collaborative-2"
BUILDING = ".building-"
GRACE_S = 300  # other processes may still read a replaced folder, or write one that has no row yet


class ModelDamaged(Exception):
    """Files of a model are missing or differ from those that were published."""


def publish(path: str, about: dict[str, Any], write: Callable[[Path], None]) -> str:
    """Write a folder and put it into place at `path` under MODEL_ROOT.

    write: writes the model's files into the folder it is given. Returns the sha256 of `model.json`. After a
    failure the folder is there as a whole or not at all.   Raises OSError.
    """
    place = settings.MODEL_ROOT / path
    aside = place.with_name(f"{BUILDING}{place.name}")
    shutil.rmtree(aside, ignore_errors=True)
    aside.mkdir(parents=True)
    failpoint("model.begun")
    try:
        write(aside)
        failpoint("model.written")
        write_settings(aside / MANIFEST, about | {"files": _digests(aside)}, form=FORM)
        for part in (*aside.iterdir(), aside):
            fsync(part)
        failpoint("model.synced")
        digest = sha256_of(aside / MANIFEST)
        aside.rename(place)
        failpoint("model.renamed")
        fsync(place.parent)
        failpoint("model.in_place")
    finally:
        shutil.rmtree(aside, ignore_errors=True)
    return digest


def read_model_manifest(path: str, sha256: str) -> dict[str, Any]:
    """The contents of the folder's `model.json`, verified by its digest.   Raises ModelDamaged."""
    file = settings.MODEL_ROOT / path / MANIFEST
    try:
        if sha256_of(file) != sha256:
            raise ModelDamaged(f"{file} is not what was published")
        return read_settings(file, form=FORM)
    except (OSError, ModelFileError) as error:
        raise ModelDamaged(f"{file} cannot be read: {_reason(error)}") from error


def verify_files(path: str, about: dict[str, Any], names: Iterable[str]) -> Path:
    """The folder, after these files of it were verified by their digests.   Raises ModelDamaged."""
    folder = settings.MODEL_ROOT / path
    for name in names:
        try:
            is_intact = sha256_of(folder / name) == about["files"][name]
        except (OSError, KeyError) as error:
            raise ModelDamaged(f"{folder / name} cannot be read: {_reason(error)}") from error
        if not is_intact:
            raise ModelDamaged(f"{folder / name} is not what was published")
    return folder


def sweep(root: str, kept: Iterable[str]) -> None:
    """Delete the folders below `root` that are not kept and that no process can still be using."""
    keep = {(settings.MODEL_ROOT / path).name for path in kept}
    parent = settings.MODEL_ROOT / root
    for folder in parent.iterdir() if parent.is_dir() else ():
        with contextlib.suppress(FileNotFoundError):  # another process renamed or deleted it
            if folder.name not in keep and time.time() - folder.stat().st_mtime >= GRACE_S:
                shutil.rmtree(folder, ignore_errors=True)


def begin_grace(path: str) -> None:
    """Start the grace period of a folder that no row names any more, so that current readers can finish."""
    folder = settings.MODEL_ROOT / path
    if folder.is_dir():
        os.utime(folder)


def _digests(folder: Path) -> dict[str, str]:
    return {file.name: sha256_of(file) for file in sorted(folder.iterdir())}


def _reason(error: Exception) -> str:
    return error.strerror or str(error) if isinstance(error, OSError) else str(error)
