"""Backbones, their weights, and the layers of a network."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from classifiers.base import ClassifierError
from classifiers.data import Property
from classifiers.neural.heads import HeadSettings
from classifiers.neural.networks import ImageNetwork, build_backbone, load_body, load_network, plain_config

PROPERTIES = (Property("colour", ("red", "green")),)


def network(name: str = "test_resnet", size: int = 32) -> ImageNetwork:
    body, width, _ = build_backbone(name, size)
    return ImageNetwork(body, width, PROPERTIES, HeadSettings(neck=8), "attention")


@pytest.mark.parametrize("name", ["test_resnet", "test_vit", "test_coatnet", "test_convnext"])
def test_any_backbone_takes_the_size_that_is_asked_for(name: str) -> None:
    made = network(name)
    logits, features, attention = made.eval()(torch.rand(3, 3, 32, 32))
    assert logits.shape == (3, 2)
    assert features.shape == (3, made.width)
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
    import timm

    def refuse(*_args: object, **_kwargs: object) -> None:
        raise OSError("no network")

    monkeypatch.setattr(timm, "create_model", refuse)
    with pytest.raises(ClassifierError, match=r"hub \(no network\); set weights to a local folder"):
        build_backbone("test_resnet", 32, weights="hub")


def test_local_weights_fill_the_backbone_and_a_classifier_in_them_is_passed_over(tmp_path: Path) -> None:
    source, _, _ = build_backbone("test_resnet", 32)
    weights = {f"module.{k}": v.clone() for k, v in source.state_dict().items()} | {
        "fc.weight": torch.zeros(3, 3)
    }
    save_file(weights, tmp_path / "model.safetensors")
    filled, _, _ = build_backbone("test_resnet", 32, weights=str(tmp_path))
    assert all(torch.equal(v, source.state_dict()[k]) for k, v in filled.state_dict().items())


def test_local_weights_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    body, _, _ = build_backbone("test_resnet", 32)
    with pytest.raises(ClassifierError, match="holds no safetensors"):
        load_body(body, tmp_path)
    save_file({"a": torch.zeros(1)}, tmp_path / "model.safetensors")
    with pytest.raises(ClassifierError, match="it lacks"):
        load_body(body, tmp_path)
    (tmp_path / "model.safetensors").write_bytes(b"\x80\x04nonsense")
    with pytest.raises(ClassifierError, match="is not a safetensors file"):
        load_body(body, tmp_path)
    (tmp_path / "weights.pth").write_bytes(b"\x80\x04")
    with pytest.raises(ClassifierError, match="holds no safetensors"):
        load_body(body, tmp_path / "weights.pth")


def test_a_network_with_weights_that_are_not_numbers_is_refused(tmp_path: Path) -> None:
    made = network()
    weights = {k: v.clone() for k, v in made.state_dict().items()}
    weights["heads.heads.0.bias"][0] = float("nan")
    save_file(weights, tmp_path / "w.safetensors")
    with pytest.raises(ClassifierError, match=r"not numbers, first in 'heads.heads.0.bias'"):
        load_network(made, tmp_path / "w.safetensors")


def test_a_network_with_other_heads_is_refused(tmp_path: Path) -> None:
    weights = {k: v.clone() for k, v in network().state_dict().items()}
    weights["heads.heads.0.bias"] = torch.zeros(3)
    save_file(weights, tmp_path / "w.safetensors")
    with pytest.raises(ClassifierError, match="does not fit the settings and labels"):
        load_network(network(), tmp_path / "w.safetensors")


def test_an_encoders_config_loses_what_could_reach_outside() -> None:
    given = {"model_type": "bert", "auto_map": {}, "_name_or_path": "/x", "attn_implementation": "hub/kernel"}
    assert plain_config(given) == {"model_type": "bert"}
