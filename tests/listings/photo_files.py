"""The files below a folder of photos."""

from pathlib import Path


def stored_files(media: Path) -> list[Path]:
    return [path for path in media.rglob("*") if path.is_file()]
