"""Declaration of two torch operators that torchvision needs at import.

They are missing when a CPU build of torch is installed beside the stock torchvision wheel.
"""

from contextlib import suppress
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

SCHEMAS = {
    "nms": "nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "qnms": "qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
}


@cache  # torch drops a definition when its library object is collected, so the object is kept
def declare_missing_operators() -> Any:
    """Make `import torchvision` work. Call it before the first import; further calls do nothing.

    torchvision ignores compiled operators that cannot be loaded, then registers a fake `nms`, which fails:
    "operator torchvision::nms does not exist". A declaration without an implementation is enough, since no
    classifier calls the two operators.
    """
    import torch

    _load_compiled_operators()
    library = torch.library.Library("torchvision", "FRAGMENT")
    for name, schema in SCHEMAS.items():
        if not hasattr(torch.ops.torchvision, name):
            library.define(schema)
    return library


def _load_compiled_operators() -> None:
    """Load the compiled operators as torchvision does. Once declared here, loading them would fail."""
    import torch

    spec = find_spec("torchvision")
    for folder in (spec and spec.submodule_search_locations) or []:
        for path in (*Path(folder).glob("_C*.so"), *Path(folder).glob("_C*.pyd")):
            with suppress(OSError):
                torch.ops.load_library(str(path))
