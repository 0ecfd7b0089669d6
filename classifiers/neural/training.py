"""The training loop of every neural classifier: resumable after a kill, early stopping, best epoch kept."""

import math
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from enrich.classifiers.base import ClassifierError, Progress, no_progress
from enrich.classifiers.neural import checkpoints
from enrich.classifiers.neural.checkpoints import Checkpoint
from enrich.classifiers.neural.optimisation import (
    TrainingSettings,
    autocast,
    parameter_groups,
    rate_factor,
    set_rates,
)
from enrich.classifiers.neural.weights import read_tensors


class Task(Protocol):
    """What is trained: a network, its batches, its loss and how it is judged."""

    network: nn.Module
    device: torch.device

    def layers(self) -> list[list[nn.Parameter]]:
        """All parameters, lowest layer first; the last entry (the heads) is never frozen."""

    def steps(self) -> int:
        """Batches in an epoch."""

    def batches(self, generator: torch.Generator) -> Iterator[Any]:
        """One epoch; every random choice is drawn from `generator`."""

    def mode(self, *, frozen: bool) -> None:
        """Put the network into training mode; a frozen backbone keeps its statistics."""

    def loss(self, batch: Any) -> Tensor:
        """Loss of a batch, a scalar."""

    def evaluate(self) -> dict[str, float]:
        """`score` (higher is better) and `loss` on held-out records; without them the last epoch is the best."""


