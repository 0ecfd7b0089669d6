"""Pretraining from the command line: from a folder, an archive or the graph to weights that networks begin with."""

from __future__ import annotations

import io
import json
import tarfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from enrich.cli import main
from enrich.demo.museum import IMAGES, write_museum
from enrich.demo.objects import made_objects
from enrich.demo.textures import write_pictures
from tests.cli.conftest import Enrich

NETWORK = ["--backbone", "test_resnet", "--size", "24"]
QUICK = [*NETWORK, "--epochs", "2", "--batch", "8"]


def plate(number: int) -> bytes:
    """A noisy picture with a bright band, of a place and colour of its own, as PNG."""
    random = np.random.default_rng(number)
    pixels = random.integers(0, 120, (36, 36, 3), dtype=np.uint8)
    top = int(random.integers(0, 24))
    pixels[top : top + 10, :, number % 3] += 120
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, "PNG")
    return out.getvalue()


@pytest.fixture
def plates(tmp_path: Path) -> Path:
    """20 files, some in a folder within and beside one that is broken and one that is hidden; 12 more in an archive."""
    folder = tmp_path / "plates"
    (folder / "old").mkdir(parents=True)
    for i in range(20):
        (folder / ("old" if i % 2 else "") / f"{i}.png").write_bytes(plate(i))
    (folder / "broken.png").write_bytes(plate(0)[:90])
    (folder / ".hidden.png").write_bytes(plate(99))
    with tarfile.open(folder / "more.tar", "w") as tar:
        for i in range(20, 32):
            info = tarfile.TarInfo(f"m/{i}.png")
            info.size = len(plate(i))
            tar.addfile(info, io.BytesIO(plate(i)))
    return folder


