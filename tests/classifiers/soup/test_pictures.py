"""Folders of pictures: archives and files alike, and one clear line for what is wrong."""

from __future__ import annotations

import csv
import gzip
import io
import tarfile
from pathlib import Path

import numpy as np
import pytest

from enrich.classifiers.base import ClassifierError
from enrich.classifiers.data import Dataset, Picture, Property, Record
from enrich.classifiers.digest import file_digest
from enrich.classifiers.soup.pictures import PictureSplit
from enrich.classifiers.soup.reading import LABELS, from_records, read_folder, read_unlabelled
from tests.classifiers.soup.conftest import COLOURS, SIDE, picture, small


def test_files_and_archives_are_one_folder(folder: Path) -> None:
    sets = read_folder(folder, SIDE)
    assert {k: len(v) for k, v in sets.items()} == {"train": 72, "dev": 48}
    assert sets["train"].properties == (Property("label", tuple(f"urn:label:{c}" for c in COLOURS)),)
    assert sets["train"].pixels.shape == (72, 3, SIDE, SIDE)
    assert [COLOURS[int(k)] for k in sets["dev"].target.argmax(dim=1)] == [
        n.split("/")[0] for n in sets["dev"].names
    ]
    first = sets["train"].names.index("blue/0.png")
    assert sets["train"].digests[first] == file_digest(folder / "blue/0.png")


def test_pictures_are_made_square(folder: Path) -> None:
    assert read_folder(folder, 20)["dev"].pixels.shape == (48, 3, 20, 20)


def test_a_split_is_divided_by_its_seed(split: PictureSplit, folder: Path) -> None:
    dev = read_folder(folder, SIDE)["dev"]
    one, other = dev.divide(0)
    assert len(one) == len(other) == 24
    assert not set(one.names) & set(other.names)
    assert one.names == split.selection.names
    assert dev.divide(1)[0].names != one.names
    assert one.digest() == split.selection.digest() != other.digest()


@pytest.mark.parametrize(
    ("lines", "sentence"),
    [
        (["file,label"], "lacks the column split"),
        (["file,label,split"], "names no file"),
        (["file,label,split", "a.png,x,train", "a.png,y,train"], "names a file twice"),
        (["file,label,split", "a.png,,train"], "without file, label or split"),
        (["file,label,split", "gone.png,x,train"], "1 files of labels.csv are not there, first 'gone.png'"),
        (["file,label,split", "../secret.png,x,train"], "not there"),
        (["file,label,split", "text.png,x,train"], "text.png cannot be used: not a picture that is accepted"),
    ],
)
def test_what_is_wrong_is_said(tmp_path: Path, lines: list[str], sentence: str) -> None:
    inner = tmp_path / "pictures"
    inner.mkdir()
    (tmp_path / "secret.png").write_bytes(picture(np.random.default_rng(0), 0))
    (inner / "text.png").write_text("no picture")
    (inner / "labels.csv").write_text("\n".join(lines), encoding="utf-8")
    with pytest.raises(ClassifierError, match=sentence):
        read_folder(inner, SIDE)


def test_a_folder_without_labels_is_said(tmp_path: Path) -> None:
    with pytest.raises(ClassifierError, match=r"has no labels.csv"):
        read_folder(tmp_path, SIDE)


def test_labels_that_are_iris_stay(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(picture(np.random.default_rng(0), 0))
    with (tmp_path / "labels.csv").open("w", newline="") as file:
        csv.writer(file).writerows(
            [("file", "label", "split"), ("a.png", "https://vocab.example/silk", "train")]
        )
    assert read_folder(tmp_path, SIDE)["train"].properties[0].classes == ("https://vocab.example/silk",)


def test_records_give_a_picture_each_and_only_those_with_a_value(tmp_path: Path) -> None:
    good, bad = tmp_path / "good.png", tmp_path / "bad.png"
    good.write_bytes(picture(np.random.default_rng(0), 0))
    bad.write_text("no picture")
    prop = Property("colour", ("urn:label:blue", "urn:label:red"))
    shown = (
        Picture("https://m.example/1", good),
        Picture("https://m.example/2", bad),
        Picture("https://m.example/3"),
    )
    records = [Record("r1", {"colour": ("urn:label:red",)}, pictures=shown), Record("r2", {}, pictures=shown)]
    found = from_records(Dataset(records, (prop,)), SIDE)
    assert found.names == ("https://m.example/1",)
    assert found.target.tolist() == [[0.0, 1.0]]
    with pytest.raises(ClassifierError, match="both a picture that decodes and a known value"):
        from_records(Dataset(records[1:], (prop,)), SIDE)


def test_no_picture_selects_and_scores(split: PictureSplit) -> None:
    with pytest.raises(ClassifierError, match="keep them apart"):
        PictureSplit(split.learn, split.selection, split.selection)


def test_a_file_is_on_one_side_only(split: PictureSplit) -> None:
    assert PictureSplit.apart(split.learn, split.selection, split.scoring).scoring is split.scoring
    mixed = PictureSplit.apart(split.learn, split.selection, split.learn.subset(np.arange(5)))
    assert len(mixed.scoring) == 0
    shared = PictureSplit.apart(small(split.learn, 3), small(split.learn, 10), split.scoring)
    assert len(shared.selection) == 7


def packed(archive: Path, files: dict[str, bytes]) -> None:
    with tarfile.open(archive, "w") as tar:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))


@pytest.mark.parametrize("front", ["", "./"])
@pytest.mark.parametrize("label_front", ["", "./"])
@pytest.mark.parametrize("kind", ["archive", "folder with an archive", "labels beside an archive"])
def test_what_labels_hold_back_is_not_learned_from_however_it_is_packed(
    tmp_path: Path, front: str, label_front: str, kind: str
) -> None:
    names = ("bowl.png", "jug.png", "old/urn.png")
    labels = "\n".join(["file,label,split", *(f"{label_front}{n},clay,dev" for n in names[1:])]).encode()
    files = {f"{front}{n}": b"pixels" for n in names}
    place = tmp_path / "shelf"
    place.mkdir()
    if kind == "labels beside an archive":
        (place / LABELS).write_bytes(labels)
    else:
        files[f"{front}{LABELS}"] = labels
    packed(place / "p.tar", files)
    read = read_unlabelled(place / "p.tar" if kind == "archive" else place)
    assert [name for name, _ in read] == ["bowl.png"]


@pytest.mark.parametrize("front", ["", "./"])
def test_labelled_pictures_are_found_in_an_archive_of_a_whole_folder(tmp_path: Path, front: str) -> None:
    random = np.random.default_rng(1)
    packed(
        tmp_path / "p.tar",
        {
            f"{front}{LABELS}": b"file,label,split\na.png,clay,train\n./b.png,tin,train",
            f"{front}a.png": picture(random, 0),
            f"{front}b.png": picture(random, 1),
        },
    )
    for place in (tmp_path, tmp_path / "p.tar"):
        assert read_folder(place, SIDE)["train"].names == ("a.png", "./b.png")


@pytest.mark.parametrize("data", [b"", b"no archive", gzip.compress(bytes(4096), mtime=0)[:14]])
def test_a_broken_archive_is_said(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "q.tar").write_bytes(data)
    for place in (tmp_path, tmp_path / "q.tar"):
        with pytest.raises(ClassifierError, match=r"q\.tar cannot be read as a tar archive"):
            list(read_unlabelled(place))
    with pytest.raises(ClassifierError, match=r"q\.tar cannot be read as a tar archive"):
        read_folder(tmp_path, SIDE)
