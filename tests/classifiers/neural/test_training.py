"""The training loop: early stopping, the best epoch, checkpoints, resuming after a kill."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from enrich.classifiers.base import ClassifierError
from enrich.classifiers.neural import checkpoints
from enrich.classifiers.neural.optimisation import TrainingSettings
from enrich.classifiers.neural.training import train
from tests.classifiers.conftest import StopAfter


class Line:
    """Fits y = 2x through a dropout, so that the random state matters; scores may be prescribed."""

    device = torch.device("cpu")

    def __init__(self, scores: list[float] | None = None, scale: float = 1.0) -> None:
        torch.manual_seed(0)
        self.network: nn.Module = nn.Sequential(nn.Linear(1, 8), nn.Dropout(0.3), nn.Linear(8, 1))
        self.scores, self.scale = scores, scale
        self.frozen: list[bool] = []
        self.held_out = torch.linspace(-1, 1, 9)[:, None]

    def layers(self) -> list[list[nn.Parameter]]:
        first, _, last = self.network.children()
        return [list(first.parameters()), list(last.parameters())]

    def steps(self) -> int:
        return 4

    def batches(self, generator: torch.Generator) -> Iterator[Tensor]:
        for _ in range(4):
            yield torch.rand(16, 1, generator=generator) * self.scale

    def mode(self, *, frozen: bool) -> None:
        self.frozen.append(frozen)
        self.network.train()

    def loss(self, batch: Tensor) -> Tensor:
        return (self.network(batch) - 2 * batch).square().mean()

    def evaluate(self) -> dict[str, float]:
        if self.scores is not None:
            return {"score": self.scores[len(self.frozen) - 1], "loss": 1.0} if self.scores else {}
        self.network.eval()
        with torch.no_grad():
            loss = float((self.network(self.held_out) - 2 * self.held_out).square().mean())
        return {"score": -loss, "loss": loss}


SETTINGS = TrainingSettings(epochs=6, learning_rate=0.01, frozen_epochs=1, patience=0)


def weights(task: Line) -> Tensor:
    return torch.cat([p.detach().flatten() for p in task.network.parameters()])


def test_the_network_learns_and_the_history_says_how() -> None:
    task = Line()
    history = train(
        task, TrainingSettings(epochs=30, learning_rate=0.03, frozen_epochs=0, patience=0), seed=1
    )
    assert history["epochs"][-1]["held_out"]["loss"] < 0.2 * history["epochs"][0]["held_out"]["loss"]
    assert history["steps"] == 120
    json.dumps(history)


def test_training_stops_early_and_goes_back_to_its_best_epoch() -> None:
    task = Line(scores=[0.1, 0.9, 0.3, 0.2, 0.1, 0.1])
    history = train(task, TrainingSettings(epochs=6, patience=2, frozen_epochs=0), seed=1)
    assert (history["best_epoch"], len(history["epochs"]), history["stopped_early"]) == (1, 4, True)
    until = Line(scores=[0.1, 0.9])
    with pytest.raises(StopAfter.Killed):
        train(until, TrainingSettings(epochs=6, patience=2, frozen_epochs=0), seed=1, progress=StopAfter(2))
    assert torch.equal(weights(task), weights(until))


def test_without_held_out_records_the_last_epoch_is_kept() -> None:
    history = train(Line(scores=[]), SETTINGS, seed=1)
    assert history["best_epoch"] == 5


def test_a_frozen_backbone_does_not_move_until_it_is_thawed() -> None:
    task = Line()
    before = task.network[0].weight.detach().clone()  # type: ignore[index]
    train(task, TrainingSettings(epochs=2, frozen_epochs=2), seed=1)
    assert torch.equal(task.network[0].weight, before)  # type: ignore[index]
    assert task.frozen == [True, True]
    assert task.network[0].weight.requires_grad  # type: ignore[index]
    train(task, TrainingSettings(epochs=2, frozen_epochs=1), seed=1)
    assert not torch.equal(task.network[0].weight, before)  # type: ignore[index]


def test_the_callers_random_state_is_left_alone() -> None:
    task = Line()
    torch.manual_seed(5)
    state = torch.get_rng_state()
    train(task, SETTINGS, seed=1)
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize("killed_after", range(1, 6))
def test_a_run_killed_at_any_epoch_resumes_to_the_same_result(killed_after: int, tmp_path: Path) -> None:
    whole = Line()
    told = train(whole, SETTINGS, seed=3)
    with pytest.raises(StopAfter.Killed):
        train(Line(), SETTINGS, seed=3, folder=tmp_path, fingerprint="a", progress=StopAfter(killed_after))
    resumed = Line()
    history = train(resumed, SETTINGS, seed=3, folder=tmp_path, fingerprint="a")
    assert history["resumed_from"] == killed_after - 1
    assert torch.allclose(weights(resumed), weights(whole), atol=1e-6, rtol=0)
    for one, other in zip(history["epochs"], told["epochs"], strict=True):
        assert one["loss"] == pytest.approx(other["loss"], abs=1e-6)


def test_a_finished_run_is_not_trained_again(tmp_path: Path) -> None:
    first = Line()
    train(first, SETTINGS, seed=3, folder=tmp_path)
    again = Line()
    history = train(again, SETTINGS, seed=3, folder=tmp_path)
    assert again.frozen == []
    assert history["resumed_from"] == 5
    assert torch.allclose(weights(again), weights(first))


def test_checkpoints_of_other_data_are_refused(tmp_path: Path) -> None:
    train(Line(), TrainingSettings(epochs=1), seed=3, folder=tmp_path, fingerprint="a")
    with pytest.raises(ClassifierError, match="other data or settings"):
        train(Line(), TrainingSettings(epochs=1), seed=3, folder=tmp_path, fingerprint="b")


def test_only_the_last_two_and_the_best_checkpoint_stay_unless_all_are_wanted(tmp_path: Path) -> None:
    scores = [0.1, 0.9, 0.3, 0.2, 0.4]
    train(Line(scores), TrainingSettings(epochs=5, patience=0), seed=3, folder=tmp_path / "last")
    assert checkpoints.epochs(tmp_path / "last") == [1, 3, 4]
    train(Line(scores), TrainingSettings(epochs=5, patience=0, keep="all"), seed=3, folder=tmp_path / "all")
    assert checkpoints.epochs(tmp_path / "all") == [0, 1, 2, 3, 4]
    names = {p.suffix for p in (tmp_path / "all").rglob("*") if p.is_file()}
    assert names == {".safetensors", ".json"}


def test_a_half_written_checkpoint_is_not_seen(tmp_path: Path) -> None:
    train(Line(), TrainingSettings(epochs=2, patience=0, keep="all"), seed=3, folder=tmp_path)
    (checkpoints.folder_of(tmp_path, 1) / checkpoints.RECORD).unlink()
    assert checkpoints.epochs(tmp_path) == [0]
    assert (
        train(Line(), TrainingSettings(epochs=2, patience=0, keep="all"), seed=3, folder=tmp_path)[
            "resumed_from"
        ]
        == 0
    )


@pytest.mark.parametrize("file", [checkpoints.NETWORK, checkpoints.STATE, checkpoints.RECORD])
def test_where_the_last_checkpoint_was_cut_it_goes_on_from_the_one_before(file: str, tmp_path: Path) -> None:
    whole, resumed, told = Line(), Line(), []
    train(whole, SETTINGS, seed=3)
    with pytest.raises(StopAfter.Killed):
        train(Line(), SETTINGS, seed=3, folder=tmp_path, fingerprint="a", progress=StopAfter(4))
    cut = checkpoints.folder_of(tmp_path, 3) / file
    cut.write_bytes(cut.read_bytes()[:-9])
    history = train(
        resumed, SETTINGS, seed=3, folder=tmp_path, fingerprint="a", progress=lambda s, *_: told.append(s)
    )
    assert history["resumed_from"] == 2
    assert told[0] == "training: the checkpoint of epoch 3 cannot be read, so it goes on after epoch 2"
    assert torch.allclose(weights(resumed), weights(whole), atol=1e-6, rtol=0)


def test_a_broken_checkpoint_is_named(tmp_path: Path) -> None:
    train(Line(), TrainingSettings(epochs=1), seed=3, folder=tmp_path)
    (checkpoints.folder_of(tmp_path, 0) / checkpoints.STATE).write_bytes(b"not safetensors")
    with pytest.raises(ClassifierError, match="epoch-0000 cannot be read"):
        train(Line(), TrainingSettings(epochs=1), seed=3, folder=tmp_path)


def test_a_loss_that_is_not_a_number_stops_with_advice() -> None:
    with pytest.raises(ClassifierError, match="lower learning_rate"):
        train(Line(scale=float("inf")), SETTINGS, seed=1)
