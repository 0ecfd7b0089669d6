"""Where the pictures of a soup come from: a folder or the graph, one of the two, with both splits."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from PIL import Image

from enrich import soup as module
from enrich.classifiers.base import no_progress
from enrich.classifiers.data import Dataset, Picture, Property, Record
from enrich.errors import InputError, SettingsError
from enrich.soup import PictureSource

COLOUR = Property("colour", ("urn:label:green", "urn:label:red"))


def write_picture(path: Path, seed: int) -> Path:
    pixels = np.random.default_rng(seed).integers(0, 255, (20, 20, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(path)
    return path


@contextmanager
def no_workspace() -> Iterator[Any]:
    pytest.fail("the graph was opened")
    yield


@pytest.mark.parametrize("given", [{}, {"pictures": Path("a"), "splits": Path("b")}])
def test_one_source_is_named(given: dict[str, Path]) -> None:
    with pytest.raises(SettingsError, match="say where the pictures are: --pictures DIR, or --splits FILE"):
        PictureSource(**given)
    with pytest.raises(SettingsError, match="say which property of the graph to learn: --property NAME"):
        PictureSource(splits=Path("b"))


def test_a_folder_gives_a_split_and_its_dev_is_divided_by_the_seed(tmp_path: Path) -> None:
    lines = ["file,label,split"]
    for i in range(12):
        write_picture(tmp_path / f"{i}.png", i)
        lines.append(f"{i}.png,{('red', 'green')[i % 2]},{'train' if i < 4 else 'dev'}")
    (tmp_path / "labels.csv").write_text("\n".join(lines))
    split = PictureSource(tmp_path, property="colour").read(16, no_workspace, no_progress)
    assert split.sizes() == {"learn": 4, "selection": 4, "scoring": 4}
    assert split.learn.properties == (COLOUR,)
    assert split.learn.side == 16
    again = PictureSource(tmp_path, property="colour", seed=1).read(16, no_workspace, no_progress)
    assert set(again.selection.names) != set(split.selection.names)


def test_a_folder_without_dev_says_what_it_has(tmp_path: Path) -> None:
    write_picture(tmp_path / "a.png", 0)
    (tmp_path / "labels.csv").write_text("file,label,split\na.png,red,train\n")
    with pytest.raises(InputError, match="has no line of the split dev; it has: train"):
        PictureSource(tmp_path).read(16, no_workspace, no_progress)


@pytest.fixture
def graph(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A workspace of twenty records with a picture each; dev shows one picture of train once more."""
    records = []
    for i in range(20):
        path = write_picture(tmp_path / f"{i}.png", 3 if i == 15 else i)
        value = COLOUR.classes[i % 2]
        records.append(
            Record(
                f"https://m.example/{i}", {"colour": (value,)}, pictures=(Picture(f"urn:picture:{i}", path),)
            )
        )
    by_id = {r.id: r for r in records}

    def read(_workspace: Any, ids: list[Any], _progress: Any, *, pictures: bool) -> tuple[list[Record], int]:
        assert pictures
        return [by_id[i.value] for i in ids], 0

    monkeypatch.setattr(module, "read_records_of", read)
    taught = SimpleNamespace(dataset=Dataset(records, (COLOUR,)))
    monkeypatch.setattr(module, "training_set", lambda *_: taught)
    rows = ["record\tsplit"] + [f"{r.id}\t{'train' if i < 10 else 'dev'}" for i, r in enumerate(records)]
    (tmp_path / "splits.tsv").write_text("\n".join(rows) + "\n")

    @contextmanager
    def opened() -> Iterator[Any]:
        yield SimpleNamespace(profile=None)

    return opened


def test_of_the_graph_train_is_learned_from_and_selects_and_dev_scores(tmp_path: Path, graph: Any) -> None:
    source = PictureSource(splits=tmp_path / "splits.tsv", property="colour")
    split = source.read(16, graph, no_progress)
    assert (len(split.learn), len(split.selection)) == (8, 2)
    assert len(split.scoring) == 9  # the picture of record 3 is shown with record 15 too
    assert "urn:picture:15" not in split.scoring.names


def test_a_property_that_is_not_there_names_those_that_are(tmp_path: Path, graph: Any) -> None:
    source = PictureSource(splits=tmp_path / "splits.tsv", property="shape")
    with pytest.raises(
        InputError, match="no property 'shape' with enough values to learn; there are: colour"
    ):
        source.read(16, graph, no_progress)


def test_splits_without_dev_are_refused(tmp_path: Path, graph: Any) -> None:
    (tmp_path / "splits.tsv").write_text("record\tsplit\nhttps://m.example/1\ttrain\n")
    with pytest.raises(InputError, match="has no record in the split dev"):
        PictureSource(splits=tmp_path / "splits.tsv", property="colour").read(16, graph, no_progress)
