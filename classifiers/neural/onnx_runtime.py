"""ONNX Runtime as the fast path on a CPU: export, comparison with torch, and the choice between the two."""

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import onnxruntime
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from enrich.classifiers.errors import ClassifierError, one_line
from enrich.classifiers.neural.optimisation import autocast

FILE = "model.onnx"
TOLERANCE = 1e-4
"""Largest difference of any output from torch's at which the export is used."""
OUTPUTS = ("logits", "attention")
Arrays = tuple[NDArray[Any], ...]
Outputs = tuple[Tensor, Tensor]
"""Logits (m, ΣK) and attention (m, 1) of m items, on the CPU."""


class Runner(Protocol):
    """Runs a network on arrays; `reason` says in a few words why this one was chosen."""

    kind: str
    reason: str

    def run(self, *inputs: NDArray[Any]) -> Outputs:
        """What the network answers on these inputs."""


@dataclass
class TorchRunner:
    """Eager torch in inference mode, pictures laid out channels last; `precision` is float32 or bfloat16."""

    network: nn.Module
    device: torch.device
    reason: str
    kind: str = "torch"
    precision: str = "float32"

    def run(self, *inputs: NDArray[Any]) -> Outputs:
        self.network.eval()
        with torch.inference_mode(), autocast(self.precision, self.device):
            tensors = [torch.from_numpy(a).to(self.device) for a in inputs]
            tensors = [t.contiguous(memory_format=torch.channels_last) if t.ndim == 4 else t for t in tensors]
            logits, attention = self.network(*tensors)
            return logits.float().cpu(), attention.float().cpu()


class OnnxRunner:
    """An ONNX Runtime session on the CPU, with as many threads as torch has.

    They sleep while there is nothing to do: threads that spin take the cores on which pictures are decoded.
    """

    kind = "onnx"

    def __init__(self, path: Path, reason: str) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = torch.get_num_threads()
        options.log_severity_level = 3
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        self.reason = reason
        self.session = onnxruntime.InferenceSession(
            str(path), sess_options=options, providers=["CPUExecutionProvider"]
        )
        self.names = [i.name for i in self.session.get_inputs()]

    def run(self, *inputs: NDArray[Any]) -> Outputs:
        feed = dict(zip(self.names, inputs, strict=True))
        logits, attention = (torch.from_numpy(a) for a in self.session.run(list(OUTPUTS), feed))
        return logits, attention


def export(
    network: nn.Module, folder: Path, inputs: Mapping[str, dict[int, str]], samples: Sequence[Arrays]
) -> dict[str, Any]:
    """Export `network` to folder/model.onnx, compare it with torch on `samples`, and say what came of it.

    `inputs` are the dynamic axes of each by name. The first sample traces the graph; the others should have
    other sizes. Returns {"file", "difference"}, or {"reason"} when it could not be exported or differs by more
    than TOLERANCE: then there is no file, and torch does the work.
    """
    path = folder / FILE
    try:
        _trace(network, path, inputs, samples[0])
        difference = largest_difference(network, OnnxRunner(path, "check"), samples)
    except Exception as error:  # noqa: BLE001 - exporters raise of every kind; the reason is kept and shown
        path.unlink(missing_ok=True)
        return {"reason": f"export failed: {type(error).__name__}: {one_line(error)}"}
    if not difference <= TOLERANCE:
        path.unlink()
        return {"reason": f"export differs from torch by {difference:.2g}, more than {TOLERANCE:g}"}
    return {"file": FILE, "difference": difference}


def _trace(network: nn.Module, path: Path, inputs: Mapping[str, dict[int, str]], sample: Arrays) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the tracer warns of every shape test; `samples` checks them
        torch.onnx.export(
            network.eval(),
            tuple(torch.from_numpy(a) for a in sample),
            str(path),
            input_names=list(inputs),
            output_names=list(OUTPUTS),
            dynamic_axes={**inputs, **{name: {0: "items"} for name in OUTPUTS}},
            opset_version=18,
            dynamo=False,  # a second instead of ten, and no further package; outputs are compared anyway
        )


def largest_difference(network: nn.Module, runner: Runner, samples: Sequence[Arrays]) -> float:
    """The largest absolute difference of any output between torch and `runner` over the samples."""
    reference = TorchRunner(network, torch.device("cpu"), "reference")
    worst = 0.0
    for sample in samples:
        for one, other in zip(reference.run(*sample), runner.run(*sample), strict=True):
            worst = max(worst, float(np.abs(one.numpy() - other.numpy()).max(initial=0.0)))
    return worst


def pick(
    network: nn.Module, folder: Path | None, onnx: Mapping[str, Any], device: torch.device, wanted: str
) -> Runner:
    """ONNX Runtime on a CPU when the folder has a matching export, otherwise torch with the reason.

    `onnx` is what `export` returned, from config.json. Raises ClassifierError when ONNX Runtime was asked
    for by name and cannot be had.
    """
    if wanted == "bfloat16":
        return TorchRunner(network, device, "bfloat16 was asked for", precision="bfloat16")
    reason = _why_torch(folder, onnx, device, wanted)
    if not reason and folder is not None:
        try:
            return OnnxRunner(folder / FILE, "a CPU, and the export equals torch")
        except Exception as error:  # noqa: BLE001 - onnxruntime's exceptions have no common base
            reason = f"ONNX Runtime refused the export: {one_line(error)}"
    if wanted == "onnx":
        raise ClassifierError(f"runtime onnx was asked for, but: {reason}")
    return TorchRunner(network, device, reason)


def _why_torch(folder: Path | None, onnx: Mapping[str, Any], device: torch.device, wanted: str) -> str:
    if wanted == "torch":
        return "asked for"
    if device.type != "cpu":
        return f"the device is {device.type}"
    if folder is None or "file" not in onnx:
        return str(onnx.get("reason", "not exported yet: that happens when the model is saved"))
    return "" if (folder / FILE).is_file() else f"{FILE} is not there"
