"""A model folder is read once to be verified, and what is loaded is what was verified."""

from __future__ import annotations

import io
import shutil
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save_file

from enrich.classifiers.dummy import DummyClassifier
from enrich.classifiers.model import verified
from enrich.classifiers.model.description import ModelDescription
from enrich.classifiers.model.fitting import ModelSpec, fit_model
from enrich.classifiers.model.manifest import ModelFolderError, staged, write_manifest
from enrich.classifiers.model.model import Model
from enrich.classifiers.model.out_of_fold import MemberSpec
from enrich.classifiers.model.verified import VerifiedFolder, load_verified, open_folder
from tests.classifiers.museum import dataset, museum

FAST = {"rounds": 4, "patience": 5, "depth": 2, "bins": 16}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model of one member."""
    folder = tmp_path_factory.mktemp("models") / "one"
    fit_model(dataset(60), ModelSpec((MemberSpec("tabular", FAST),), folds=2)).save(folder)
    return folder


@pytest.fixture
def model(made: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made, tmp_path / "model"))


class Reads:
    """Counts how often each file is opened by Python."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.opened: Counter[str] = Counter()
        real = io.open

        def counting(path: Any, *arguments: Any, **options: Any) -> Any:
            file = real(path, *arguments, **options)
            self.opened[Path(str(path)).name] += 1
            return file

        monkeypatch.setattr(io, "open", counting)


def test_a_weight_file_is_opened_once_to_be_verified(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    reads = Reads(monkeypatch)
    open_folder(model)
    boosters = [name for name in reads.opened if name.endswith(".ubj")]
    assert boosters
    assert all(reads.opened[name] == 1 for name in boosters)


def test_loading_verifies_once_for_the_model_and_all_its_members(
    model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reads = Reads(monkeypatch)
    Model.load(model)
    assert {reads.opened[name] for name in reads.opened if name.endswith(".ubj")} == {1}
    assert reads.opened["features.json"] == 2  # once verified, once loaded


def test_weights_are_never_held_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verified, "_PIECE", 1 << 10)
    with staged(tmp_path / "m") as stage:
        save_file({f"w{i}": np.ones(999, np.float32) for i in range(7)}, stage / "w.safetensors")
        (stage / "other.bytes").write_bytes(b"x" * 5000)
    pieces = []
    for name in ("w.safetensors", "other.bytes"):
        with (tmp_path / "m" / name).open("rb") as file:
            read = verified._tensor_pieces if name.startswith("w") else verified._pieces
            pieces += [len(piece) for piece, problem in read(file) if not problem]
    assert sum(pieces) == sum((tmp_path / "m" / n).stat().st_size for n in ("w.safetensors", "other.bytes"))
    assert max(pieces) <= 1 << 10
    assert open_folder(tmp_path / "m").files.keys() == {"w.safetensors", "other.bytes"}


@pytest.mark.parametrize("place", [0, 300, 998])
def test_a_number_that_is_none_is_found_in_any_piece(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: int
) -> None:
    monkeypatch.setattr(verified, "_PIECE", 1 << 10)
    values = np.ones(999, np.float32)
    values[place] = np.inf
    with staged(tmp_path / "m") as stage:
        save_file({"a": np.ones(5, np.float64), "b": values}, stage / "w.safetensors")
    with pytest.raises(ModelFolderError, match="the tensor b has values that are not numbers"):
        open_folder(tmp_path / "m")


@pytest.mark.parametrize("end", [b"more", None])
def test_a_safetensors_file_of_another_length_is_refused(tmp_path: Path, end: bytes | None) -> None:
    with staged(tmp_path / "m") as stage:
        save_file({"a": np.ones(5)}, stage / "w.safetensors")
        data = (stage / "w.safetensors").read_bytes()
        (stage / "w.safetensors").write_bytes(data + end if end else data[:-8])
    with pytest.raises(ModelFolderError, match="not a safetensors file"):
        open_folder(tmp_path / "m")


def test_a_member_is_a_part_of_what_was_verified(model: Path) -> None:
    opened = open_folder(model)
    part = opened.part("tabular")
    assert part.digest == open_folder(model / "tabular").digest
    assert part.json("config.json")["classifier"] == "tabular"
    with pytest.raises(ModelFolderError, match="MANIFEST"):
        opened.part("text")


def test_a_member_whose_own_manifest_is_another_is_refused(model: Path) -> None:
    manifest = model / "tabular" / "MANIFEST"
    manifest.write_text("".join(manifest.read_text().splitlines(keepends=True)[1:]))
    write_manifest(model)
    with pytest.raises(ModelFolderError, match="not that of the files in it"):
        Model.load(model)


def replaced(folder: Path) -> None:
    """Another model takes the folder's place, as `enrich train` puts it there."""
    data = dataset(60)
    dummy = DummyClassifier()
    dummy.fit(data, data.subset([]))
    fit_model(data, ModelSpec((MemberSpec("dummy"),), folds=2)).save(folder)


def touched(folder: Path) -> None:
    path = next((folder / "tabular").glob("*.ubj"))
    path.write_bytes(path.read_bytes() + b"!")


def between(monkeypatch: pytest.MonkeyPatch, act: Callable[[], None], times: int = 1) -> None:
    """Lets something happen after a folder was verified, before anything of it is loaded."""
    real, left = verified.open_folder, [times]

    def opened(folder: Path) -> VerifiedFolder:
        found = real(folder)
        if left[0]:
            left[0] -= 1
            act()
        return found

    monkeypatch.setattr(verified, "open_folder", opened)


def test_a_folder_that_is_replaced_between_is_loaded_anew(
    model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    between(monkeypatch, lambda: replaced(model))
    loaded = Model.load(model)
    assert loaded.digest == open_folder(model).digest
    assert loaded.members["tabular"].classifier.name == "dummy"
    assert np.isfinite(loaded.predict(museum(3))["place"].fused.probabilities).all()


def test_a_description_is_of_one_model(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    between(monkeypatch, lambda: replaced(model))
    found = ModelDescription.read(model)
    assert (found.digest, found.members["tabular"].classifier) == (open_folder(model).digest, "dummy")


def test_a_file_that_is_altered_between_is_refused(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    between(monkeypatch, lambda: touched(model))
    with pytest.raises(ModelFolderError, match=r"damaged|was altered"):
        Model.load(model)


def test_a_folder_that_does_not_rest_is_given_up(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    between(monkeypatch, lambda: replaced(model), times=99)
    with pytest.raises(ModelFolderError, match="replaced 3 times while it was being loaded"):
        load_verified(model, lambda folder: folder.digest)


def test_a_folder_that_is_missing_for_a_moment_is_found(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A new model takes a folder's place by two renames: between them there is none."""
    away = model.with_name("away")
    model.rename(away)
    real = verified._state

    def appears(path: Path) -> tuple[int, ...]:
        found = real(path)
        if not found and away.exists():
            monkeypatch.setattr(verified, "open_folder", returning)
        return found

    def returning(folder: Path) -> VerifiedFolder:
        monkeypatch.setattr(verified, "open_folder", open_folder)
        try:
            return open_folder(folder)
        finally:
            away.rename(model)

    monkeypatch.setattr(verified, "_state", appears)
    assert Model.load(model).members
