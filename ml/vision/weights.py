"""Weights of a backbone: from a file, else its package, else torchvision's cache or one bounded download."""

import hashlib
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlparse

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from ml.vision.classifiers import (
    PACKAGED,
    BadBackbone,
    packaged_state,
    pretrained,
    require_classifier,
    usual_input_size,
)

INPUT_SIZE = 224
# Random crops in training enlarge objects, so whole photos are read at a larger size than in training
# (Touvron et al. 2019, "Fixing the train-test resolution discrepancy"); 224 becomes 288.
LARGER = 9 / 7
FETCH_TIMEOUT_S = 20.0
# torch's download checks the digest in the file's name, and moves the file into place when it is complete.
FETCH = (
    "import sys, pathlib, torch.hub; url, path, digest = sys.argv[1:]; "
    "pathlib.Path(path).parent.mkdir(parents=True, exist_ok=True); "
    "torch.hub.download_url_to_file(url, path, hash_prefix=digest, progress=False)"
)


class WeightsError(ValueError):
    """A weights file cannot be used. The message is one line: what was found, what is accepted."""


class WeightsUnavailable(RuntimeError):
    """No weights file was given, and torchvision's could not be downloaded in time."""


@dataclass(frozen=True)
class BackboneWeights:
    """A state dict of one classifier, with its name, digest and input size."""

    name: str
    state: dict[str, Tensor]
    digest: str  # sha256 of the file, hexadecimal
    input_size: int  # side in pixels of the square the model was trained on
    source: str  # origin of the weights, for messages


def find_weights(
    name: str | None, weights_file: Path | None = None, *, fetch_timeout_s: float = FETCH_TIMEOUT_S
) -> BackboneWeights:
    """Weights for a backbone: the given file, else its package's, else torchvision's (cached or downloaded).

    Without a name the file must record one, as the files of `ml.vision.small_backbone` do.
    Raises BadBackbone, WeightsError (unusable file) or WeightsUnavailable (no file, and no network).
    """
    if name is not None:
        require_classifier(name)
    if weights_file is not None:
        return read_weights(weights_file, name)
    if name is None:
        raise BadBackbone("expected the name of a classifier, or a weights file that records one")
    if name in PACKAGED:
        return read_packaged(name)
    return read_weights(fetch_weights(name, timeout_s=fetch_timeout_s), name, source="torchvision")


def read_packaged(name: str) -> BackboneWeights:
    """Weights from the installed package of this classifier.

    Raises WeightsUnavailable when it is not installed, WeightsError when its file is not what was published.
    """
    packaged, path = PACKAGED[name], packaged_file(name)
    if (digest := _sha256(path)) != packaged.sha256:
        raise WeightsError(
            f"{path} with sha256 {digest[:12]}...; accepted: {packaged.sha256[:12]}..., "
            f"as {packaged.distribution} was published"
        )
    state = packaged_state(name, _read_checkpoint(path))
    return BackboneWeights(name, state, digest, packaged.input_size, packaged.distribution)


def packaged_file(name: str) -> Path:
    """The file of weights in the package of this classifier.   Raises WeightsUnavailable."""
    path = PACKAGED[name].path()
    if path is None:
        raise WeightsUnavailable(f"the package {PACKAGED[name].distribution} is not installed")
    return path


def read_weights(path: Path, name: str | None = None, *, source: str | None = None) -> BackboneWeights:
    """Weights from a safetensors or torch state-dict file.   Raises WeightsError, BadBackbone."""
    state, record = _read_state(path)
    name = _agreed_name(path, name, record.get("backbone"))
    require_classifier(name)
    input_size = int(record.get("input_size") or _larger_input_size(name))
    return BackboneWeights(name, state, _sha256(path), input_size, source or f"file {path.name}")


def _larger_input_size(name: str) -> int:
    if name in PACKAGED:
        return PACKAGED[name].input_size
    return round((usual_input_size(name) or INPUT_SIZE) * LARGER)


def fetch_weights(name: str, *, timeout_s: float) -> Path:
    """torchvision's pretrained file, from its cache or by one download.   Raises WeightsUnavailable."""
    url = pretrained(name).url
    path = Path(torch.hub.get_dir()) / "checkpoints" / Path(urlparse(url).path).name
    if not path.exists():
        download(url, path, timeout_s=timeout_s)
    return path


def download(url: str, path: Path, *, timeout_s: float) -> None:
    """Download one file atomically to `path`.   Raises WeightsUnavailable.

    It runs in a subprocess, since no timeout within this process bounds a name server that does not answer.
    """
    digest = path.stem.rpartition("-")[2]
    try:
        command = [sys.executable, "-c", FETCH, url, str(path), digest]
        subprocess.run(command, timeout=timeout_s, check=True, capture_output=True, text=True)
    except subprocess.TimeoutExpired:
        raise WeightsUnavailable(f"{url} was not downloaded within {timeout_s:g} s") from None
    except subprocess.CalledProcessError as error:
        reason = (error.stderr.strip().splitlines() or ["no reason given"])[-1]
        raise WeightsUnavailable(f"{url} could not be fetched: {reason}") from None


def _agreed_name(path: Path, requested: str | None, recorded: str | None) -> str:
    if requested and recorded and requested != recorded:
        raise WeightsError(f"{path.name} holds weights of {recorded}; accepted: weights of {requested}")
    if not (requested or recorded):
        raise WeightsError(f"{path.name} does not record its backbone; accepted: a file that does, or a name")
    return str(requested or recorded)


def _read_state(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """State dict and recorded metadata of a file.   Raises WeightsError."""
    if not path.is_file():
        raise WeightsError(f"{path} is not a file; accepted: a safetensors or torch state-dict file")
    try:
        return _read_safetensors(path)
    except SafetensorError:
        return _read_checkpoint(path), {}


def _read_safetensors(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    with safe_open(path, framework="pt") as file:
        return {key: file.get_tensor(key) for key in file.keys()}, file.metadata() or {}  # noqa: SIM118


def _read_checkpoint(path: Path) -> dict[str, Tensor]:
    accepted = "accepted: a safetensors or torch state-dict file"
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)  # never runs code from the file
    except Exception as error:  # torch raises what its zip, pickle and tensor readers raise
        raise WeightsError(f"{path.name} cannot be read ({type(error).__name__}); {accepted}") from None
    if not isinstance(state, dict) or not all(isinstance(value, Tensor) for value in state.values()):
        raise WeightsError(f"{path.name} holds a {type(state).__name__}, not named tensors; {accepted}")
    return dict(state)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
