"""Backbones, their weights, and the layers of a network."""

from __future__ import annotations

import pytest
import torch

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
