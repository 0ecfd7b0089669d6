"""What cannot be trusted or averaged is refused with one clear line."""

from __future__ import annotations

import json
import pickle
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from enrich.classifiers.base import ClassifierError
from enrich.classifiers.digest import file_digest
from enrich.classifiers.model.manifest import write_manifest
from enrich.classifiers.neural.checkpoints import NETWORK, folder_of
from enrich.classifiers.soup import pool as module
from enrich.classifiers.soup.pictures import PictureSplit
from enrich.classifiers.soup.pool import CheckpointPool, find_trajectories, pool_members, read_trajectory
from tests.classifiers.soup.conftest import small, tiny, trained


@pytest.fixture
def copy(runs: Path, tmp_path: Path) -> Path:
    """A trajectory to spoil."""
    return Path(shutil.copytree(runs / "seed-0", tmp_path / "copy"))


def one_line(error: pytest.ExceptionInfo[ClassifierError]) -> str:
    text = str(error.value)
    assert "\n" not in text
    return text


def test_a_wrong_digest_is_refused(copy: Path) -> None:
    path = folder_of(copy, 1) / NETWORK
    path.write_bytes(path.read_bytes()[:-1] + b"\0")
    with pytest.raises(ClassifierError) as error:
        read_trajectory(copy)
    assert "was altered: its SHA-256 is not the MANIFEST's" in one_line(error)


def test_weights_altered_after_reading_are_refused(copy: Path) -> None:
    member = read_trajectory(copy).members[0]
    member.path.write_bytes(member.path.read_bytes() + b"\0")
    with pytest.raises(ClassifierError, match="was altered after"):
        member.weights()


def test_no_weights_are_read_or_hashed_to_pool_checkpoints(
    runs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trajectory = read_trajectory(runs / "seed-0")
    assert [m.sha256 for m in trajectory.members] == [file_digest(m.path) for m in trajectory.members]
    monkeypatch.setattr(module, "read_tensors", lambda _path: pytest.fail("weights were read"))
    monkeypatch.setattr("hashlib.file_digest", lambda *_: pytest.fail("a file was hashed"))
    pool = pool_members([trajectory])
    assert pool.members[0].shapes()["mean"] == (3, 1, 1)


def test_a_pickle_is_refused(copy: Path) -> None:
    (copy / "weights.pt").write_bytes(pickle.dumps({"a": 1}))
    with pytest.raises(ClassifierError, match="not in the MANIFEST"):
        read_trajectory(copy)
    write_manifest(copy)
    with pytest.raises(ClassifierError) as error:
        read_trajectory(copy)
    assert "can hold a pickle" in one_line(error)


def test_weights_that_are_not_numbers_are_refused(copy: Path) -> None:
    path = folder_of(copy, 2) / NETWORK
    weights = load_file(path)
    next(t for t in weights.values() if t.is_floating_point()).view(-1)[0] = torch.nan
    save_file(weights, path)
    write_manifest(copy)
    with pytest.raises(ClassifierError) as error:
        read_trajectory(copy)
    assert "values that are not numbers" in one_line(error)


def test_other_heads_are_refused(runs: Path, tmp_path: Path, split: PictureSplit) -> None:
    other = trained(tmp_path / "other", split, tiny(epochs=1, neck=8))
    with pytest.raises(ClassifierError) as error:
        pool_members([read_trajectory(runs / "seed-0"), read_trajectory(other)])
    assert "cannot be averaged: their heads differ" in one_line(error)


def test_other_networks_are_refused(runs: Path, tmp_path: Path, split: PictureSplit) -> None:
    other = trained(tmp_path / "other", split, tiny(epochs=1, backbone="test_vit"))
    with pytest.raises(ClassifierError, match=r"their backbone differ \(test_vit, test_resnet\)"):
        pool_members([read_trajectory(runs / "seed-0"), read_trajectory(other)])


def test_tensors_that_differ_are_refused_although_the_settings_agree(copy: Path, runs: Path) -> None:
    path = folder_of(copy, 2) / NETWORK
    weights = load_file(path)
    weights["extra"] = torch.zeros(1)
    save_file(weights, path)
    write_manifest(copy)
    with pytest.raises(ClassifierError, match="'extra' is in one only or differs in shape"):
        pool_members([read_trajectory(runs / "seed-0"), read_trajectory(copy)])


def test_duplicates_count_once(copy: Path, runs: Path) -> None:
    both = pool_members([read_trajectory(runs / "seed-0"), read_trajectory(copy)])
    assert len(both.members) == 3
    assert len(both.duplicates) == 3


def test_a_description_that_does_not_parse_is_refused(copy: Path) -> None:
    about = json.loads((copy / "trajectory.json").read_text())
    del about["size"]
    (copy / "trajectory.json").write_text(json.dumps(about))
    write_manifest(copy)
    with pytest.raises(ClassifierError, match="does not describe a trajectory"):
        read_trajectory(copy)


def test_trajectories_are_found_in_a_folder(runs: Path, tmp_path: Path) -> None:
    assert [p.name for p in find_trajectories([runs])] == ["seed-0", "seed-1"]
    assert find_trajectories([runs / "seed-1"]) == [runs / "seed-1"]
    with pytest.raises(ClassifierError, match="no trajectory in"):
        find_trajectories([tmp_path])
    with pytest.raises(ClassifierError, match="holds no trajectory"):
        read_trajectory(tmp_path)


def test_other_pictures_than_those_of_the_training_are_refused(
    pool: CheckpointPool, split: PictureSplit
) -> None:
    pool.check(split.learn)
    with pytest.raises(ClassifierError, match="learned from other pictures or labels"):
        pool.check(small(split.learn, 10))


def test_a_pool_knows_what_was_learned_from(pool: CheckpointPool, split: PictureSplit) -> None:
    assert pool.seen() == {"label": sorted(split.learn.digests)}
