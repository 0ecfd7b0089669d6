"""How a network is optimised: settings, layer-wise learning rates, schedules and precision."""

import math
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Literal

import torch
from pydantic import Field
from torch import nn

from enrich.classifiers.base import ClassifierError
from enrich.classifiers.settings import ClassifierSettings, Count, Positive, Share


class TrainingSettings(ClassifierSettings):
    """One training run, by AdamW."""

    epochs: int = Field(default=20, ge=1, le=10_000)
    """Epochs, at most."""
    batch: int = Field(default=32, ge=1, le=65_536)
    """Records in a training step."""
    learning_rate: float = Field(default=3e-4, gt=0, le=10)
    """Highest learning rate of the layer below the heads."""
    weight_decay: float = Field(default=0.04, ge=0, le=10)
    """Weight decay of matrices; vectors (norms, biases) do not decay."""
    layer_decay: float = Field(default=0.8, gt=0, le=1)
    """Factor of the rate for every layer further from the heads; 1 trains all alike."""
    head_rate: float = Field(default=1.0, gt=0, le=1000)
    """Factor of the rate for the heads, which start from nothing."""
    frozen_epochs: int = Field(default=1, ge=0)
    """Epochs at the beginning that train the heads alone."""
    warmup: Share = 0.1
    """Share of all steps in which the rate rises to its highest."""
    schedule: Literal["cosine", "restarts", "constant"] = "cosine"
    """How the rate falls; `restarts` begins a new cosine every `restart_every` epochs."""
    restart_every: Count = 3
    """Epochs of one cosine of the schedule `restarts` (Loshchilov and Hutter 2017)."""
    clip: Positive = 1.0
    """Largest norm of a step's gradient."""
    patience: int = Field(default=5, ge=0)
    """Epochs without gain after which training stops; 0 never stops early."""
    monitor: Literal["score", "loss"] = "score"
    """Held-out quantity that chooses the epoch: the mean macro-F1, or the cross-entropy."""
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    """Precision of the network in training; `auto` takes bfloat16 where the processor has it."""
    keep: Literal["last", "all"] = "last"
    """Checkpoints that stay; `all` leaves one per epoch, for soups."""


def from_nothing(settings: TrainingSettings) -> TrainingSettings:
    """The same run for a network without pretrained weights: every layer from the start, at the heads' rate."""
    rate = settings.learning_rate * settings.head_rate
    return settings.replace(learning_rate=rate, head_rate=1.0, layer_decay=1.0, frozen_epochs=0)


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
        tiles = getattr(torch.cpu, "_is_amx_tile_supported", bool)
        helps = torch.cuda.is_bf16_supported() if device.type == "cuda" else tiles()
        precision = "bfloat16" if helps else "float32"
    if precision == "float32":
        return nullcontext()
    return torch.autocast(device.type, dtype=torch.bfloat16)
