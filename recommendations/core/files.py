"""Durable files: fsync, and the digest of a file."""

import hashlib
import os
from pathlib import Path


def fsync(path: Path) -> None:
    """Flush a file, or the names in a folder, to disk.   Raises OSError."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sha256_of(file: Path) -> str:
    """The SHA-256 digest of a file, in hexadecimal.   Raises OSError."""
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
