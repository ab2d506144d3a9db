"""How far a training came, in one file that is replaced whole and never runs code when it is read."""

from pathlib import Path
from typing import Any

import torch


class BadCheckpoint(ValueError):
    """A file is not a checkpoint, or is that of another run. The message says which."""


def write_checkpoint(path: Path, run: str, state: dict[str, Any]) -> None:
    """Keep the state of a run (tensors, numbers and text in plain containers), aside first, then in place."""
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(path.name + ".part")
    torch.save({"run": run, **state}, aside)
    aside.replace(path)


def read_checkpoint(path: Path, run: str) -> dict[str, Any] | None:
    """The state that a run left, on the CPU; None without a file.   Raises BadCheckpoint."""
    if not path.is_file():
        return None
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
        found = state.pop("run")
    except Exception as error:  # torch raises what its zip, pickle and tensor readers raise
        raise BadCheckpoint(f"{path.name} cannot be read ({type(error).__name__})") from None
    if found != run:
        raise BadCheckpoint(f"{path.name} is of another run: other photos, labels, weights or options")
    return state
