"""Features of all photos of a folder of adverts, with an optional cache folder."""

import hashlib
import io
import os
import sys
from pathlib import Path

import numpy as np

from benchmarks.protocol import say
from listings.importing.files import Photos, open_photos
from ml.arrays import Matrix
from ml.vision.backbone import Backbone

READ_AT_ONCE = 512


def read_features(folder: Path, backbone: Backbone, cache: Path | None) -> dict[str, np.ndarray]:
    """Photo id -> (f,) float16, of every photo file. Raises BadImport, BadPhoto.

    With a cache they are computed once for each combination of weights and file names.
    """
    files = open_photos(folder)
    names = sorted(files.names())
    kept = cache / f"{backbone.version}-{_digest(names)}.npy" if cache else None
    if kept is not None and kept.is_file():
        features = np.load(kept)
    else:
        features = _computed(files, names, backbone)
        _keep(features, kept)
    return {Path(name).stem: row for name, row in zip(names, features, strict=True)}


def require_weights_beside(data: Path) -> Path:
    """A file of MobileNetV2's weights: IMAGE_WEIGHTS, else the first in ../weights/ beside the adverts.

    Ends the program with one line where there is none.
    """
    configured = os.environ.get("IMAGE_WEIGHTS")
    beside = sorted(data.resolve().parent.glob("weights/mobilenet_v2*"))
    if not configured and not beside:
        sys.exit("No weights of MobileNetV2: give a file as --weights or in IMAGE_WEIGHTS.")
    return Path(configured) if configured else beside[0]


def _computed(files: Photos, names: list[str], backbone: Backbone) -> Matrix:
    parts = [np.empty((0, backbone.dimension), np.float16)]
    for start in range(0, len(names), READ_AT_ONCE):
        batch = names[start : start + READ_AT_ONCE]
        parts.append(backbone.features([io.BytesIO(files.read(name)) for name in batch]))
        say(f"Features of {start + len(batch)} of {len(names)} photos")
    return np.concatenate(parts)


def _keep(features: Matrix, kept: Path | None) -> None:
    if kept is None:
        return
    kept.parent.mkdir(parents=True, exist_ok=True)
    unfinished = kept.with_suffix(f".{os.getpid()}.npy")
    np.save(unfinished, features)
    unfinished.replace(kept)


def _digest(names: list[str]) -> str:
    return hashlib.sha256("\n".join(names).encode()).hexdigest()[:12]
