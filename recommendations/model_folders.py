"""Folders of model files: written aside, synced, renamed into place whole; each file with its digest.

A folder's `model.json` names the sha256 of every other file, and the registry keeps that of `model.json`.
So whoever reads some of the files checks those, and no others.
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
from recommendations.crash_points import reached
from recommendations.durable import sha256_of, sync

ABOUT, FORM = "model.json", "collaborative-2"
BUILDING = ".building-"
GRACE_S = 300  # a process may still be reading what was replaced, or writing what no row names yet


class ModelDamaged(Exception):
    """Files of a model are missing, or are not what was published."""


def publish(path: str, about: dict[str, Any], write: Callable[[Path], None]) -> str:
    """Have a folder written and put into place at `path` under MODEL_ROOT; the digest to keep of it.

    Whatever breaks it off, there is the whole folder or none. Raises OSError.
    """
    place = settings.MODEL_ROOT / path
    aside = place.with_name(f"{BUILDING}{place.name}")
    shutil.rmtree(aside, ignore_errors=True)
    aside.mkdir(parents=True)
    reached("model.begun")
    try:
        write(aside)
        reached("model.written")
        write_settings(aside / ABOUT, about | {"files": _digests(aside)}, form=FORM)
        for part in (*aside.iterdir(), aside):
            sync(part)
        reached("model.synced")
        digest = sha256_of(aside / ABOUT)
        aside.rename(place)
        reached("model.renamed")
        sync(place.parent)
        reached("model.in_place")
    finally:
        shutil.rmtree(aside, ignore_errors=True)
    return digest


def read_about(path: str, sha256: str) -> dict[str, Any]:
    """What a folder says of itself, if it is the one that was published.   Raises ModelDamaged."""
    file = settings.MODEL_ROOT / path / ABOUT
    try:
        if sha256_of(file) != sha256:
            raise ModelDamaged(f"{file} is not what was published")
        return read_settings(file, form=FORM)
    except (OSError, ModelFileError) as error:
        raise ModelDamaged(f"{file} cannot be read: {_reason(error)}") from error


def check(path: str, about: dict[str, Any], names: Iterable[str]) -> Path:
    """The folder, if these files of it are what was published.   Raises ModelDamaged."""
    folder = settings.MODEL_ROOT / path
    for name in names:
        try:
            whole = sha256_of(folder / name) == about["files"][name]
        except (OSError, KeyError) as error:
            raise ModelDamaged(f"{folder / name} cannot be read: {_reason(error)}") from error
        if not whole:
            raise ModelDamaged(f"{folder / name} is not what was published")
    return folder


def sweep(root: str, kept: Iterable[str]) -> None:
    """Delete the folders beneath `root` but for those kept, once nobody can be busy with them."""
    keep = {(settings.MODEL_ROOT / path).name for path in kept}
    above = settings.MODEL_ROOT / root
    for folder in above.iterdir() if above.is_dir() else ():
        with contextlib.suppress(FileNotFoundError):  # renamed into place, or swept by another process
            if folder.name not in keep and time.time() - folder.stat().st_mtime >= GRACE_S:
                shutil.rmtree(folder, ignore_errors=True)


def begin_grace(path: str) -> None:
    """From now on nothing names this folder; who reads it just now may finish."""
    folder = settings.MODEL_ROOT / path
    if folder.is_dir():
        os.utime(folder)


def _digests(folder: Path) -> dict[str, str]:
    return {file.name: sha256_of(file) for file in sorted(folder.iterdir())}


def _reason(error: Exception) -> str:
    return error.strerror or str(error) if isinstance(error, OSError) else str(error)
