"""Two operators that torchvision expects and that the CPU build of torch beside the stock wheel lacks."""

from contextlib import suppress
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

SCHEMAS = {
    "nms": "nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "qnms": "qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
}


@cache  # torch forgets a definition when its library object is collected, so the answer is kept
def declare_missing_operators() -> Any:
    """Make `import torchvision` possible. Call it before the first one; calling it again does nothing.

    torchvision passes in silence over compiled operators that do not load, then describes `nms` to torch,
    which fails with "operator torchvision::nms does not exist". A declaration without a body satisfies it:
    no classifier calls these two.
    """
    import torch

    _load_compiled_operators()
    library = torch.library.Library("torchvision", "FRAGMENT")
    for name, schema in SCHEMAS.items():
        if not hasattr(torch.ops.torchvision, name):
            library.define(schema)
    return library


def _load_compiled_operators() -> None:
    """Load them as torchvision would a moment later: declared before that, they would be refused."""
    import torch

    spec = find_spec("torchvision")
    for folder in (spec and spec.submodule_search_locations) or []:
        for path in (*Path(folder).glob("_C*.so"), *Path(folder).glob("_C*.pyd")):
            with suppress(OSError):
                torch.ops.load_library(str(path))
