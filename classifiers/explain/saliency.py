"""What a neural classifier looked at: a saliency map over a picture, the words of a text that mattered."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from classifiers.base import ClassifierError, FloatArray
from classifiers.data import Property, Record, Text
from classifiers.neural.classifier import NeuralClassifier
from classifiers.neural.heads import slices
from classifiers.neural.image import ImageClassifier
from classifiers.neural.text import TextClassifier
from classifiers.neural.tokens import Piece


@dataclass(frozen=True)
class Saliency:
    """Where a picture speaks for a class. `map` (size, size) from 0 to 1; `pixels` (size, size, 3) uint8.

    `method` is grad-cam, or gradient x input for a backbone whose features have no places.
    """

    property: str
    value: str
    path: Path
    method: Literal["grad-cam", "gradient x input"]
    map: FloatArray
    pixels: NDArray[np.uint8]

    def overlay(self, strength: float = 0.55) -> bytes:
        """PNG of what the network saw, grey where it did not look, tinted from yellow to red where it did."""
        grey = self.pixels.mean(axis=2, keepdims=True).repeat(3, axis=2)
        weight = self.map[..., None]
        tint = np.concatenate(
            [np.full_like(weight, 255.0), 220.0 * (1 - weight), np.zeros_like(weight)], axis=2
        )
        base = grey * (1 - weight) + self.pixels * weight
        picture = base * (1 - strength * weight) + tint * strength * weight
        out = BytesIO()
        Image.fromarray(picture.clip(0, 255).astype(np.uint8)).save(out, format="PNG")
        return out.getvalue()


@dataclass(frozen=True)
class Word:
    """A word of a text and how much it speaks for the class (negative: against); `start` is its character."""

    word: str
    weight: float
    text: int
    start: int


@dataclass(frozen=True)
class Words:
    """The words that mattered, strongest first. Weights are shares: their absolute values sum to 1 or less."""

    property: str
    value: str
    method: Literal["gradient x input", "leave one out"]
    words: tuple[Word, ...]


def saliency(classifier: ImageClassifier, path: Path, prop: str, value: str) -> Saliency:
    """Why this picture speaks for `value`: Grad-CAM on the backbone's last feature map.

    Source: Selvaraju et al. 2017, section 3. Backbones of tokens (ViT) have their tokens laid out as a
    grid; where features have no places, gradient × input takes over. Raises ClassifierError for an unknown
    property or value, and for a picture that does not decode.
    """
    column = _column(classifier, prop, value)
    array = classifier.pictures.decode(path, classifier.decode_size)
    picture = torch.from_numpy(np.array(array)).permute(2, 0, 1)
    crop = classifier.look(picture)
    pixels = (crop.float() / 255.0)[None].to(classifier.device)
    found = _grad_cam(classifier, pixels, column)
    method: Literal["grad-cam", "gradient x input"] = "grad-cam"
    if found is None:
        found, method = _gradient_times_pixels(classifier, pixels, column), "gradient x input"
    shown = crop.permute(1, 2, 0).numpy()
    return Saliency(prop, value, path, method, _scaled(found, classifier.size), shown)


def _grad_cam(classifier: ImageClassifier, pixels: Tensor, column: int) -> Tensor | None:
    """Class activation map (h, w), None where the backbone's features have no places."""
    network = classifier.network
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


