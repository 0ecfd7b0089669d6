"""ONNX Runtime equals torch, is chosen on a CPU, and gives way with a reason."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from enrich.classifiers.base import ClassifierError
from enrich.classifiers.neural import onnx_runtime
from enrich.classifiers.neural.onnx_runtime import OnnxRunner, TorchRunner

AXES = {"pixels": {0: "items"}}
SAMPLES = [(np.random.default_rng(0).random((n, 4), dtype=np.float32),) for n in (2, 3)]
CPU = torch.device("cpu")


class Small(nn.Module):
    """Four numbers to logits and attention."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(4, 2)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return self.layer(x), torch.tanh(x[:, :1])


class Stubborn(Small):
    """Looks at the values to choose its way, as a traced graph cannot."""

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        logits, attention = super().forward(x)
        return (logits * 2 if len(x) == 2 else logits), attention


def test_the_export_equals_torch_and_takes_any_batch(tmp_path: Path) -> None:
    network = Small()
    told = onnx_runtime.export(network, tmp_path, AXES, SAMPLES)
    assert told["file"] == "model.onnx"
    assert told["difference"] < 1e-6
    runner = onnx_runtime.pick(network, tmp_path, told, CPU, "auto")
    assert isinstance(runner, OnnxRunner)
    batch = np.ones((7, 4), dtype=np.float32)
    for one, other in zip(runner.run(batch), TorchRunner(network, CPU, "").run(batch), strict=True):
        assert torch.allclose(one, other, atol=1e-6)


def test_an_export_that_differs_is_thrown_away_with_the_reason(tmp_path: Path) -> None:
    network = Stubborn()
    told = onnx_runtime.export(network, tmp_path, AXES, SAMPLES)
    assert "differs from torch by" in told["reason"]
    assert list(tmp_path.iterdir()) == []
    runner = onnx_runtime.pick(network, tmp_path, told, CPU, "auto")
    assert (runner.kind, runner.reason) == ("torch", told["reason"])


def test_a_network_that_cannot_be_exported_says_why(tmp_path: Path) -> None:
    told = onnx_runtime.export(Small(), tmp_path, AXES, [(np.zeros((2, 9), dtype=np.float32),)])
    assert told["reason"].startswith("export failed: RuntimeError")


def test_torch_is_used_where_onnx_cannot_be_and_says_why(tmp_path: Path) -> None:
    network = Small()
    told = onnx_runtime.export(network, tmp_path, AXES, SAMPLES)
    assert onnx_runtime.pick(network, tmp_path, told, CPU, "torch").reason == "asked for"
    assert (
        onnx_runtime.pick(network, tmp_path, told, torch.device("cuda"), "auto").reason
        == "the device is cuda"
    )
    assert "not exported" in onnx_runtime.pick(network, None, {}, CPU, "auto").reason
    (tmp_path / "model.onnx").unlink()
    assert "is not there" in onnx_runtime.pick(network, tmp_path, told, CPU, "auto").reason
    with pytest.raises(ClassifierError, match="runtime onnx was asked for"):
        onnx_runtime.pick(network, tmp_path, told, CPU, "onnx")


def test_bfloat16_is_torch_in_half_the_precision_when_asked_for(tmp_path: Path) -> None:
    network = Small()
    told = onnx_runtime.export(network, tmp_path, AXES, SAMPLES)
    half = onnx_runtime.pick(network, tmp_path, told, CPU, "bfloat16")
    assert (half.kind, half.reason) == ("torch", "bfloat16 was asked for")
    difference = onnx_runtime.largest_difference(network, half, SAMPLES)
    assert 0 < difference < 0.05
    assert all(t.dtype == torch.float32 for t in half.run(*SAMPLES[0]))


def test_a_file_that_onnx_runtime_refuses_leaves_the_work_to_torch(tmp_path: Path) -> None:
    (tmp_path / "model.onnx").write_bytes(b"nonsense")
    told = {"file": "model.onnx"}
    assert "refused the export" in onnx_runtime.pick(Small(), tmp_path, told, CPU, "auto").reason
