"""Files of a backup: copying, a manifest with SHA-256 digests, and its verification before a restore."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from listings.errors import Invalid
from recommendations.core.files import fsync, sha256_of

MANIFEST, DUMP, FORM = "manifest.json", "database.dump", "marketplace-backup-1"
UNFINISHED = ".building"


class BadBackup(Invalid):
    """The folder is not a backup, or a file of it was changed."""


def copy_new(source: Path, target: Path) -> None:
    """Copy files that the target lacks.

    Files are never rewritten; one that is deleted meanwhile is skipped.
    """
    for file in _files(source):
        copy = target / file.relative_to(source)
        if not copy.exists():
            copy.parent.mkdir(parents=True, exist_ok=True)
            try:
                shutil.copy2(file, copy)
            except FileNotFoundError:
                copy.unlink(missing_ok=True)


def write_manifest(folder: Path, about: dict[str, Any]) -> None:
    """Write the manifest with the digests of all files, and sync everything to disk."""
    digests = {str(file.relative_to(folder)): sha256_of(file) for file in _files(folder)}
    for file in _files(folder):
        fsync(file)
    (folder / MANIFEST).write_text(json.dumps({"form": FORM, **about, "sha256": digests}, indent=1))
    fsync(folder / MANIFEST)
    fsync(folder)


def read_manifest(folder: Path) -> dict[str, Any]:
    """The manifest of a backup, after all digests were verified. Raises BadBackup."""
    try:
        about = json.loads((folder / MANIFEST).read_text())
    except (OSError, ValueError) as error:
        raise BadBackup(f"{folder} is not a backup: {MANIFEST} cannot be read ({error}).") from None
    if not isinstance(about, dict) or about.get("form") != FORM or DUMP not in about.get("sha256", {}):
        raise BadBackup(f"{folder} is not a backup in the format {FORM}.")
    for name, digest in about["sha256"].items():
        if (
            not _is_inside(folder, name)
            or not (folder / name).is_file()
            or sha256_of(folder / name) != digest
        ):
            raise BadBackup(f"{folder / name} is missing or was changed after the backup.")
    return about


def replace(source: Path, target: Path) -> None:
    """Replace a folder by a copy of another. The old folder stays until the copy is complete."""
    aside, old = (target.with_name(f".{name}-{target.name}") for name in ("restoring", "replaced"))
    for leftover in (aside, old):
        shutil.rmtree(leftover, ignore_errors=True)
    aside.mkdir(parents=True)
    copy_new(source, aside)
    if target.exists():
        target.rename(old)
    aside.rename(target)
    shutil.rmtree(old, ignore_errors=True)


def _files(folder: Path) -> Iterator[Path]:
    """All files in order, except those still being written."""
    for file in sorted(folder.rglob("*")):
        parts = file.relative_to(folder).parts
        if file.is_file() and not any(part.startswith(UNFINISHED) for part in parts):
            yield file


def _is_inside(folder: Path, name: str) -> bool:
    return (folder / name).resolve().is_relative_to(folder.resolve())
