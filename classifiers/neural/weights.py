"""Weights from safetensors files: pretrained ones are matched to a body by name, or refused with what is missing."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from enrich.classifiers.digest import file_digest, file_digests
from enrich.classifiers.errors import ClassifierError, WrongSetting, one_line
from enrich.classifiers.neural.packages import PACKAGES, PREFIX, package_of

FILE = "model.safetensors"
CARD = "pretraining.json"


def load_body(body: nn.Module, path: Path) -> None:
    """Fill a body from a safetensors file or folder; other weights in it, such as a classifier's, are passed over.

    Names may stand behind a prefix, as training scripts that wrap a model leave it (`module.`, `model.`,
    `backbone.`). Raises WrongSetting where a weight is missing or has another shape, and where two
    prefixes would do.
    """
    found = _tensors(path)
    wanted = body.state_dict()
    prefix = _prefix(list(wanted), found, path)
    missing = [k for k in wanted if prefix + k not in found]
    other = [k for k in wanted if prefix + k in found and wanted[k].shape != found[prefix + k].shape]
    if missing or other:
        problem = f"lacks {missing[0]!r}" if missing else f"has another shape for {other[0]!r}"
        raise WrongSetting(f"{path} does not fit this backbone: it {problem}")
    body.load_state_dict({k: found[prefix + k] for k in wanted})


def _prefix(wanted: list[str], found: Iterable[str], path: Path) -> str:
    """What stands before the wanted names in a file: nothing if need be, or the one prefix that fits most."""
    names = set(found)
    ends = [name.removesuffix(wanted[0]) for name in names if name.endswith(f".{wanted[0]}")]
    fits = {prefix: sum(prefix + name in names for name in wanted) for prefix in ["", *ends]}
    best = max(fits.values())
    chosen = sorted(prefix for prefix, count in fits.items() if count == best)
    if chosen[0] and len(chosen) > 1:
        raise WrongSetting(
            f"{path} holds this backbone more than once, behind {chosen[0]!r} and {chosen[1]!r}; keep one"
        )
    return chosen[0]


def _tensors(path: Path) -> dict[str, Tensor]:
    """The tensors of a safetensors file, or of a folder with one, in parts where an index names them."""
    expect_weights(str(path))
    index = path / f"{FILE}.index.json"
    try:
        parts = set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values())
        files = [path / Path(part).name for part in sorted(parts)]
    except (OSError, ValueError, KeyError, AttributeError, TypeError):
        files = [path / FILE if path.is_dir() else path]
    if not all(file.suffix == ".safetensors" and file.is_file() for file in files):
        raise WrongSetting(f"{path} holds no safetensors weights; convert them with safetensors.torch first")
    found: dict[str, Tensor] = {}
    try:
        for file in files:
            found |= read_tensors(file)
    except ClassifierError as error:
        raise WrongSetting(str(error)) from error
    return found


def read_tensors(file: Path) -> dict[str, Tensor]:
    """The tensors of a safetensors file by name; ClassifierError when it cannot be read as one."""
    try:
        tensors: dict[str, Tensor] = load_file(file)
    except (OSError, SafetensorError) as error:
        raise ClassifierError(f"{file} cannot be read as safetensors: {error}") from error
    return tensors


def load_network(network: nn.Module, file: Path) -> None:
    """Fill a whole network from a model folder; ClassifierError unless every weight fits and is a number."""
    weights = read_tensors(file)
    broken = [k for k, v in weights.items() if v.is_floating_point() and not bool(torch.isfinite(v).all())]
    if broken:
        raise ClassifierError(f"{file} holds weights that are not numbers, first in {broken[0]!r}")
    try:
        network.load_state_dict(weights)
    except RuntimeError as error:
        reason = one_line(error, 300)
        raise ClassifierError(f"{file} does not fit the settings and labels beside it: {reason}") from error


def expect_weights(source: str) -> None:
    """Raise WrongSetting for weights that are not there, before anything is read for them."""
    if source not in ("none", "hub") and package_of(source) is None and not Path(source).exists():
        raise WrongSetting(
            f"there are no weights {source!r}: say none, hub, a safetensors file, a folder with {FILE}, or "
            + " or ".join(f"{PREFIX}{name}" for name in PACKAGES)
        )


def given_weights(source: str) -> dict[str, str]:
    """Digests of the files of local weights by name; nothing for others, which their name tells apart."""
    return {} if source in ("none", "hub") or package_of(source) else file_digests(Path(source))


def weights_taken(source: str, body: nn.Module) -> dict[str, Any]:
    """What a training's history says of the weights that a body began with; nothing for none.

    A source that lacks a tensor of the body is refused when it is loaded, so all of them were taken.
    """
    if source == "none":
        return {}
    tensors = len(body.state_dict())
    said = {"from": source, "tensors": f"{tensors} of {tensors}"}
    package = package_of(source)
    origin = {"sha256": package.sha256, "licence": package.licence} if package else _origin(Path(source))
    return {"weights": said | origin}


def _origin(path: Path) -> dict[str, str]:
    """What is known of local weights: their digest, and from what they were pretrained."""
    file = path / FILE if path.is_dir() else path
    card = read_card(file)
    if card is None:
        return {"sha256": file_digest(file)} if file.is_file() else {}
    pictures, began = card["pictures"], card.get("weights", {})
    found = {
        "sha256": card["sha256"],
        "pretrained_by": f"{card['method']} on {pictures['count']} pictures without labels",
        "pictures_sha256": pictures["sha256"],
    }
    if began:
        found["pretrained_from"] = f"{began['from']}, {began.get('sha256', 'without a digest')}"
    return found | ({"licence": began["licence"]} if "licence" in began else {})


def read_card(file: Path) -> dict[str, Any] | None:
    """The card of a pretraining beside its weights; None where there is none, or where it is of other weights."""
    try:
        card: dict[str, Any] = json.loads((file.parent / CARD).read_text(encoding="utf-8"))
        return card if card["sha256"] == file_digest(file) else None
    except (OSError, ValueError, KeyError, TypeError):
        return None
