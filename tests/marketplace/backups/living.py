"""Another installation beside that of the test."""

from contextlib import contextmanager
from pathlib import Path

from django.db import connections


@contextmanager
def living(database, settings, folder: Path):
    """Let this process use the other installation for a while."""
    here = connections["default"]
    settings.MEDIA_ROOT, settings.MODEL_ROOT = folder / "media", folder / "models"
    settings.INDEX_ROOT = folder / "index"
    connections["default"] = database
    try:
        yield
    finally:
        connections["default"] = here


def stored(folder: Path) -> dict[str, bytes]:
    return {str(file.relative_to(folder)): file.read_bytes() for file in folder.rglob("*") if file.is_file()}
