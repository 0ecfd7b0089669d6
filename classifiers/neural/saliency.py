"""What a network went by: a saliency map over a picture, the words of a text that mattered."""

import re
from collections.abc import Sequence
from typing import Any, Literal

import torch
from torch import Tensor

from enrich.classifiers.data import Record
from enrich.classifiers.explain.explanation import Contribution
from enrich.classifiers.kinds import FloatArray
from enrich.classifiers.neural.networks import ImageNetwork, TextNetwork
from enrich.classifiers.neural.tokens import Tokens

Method = Literal["grad-cam", "gradient x input"]


def saliency_map(network: ImageNetwork, pixels: Tensor, column: int) -> tuple[FloatArray, Method]:
    """Where a picture (1, 3, size, size) speaks for the class of a logit: (size, size) from 0 to 1.

    Grad-CAM on the backbone's last feature map (Selvaraju et al. 2017, section 3). Backbones of tokens
    (ViT) have their tokens laid out as a grid; where features have no places, gradient × input takes over.
    """
    found = _grad_cam(network, pixels, column)
    if found is not None:
        return _scaled(found, pixels.shape[-1]), "grad-cam"
    return _scaled(_gradient_times_pixels(network, pixels, column), pixels.shape[-1]), "gradient x input"


def _grad_cam(network: ImageNetwork, pixels: Tensor, column: int) -> Tensor | None:
    """Class activation map (h, w), None where the backbone's features have no places."""
    body: Any = network.body
    if not hasattr(body, "forward_features"):
        return None
    normalised = network.normalised(pixels)
    with torch.enable_grad():
        features = body.forward_features(normalised).detach().requires_grad_(True)
        pooled = body.forward_head(features)
        logits = network.from_features(pooled)[0]
        (gradient,) = torch.autograd.grad(logits[0, column], features)
    laid_out = _as_grid(body, features.detach(), network.width)
    slope = _as_grid(body, gradient, network.width)
    if laid_out is None or slope is None or laid_out.shape[1] * laid_out.shape[2] < 2:
        return None
    if features.ndim == 3:  # a class token may carry all the gradient: weigh by what reaches every place
        return (laid_out * slope).sum(dim=0).clamp(min=0) if bool(slope.any()) else None
    return (laid_out * slope.mean(dim=(1, 2), keepdim=True)).sum(dim=0).clamp(min=0)


def _as_grid(body: Any, features: Tensor, width: int) -> Tensor | None:
    """Features of one picture as (channels, h, w): from channels first, channels last, or tokens."""
    if features.ndim == 4:
        last = (
            features.shape[-1] == getattr(body, "num_features", width)
            and features.shape[1] != features.shape[-1]
        )
        return features[0].permute(2, 0, 1) if last else features[0]
    if features.ndim != 3:
        return None
    tokens = features[0, int(getattr(body, "num_prefix_tokens", 0)) :]
    side = round(len(tokens) ** 0.5)
    return tokens.T.reshape(-1, side, side) if side * side == len(tokens) else None


def _gradient_times_pixels(network: ImageNetwork, pixels: Tensor, column: int) -> Tensor:
    """|Σ over colours of gradient × normalised pixel| (size, size), smoothed over about a sixteenth."""
    with torch.enable_grad():
        leaf = pixels.detach().clone().requires_grad_(True)
        (gradient,) = torch.autograd.grad(network(leaf)[0][0, column], leaf)
    product = (gradient * network.normalised(pixels)).sum(dim=1, keepdim=True).abs()
    width = max(1, pixels.shape[-1] // 16) | 1
    return torch.nn.functional.avg_pool2d(product, width, stride=1, padding=width // 2)[0, 0]


def _scaled(found: Tensor, size: int) -> FloatArray:
    """A map (h, w) as (size, size) from 0 to 1; all zero when it is flat."""
    grown = torch.nn.functional.interpolate(
        found[None, None].float().cpu(), (size, size), mode="bilinear", align_corners=False
    )[0, 0]
    low, high = float(grown.min()), float(grown.max())
    result: FloatArray = ((grown - low) / max(high - low, 1e-12)).double().numpy()
    return result


def word_shares(
    network: TextNetwork, tokens: Tokens, record: Record, column: int, *, join: bool
) -> list[Contribution]:
    """The words of a record's texts that speak for the class of a logit or against it, the strongest first.

    Gradient × input sums over a word's tokens the gradient of the logit times the token's embedding.
    Weights are shares: their absolute values sum to 1. A record without texts has no words.
    """
    pieces = tokens.pieces(tokens.texts(record))
    found: list[Contribution] = []
    for group in [pieces] if join and pieces else [[p] for p in pieces]:
        ids, places = tokens.join(group)
        weight = dict(zip(places, _token_weights(network, tokens, ids, column), strict=True))
        for number, piece in enumerate(group):
            for match in re.finditer(r"\w+", piece.text):
                inside = [
                    weight[number, i]
                    for i, (start, end) in enumerate(piece.spans)
                    if (number, i) in weight and start < match.end() and end > match.start()
                ]
                if inside:
                    found.append(Contribution(match.group(), sum(inside)))
    total = sum(abs(w.weight) for w in found) or 1.0
    shares = [Contribution(w.name, w.weight / total) for w in found]
    return sorted(shares, key=lambda w: -abs(w.weight))


def _token_weights(network: TextNetwork, tokens: Tokens, ids: Sequence[int], column: int) -> list[float]:
    """Gradient × input of every token of one sequence."""
    kept: list[Tensor] = []

    def keep(_module: Any, _inputs: Any, output: Tensor) -> Tensor:
        kept.append(output.detach().requires_grad_(True))
        return kept[-1]

    embedding: Any = network.body.get_input_embeddings()  # type: ignore[operator]
    hook = embedding.register_forward_hook(keep)
    device = next(network.parameters()).device
    try:
        with torch.enable_grad():
            inputs = [torch.from_numpy(a).to(device) for a in tokens.padded([ids])]
            logits = network.eval()(*inputs)[0]
            (gradient,) = torch.autograd.grad(logits[0, column], kept[0])
    finally:
        hook.remove()
    weights: list[float] = (gradient * kept[0]).sum(dim=2)[0].detach().cpu().tolist()
    return weights
