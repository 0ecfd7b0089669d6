"""Trains one trajectory: a network on pictures in memory, with one checkpoint per epoch that says how good it is.

Recipe: Tran et al. 2026 (AdamW, cosine with warm restarts of T₀ = 3 epochs, random crops and flips, CutMix
or MixUp, focal loss or cross-entropy). The loop is that of every neural classifier (neural.training).
"""

from __future__ import annotations

import hashlib
import json
import resource
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Self

import torch
from pydantic import Field, model_validator
from torch import Tensor, nn

from classifiers.base import ClassifierError, Progress, no_progress
from classifiers.data import Property
from classifiers.model.manifest import MANIFEST, write_manifest
from classifiers.neural import augment, checkpoints
from classifiers.neural import heads as head
from classifiers.neural.augment import AugmentSettings
from classifiers.neural.checkpoints import RECORD, STATE
from classifiers.neural.heads import HeadSettings, LossSettings
from classifiers.neural.networks import ImageNetwork, build_backbone, parameter_count
from classifiers.neural.optimisation import TrainingSettings, pick_device
from classifiers.neural.training import train
from classifiers.settings import ClassifierSettings, Count
from classifiers.soup import small
from classifiers.soup.pictures import PictureSet
from classifiers.soup.scores import score

ABOUT = "trajectory.json"
SEEN = "seen.json"
Batch = tuple[Tensor, Tensor, Tensor]


def recipe() -> TrainingSettings:
    """The paper's schedule: every layer at the same rate, restarts every three epochs, no early stop."""
    return TrainingSettings(
        epochs=50,
        learning_rate=1e-4,
        weight_decay=1e-3,
        layer_decay=1.0,
        frozen_epochs=0,
        warmup=0.0,
        schedule="restarts",
        restart_every=3,
        patience=0,
        keep="all",
    )


class TrajectorySettings(ClassifierSettings):
    """How a trajectory is trained."""

    backbone: str = "coatnet_0_rw_224"
    """A name of timm."""
    weights: str = "none"
    """`hub`, `none`, or a local safetensors file or folder."""
    size: int = Field(default=0, ge=0, le=1024)
    """Pixels of the square that the network looks at, 16 or more; 0 takes the backbone's own."""
    crop: float = Field(default=0.9, ge=0.1, le=1)
    """Share of a picture's shorter side that is measured on."""
    device: str = "auto"
    """Where it runs: auto, cpu or cuda."""
    disk: Count = 20_000
    """Cap on the folder, MiB: beyond it the worst checkpoints are deleted, and named."""
    heads: HeadSettings = HeadSettings(neck=0)
    """Shape of the heads."""
    loss: LossSettings = LossSettings(gamma=2.0, balance=0.0)
    """The loss."""
    augment: AugmentSettings = AugmentSettings(cutmix=1.0, mixup=0.2, mix=0.5)
    """What is changed at random in training."""
    training: TrainingSettings = recipe()
    """The training run."""

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if 0 < self.size < 16:
            raise ValueError("size is 0 or from 16 to 1024 pixels")
        if self.training.keep != "all":
            raise ValueError("training.keep is all: a soup needs every checkpoint")
        return self

    def side(self, size: int) -> int:
        """Width of the decoded pictures for a network that looks at `size` pixels."""
        return round(size / self.crop)


def build(settings: TrajectorySettings, properties: tuple[Property, ...]) -> tuple[ImageNetwork, int]:
    """The network with fresh or given weights, and the width of picture it looks at."""
    small.register()
    body, width, size = build_backbone(settings.backbone, settings.size, weights=settings.weights)
    network = ImageNetwork(body, width, properties, settings.heads, "mean")
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return network, size


def picture_size(settings: TrajectorySettings) -> int:
    """The width of picture that the settings' network looks at, without building it where it is given."""
    if not settings.size:
        small.register()
    return settings.size or build_backbone(settings.backbone, 0)[2]


