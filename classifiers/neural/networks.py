"""The networks: a backbone or an encoder, with the heads of all properties on top."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor, nn

from enrich.classifiers.data import Property
from enrich.classifiers.errors import WrongSetting, one_line
from enrich.classifiers.neural import libraries
from enrich.classifiers.neural.heads import Aggregate, HeadSettings, MultitaskHeads
from enrich.classifiers.neural.packages import PREFIX, package_of, packaged_weights
from enrich.classifiers.neural.weights import load_body

Pooling = Literal["mean", "cls"]


class MultitaskNetwork(nn.Module):
    """Inputs to (logits (m, ΣK), attention (m, 1)).

    `attention` is learned only where records are aggregated by it, and zero elsewhere.
    """

    def __init__(
        self,
        body: nn.Module,
        width: int,
        properties: Sequence[Property],
        heads: HeadSettings,
        aggregate: Aggregate,
    ) -> None:
        super().__init__()
        self.body, self.width = body, width
        self.heads = MultitaskHeads(width, properties, heads)
        self.attention = nn.Linear(width, 1) if aggregate == "attention" else None
        self.prepare()

    def prepare(self) -> None:
        """Add what else a kind of network holds."""

    def features(self, *inputs: Tensor) -> Tensor:
        """What the body sees in the inputs, (m, width)."""
        raise NotImplementedError

    def from_features(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """The heads' part, from features (m, width)."""
        attention = features[:, :1] * 0.0 if self.attention is None else self.attention(features)
        return self.heads(features), attention

    def forward(self, *inputs: Tensor) -> tuple[Tensor, Tensor]:
        return self.from_features(self.features(*inputs))

    def layers(self) -> list[list[nn.Parameter]]:
        """Parameters by depth, lowest first and the heads last."""
        return [list(self.body.parameters()), self.head_parameters()]

    def head_parameters(self) -> list[nn.Parameter]:
        """Everything above the body."""
        below = {id(p) for p in self.body.parameters()}
        return [p for p in self.parameters() if id(p) not in below]


def pixel_statistics(body: nn.Module) -> dict[str, Tensor]:
    """Mean and deviation (`std`) of the pixels, from 0 to 1, that a backbone was trained to see, (3, 1, 1) each."""
    config = getattr(body, "pretrained_cfg", None) or {}
    usual = {"mean": (0.485, 0.456, 0.406), "std": (0.229, 0.224, 0.225)}
    return {name: torch.tensor(config.get(name) or default).view(3, 1, 1) for name, default in usual.items()}


class ImageNetwork(MultitaskNetwork):
    """A timm backbone under the heads; takes pixels (m, 3, size, size) from 0 to 1 and normalises them."""

    mean: Tensor
    std: Tensor

    def prepare(self) -> None:
        for name, value in pixel_statistics(self.body).items():
            self.register_buffer(name, value)

    def features(self, *inputs: Tensor) -> Tensor:
        found: Tensor = self.body(self.normalised(inputs[0]))
        return found

    def normalised(self, pixels: Tensor) -> Tensor:
        """Pixels from 0 to 1 as the backbone was trained to see them."""
        return (pixels - self.mean) / self.std

    def layers(self) -> list[list[nn.Parameter]]:
        """Parameters by depth as timm groups them (a backbone that says nothing is one layer), heads last."""
        named = dict(self.body.named_parameters())
        matcher: Any = getattr(self.body, "group_matcher", None)
        if matcher is None:
            return [list(named.values()), self.head_parameters()]
        depth = libraries.timm().models.group_parameters(self.body, matcher(coarse=False), reverse=True)
        top = max(depth.values(), default=0)
        layers: list[list[nn.Parameter]] = [[] for _ in range(top + 1)]
        for name, parameter in named.items():
            layers[depth.get(name, top)].append(parameter)
        return [*filter(None, layers), self.head_parameters()]


class TextNetwork(MultitaskNetwork):
    """A transformers encoder under the heads; takes token numbers and their mask, both (m, length) int64."""

    pooling: Pooling = "mean"

    def features(self, *inputs: Tensor) -> Tensor:
        if len(inputs) == 1:  # features kept from an earlier pass through a frozen encoder
            return inputs[0]
        ids, mask = inputs
        return self.pool(self.body(input_ids=ids, attention_mask=mask).last_hidden_state, mask)

    def pool(self, hidden: Tensor, mask: Tensor) -> Tensor:
        """Token states (m, length, width) to one vector each, by the mean of the real tokens or the first."""
        if self.pooling == "cls":
            return hidden[:, 0]
        real = mask.unsqueeze(-1).to(hidden.dtype)
        return (hidden * real).sum(dim=1) / real.sum(dim=1).clamp(min=1.0)

    def layers(self) -> list[list[nn.Parameter]]:
        """Parameters by depth: embeddings, each block of the longest list of blocks, the rest, heads."""
        lists = [m for m in self.body.modules() if isinstance(m, nn.ModuleList)]
        blocks: list[nn.Module] = max((list(m) for m in lists), key=len, default=[])
        layers: list[list[nn.Parameter]] = [list(block.parameters()) for block in blocks]
        taken = {id(p) for layer in layers for p in layer}
        rest = [p for p in self.body.parameters() if id(p) not in taken]
        return [*filter(None, [rest, *layers]), self.head_parameters()]


def build_backbone(name: str, size: int, *, weights: str = "none") -> tuple[nn.Module, int, int]:
    """A timm backbone without its classifier: (module, width of its features, picture size).

    `size` 0 takes the size the backbone was published with. `weights` is `none`, `hub`, `package:NAME`, or a
    safetensors file or a folder with model.safetensors. Raises WrongSetting for a name timm does not have,
    a size the backbone cannot take, and weights that are not there or do not fit.
    """
    timm = libraries.timm()
    if not timm.is_model(name.partition(".")[0]):
        raise WrongSetting(f"timm has no backbone {name!r}; `timm.list_models()` names those it has")
    size = size or int(timm.models.get_pretrained_cfg(name).input_size[-1])
    arguments = {"pretrained": weights == "hub", "num_classes": 0}
    try:
        try:
            body = timm.create_model(name, img_size=size, **arguments)
        except TypeError:
            body = timm.create_model(name, **arguments)
    except Exception as error:
        raise WrongSetting(_why_not_created(name, size, weights, error)) from error
    if weights not in ("none", "hub"):
        package = package_of(weights)
        load_body(body, packaged_weights(package, name) if package else Path(weights))
    try:
        with torch.inference_mode():
            width = int(body.eval()(torch.zeros(1, 3, size, size)).shape[1])
    except (RuntimeError, AssertionError, ValueError) as error:
        raise WrongSetting(f"backbone {name!r} cannot take pictures of {size} pixels: {error}") from error
    return body, width, size


def _why_not_created(name: str, size: int, weights: str, error: Exception) -> str:
    reason = one_line(error)
    if weights == "hub":
        return (
            f"weights of backbone {name!r} could not be had from the hub ({reason}); "
            f"set weights to a local folder, to {PREFIX}NAME of an installed package, or to none to train from nothing"
        )
    return f"backbone {name!r} cannot be built for {size} pixels: {reason}"


def parameter_count(network: nn.Module) -> int:
    """Number of weights."""
    return sum(math.prod(p.shape) for p in network.parameters())
