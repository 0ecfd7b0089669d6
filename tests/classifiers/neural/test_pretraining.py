"""Pretraining without labels: what it learns from, what it leaves, and that it never leaves what has collapsed."""

from __future__ import annotations

import io
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

from enrich.classifiers.base import ClassifierError
from enrich.classifiers.data import Dataset
from enrich.classifiers.digest import file_digest
from enrich.classifiers.neural import pretraining
from enrich.classifiers.neural.augment import AugmentSettings, change_colours
from enrich.classifiers.neural.checkpoints import epochs
from enrich.classifiers.neural.image import ImageClassifier
from enrich.classifiers.neural.networks import build_backbone
from enrich.classifiers.neural.pretraining import (
    CollapsedError,
    File,
    PretrainingSettings,
    SimSiam,
    SimSiamTask,
    build,
    collect,
    pretrain,
)
from enrich.classifiers.neural.weights import read_tensors
from tests.classifiers.conftest import IMAGE, StopAfter


def png(pixels: np.ndarray[Any, Any], size: tuple[int, int] | None = None) -> bytes:
    out = io.BytesIO()
    image = Image.fromarray(pixels)
    (image.resize(size) if size else image).save(out, "PNG")
    return out.getvalue()


def vases(count: int, seed: int = 0) -> list[File]:
    """Noisy pictures of 40 × 44 pixels with a bright shape somewhere in each."""
    random = np.random.default_rng(seed)
    found: list[File] = []
    for i in range(count):
        pixels = random.integers(0, 120, (40, 44, 3), dtype=np.uint8)
        top, left = random.integers(0, 20, 2)
        pixels[top : top + 16, left : left + 12, i % 3] += 120
        found.append((f"vase-{i}.png", png(pixels)))
    return found