class TrajectoryTask:
    """A network and its pictures as the training loop sees them."""

    def __init__(
        self, settings: TrajectorySettings, learn: PictureSet, selection: PictureSet, seed: int
    ) -> None:
        self.settings, self.learn, self.selection = settings, learn, selection
        self.device = pick_device(settings.device)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            built, self.size = build(settings, learn.properties)
        if learn.side != settings.side(self.size):
            raise ClassifierError(
                f"pictures are {learn.side} pixels wide, the network wants {settings.side(self.size)}"
            )
        self.image_network = built.to(self.device)
        self.network: nn.Module = self.image_network
        weights = head.class_weights(learn.target, learn.named, learn.properties, settings.loss.balance)
        self.criterion = head.FocalLoss(learn.properties, settings.loss, weights).to(self.device)

    def layers(self) -> list[list[nn.Parameter]]:
        """All layers learn at the same rate: body and heads."""
        return [list(self.image_network.body.parameters()), self.image_network.head_parameters()]

    def steps(self) -> int:
        """Batches in an epoch; what is left over joins no batch."""
        return max(1, len(self.learn) // self.settings.training.batch)

    def batches(self, generator: torch.Generator) -> Iterator[Batch]:
        """Shuffled batches of cropped, flipped and mixed pictures."""
        order = torch.randperm(len(self.learn), generator=generator)
        size = min(self.settings.training.batch, len(self.learn))
        for step in range(self.steps()):
            rows = order[step * size : (step + 1) * size]
            pixels = crops(self.learn, rows, self.size, self.settings.augment, generator)
            yield augment.mix(
                pixels, self.learn.target[rows], self.learn.named[rows], self.settings.augment, generator
            )

    def mode(self, *, frozen: bool) -> None:  # noqa: ARG002
        """Training mode; nothing is frozen."""
        self.network.train()

    def loss(self, batch: Batch) -> Tensor:
        """Focal loss (or cross-entropy) of a batch."""
        pixels, target, named = (t.to(self.device) for t in batch)
        logits = self.network(pixels.contiguous(memory_format=torch.channels_last))[0]
        loss: Tensor = self.criterion(logits.float(), target, named)
        return loss

    def evaluate(self) -> dict[str, float]:
        """Macro-F1 per property and their mean as `score`, accuracy, and plain cross-entropy, on selection."""
        if not len(self.selection):
            return {}
        logits = run(self.image_network, self.selection, self.size)
        found = score(logits, self.selection)
        f1 = head.held_out_scores(
            logits, self.selection.target, self.selection.named, self.selection.properties
        )
        return {**f1, "accuracy": found.accuracy, "loss": found.loss}


def crops(
    pictures: PictureSet, rows: Tensor, size: int, settings: AugmentSettings, generator: torch.Generator
) -> Tensor:
    """Random crops of these pictures with colours changed, float32 (m, 3, size, size) from 0 to 1."""
    found = [augment.random_crop(pictures.pixels[i], size, settings, generator) for i in rows.tolist()]
    changed = augment.change_colours(torch.stack(found).float() / 255.0, settings, generator)
    return changed.contiguous(memory_format=torch.channels_last)


def run(network: ImageNetwork, pictures: PictureSet, size: int, batch: int = 128) -> Tensor:
    """Logits (n, ΣK) float32 of the middle of every picture, in evaluation mode, on the CPU."""
    network.eval()
    device = next(network.parameters()).device
    found = [torch.zeros(0, pictures.target.shape[1])]
    with torch.inference_mode():
        for start in range(0, len(pictures), batch):
            pixels = pictures.middle(slice(start, start + batch), size)
            found.append(network(pixels.to(device))[0].float().cpu())
    return torch.cat(found)


def train_trajectory(
    folder: Path,
    learn: PictureSet,
    selection: PictureSet,
    settings: TrajectorySettings,
    *,
    seed: int = 0,
    progress: Progress = no_progress,
) -> dict[str, Any]:
    """Train into `folder`: epoch-NNNN/ with weights and metrics, trajectory.json and, at the end, MANIFEST.

    A folder that holds a part of the same training is gone on with; one of other data, settings or seed is
    refused (ClassifierError). Returns what trajectory.json says.
    """
    fingerprint = _fingerprint(settings, learn, selection, seed)
    finished = _finished(folder, fingerprint, settings.training.epochs)
    if finished is not None:
        return finished
    folder.mkdir(parents=True, exist_ok=True)
    task = TrajectoryTask(settings, learn, selection, seed)
    keeper = _Keeper(folder, settings.disk, progress)
    began = time.perf_counter()
    history = train(
        task,
        settings.training,
        seed=seed,
        folder=folder,
        fingerprint=fingerprint,
        progress=keeper,
        stage=f"training {settings.backbone}, seed {seed}",
    )
    about = {
        "format": 1,
        "backbone": settings.backbone,
        "size": task.size,
        "seed": seed,
        "parameters": parameter_count(task.image_network),
        "properties": [
            {"name": p.name, "classes": list(p.classes), "many": p.many} for p in learn.properties
        ],
        "settings": settings.to_json(),
        "learned_from": {"pictures": len(learn), "sha256": learn.digest()},
        "selection": {"pictures": len(selection), "sha256": selection.digest()},
        "epochs": history["epochs"],
        "seconds_of_epochs": round(sum(e["seconds"] for e in history["epochs"]), 1),
        "seconds_of_this_process": round(time.perf_counter() - began, 1),
        "peak_memory_mib": peak_memory(),
        "dropped_for_disk": keeper.dropped(len(history["epochs"])),
        "resumed_from": history["resumed_from"],
    }
    _write(folder / ABOUT, about)
    _write(folder / SEEN, seen(learn))
    write_manifest(folder)
    return about


def _finished(folder: Path, fingerprint: str, epochs: int) -> dict[str, Any] | None:
    """What a folder says that holds this very training to its end (or beyond it); None for any other."""
    done = checkpoints.epochs(folder)
    if not done or not (folder / MANIFEST).is_file():
        return None
    about: dict[str, Any] = json.loads((folder / ABOUT).read_text(encoding="utf-8"))
    last = json.loads((checkpoints.folder_of(folder, done[-1]) / RECORD).read_text(encoding="utf-8"))
    same = last.get("fingerprint") == fingerprint
    return about if same and len(about["epochs"]) >= epochs else None


def seen(learn: PictureSet) -> dict[str, list[str]]:
    """Property to the digests of the pictures whose value of it was learned."""
    named = learn.named.numpy()
    return {
        prop.name: sorted({d for d, said in zip(learn.digests, named[:, p], strict=True) if said})
        for p, prop in enumerate(learn.properties)
    }


def peak_memory() -> float:
    """The most memory that this process has held, MiB."""
    unit = 1024.0 * 1024.0 if sys.platform == "darwin" else 1024.0
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit, 1)


