"""How a network is optimised: settings, layer-wise learning rates, schedules and precision."""

from __future__ import annotations

import math
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from typing import Any, Literal

import torch
from torch import nn

from classifiers.base import ClassifierError
from classifiers.settings import require


@dataclass(frozen=True)
class TrainingSettings:
    """One training run. Rates are per step of AdamW; `warmup` is a share of all steps.

    `layer_decay` multiplies the rate for every layer further from the heads (1: all alike), `head_rate`
    that of the heads, which start from nothing.
    `frozen_epochs` trains the heads alone first. `schedule` restarts begins a new cosine every
    `restart_every` epochs (Loshchilov and Hutter 2017). `patience` 0 never stops early; `monitor` is the
    held-out quantity that chooses the epoch. `keep` all leaves a checkpoint per epoch, for soups.
    """

    epochs: int = 20
    batch: int = 32
    learning_rate: float = 3e-4
    weight_decay: float = 0.04
    layer_decay: float = 0.8
    head_rate: float = 1.0
    frozen_epochs: int = 1
    warmup: float = 0.1
    schedule: Literal["cosine", "restarts", "constant"] = "cosine"
    restart_every: int = 3
    clip: float = 1.0
    patience: int = 5
    monitor: Literal["score", "loss"] = "score"
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    keep: Literal["last", "all"] = "last"

    def __post_init__(self) -> None:
        require(1 <= self.epochs <= 10_000, "epochs is from 1 to 10000")
        require(1 <= self.batch <= 65_536, "batch is from 1 to 65536")
        require(0 < self.learning_rate <= 10, "learning_rate is above 0 and at most 10")
        require(0 <= self.weight_decay <= 10, "weight_decay is from 0 to 10")
        require(0 < self.layer_decay <= 1, "layer_decay is above 0 and at most 1")
        require(0 < self.head_rate <= 1000, "head_rate is above 0 and at most 1000")
        require(self.frozen_epochs >= 0 and self.patience >= 0, "frozen_epochs and patience are not negative")
        require(0 <= self.warmup < 1, "warmup is from 0 to below 1")
        require(self.restart_every >= 1 and self.clip > 0, "restart_every is at least 1, clip above 0")


def from_nothing(settings: TrainingSettings) -> TrainingSettings:
    """The same run for a network without pretrained weights: every layer from the start, at the heads' rate."""
    rate = settings.learning_rate * settings.head_rate
    return replace(settings, learning_rate=rate, head_rate=1.0, layer_decay=1.0, frozen_epochs=0)


def rate_factor(settings: TrainingSettings, step: int, steps_per_epoch: int) -> float:
    """What the learning rates are multiplied by at a step (from 0): linear warm-up, then the schedule."""
    total = settings.epochs * steps_per_epoch
    warm = int(settings.warmup * total)
    if step < warm:
        return (step + 1) / warm
    if settings.schedule == "constant":
        return 1.0
    done = (step - warm) / max(1, total - warm)
    if settings.schedule == "restarts":
        period = settings.restart_every * steps_per_epoch
        done = (step - warm) % period / period
    return 0.5 * (1 + math.cos(math.pi * done))


def parameter_groups(
    layers: Sequence[Sequence[nn.Parameter]], settings: TrainingSettings
) -> list[dict[str, Any]]:
    """AdamW groups from `layers`, lowest first and the heads last; vectors (norms, biases) do not decay.

    Each group carries `base_lr`, its rate before the schedule.
    """
    groups = []
    for depth, layer in enumerate(reversed(layers)):
        factor = settings.layer_decay**depth if depth else settings.head_rate
        rate = settings.learning_rate * factor
        for decays in (True, False):
            chosen = [p for p in layer if (p.ndim > 1) == decays]
            if chosen:
                decay = settings.weight_decay if decays else 0.0
                groups.append({"params": chosen, "lr": rate, "base_lr": rate, "weight_decay": decay})
    return groups


def set_rates(optimiser: torch.optim.Optimizer, factor: float) -> float:
    """Set every group's rate for this step; returns the heads' rate."""
    for group in optimiser.param_groups:
        group["lr"] = group["base_lr"] * factor
    return float(optimiser.param_groups[0]["lr"])


def pick_device(wanted: str) -> torch.device:
    """`auto` is CUDA where there is one; ClassifierError when what was asked for is not there."""
    if wanted == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(wanted)
    except RuntimeError as error:
        raise ClassifierError(f"device {wanted!r} is not known to torch; say auto, cpu or cuda") from error
    if device.type == "cuda" and not torch.cuda.is_available():
        raise ClassifierError(f"device {wanted!r} was asked for, but torch finds no GPU; say auto or cpu")
    return device


def autocast(precision: str, device: torch.device) -> AbstractContextManager[Any]:
    """bfloat16 where it helps: on a GPU that has it, on a CPU with matrix tiles (AMX); else float32."""
    if precision == "auto":
        if device.type == "cuda":
            helps = torch.cuda.is_bf16_supported()
        else:
            helps = bool(getattr(torch.cpu, "_is_amx_tile_supported", bool)())
        precision = "bfloat16" if helps else "float32"
    if precision == "float32":
        return nullcontext()
    return torch.autocast(device.type, dtype=torch.bfloat16)
