"""Small records for the neural classifiers: coloured squares, and texts that name their colour."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from enrich.classifiers.data import Dataset, Picture, Property, Record, Text
from enrich.classifiers.neural.classifier import NeuralClassifier

COLOUR = Property("colour", ("red", "green"))
EXTRA = Property("extra", ("warm", "cold", "dark"), many=True)
WORDS = {"red": "crimson velvet with gold thread", "green": "emerald wool of a coat"}


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """The tests share a machine: one core each."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def records(tmp_path_factory: pytest.TempPathFactory) -> list[Record]:
    """48 records of two colours, each with a picture of 40 × 48 pixels and texts in two languages."""
    folder = tmp_path_factory.mktemp("pictures")
    random = np.random.default_rng(0)
    found = []
    for i in range(48):
        colour = COLOUR.classes[i % 2]
        pixels = random.integers(0, 90, (40, 48, 3), dtype=np.uint8)
        pixels[8:32, 8:32, i % 2] += 150
        path = folder / f"{i}.png"
        Image.fromarray(pixels).save(path)
        known = {"colour": (colour,)} if i % 5 else {}
        if i % 3:
            known["extra"] = ("warm", "dark") if i % 2 == 0 else ("cold",)
        texts = (Text(f"{WORDS[colour]} {i}", "en"), Text("objet", "fr"))
        pictures = (Picture(f"https://museum.example/{i}.png", path), Picture("https://museum.example/gone"))
        found.append(Record(f"r{i}", known, texts=texts, pictures=pictures))
    return found


@pytest.fixture(scope="session")
def split(records: list[Record]) -> tuple[Dataset, Dataset]:
    """36 records to train on, 12 held out."""
    properties = (COLOUR, EXTRA)
    return Dataset(records[:36], properties), Dataset(records[36:], properties)


IMAGE: dict[str, Any] = {
    "backbone": "test_resnet",
    "weights": "none",
    "size": 32,
    "training": {"epochs": 3, "batch": 8, "learning_rate": 0.001},
}
TEXT: dict[str, Any] = {
    "encoder": "scratch",
    "tokens": 32,
    "scratch": {"vocabulary": 300, "width": 32, "layers": 1, "heads": 2},
    "training": {"epochs": 12, "batch": 8, "learning_rate": 0.00025},
}


class StopAfter:
    """A progress that kills the training once it has done so many epochs."""

    class Killed(Exception):
        """The kill."""

    def __init__(self, epochs: int) -> None:
        self.epochs = epochs

    def __call__(self, _stage: str, done: int, _total: int) -> None:
        if done == self.epochs:
            raise self.Killed


@pytest.fixture(scope="session")
def picture(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, bytes], Path]:
    """Writes a file of these bytes, whatever they are, and returns its path."""
    folder = tmp_path_factory.mktemp("files")

    def write(name: str, content: bytes) -> Path:
        path = folder / name
        path.write_bytes(content)
        return path

    return write


def expect_resumed(
    kind: type[NeuralClassifier[Any]],
    settings: Mapping[str, Any],
    split: tuple[Dataset, Dataset],
    trained: NeuralClassifier[Any],
    folder: Path,
    killed_after: int,
) -> None:
    """A training that is killed after so many steps goes on in the folder, to the weights of the one that was not."""
    with pytest.raises(StopAfter.Killed):
        kind(**settings).fit(*split, seed=1, resume=folder, progress=StopAfter(killed_after))
    resumed = kind(**settings)
    resumed.fit(*split, seed=1, resume=folder)
    for name, value in resumed.network.state_dict().items():
        assert torch.allclose(value, trained.network.state_dict()[name], atol=1e-6, rtol=0), name