def _gradient_times_pixels(classifier: ImageClassifier, pixels: Tensor, column: int) -> Tensor:
    """|Σ over colours of gradient × normalised pixel| (size, size), smoothed over about a sixteenth."""
    network = classifier.network
    with torch.enable_grad():
        leaf = pixels.detach().clone().requires_grad_(True)
        (gradient,) = torch.autograd.grad(network(leaf)[0][0, column], leaf)
    product = (gradient * network.normalised(pixels)).sum(dim=1, keepdim=True).abs()
    width = max(1, classifier.size // 16) | 1
    return torch.nn.functional.avg_pool2d(product, width, stride=1, padding=width // 2)[0, 0]


def _scaled(found: Tensor, size: int) -> FloatArray:
    """A map (h, w) as (size, size) from 0 to 1; all zero when it is flat."""
    grown = torch.nn.functional.interpolate(
        found[None, None].float().cpu(), (size, size), mode="bilinear", align_corners=False
    )[0, 0]
    low, high = float(grown.min()), float(grown.max())
    result: FloatArray = ((grown - low) / max(high - low, 1e-12)).double().numpy()
    return result


def words(
    classifier: TextClassifier,
    record: Record,
    prop: str,
    value: str,
    *,
    method: Literal["gradient x input", "leave one out"] = "gradient x input",
    most: int = 10,
) -> Words:
    """The words of a record's texts that speak for `value` (or against it), at most `most`.

    Gradient × input sums over a word's tokens the gradient of the class's logit times the token's
    embedding; leave one out asks by how much the logit falls without the word. A record without texts has
    no words. Raises ClassifierError for an unknown property or value.
    """
    column = _column(classifier, prop, value)
    pieces = classifier.tokens.pieces(classifier.tokens.texts(record))
    if not pieces:
        return Words(prop, value, method, ())
    weigh = _by_gradient if method == "gradient x input" else _by_leaving_out
    found = weigh(classifier, pieces, column)
    total = sum(abs(w.weight) for w in found) or 1.0
    ranked = sorted(found, key=lambda w: -abs(w.weight))[:most]
    shares = tuple(Word(w.word, w.weight / total, w.text, w.start) for w in ranked)
    return Words(prop, value, method, shares)


def _by_gradient(classifier: TextClassifier, pieces: Sequence[Piece], column: int) -> list[Word]:
    groups = [list(pieces)] if classifier.settings.join else [[p] for p in pieces]
    found = []
    first = 0
    for group in groups:
        ids, places = classifier.tokens.join(group)
        weights = _token_weights(classifier, ids, column)
        by_place: dict[tuple[int, int], float] = dict(zip(places, weights, strict=True))
        for number, piece in enumerate(group):
            for match in re.finditer(r"\w+", piece.text):
                inside = [
                    by_place[number, i]
                    for i, (start, end) in enumerate(piece.spans)
                    if (number, i) in by_place and start < match.end() and end > match.start()
                ]
                if inside:
                    found.append(Word(match.group(), sum(inside), first + number, match.start()))
        first += len(group)
    return found


def _token_weights(classifier: TextClassifier, ids: Sequence[int], column: int) -> list[float]:
    """Gradient × input of every token of one sequence."""
    network = classifier.network
    kept: list[Tensor] = []

    def keep(_module: Any, _inputs: Any, output: Tensor) -> Tensor:
        kept.append(output.detach().requires_grad_(True))
        return kept[-1]

    embedding: Any = network.body.get_input_embeddings()  # type: ignore[operator]
    hook = embedding.register_forward_hook(keep)
    try:
        arrays = classifier.tokens.padded([ids])
        with torch.enable_grad():
            inputs = [torch.from_numpy(a).to(classifier.device) for a in arrays]
            logits = network.eval()(*inputs)[0]
            (gradient,) = torch.autograd.grad(logits[0, column], kept[0])
    finally:
        hook.remove()
    weights: list[float] = (gradient * kept[0]).sum(dim=2)[0].detach().cpu().tolist()
    return weights


def _by_leaving_out(classifier: TextClassifier, pieces: Sequence[Piece], column: int) -> list[Word]:
    """By how much the logit falls when a word is taken out; at most 200 words, from the beginning."""
    places = [(n, m) for n, piece in enumerate(pieces) for m in re.finditer(r"\w+", piece.text)][:200]
    texts = [piece.text for piece in pieces]
    variants = [texts]
    for number, match in places:
        cut = texts[number][: match.start()] + texts[number][match.end() :]
        variants.append([*texts[:number], cut, *texts[number + 1 :]])
    records = [Record("words", texts=tuple(Text(t) for t in variant)) for variant in variants]
    scores = classifier.logits(records)[0][:, column].tolist()
    return [
        Word(match.group(), scores[0] - score, number, match.start())
        for (number, match), score in zip(places, scores[1:], strict=True)
    ]


def _column(classifier: NeuralClassifier, prop: str, value: str) -> int:
    """Which logit belongs to a class of a property; a soup's network has the heads that it learned with."""
    heads: tuple[Property, ...] = getattr(classifier, "learned", ()) or classifier.properties
    known: dict[str, tuple[Property, slice]] = {
        p.name: (p, part) for p, part in zip(heads, slices(heads), strict=True)
    }
    if prop not in known:
        raise ClassifierError(f"the {classifier.name} classifier has no property {prop!r}")
    found, part = known[prop]
    if value not in found.classes:
        raise ClassifierError(f"property {prop!r} has no class {value!r}")
    return int(part.start) + found.index()[value]
