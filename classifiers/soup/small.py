"""A narrow DenseNet under timm's names: timm has small CoAtNets, ResNets and ViTs for two cores, but no DenseNet."""

from __future__ import annotations

from typing import Any

from classifiers.neural import libraries

NARROW_DENSENET = "test_densenet"


def register() -> None:
    """Let timm know `test_densenet`: DenseNet-121's block with growth 12 and 29 dense layers, 0.33 M parameters."""
    timm = libraries.timm()
    if timm.is_model(NARROW_DENSENET):
        return

    def test_densenet(pretrained: bool = False, **arguments: Any) -> Any:
        if pretrained:
            raise ValueError("test_densenet has no published weights; set weights to none")
        return timm.create_model("densenet121", growth_rate=12, block_config=(3, 6, 12, 8), **arguments)

    timm.models.register_model(test_densenet)
