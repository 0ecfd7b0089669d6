"""Trains one trajectory into a folder: one checkpoint per epoch that says how good it is, resumable and capped.

The loop is that of every neural classifier (neural.training).
"""

import json
import resource
import sys
import time
from pathlib import Path
from typing import Any

from enrich.classifiers.base import Progress, no_progress
from enrich.classifiers.digest import text_digest
from enrich.classifiers.model.folder import write_json
from enrich.classifiers.model.manifest import MANIFEST, write_manifest
from enrich.classifiers.neural import checkpoints
from enrich.classifiers.neural.checkpoints import STATE, folder_of
from enrich.classifiers.neural.networks import parameter_count
from enrich.classifiers.neural.training import train
from enrich.classifiers.neural.weights import given_weights, weights_taken
from enrich.classifiers.soup.pictures import PictureSet
from enrich.classifiers.soup.trajectory import TrajectorySettings, TrajectoryTask

ABOUT = "trajectory.json"
SEEN = "seen.json"


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
        **weights_taken(settings.weights, task.image_network.body),
    }
    write_json(folder / ABOUT, about)
    write_json(folder / SEEN, seen(learn))
    write_manifest(folder)
    return about


def _finished(folder: Path, fingerprint: str, epochs: int) -> dict[str, Any] | None:
    """What a folder says that holds this very training to its end (or beyond it); None for any other."""
    done = checkpoints.epochs(folder)
    if not done or not (folder / MANIFEST).is_file():
        return None
    try:
        about: dict[str, Any] = json.loads((folder / ABOUT).read_text(encoding="utf-8"))
        same = checkpoints.record(folder, done[-1]).get("fingerprint") == fingerprint
    except (OSError, ValueError):
        return None  # cut; what can be read of it is gone on with
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
    """After each epoch: the optimiser's state of all epochs but the last two goes, and beyond the cap that of the
    last but one and the worst checkpoints."""

    def __init__(self, folder: Path, disk: int, progress: Progress) -> None:
        self.folder, self.disk, self.progress = folder, disk * 1024 * 1024, progress

    def __call__(self, stage: str, done: int, total: int) -> None:
        (self.folder / MANIFEST).unlink(missing_ok=True)
        epochs = checkpoints.epochs(self.folder)
        for epoch in epochs[:-2]:
            (folder_of(self.folder, epoch) / STATE).unlink(missing_ok=True)
        self._cap(epochs)
        self.progress(stage, done, total)

    def _cap(self, epochs: list[int]) -> None:
        """Delete the worst by selection score until the folder is below the cap; the best and the last stay."""
        if self._size(epochs) > self.disk:
            for epoch in epochs[:-1]:
                (folder_of(self.folder, epoch) / STATE).unlink(missing_ok=True)
        sizes = {e: self._size([e]) for e in epochs}
        record = checkpoints.record(self.folder, epochs[-1])
        scores = {e: float(record["history"][e]["held_out"].get("score", e)) for e in epochs}
        spare = sorted(
            (e for e in epochs if e not in (epochs[-1], record["best_epoch"])), key=scores.__getitem__
        )
        while spare and sum(sizes.values()) > self.disk:
            del sizes[spare.pop(0)]
            checkpoints.prune(self.folder, set(sizes))

    def _size(self, epochs: list[int]) -> int:
        """Bytes of their checkpoints."""
        return sum(p.stat().st_size for e in epochs for p in folder_of(self.folder, e).iterdir())

    def dropped(self, total: int) -> list[int]:
        """Epochs whose checkpoint had to go."""
        return sorted(set(range(total)) - set(checkpoints.epochs(self.folder)))


def _fingerprint(settings: TrajectorySettings, learn: PictureSet, selection: PictureSet, seed: int) -> str:
    """Digest of what decides the weights of an epoch; under restarts the number of epochs does not."""
    values = {k: v for k, v in settings.to_json().items() if k not in ("disk", "device")}
    if settings.training.schedule != "cosine" and not settings.training.warmup:
        values["training"] = {k: v for k, v in values["training"].items() if k != "epochs"}
    given = given_weights(settings.weights)
    said = json.dumps(
        [values, seed, learn.digest(), selection.digest(), *([given] if given else [])], sort_keys=True
    )
    return text_digest(said)
