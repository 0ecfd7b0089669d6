"""The network of a trajectory, its recipe, and what the training loop and the measuring ask of it.

Recipe: Tran et al. 2026 (AdamW, cosine with warm restarts of T₀ = 3 epochs, random crops and flips, CutMix
or MixUp, focal loss or cross-entropy). The loop is that of every neural classifier (neural.training).
"""

from collections.abc import Iterator
from typing import Any

import torch
from pydantic import field_validator
from torch import Tensor, nn

from enrich.classifiers.base import ClassifierError
from enrich.classifiers.data import Property
from enrich.classifiers.neural import augment, libraries
from enrich.classifiers.neural import heads as head
from enrich.classifiers.neural.augment import AugmentSettings
from enrich.classifiers.neural.heads import HeadSettings, LossSettings
from enrich.classifiers.neural.image import PictureSettings
from enrich.classifiers.neural.networks import ImageNetwork, build_backbone
from enrich.classifiers.neural.optimisation import TrainingSettings, pick_device
from enrich.classifiers.neural.training import shuffled, steps_of
from enrich.classifiers.settings import Count
from enrich.classifiers.soup.pictures import PictureSet
from enrich.classifiers.soup.scores import scores_of

Batch = tuple[Tensor, Tensor, Tensor]


class TrajectorySettings(PictureSettings):
    """How a trajectory is trained: every layer at the same rate, restarts every three epochs, no early stop."""

    backbone: str = "coatnet_0_rw_224"
    weights: str = "none"
    disk: Count = 20_000
    """Cap on the folder, MiB: beyond it the worst checkpoints are deleted, and named."""
    heads: HeadSettings = HeadSettings(neck=0)
    loss: LossSettings = LossSettings(gamma=2.0, balance=0.0)
    augment: AugmentSettings = AugmentSettings(cutmix=1.0, mixup=0.2, mix=0.5)
    training: TrainingSettings = TrainingSettings(
        epochs=50,
        learning_rate=1e-4,
        weight_decay=1e-3,
        layer_decay=1.0,
        frozen_epochs=0,
        warmup=0.0,
        schedule="restarts",
        restart_every=3,
        patience=0,
        keep="all",
    )

    @field_validator("training")
    @classmethod
    def _keeps_all(cls, training: TrainingSettings) -> TrainingSettings:
        if training.keep != "all":
            raise ValueError("training.keep is all: a soup needs every checkpoint")
        return training


def register_densenet() -> None:
    """Let timm know `test_densenet`, a narrow DenseNet beside its small CoAtNets, ResNets and ViTs for two cores.

    DenseNet-121's block with growth 12 and 29 dense layers, 0.33 M parameters.
    """
    timm = libraries.timm()
    if timm.is_model("test_densenet"):
        return

    def test_densenet(pretrained: bool = False, **arguments: Any) -> Any:
        if pretrained:
            raise ValueError("test_densenet has no published weights; set weights to none")
        return timm.create_model("densenet121", growth_rate=12, block_config=(3, 6, 12, 8), **arguments)

    timm.models.register_model(test_densenet)


def build(settings: TrajectorySettings, properties: tuple[Property, ...]) -> tuple[ImageNetwork, int]:
    """The network with fresh or given weights, and the width of picture it looks at."""
    register_densenet()
    body, width, size = build_backbone(settings.backbone, settings.size, weights=settings.weights)
    network = ImageNetwork(body, width, properties, settings.heads, "mean")
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return network, size


def picture_size(settings: TrajectorySettings) -> int:
    """The width of picture that the settings' network looks at, without building it where it is given."""
    if not settings.size:
        register_densenet()
    return settings.size or build_backbone(settings.backbone, 0)[2]


class TrajectoryTask:
    """A network and its pictures as the training loop sees them."""

    def __init__(
        self, settings: TrajectorySettings, learn: PictureSet, selection: PictureSet, seed: int
    ) -> None:
        self.settings, self.learn, self.selection = settings, learn, selection
        self.device = pick_device(settings.device)
        with torch.random.fork_rng(devices=[]):
            # from given weights all seeds begin alike, with one head, so that what they train can be averaged
            torch.manual_seed(seed if settings.weights == "none" else 0)
            built, self.size = build(settings, learn.properties)
        if learn.side != settings.side(self.size):
            raise ClassifierError(
                f"pictures are {learn.side} pixels wide, the network wants {settings.side(self.size)}"
            )
        self.image_network = built.to(self.device)
        self.network: nn.Module = self.image_network
        weights = head.class_weights(learn.target, learn.named, learn.properties, settings.loss.balance)
        self.criterion = head.FocalLoss(learn.properties, settings.loss, weights).to(self.device)

    def layers(self) -> list[list[nn.Parameter]]:
        """All layers learn at the same rate: body and heads."""
        return [list(self.image_network.body.parameters()), self.image_network.head_parameters()]

    def steps(self) -> int:
        return steps_of(len(self.learn), self.settings.training.batch)

    def batches(self, generator: torch.Generator) -> Iterator[Batch]:
        """Shuffled batches of cropped, flipped and mixed pictures."""
        for rows in shuffled(len(self.learn), self.settings.training.batch, generator):
            s, (target, named) = self.settings.augment, (self.learn.target[rows], self.learn.named[rows])
            pixels = augment.crops(self.learn.pixels[rows], self.size, s, generator)
            yield augment.mix(pixels, target, named, s, generator)

    def mode(self, *, frozen: bool) -> None:  # noqa: ARG002
        self.network.train()

    def loss(self, batch: Batch) -> Tensor:
        pixels, target, named = (t.to(self.device) for t in batch)
        logits = self.network(pixels.contiguous(memory_format=torch.channels_last))[0]
        loss: Tensor = self.criterion(logits.float(), target, named)
        return loss

    def evaluate(self) -> dict[str, float]:
        if not len(self.selection):
            return {}
        return scores_of(run(self.image_network, self.selection, self.size), self.selection)


def run(
    network: ImageNetwork, pictures: PictureSet, size: int, batch: int = 128, *, features: bool = False
) -> Tensor:
    """Logits (n, ΣK) float32 of the middle of every picture, in evaluation mode, on the CPU.

    With `features` what the body sees instead, (n, width).
    """
    network.eval()
    device = next(network.parameters()).device
    found = [torch.zeros(0, network.width if features else pictures.target.shape[1])]
    with torch.inference_mode():
        for start in range(0, len(pictures), batch):
            pixels = pictures.middle(slice(start, start + batch), size).to(device)
            answer = network.features(pixels) if features else network(pixels)[0]
            found.append(answer.float().cpu())
    return torch.cat(found)
