"""Weights of files: matched by name behind any one prefix, refused when something is missing or does not fit."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from enrich.classifiers.base import ClassifierError
from enrich.classifiers.neural.networks import build_backbone
from enrich.classifiers.neural.weights import load_body, load_network
from tests.classifiers.neural.test_networks import network


@pytest.fixture(scope="module")
def weights() -> dict[str, torch.Tensor]:
    """Those of a small backbone."""
    return build_backbone("test_resnet", 32)[0].state_dict()


def behind(prefix: str, weights: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {prefix + k: v.clone() for k, v in weights.items()}


@pytest.mark.parametrize(
    "prefix", ["", "module.", "model.", "backbone.", "module.model.", "student.encoder."]
)
def test_a_prefix_of_all_names_is_taken_off_and_a_classifier_is_passed_over(
    weights: dict[str, torch.Tensor], prefix: str, tmp_path: Path
) -> None:
    save_file(behind(prefix, weights) | {"fc.weight": torch.zeros(3, 3)}, tmp_path / "model.safetensors")
    filled, _, _ = build_backbone("test_resnet", 32, weights=str(tmp_path))
    assert all(torch.equal(v, weights[k]) for k, v in filled.state_dict().items())


def test_weights_in_parts_are_put_together(weights: dict[str, torch.Tensor], tmp_path: Path) -> None:
    names = list(weights)
    parts = {"a.safetensors": names[::2], "b.safetensors": names[1::2]}
    for file, held in parts.items():
        save_file({k: weights[k].clone() for k in held}, tmp_path / file)
    index = {"weight_map": {k: file for file, held in parts.items() for k in held}}
    (tmp_path / "model.safetensors.index.json").write_text(json.dumps(index))
    filled, _, _ = build_backbone("test_resnet", 32, weights=str(tmp_path))
    assert all(torch.equal(v, weights[k]) for k, v in filled.state_dict().items())


def test_two_prefixes_that_both_fit_are_refused(weights: dict[str, torch.Tensor], tmp_path: Path) -> None:
    body, _, _ = build_backbone("test_resnet", 32)
    save_file(behind("student.", weights) | behind("teacher.", weights), tmp_path / "w.safetensors")
    with pytest.raises(ClassifierError, match=r"more than once, behind 'student.' and 'teacher.'; keep one"):
        load_body(body, tmp_path / "w.safetensors")
    save_file(behind("", weights) | behind("teacher.", weights), tmp_path / "w.safetensors")
    load_body(body, tmp_path / "w.safetensors")


def test_one_weight_that_is_missing_behind_a_prefix_is_named(
    weights: dict[str, torch.Tensor], tmp_path: Path
) -> None:
    body, _, _ = build_backbone("test_resnet", 32)
    found = behind("module.", weights)
    lost = list(weights)[7]
    del found[f"module.{lost}"]
    save_file(found, tmp_path / "w.safetensors")
    with pytest.raises(ClassifierError, match=f"does not fit this backbone: it lacks '{lost}'"):
        load_body(body, tmp_path / "w.safetensors")
    found[f"module.{lost}"] = torch.zeros(1, 2)
    save_file(found, tmp_path / "w.safetensors")
    with pytest.raises(ClassifierError, match=f"it has another shape for '{lost}'"):
        load_body(body, tmp_path / "w.safetensors")


def test_local_weights_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    body, _, _ = build_backbone("test_resnet", 32)
    with pytest.raises(ClassifierError, match="holds no safetensors"):
        load_body(body, tmp_path)
    save_file({"a": torch.zeros(1)}, tmp_path / "model.safetensors")
    with pytest.raises(ClassifierError, match="it lacks"):
        load_body(body, tmp_path)
    (tmp_path / "model.safetensors").write_bytes(b"\x80\x04nonsense")
    with pytest.raises(ClassifierError, match="cannot be read as safetensors"):
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
