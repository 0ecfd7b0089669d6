"""Checkpoints of a training run: one folder per epoch of safetensors and JSON, complete or not there at all."""

import json
import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor

from enrich.classifiers.errors import ClassifierError
from enrich.classifiers.neural.weights import read_tensors

NETWORK = "network.safetensors"
STATE = "state.safetensors"
RECORD = "state.json"


@dataclass(frozen=True)
class Checkpoint:
    """State after an epoch (counted from 0): what the loop needs to go on as if it had never stopped."""

    epoch: int
    network: Mapping[str, Tensor]
    state: Mapping[str, Tensor]
    record: Mapping[str, Any]


def folder_of(root: Path, epoch: int) -> Path:
    """Where the checkpoint of an epoch lies."""
    return root / f"epoch-{epoch:04d}"


def epochs(root: Path) -> list[int]:
    """Epochs that have a complete checkpoint, in order."""
    if not root.is_dir():
        return []
    found = (re.fullmatch(r"epoch-(\d{4,})", p.name) for p in root.iterdir() if (p / RECORD).is_file())
    return sorted(int(m.group(1)) for m in found if m)


def write(root: Path, checkpoint: Checkpoint) -> Path:
    """Write a checkpoint under a name of its own first, then rename: a kill leaves nothing half-written."""
    target = folder_of(root, checkpoint.epoch)
    draft = root / f".{target.name}.part"
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir(parents=True)
    save_file(plain(checkpoint.network), draft / NETWORK)
    save_file(plain(checkpoint.state), draft / STATE)
    (draft / RECORD).write_text(json.dumps(checkpoint.record, indent=1), encoding="utf-8")
    shutil.rmtree(target, ignore_errors=True)
    draft.rename(target)
    return target


def read(root: Path, epoch: int) -> Checkpoint:
    """Read a checkpoint; ClassifierError when it does not parse."""
    folder = folder_of(root, epoch)
    try:
        network, state = read_tensors(folder / NETWORK), read_tensors(folder / STATE)
        return Checkpoint(epoch, network, state, record(root, epoch))
    except (OSError, ValueError, ClassifierError) as error:
        raise ClassifierError(
            f"checkpoint {folder} cannot be read ({error}), nor one before it; delete {root} to train anew"
        ) from error


def last_readable(root: Path) -> Checkpoint:
    """The last checkpoint that parses of a folder that has any; ClassifierError, of the last, when none does."""
    done = epochs(root)
    for epoch in reversed(done):
        try:
            return read(root, epoch)
        except ClassifierError:
            continue
    return read(root, done[-1])


def record(root: Path, epoch: int) -> dict[str, Any]:
    """What a checkpoint says of its epoch and of those before it. OSError or ValueError for none."""
    found: dict[str, Any] = json.loads((folder_of(root, epoch) / RECORD).read_text(encoding="utf-8"))
    return found


def prune(root: Path, keep: set[int]) -> None:
    """Delete the checkpoints of all other epochs."""
    for epoch in epochs(root):
        if epoch not in keep:
            shutil.rmtree(folder_of(root, epoch))


def plain(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Copies on the CPU, each with memory of its own, as safetensors wants them."""
    return {
        k: v.detach().to("cpu", copy=True).contiguous(memory_format=torch.contiguous_format)
        for k, v in tensors.items()
    }


def optimiser_tensors(optimiser: torch.optim.Optimizer) -> dict[str, Tensor]:
    """The optimiser's moments and step counts, by parameter number and name."""
    state = optimiser.state_dict()["state"]
    return {
        f"optimiser.{i}.{name}": torch.as_tensor(value)
        for i, values in state.items()
        for name, value in values.items()
    }


def restore_optimiser(optimiser: torch.optim.Optimizer, tensors: Mapping[str, Tensor]) -> None:
    """Put back what `optimiser_tensors` took; the groups and their rates are the loop's own."""
    whole = optimiser.state_dict()
    state: dict[int, dict[str, Tensor]] = {}
    for key, value in tensors.items():
        kind, _, rest = key.partition(".")
        if kind == "optimiser":
            number, _, name = rest.partition(".")
            state.setdefault(int(number), {})[name] = value
    optimiser.load_state_dict({"state": state, "param_groups": whole["param_groups"]})
