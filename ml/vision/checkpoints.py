"""Training checkpoints: one file, replaced atomically, whose loading never runs code from it."""

from pathlib import Path
from typing import Any

import torch


class BadCheckpoint(ValueError):
    """A file is not a checkpoint, or belongs to another run. The message says which."""


def write_checkpoint(path: Path, run: str, state: dict[str, Any]) -> None:
    """Write the state of a run (tensors, numbers and text in plain containers) atomically."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(path.name + ".part")
    torch.save({"run": run, **state}, temporary)
    temporary.replace(path)


def read_checkpoint(path: Path, run: str) -> dict[str, Any] | None:
    """The saved state of a run, on the CPU; None when there is no file.   Raises BadCheckpoint."""
    if not path.is_file():
        return None
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
        saved_run = state.pop("run")
    except Exception as error:  # torch raises what its zip, pickle and tensor readers raise
        raise BadCheckpoint(f"{path.name} cannot be read ({type(error).__name__})") from None
    if saved_run != run:
        raise BadCheckpoint(f"{path.name} is of another run, with other photos, labels, weights or options")
    return state
