"""A saliency map drawn over its picture."""

from io import BytesIO

import numpy as np
from PIL import Image

from enrich.classifiers.explain.explanation import Saliency


def overlay(saliency: Saliency, strength: float = 0.55) -> bytes:
    """PNG of what the network saw, grey where it did not look, tinted from yellow to red where it did."""
    grey = saliency.pixels.mean(axis=2, keepdims=True).repeat(3, axis=2)
    weight = saliency.map[..., None]
    tint = np.concatenate([np.full_like(weight, 255.0), 220.0 * (1 - weight), np.zeros_like(weight)], axis=2)
    base = grey * (1 - weight) + saliency.pixels * weight
    picture = base * (1 - strength * weight) + tint * strength * weight
    out = BytesIO()
    Image.fromarray(picture.clip(0, 255).astype(np.uint8)).save(out, format="PNG")
    return out.getvalue()
