"""A folder is written whole or not at all, and nothing in it can be changed unseen."""

from __future__ import annotations

import json
import pickle
import struct
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from enrich.classifiers.digest import file_digest
from enrich.classifiers.model.manifest import MANIFEST, ModelFolderError, staged, write_manifest
from enrich.classifiers.model.verified import open_folder


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    with staged(tmp_path / "model") as stage:
        (stage / "config.json").write_text("{}")
        (stage / "part").mkdir()
        (stage / "part" / "labels.json").write_text("[]")
    return tmp_path / "model"


def test_the_digest_is_that_of_the_manifest_as_sha256sum_writes_it(folder: Path) -> None:
    assert open_folder(folder).digest == file_digest(folder / MANIFEST)
    lines = (folder / MANIFEST).read_text().splitlines()
    assert [line[66:] for line in lines] == ["config.json", "part/labels.json"]
    assert lines[0][:64] == file_digest(folder / "config.json")


def test_the_same_content_has_the_same_digest(folder: Path, tmp_path: Path) -> None:
    with staged(tmp_path / "other") as stage:
        (stage / "part").mkdir()
        (stage / "part" / "labels.json").write_text("[]")
        (stage / "config.json").write_text("{}")
    assert open_folder(tmp_path / "other").digest == open_folder(folder).digest


def test_when_writing_fails_the_old_folder_stays_and_nothing_is_left_behind(folder: Path) -> None:
    before = open_folder(folder).digest

    def interrupted() -> None:
        with staged(folder) as stage:
            (stage / "config.json").write_text("half")
            raise RuntimeError("power cut")

    with pytest.raises(RuntimeError, match="power cut"):
        interrupted()
    assert open_folder(folder).digest == before
    assert [p.name for p in folder.parent.iterdir()] == ["model"]


def test_a_model_folder_is_replaced_and_anything_else_is_not(folder: Path, tmp_path: Path) -> None:
    with staged(folder) as stage:
        (stage / "new.json").write_text("1")
    assert open_folder(folder).digest
    assert not (folder / "config.json").exists()
    precious = tmp_path / "thesis"
    precious.mkdir()
    (precious / "chapter.txt").write_text("…")
    with pytest.raises(ModelFolderError, match="not a model folder"), staged(precious):
        pass
    assert (precious / "chapter.txt").exists()


def alter(folder: Path) -> None:
    (folder / "config.json").write_text("{ }")


def remove(folder: Path) -> None:
    (folder / "part" / "labels.json").unlink()


def add(folder: Path) -> None:
    (folder / "part" / "more.json").write_text("{}")


def link(folder: Path) -> None:
    (folder / "more.json").symlink_to(folder / "config.json")


def no_manifest(folder: Path) -> None:
    (folder / MANIFEST).unlink()


def escape(folder: Path) -> None:
    (folder / MANIFEST).write_text(f"{'0' * 64}  ../outside.json\n")


@pytest.mark.parametrize(
    ("damage", "sentence"),
    [
        (alter, "config.json was altered"),
        (remove, "part/labels.json is in the MANIFEST and not in the folder"),
        (add, "part/more.json is not in the MANIFEST"),
        (link, "more.json is a link"),
        (no_manifest, "no MANIFEST"),
        (escape, "a line that is not"),
    ],
)
def test_what_was_changed_is_refused(folder: Path, damage, sentence: str) -> None:
    damage(folder)
    with pytest.raises(ModelFolderError, match=sentence):
        open_folder(folder)


def test_a_folder_that_is_not_there_says_how_to_get_one(tmp_path: Path) -> None:
    with pytest.raises(ModelFolderError, match="enrich train"):
        open_folder(tmp_path / "nowhere")


@pytest.mark.parametrize("name", ["weights.pkl", "weights.pt", "innocent.json", "arrays.npz"])
def test_pickles_are_refused_even_when_listed(folder: Path, name: str) -> None:
    (folder / name).write_bytes(pickle.dumps({"a": 1}))
    write_manifest(folder)
    with pytest.raises(ModelFolderError, match="pickle"):
        open_folder(folder)


def test_a_zip_is_refused_whatever_it_is_called(folder: Path) -> None:
    (folder / "weights.json").write_bytes(b"PK\x03\x04 a torch checkpoint")
    write_manifest(folder)
    with pytest.raises(ModelFolderError, match="pickle"):
        open_folder(folder)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_tensors_that_are_not_numbers_are_refused(folder: Path, dtype: type, bad: float) -> None:
    save_file({"fine": np.ones(3, dtype)}, folder / "model.safetensors")
    write_manifest(folder)
    assert open_folder(folder).digest
    save_file({"fine": np.ones(3, dtype), "head": np.array([1, bad], dtype)}, folder / "model.safetensors")
    write_manifest(folder)
    with pytest.raises(ModelFolderError, match="the tensor head has values that are not numbers"):
        open_folder(folder)


def test_bfloat16_tensors_are_checked_as_well(folder: Path) -> None:
    torch = pytest.importorskip("torch")
    from safetensors.torch import save_file as save

    for value, fine in ((1.0, True), (float("nan"), False)):
        save({"w": torch.tensor([value], dtype=torch.bfloat16)}, str(folder / "model.safetensors"))
        write_manifest(folder)
        if fine:
            assert open_folder(folder).digest
        else:
            with pytest.raises(ModelFolderError, match="not numbers"):
                open_folder(folder)


def test_a_file_that_only_calls_itself_safetensors_is_refused(folder: Path) -> None:
    (folder / "model.safetensors").write_bytes(b"nonsense")
    write_manifest(folder)
    with pytest.raises(ModelFolderError, match="not a safetensors file"):
        open_folder(folder)


@pytest.mark.parametrize("offsets", [["a", "b"], [0], [0, 4, 8], 5, None, [0.0, 4.0], [True, False]])
def test_tensors_that_are_at_no_place_are_refused(folder: Path, offsets: object) -> None:
    header = json.dumps({"bell": {"dtype": "F32", "shape": [1], "data_offsets": offsets}}).encode()
    (folder / "w.safetensors").write_bytes(struct.pack("<Q", len(header)) + header + bytes(4))
    write_manifest(folder)
    with pytest.raises(ModelFolderError, match="not a safetensors file"):
        open_folder(folder)