def tiny(**changes: Any) -> PretrainingSettings:
    training = {"epochs": 3, "batch": 8} | changes.pop("training", {})
    values = {"backbone": "test_resnet", "size": 24, "projection": 32, "training": training} | changes
    return PretrainingSettings.read(values)


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with weights from 40 vases."""
    folder = tmp_path_factory.mktemp("runs") / "own"
    pretrain(folder, vases(40), tiny(), seed=3)
    return folder


def test_weights_by_timms_names_are_left_with_their_card(own: Path) -> None:
    assert sorted(p.name for p in own.iterdir()) == ["model.safetensors", "pretraining.json"]
    card = json.loads((own / "pretraining.json").read_text())
    assert (card["method"], card["backbone"], card["size"], card["seed"]) == ("SimSiam", "test_resnet", 24, 3)
    assert card["sha256"] == file_digest(own / "model.safetensors")
    assert card["pictures"]["count"] == 40
    assert [set(e) for e in card["epochs"]] == [{"epoch", "loss", "spread", "learning_rate", "seconds"}] * 3
    assert card["spread"] == card["epochs"][-1]["spread"] > 0.5
    body = build_backbone("test_resnet", 24)[0]
    assert set(read_tensors(own / "model.safetensors")) == set(body.state_dict())


def test_views_of_a_picture_become_more_alike(tmp_path: Path) -> None:
    card = pretrain(tmp_path / "own", vases(64), tiny(training={"epochs": 10, "learning_rate": 5e-3}))
    assert card["epochs"][-1]["loss"] < card["epochs"][0]["loss"] - 0.1


def test_the_last_epoch_is_left_and_not_the_one_of_the_widest_spread(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spreads = iter([0.9, 0.5, 0.4])
    monkeypatch.setattr(SimSiamTask, "spread", lambda _: next(spreads))
    states: list[Tensor] = []
    evaluate = SimSiamTask.evaluate

    def remember(task: SimSiamTask) -> dict[str, float]:
        states.append(next(task.model.body.parameters()).detach().cpu().clone())
        return evaluate(task)

    monkeypatch.setattr(SimSiamTask, "evaluate", remember)
    pretrain(tmp_path / "own", vases(40), tiny())
    name = next(n for n, _ in build_backbone("test_resnet", 24)[0].named_parameters())
    assert torch.equal(read_tensors(tmp_path / "own" / "model.safetensors")[name], states[-1])


def test_what_was_killed_goes_on_to_the_same_weights(own: Path, tmp_path: Path) -> None:
    place = tmp_path / "killed"
    with pytest.raises(StopAfter.Killed):
        pretrain(place, vases(40), tiny(), seed=3, progress=StopAfter(2))
    assert epochs(place / "checkpoints") == [0, 1], "the last, and the one before for when it cannot be read"
    card = pretrain(place, vases(40), tiny(), seed=3)
    assert card["sha256"] == file_digest(own / "model.safetensors")
    assert not (place / "checkpoints").exists()


def test_what_is_finished_is_left_alone_and_other_things_are_refused(own: Path, tmp_path: Path) -> None:
    place = shutil.copytree(own, tmp_path / "own")
    before = file_digest(place / "pretraining.json")
    assert pretrain(place, vases(40), tiny(), seed=3)["sha256"] == file_digest(own / "model.safetensors")
    assert file_digest(place / "pretraining.json") == before
    for settings, files, seed in (
        (tiny(), vases(41), 3),
        (tiny(projection=16), vases(40), 3),
        (tiny(), vases(40), 4),
    ):
        with pytest.raises(
            ClassifierError, match="holds a pretraining from other pictures or settings; name another"
        ):
            pretrain(place, files, settings, seed=seed)
    (tmp_path / "letters").mkdir()
    (tmp_path / "letters" / "model.safetensors").write_bytes(b"somebody's")
    with pytest.raises(
        ClassifierError, match="letters is there already and holds no pretraining; name another"
    ):
        pretrain(tmp_path / "letters", vases(40), tiny())
    assert (tmp_path / "letters" / "model.safetensors").read_bytes() == b"somebody's"


def test_a_file_counts_once_and_what_does_not_decode_costs_only_itself(tmp_path: Path) -> None:
    files = vases(20)
    cut = files[3][1][:60]
    told: list[File] = [
        ("again.png", files[0][1]),
        ("cut.png", cut),
        ("gone.png", "the server said 404"),
        ("a.txt", b"hi"),
    ]
    with_others = collect([*files[:10], *told, *files[10:]], 32, tmp_path)
    assert with_others.digests == collect(files, 32, tmp_path).digests
    assert with_others.repeated == 1
    assert with_others.broken["gone.png"] == "the server said 404"
    assert "not a picture that is accepted" in with_others.broken["a.txt"]
    assert set(with_others.broken) == {"gone.png", "a.txt", "cut.png"}
    assert with_others.pixels.shape == (20, 3, 32, 32)
    assert not any(tmp_path.iterdir())
    card = pretrain(tmp_path / "own", [*files, *told], tiny(training={"epochs": 1}))
    assert card["pictures"]["broken"] == 3
    assert card["pictures"]["repeated"] == 1


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ([], "0 pictures are too few to learn from: at least 16 are needed"),
        (vases(5) * 2, "5 pictures are too few .*; 5 files are another one once more"),
        (
            [*vases(5), ("a.txt", b"hi")],
            "1 files cannot be used, such as a.txt: not a picture that is accepted",
        ),
    ],
)
def test_too_few_pictures_are_said_and_leave_nothing(files: list[File], said: str, tmp_path: Path) -> None:
    with pytest.raises(ClassifierError, match=said):
        pretrain(tmp_path / "own", files, tiny())
    assert not (tmp_path / "own").exists()


def test_a_wrong_backbone_is_said_before_a_picture_is_read(tmp_path: Path) -> None:
    def unread() -> Any:
        pytest.fail("a picture was read")
        yield

    with pytest.raises(ClassifierError, match="timm has no backbone 'resnet5000'"):
        pretrain(tmp_path / "own", unread(), tiny(backbone="resnet5000"))
    with pytest.raises(ClassifierError, match="does not fit this backbone"):
        pretrain(tmp_path / "a", vases(40), tiny(training={"epochs": 1})) and pretrain(
            tmp_path / "b", unread(), tiny(backbone="test_vit", size=32, weights=str(tmp_path / "a"))
        )


class Constant(nn.Module):
    """Sees the same in every picture."""

    def forward(self, pixels: Tensor) -> Tensor:
        return torch.full((len(pixels), 16), 0.7, device=pixels.device) + 1e-6 * pixels.mean()


def test_the_spread_is_one_for_what_differs_and_nought_for_what_is_alike(tmp_path: Path) -> None:
    pictures = collect(vases(64), 32, tmp_path)
    settings = tiny()
    model, size = build(settings, 0)
    assert SimSiamTask(settings, model, size, pictures).spread() > 0.8
    dull = SimSiamTask(settings, SimSiam(Constant(), 16, 32), size, pictures)
    assert dull.spread() < 0.01
    with pytest.raises(CollapsedError, match="all pictures look alike to the backbone; lower learning_rate"):
        dull.evaluate()


def test_pictures_that_show_the_same_are_no_success(tmp_path: Path) -> None:
    """Given one placeholder in files of thirty sizes, then no weights are left, and nothing to go on from."""
    plain = np.full((40, 40, 3), 230, dtype=np.uint8)
    files: list[File] = [(f"{i}.png", png(plain, (40 + i, 40 + i))) for i in range(30)]
    with pytest.raises(CollapsedError, match=r"features have collapsed: their spread is 0\.0"):
        pretrain(tmp_path / "own", files, tiny())
    assert not (tmp_path / "own").exists()
    assert pretrain(tmp_path / "own", vases(40), tiny(training={"epochs": 1}))["spread"] > 0.5


def test_without_the_stopped_gradient_the_spread_falls(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The paper's control: what makes SimSiam work is taken away, and the figure tells."""
    monkeypatch.setattr(pretraining.Tensor, "detach", lambda tensor: tensor.view_as(tensor))
    pictures, settings = collect(vases(64), 32, tmp_path), tiny()
    model, size = build(settings, 0)
    task = SimSiamTask(settings, model, size, pictures)
    optimiser = torch.optim.SGD(model.parameters(), lr=0.3)
    before, generator = task.spread(), torch.Generator().manual_seed(0)
    for _ in range(12):
        task.mode(frozen=False)
        for batch in task.batches(generator):
            optimiser.zero_grad()
            task.loss(batch).backward()
            optimiser.step()
    assert task.spread() < before - 0.2