def steps_of(records: int, batch: int) -> int:
    """Batches in an epoch of so many records; what is left over joins none."""
    return max(1, records // batch)


def shuffled(records: int, batch: int, generator: torch.Generator) -> Iterator[Tensor]:
    """The rows of each batch of an epoch, in an order that is drawn."""
    order = torch.randperm(records, generator=generator)
    for step in range(steps_of(records, batch)):
        yield order[step * batch : (step + 1) * batch]


def train(
    task: Task,
    settings: TrainingSettings,
    *,
    seed: int,
    folder: Path | None = None,
    fingerprint: str = "",
    progress: Progress = no_progress,
    stage: str = "training",
) -> dict[str, Any]:
    """Train `task.network` in place and leave it with the weights of its best epoch; returns the history.

    With a `folder`, every epoch ends in a checkpoint there, and a run with the same `fingerprint` (of data,
    settings and seed) goes on from the last one to the same result; with another one it is refused. Where the last
    cannot be read, it goes on from the one before. The caller's random state is left as it was. Raises
    ClassifierError when the loss is not finite, and when no checkpoint can be read.
    """
    devices = [task.device] if task.device.type == "cuda" else []
    with torch.random.fork_rng(devices=devices):
        torch.manual_seed(seed)
        return _Run(task, settings, seed, folder, fingerprint).go(progress, stage)


class _Run:
    """One training run: the optimiser, the counters, and what the best epoch was."""

    def __init__(
        self, task: Task, settings: TrainingSettings, seed: int, folder: Path | None, fingerprint: str
    ) -> None:
        self.task, self.settings, self.folder, self.fingerprint = task, settings, folder, fingerprint
        self.sampler = torch.Generator().manual_seed(seed)
        self.layers = task.layers()
        self.optimiser = torch.optim.AdamW(parameter_groups(self.layers, settings))
        self.history: list[dict[str, Any]] = []
        self.step = 0
        self.best = -1
        self.best_weights: dict[str, Tensor] = {}

    def go(self, progress: Progress, stage: str) -> dict[str, Any]:
        total = self.settings.epochs
        resumed = self._restore(lambda told: progress(f"{stage}: {told}", len(self.history), total))
        while len(self.history) < total and not self._enough():
            epoch = len(self.history)
            self.history.append(self._epoch(epoch))
            if self.best < 0 or self._quality(epoch) > self._quality(self.best):
                self.best = epoch
                if self.folder is None:
                    self.best_weights = checkpoints.plain(self.task.network.state_dict())
            self._save(epoch)
            progress(stage, epoch + 1, total)
        stopped = len(self.history) < total
        if stopped:
            progress(stage, total, total)
        self._load_best()
        return {
            "epochs": self.history,
            "best_epoch": self.best,
            "stopped_early": stopped,
            "resumed_from": resumed,
            "steps": self.step,
        }

    def _quality(self, epoch: int) -> float:
        held = self.history[epoch]["held_out"]
        if self.settings.monitor not in held:
            return float(epoch)
        return float(held["score"]) if self.settings.monitor == "score" else -float(held["loss"])

    def _enough(self) -> bool:
        patience = self.settings.patience
        return bool(patience and self.history and len(self.history) - 1 - self.best >= patience)

    def _epoch(self, epoch: int) -> dict[str, Any]:
        started = time.perf_counter()
        frozen = epoch < self.settings.frozen_epochs
        for layer in self.layers[:-1]:
            for parameter in layer:
                parameter.requires_grad_(not frozen)
        self.task.mode(frozen=frozen)
        losses, rate = [], 0.0
        for batch in self.task.batches(self.sampler):
            rate = set_rates(self.optimiser, rate_factor(self.settings, self.step, max(1, self.task.steps())))
            losses.append(self._update(batch))
            self.step += 1
        return {
            "epoch": epoch,
            "loss": math.fsum(losses) / max(1, len(losses)),
            "held_out": self.task.evaluate(),
            "learning_rate": rate,
            "seconds": round(time.perf_counter() - started, 3),
        }

    def _update(self, batch: Any) -> float:
        self.optimiser.zero_grad(set_to_none=True)
        with autocast(self.settings.precision, self.task.device):
            loss = self.task.loss(batch)
        value = float(loss.detach())
        if not math.isfinite(value):
            raise ClassifierError(
                f"the loss is {value} at step {self.step}; lower learning_rate "
                f"({self.settings.learning_rate}) or set precision to float32"
            )
        loss.backward()  # type: ignore[no-untyped-call]
        wanted = [p for layer in self.layers for p in layer if p.grad is not None]
        nn.utils.clip_grad_norm_(wanted, self.settings.clip)
        self.optimiser.step()
        return value

    def _save(self, epoch: int) -> None:
        if self.folder is None:
            return
        state = checkpoints.optimiser_tensors(self.optimiser)
        state["random.torch"] = torch.get_rng_state()
        state["random.sampler"] = self.sampler.get_state()
        if self.task.device.type == "cuda":
            state["random.cuda"] = torch.cuda.get_rng_state(self.task.device)
        record = {
            "fingerprint": self.fingerprint,
            "epoch": epoch,
            "step": self.step,
            "best_epoch": self.best,
            "history": self.history,
        }
        checkpoints.write(self.folder, Checkpoint(epoch, self.task.network.state_dict(), state, record))
        if self.settings.keep == "last":
            checkpoints.prune(self.folder, {epoch - 1, epoch, self.best})

    def _restore(self, tell: Callable[[str], None]) -> int | None:
        """Go back to the last checkpoint that can be read; returns its epoch, None where there is none."""
        done = checkpoints.epochs(self.folder) if self.folder else []
        if not self.folder or not done:
            return None
        last = checkpoints.last_readable(self.folder)
        if last.record.get("fingerprint") != self.fingerprint:
            raise ClassifierError(
                f"checkpoints in {self.folder} come from other data or settings; "
                "delete the folder to train anew, or go back to those settings"
            )
        self.task.network.load_state_dict(last.network)
        checkpoints.restore_optimiser(self.optimiser, last.state)
        torch.set_rng_state(last.state["random.torch"])
        self.sampler.set_state(last.state["random.sampler"])
        if self.task.device.type == "cuda" and "random.cuda" in last.state:
            torch.cuda.set_rng_state(last.state["random.cuda"], self.task.device)
        self.history = list(last.record["history"])
        self.step, self.best = int(last.record["step"]), int(last.record["best_epoch"])
        if last.epoch != done[-1]:
            checkpoints.prune(self.folder, {epoch for epoch in done if epoch <= last.epoch})
            tell(f"the checkpoint of epoch {done[-1]} cannot be read, so it goes on after epoch {last.epoch}")
        return last.epoch

    def _load_best(self) -> None:
        for layer in self.layers:
            for parameter in layer:
                parameter.requires_grad_(True)
        if self.best < 0 or self.best == len(self.history) - 1:
            return
        weights = self.best_weights
        if self.folder is not None:
            weights = read_tensors(checkpoints.folder_of(self.folder, self.best) / checkpoints.NETWORK)
        self.task.network.load_state_dict(weights)
