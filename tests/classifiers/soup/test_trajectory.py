"""Trajectories: a checkpoint per epoch, resumable, refused when something else is asked for, capped on disk."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from enrich.classifiers.base import ClassifierError
from enrich.classifiers.neural.checkpoints import NETWORK, RECORD, STATE, epochs, folder_of
from enrich.classifiers.neural.networks import build_backbone
from enrich.classifiers.neural.optimisation import rate_factor
from enrich.classifiers.soup.pictures import PictureSplit
from enrich.classifiers.soup.pool import Trajectory, read_trajectory
from enrich.classifiers.soup.trajectory import TrajectorySettings, TrajectoryTask
from enrich.classifiers.soup.trajectory_folder import train_trajectory
from tests.classifiers.soup.conftest import SIDE, tiny, trained


class Killed(Exception):
    """The kill."""


def kill_after(epoch: int):  # type: ignore[no-untyped-def]
    def progress(_stage: str, done: int, _total: int) -> None:
        if done == epoch:
            raise Killed

    return progress


def test_every_epoch_leaves_a_checkpoint_with_its_metrics(trajectory: Trajectory) -> None:
    assert [m.epoch for m in trajectory.members] == [0, 1, 2]
    about = trajectory.about
    for member in trajectory.members:
        assert {"score", "accuracy", "loss", "label"} <= set(about["epochs"][member.epoch]["held_out"])
        assert member.path.suffix == ".safetensors"
    assert about["learned_from"]["pictures"] == 72
    assert about["parameters"] > 0
    assert about["peak_memory_mib"] > 0
    assert len({m.sha256 for m in trajectory.members}) == 3


def test_only_the_last_two_epochs_keep_the_optimisers_state(trajectory: Trajectory) -> None:
    kept = [(folder_of(trajectory.folder, e) / STATE).is_file() for e in range(3)]
    assert kept == [False, True, True]


@pytest.mark.parametrize("file", [STATE, RECORD])
def test_a_trajectory_whose_last_checkpoint_was_cut_goes_on_from_the_one_before(
    tmp_path: Path, split: PictureSplit, trajectory: Trajectory, file: str
) -> None:
    place = tmp_path / "cut"
    with pytest.raises(Killed):
        train_trajectory(place, split.learn, split.selection, tiny(), seed=0, progress=kill_after(2))
    (folder_of(place, 1) / file).write_bytes(b"")
    about = train_trajectory(place, split.learn, split.selection, tiny(), seed=0)
    assert about["resumed_from"] == 0
    assert [m.sha256 for m in read_trajectory(place).members] == [m.sha256 for m in trajectory.members]


def test_a_killed_trajectory_goes_on_to_the_same_weights(
    tmp_path: Path, split: PictureSplit, trajectory: Trajectory
) -> None:
    place = tmp_path / "killed"
    with pytest.raises(Killed):
        train_trajectory(place, split.learn, split.selection, tiny(), seed=0, progress=kill_after(2))
    with pytest.raises(ClassifierError, match="was not trained to its end; run the same training again"):
        read_trajectory(place)
    about = train_trajectory(place, split.learn, split.selection, tiny(), seed=0)
    assert about["resumed_from"] == 1
    for epoch in range(3):
        mine, whole = (load_file(folder_of(p, epoch) / NETWORK) for p in (place, trajectory.folder))
        assert all(torch.equal(mine[k], whole[k]) for k in whole)
    assert [m.sha256 for m in read_trajectory(place).members] == [m.sha256 for m in trajectory.members]


def test_a_finished_trajectory_is_left_alone_and_can_go_on(tmp_path: Path, split: PictureSplit) -> None:
    place = trained(tmp_path / "t", split, tiny(epochs=1))
    before = (place / "MANIFEST").read_text()
    train_trajectory(place, split.learn, split.selection, tiny(epochs=1))
    assert (place / "MANIFEST").read_text() == before
    trained(place, split, tiny(epochs=2))
    assert len(read_trajectory(place).members) == 2
    assert (
        train_trajectory(place, split.learn, split.selection, tiny(epochs=1))["settings"]["training"][
            "epochs"
        ]
        == 2
    )
    assert len(read_trajectory(place, most=1).members) == 1


def test_another_training_in_the_same_folder_is_refused(tmp_path: Path, split: PictureSplit) -> None:
    place = trained(tmp_path / "t", split, tiny(epochs=1))
    for settings, seed in ((tiny(epochs=1, rate=0.02), 0), (tiny(epochs=1), 1)):
        with pytest.raises(ClassifierError, match="other data or settings"):
            train_trajectory(place, split.learn, split.selection, settings, seed=seed)


def test_the_cap_on_disk_takes_the_worst_and_names_them(tmp_path: Path, split: PictureSplit) -> None:
    about = train_trajectory(
        tmp_path / "t", split.learn, split.selection, tiny(epochs=5).replace(disk=7), seed=0
    )
    left = epochs(tmp_path / "t")
    assert about["dropped_for_disk"] == sorted(set(range(5)) - set(left)) != []
    assert 4 in left
    scores = [e["held_out"]["score"] for e in about["epochs"]]
    assert scores.index(max(scores)) in left
    assert len(read_trajectory(tmp_path / "t").members) == len(left)


def test_the_recipe_restarts_every_three_epochs() -> None:
    said = TrajectorySettings().training
    assert (said.weight_decay, said.clip, said.learning_rate) == (1e-3, 1.0, 1e-4)
    assert [round(rate_factor(said, step, 10), 3) for step in (0, 15, 30, 45, 60)] == [
        1.0,
        0.5,
        1.0,
        0.5,
        1.0,
    ]


def test_settings_that_make_no_sense_are_refused() -> None:
    with pytest.raises(ClassifierError, match="a soup needs every checkpoint"):
        TrajectorySettings.read({"training": {"keep": "last"}})
    with pytest.raises(ClassifierError, match=r"settings\.crop"):
        TrajectorySettings.read({"crop": 0.0})


def test_pictures_of_the_wrong_width_are_refused(tmp_path: Path, split: PictureSplit) -> None:
    with pytest.raises(ClassifierError, match="pictures are 32 pixels wide, the network wants 64"):
        train_trajectory(tmp_path, split.learn, split.selection, tiny().replace(size=64))


@pytest.mark.parametrize("backbone", ["test_vit", "test_densenet", "test_coatnet"])
def test_other_networks_train_as_well(tmp_path: Path, split: PictureSplit, backbone: str) -> None:
    about = train_trajectory(
        tmp_path / "t", split.learn, split.selection, tiny(epochs=1, backbone=backbone), seed=0
    )
    assert json.loads((tmp_path / "t" / "trajectory.json").read_text())["backbone"] == backbone
    assert about["epochs"][0]["loss"] > 0


def test_trainings_from_given_weights_begin_alike_whatever_their_seed(
    tmp_path: Path, split: PictureSplit
) -> None:
    """Given weights to begin with, then seeds order the pictures only, so that what they train can be averaged; from
    nothing each seed begins elsewhere."""
    body = build_backbone("test_resnet", SIDE)[0]
    save_file(body.state_dict(), tmp_path / "w.safetensors")
    given = tiny().replace(weights=str(tmp_path / "w.safetensors"))

    def begun(settings: TrajectorySettings, seed: int) -> torch.Tensor:
        network = TrajectoryTask(settings, split.learn, split.selection, seed).image_network
        return torch.cat([p.detach().flatten() for p in network.parameters()])

    assert torch.equal(begun(given, 1), begun(given, 2))
    assert not torch.equal(begun(tiny(), 1), begun(tiny(), 2))


def test_a_training_is_not_gone_on_with_from_other_weights_in_the_same_place(
    tmp_path: Path, split: PictureSplit
) -> None:
    given = tiny(epochs=1).replace(weights=str(tmp_path / "w.safetensors"))
    for scale in (1.0, 0.5):
        body = {k: v * scale for k, v in build_backbone("test_resnet", SIDE)[0].state_dict().items()}
        save_file(body, tmp_path / "w.safetensors")
        if scale == 1.0:
            trained(tmp_path / "t", split, given)
    with pytest.raises(ClassifierError, match="other data or settings"):
        train_trajectory(tmp_path / "t", split.learn, split.selection, given, seed=0)