def test_files_folders_within_and_archives_are_learned_from(
    succeeds: Enrich, plates: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    told = ["pretrain", str(tmp_path / "own"), "--pictures", str(plates), *QUICK]
    assert main(told) == 0
    said = capsys.readouterr()
    assert "spread" in said.out
    assert (
        "1 pictures cannot be used, such as broken.png: PNG picture of 36 × 36 cannot be decoded" in said.err
    )
    assert f'next: weights = "{tmp_path / "own"}" and backbone = "test_resnet"' in said.err
    found = json.loads(succeeds(*told, "--json"))
    assert found["folder"] == str(tmp_path / "own")
    assert (found["pictures"]["count"], found["pictures"]["broken"]) == (32, 1)
    assert 0.2 < found["spread"] <= 1.01


def test_what_labels_put_elsewhere_than_into_train_is_left_out(
    succeeds: Enrich, plates: Path, tmp_path: Path
) -> None:
    """Given labels for six pictures, two of them not in train, then 30 of 32 are learned from: the rest needs no label."""
    lines = [
        "file,label,split",
        "0.png,old,train",
        "old/1.png,old,dev",
        "m/20.png,new,test",
        "m/21.png,new,train",
    ]
    (plates / "labels.csv").write_text("\n".join(lines))
    found = json.loads(succeeds("pretrain", tmp_path / "own", "--pictures", plates, *QUICK, "--json"))
    assert (found["pictures"]["count"], found["pictures"]["broken"]) == (30, 1)


def test_an_archive_alone_will_do(succeeds: Enrich, tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "all.tar", "w") as tar:
        for i in range(16):
            info = tarfile.TarInfo(f"./{i}.png")
            info.size = len(plate(i))
            tar.addfile(info, io.BytesIO(plate(i)))
    found = json.loads(
        succeeds("pretrain", tmp_path / "own", "--pictures", tmp_path / "all.tar", *QUICK, "--json")
    )
    assert found["pictures"]["count"] == 16


def test_trajectories_of_a_soup_begin_with_them(succeeds: Enrich, plates: Path, tmp_path: Path) -> None:
    own = tmp_path / "own"
    card = json.loads(succeeds("pretrain", own, "--pictures", plates, *QUICK, "--json"))
    (plates / "broken.png").unlink()
    lines = [
        f"{'old/' if i % 2 else ''}{i}.png,{'band' if i % 3 else 'bar'},{'train' if i < 12 else 'dev'}"
        for i in range(20)
    ]
    (plates / "labels.csv").write_text("\n".join(["file,label,split", *lines]))
    succeeds(
        "soup",
        "train",
        tmp_path / "runs",
        "--pictures",
        plates,
        "--weights",
        own,
        *NETWORK,
        "--epochs",
        "1",
        "--batch",
        "6",
        "--learning-rate",
        "0.001",
    )
    about = json.loads((tmp_path / "runs" / "seed-0" / "trajectory.json").read_text())
    assert about["weights"]["sha256"] == card["sha256"]
    assert about["weights"]["pretrained_by"] == "SimSiam on 32 pictures without labels"


@pytest.mark.parametrize(
    ("arguments", "code", "sentence"),
    [
        (["--pictures", "gone"], 2, "gone is not there; name a folder of pictures, or a tar archive"),
        (["--pictures", "empty"], 2, "0 pictures are too few to learn from: at least 16 are needed"),
        (["--pictures", "empty", "--splits", "s.tsv"], 2, "say --pictures DIR, or --splits FILE"),
        (["--pictures", "empty", "--backbone", "vase"], 2, "timm has no backbone 'vase'"),
        (["--pictures", "empty", "--size", "3"], 2, "the pretraining.size: size is 0 or from 16 to 1024"),
        (["--pictures", "empty", "--epochs", "0"], 2, "the pretraining.training.epochs"),
        (["--pictures", "empty", "--weights", "nowhere"], 2, "there are no weights 'nowhere': say none, hub"),
        (["--pictures", "bad.tar"], 2, "bad.tar cannot be read as a tar archive"),
        ([], 2, "enrich.toml"),
    ],
)
def test_what_is_wrong_is_one_line(
    arguments: list[str],
    code: int,
    sentence: str,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("empty").mkdir()
    Path("bad.tar").write_bytes(b"no archive" * 100)
    assert main(["pretrain", "own", *NETWORK, *arguments]) == code
    said = capsys.readouterr()
    assert sentence in said.err
    assert said.err.count("\n") == 1
    assert said.out == ""
    assert not Path("own").exists()


def test_one_picture_in_many_files_is_no_success(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "grey").mkdir()
    for i in range(20):
        Image.new("RGB", (30 + i, 30 + i), (200, 200, 200)).save(tmp_path / "grey" / f"{i}.png")
    assert (
        main(["pretrain", str(tmp_path / "own"), "--pictures", str(tmp_path / "grey"), *QUICK, "--json"]) == 4
    )
    said = capsys.readouterr()
    assert "the features have collapsed" in json.loads(said.err)["error"]["message"]
    assert said.out == ""
    assert not (tmp_path / "own").exists()


def test_of_the_graph_all_records_but_those_held_out_and_a_model_names_it(
    succeeds: Enrich, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Given 90 records with gaps, then pictures of dev and test are left out, and a model's card says where it began."""
    monkeypatch.chdir(tmp_path)
    write_museum(tmp_path, 90)
    write_pictures(tmp_path / "images", list(made_objects(90)))
    monkeypatch.setenv("ENRICH_MEDIA__MIRRORS", json.dumps({IMAGES: "images"}))
    succeeds("init", ".", "--profile", "linked-art")
    succeeds("load", "records.nq", "vocabulary.nq")
    rows = [line.split("\t") for line in Path("splits.tsv").read_text().splitlines()[1:]]
    held = sum(split != "train" for _, split in rows)
    everything = json.loads(succeeds("pretrain", "all", *QUICK, "--json"))["pictures"]
    some = json.loads(succeeds("pretrain", "own", "--splits", "splits.tsv", *QUICK, "--json"))
    assert held > 10
    assert everything["count"] > some["pictures"]["count"] > sum(split == "train" for _, split in rows) / 2
    with Path("enrich.toml").open("a", encoding="utf-8") as file:
        file.write(
            '\n[train.options.image]\nbackbone = "test_resnet"\nweights = "own"\nsize = 24\ntraining.epochs = 1\n'
        )
    succeeds("train", "--splits", "splits.tsv", "--model", "model", "--modality", "image")
    (card,) = Path("model").rglob("image/README.md")
    assert f"sha256: {some['sha256']}" in card.read_text()
    assert f"SimSiam on {some['pictures']['count']} pictures without labels" in card.read_text()
