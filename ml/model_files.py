"""Reading and writing of model files: arrays as npz, settings as JSON, never pickle."""

import json
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np


class ModelFileError(ValueError):
    """A model's files are missing, damaged or inconsistent."""


def write_arrays(path: Path, arrays: Mapping[str, np.ndarray]) -> None:
    """Write named arrays to one npz file; its folder is created if it does not exist."""
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez(path, allow_pickle=False, **arrays)  # type: ignore[arg-type]


def read_arrays(path: Path, names: Sequence[str]) -> dict[str, np.ndarray]:
    """The named arrays of an npz file.   Raises ModelFileError."""
    try:
        with np.load(path, allow_pickle=False) as archive:
            return {name: archive[name] for name in names}
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise ModelFileError(f"{path} cannot be read: {error}") from error


def write_settings(path: Path, settings: Mapping[str, Any], *, form: str) -> None:
    """Write settings as JSON, with the name of their format under the key `format`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"format": form, **settings}, indent=1, sort_keys=True))


def read_settings(path: Path, *, form: str) -> dict[str, Any]:
    """The settings that `write_settings` wrote in this format.   Raises ModelFileError."""
    try:
        settings = json.loads(path.read_text())
        saved_form = settings.pop("format")
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ModelFileError(f"{path} cannot be read: {error}") from error
    if saved_form != form:
        raise ModelFileError(f"{path} cannot be read: format {saved_form!r}, expected {form!r}")
    return settings