def test_a_classifier_begins_with_them_and_names_where_they_are_from(
    own: Path, split: tuple[Dataset, Dataset]
) -> None:
    card = json.loads((own / "pretraining.json").read_text())
    settings = IMAGE | {"weights": str(own), "size": 24, "training": {"epochs": 1, "batch": 12}}
    classifier = ImageClassifier(**settings)
    begun = classifier.build(split[0], None).body.state_dict()
    assert all(torch.equal(v, begun[k]) for k, v in read_tensors(own / "model.safetensors").items())
    said = {
        "from": str(own),
        "tensors": f"{len(begun)} of {len(begun)}",
        "sha256": card["sha256"],
        "pretrained_by": "SimSiam on 40 pictures without labels",
        "pictures_sha256": card["pictures"]["sha256"],
    }
    assert ImageClassifier(**settings).fit(*split)["weights"] == said
    by_file = ImageClassifier(**settings | {"weights": str(own / "model.safetensors")}).fit(*split)["weights"]
    assert by_file == said | {"from": str(own / "model.safetensors")}


def test_weights_that_were_changed_have_no_origin(
    own: Path, tmp_path: Path, split: tuple[Dataset, Dataset]
) -> None:
    place = shutil.copytree(own, tmp_path / "own")
    shutil.copy(tmp_path / "own" / "model.safetensors", tmp_path / "kept")
    (place / "model.safetensors").unlink()
    pretrain(tmp_path / "other", vases(40), tiny(training={"epochs": 1}))
    shutil.copy(tmp_path / "other" / "model.safetensors", place)
    settings = IMAGE | {"weights": str(place), "size": 24, "training": {"epochs": 1, "batch": 12}}
    said = ImageClassifier(**settings).fit(*split)["weights"]
    assert set(said) == {"from", "tensors", "sha256"}
    assert said["sha256"] == file_digest(tmp_path / "other" / "model.safetensors")


def test_one_pretraining_begins_with_another_and_says_so(own: Path, tmp_path: Path) -> None:
    further = tiny(weights=str(own), training={"epochs": 1})
    card = pretrain(tmp_path / "further", vases(40, seed=1), further)
    assert card["weights"]["from"] == str(own)
    assert card["weights"]["pretrained_by"] == "SimSiam on 40 pictures without labels"
    again = pretrain(
        tmp_path / "third", vases(40), tiny(weights=str(tmp_path / "further"), training={"epochs": 1})
    )
    assert again["weights"]["pretrained_from"] == f"{own}, {card['weights']['sha256']}"


def test_a_share_of_the_pictures_turns_grey() -> None:
    pixels = torch.rand(200, 3, 4, 4)
    found = change_colours(pixels, AugmentSettings(colour=0.0, grey=0.3), torch.Generator().manual_seed(0))
    grey = (found - found[:, :1]).abs().amax(dim=(1, 2, 3)) == 0
    assert 30 < int(grey.sum()) < 90
    assert torch.equal(found[~grey], pixels[~grey])
    assert torch.allclose(found[grey].mean(dim=1), pixels[grey].mean(dim=1))