class _Keeper:
    """After each epoch: the optimiser's state of earlier epochs goes, and the worst checkpoints beyond the cap."""

    def __init__(self, folder: Path, disk: int, progress: Progress) -> None:
        self.folder, self.disk, self.progress = folder, disk * 1024 * 1024, progress

    def __call__(self, stage: str, done: int, total: int) -> None:
        (self.folder / MANIFEST).unlink(missing_ok=True)
        epochs = checkpoints.epochs(self.folder)
        for epoch in epochs[:-1]:
            (checkpoints.folder_of(self.folder, epoch) / STATE).unlink(missing_ok=True)
        self._cap(epochs)
        self.progress(stage, done, total)

    def _cap(self, epochs: list[int]) -> None:
        """Delete the worst by selection score until the folder is below the cap; the best and the last stay."""
        sizes = {e: _size(checkpoints.folder_of(self.folder, e)) for e in epochs}
        record = json.loads(
            (checkpoints.folder_of(self.folder, epochs[-1]) / RECORD).read_text(encoding="utf-8")
        )
        scores = {e: float(record["history"][e]["held_out"].get("score", e)) for e in epochs}
        spare = sorted(
            (e for e in epochs if e not in (epochs[-1], record["best_epoch"])), key=scores.__getitem__
        )
        while spare and sum(sizes.values()) > self.disk:
            worst = spare.pop(0)
            del sizes[worst]
            checkpoints.prune(self.folder, set(sizes))

    def dropped(self, total: int) -> list[int]:
        """Epochs whose checkpoint had to go."""
        return sorted(set(range(total)) - set(checkpoints.epochs(self.folder)))


def _size(folder: Path) -> int:
    return sum(p.stat().st_size for p in folder.iterdir())


def _fingerprint(settings: TrajectorySettings, learn: PictureSet, selection: PictureSet, seed: int) -> str:
    """Digest of what decides the weights of an epoch; under restarts the number of epochs does not."""
    values = {k: v for k, v in settings.to_json().items() if k not in ("disk", "device")}
    if settings.training.schedule != "cosine" and not settings.training.warmup:
        values["training"] = {k: v for k, v in values["training"].items() if k != "epochs"}
    said = json.dumps([values, seed, learn.digest(), selection.digest()], sort_keys=True)
    return hashlib.sha256(said.encode()).hexdigest()


def _write(path: Path, value: Any) -> None:
    path.write_text(json.dumps(value, indent=1, sort_keys=True) + "\n", encoding="utf-8")
