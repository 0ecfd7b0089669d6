"""Backbones, their weights, and the layers of a network."""

from __future__ import annotations

from pathlib import Path

import huggingface_hub.constants
import pytest
import torch
from safetensors.torch import save_file

from enrich.classifiers.base import ClassifierError
from enrich.classifiers.data import Property
from enrich.classifiers.neural import libraries
from enrich.classifiers.neural.heads import HeadSettings
from enrich.classifiers.neural.networks import ImageNetwork, build_backbone

PROPERTIES = (Property("colour", ("red", "green")),)


def network(name: str = "test_resnet", size: int = 32) -> ImageNetwork:
    body, width, _ = build_backbone(name, size)
    return ImageNetwork(body, width, PROPERTIES, HeadSettings(neck=8), "attention")


@pytest.mark.parametrize("name", ["test_resnet", "test_vit", "test_coatnet", "test_convnext"])
def test_any_backbone_takes_the_size_that_is_asked_for(name: str) -> None:
    made = network(name)
    logits, attention = made.eval()(torch.rand(3, 3, 32, 32))
    assert logits.shape == (3, 2)
    assert attention.shape == (3, 1)


@pytest.mark.parametrize("name", ["test_resnet", "test_vit", "test_coatnet"])
def test_the_layers_hold_every_parameter_once_and_the_heads_last(name: str) -> None:
    made = network(name)
    layers = made.layers()
    found = [id(p) for layer in layers for p in layer]
    assert sorted(found) == sorted(id(p) for p in made.parameters())
    assert len(layers) > 3
    assert {id(p) for p in layers[-1]} >= {id(p) for p in made.heads.parameters()}


def test_size_0_takes_the_published_one() -> None:
    assert build_backbone("test_resnet", 0)[2] == 160


@pytest.mark.parametrize("name", ["no_such_net", "hf-hub:someone/model", "local-dir:/tmp/x", "../x"])
def test_a_backbone_that_timm_does_not_have_is_refused(name: str) -> None:
    with pytest.raises(ClassifierError, match="timm has no backbone"):
        build_backbone(name, 32)


def test_weights_of_the_hub_that_cannot_be_had_say_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_args: object, **_kwargs: object) -> None:
        raise OSError("no network")

    monkeypatch.setattr(libraries.timm(), "create_model", refuse)
    with pytest.raises(ClassifierError, match=r"hub \(no network\); set weights to a local folder"):
        build_backbone("test_resnet", 32, weights="hub")


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache of the hub as its client leaves it, and no network."""
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    return tmp_path


def downloaded(hub: Path, name: str) -> dict[str, torch.Tensor]:
    """Weights of one of timm's published backbones, classifier and all, in the hub's cache."""
    torch.manual_seed(11)
    weights = libraries.timm().create_model(name.partition(".")[0]).state_dict()
    repository, commit = hub / f"models--timm--{name}", "c" * 40
    (repository / "refs").mkdir(parents=True)
    (repository / "refs" / "main").write_text(commit)
    (repository / "snapshots" / commit).mkdir(parents=True)
    save_file(weights, repository / "snapshots" / commit / "model.safetensors")
    return dict(weights)


@pytest.mark.parametrize(
    ("name", "width", "size"), [("coatnet_0_rw_224.sw_in1k", 768, 224), ("test_resnet.r160_in1k", 96, 160)]
)
def test_published_weights_come_from_the_hub_s_cache(hub: Path, name: str, width: int, size: int) -> None:
    published = downloaded(hub, name)
    body, features, pixels = build_backbone(name, 0, weights="hub")
    assert (features, pixels) == (width, size)
    held = body.state_dict()
    assert len(held) < len(published), "the classifier of ImageNet is left behind"
    assert all(torch.equal(held[k], published[k]) for k in held)


def test_a_file_of_the_hub_that_is_cut_short_is_refused(hub: Path) -> None:
    downloaded(hub, "test_resnet.r160_in1k")
    (file,) = hub.rglob("model.safetensors")
    file.write_bytes(file.read_bytes()[:1000])
    with pytest.raises(ClassifierError, match="could not be had from the hub"):
        build_backbone("test_resnet.r160_in1k", 0, weights="hub")


def test_a_backbone_that_was_never_fetched_is_refused_without_a_network(hub: Path) -> None:  # noqa: ARG001
    with pytest.raises(ClassifierError, match="set weights to a local folder"):
        build_backbone("coatnet_0_rw_224.sw_in1k", 0, weights="hub")
