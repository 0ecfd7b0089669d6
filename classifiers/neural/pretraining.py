"""Pretraining of a backbone on pictures without labels, by SimSiam (Chen and He 2021).

Two views of a picture, each cropped and changed at random, are to say the same: a projector makes a vector
of what the backbone sees, a predictor says the other view's vector, and the gradient goes through the predictor alone.
The loop is that of every neural classifier (`training`), so AdamW learns, not the paper's SGD.
"""

import math
import shutil
import tempfile
from collections.abc import Container, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from pydantic import Field
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn import functional as F

from enrich.classifiers.base import ClassifierError, Progress, no_progress
from enrich.classifiers.digest import bytes_digest, file_digest, json_digest
from enrich.classifiers.model.folder import write_json
from enrich.classifiers.neural import augment
from enrich.classifiers.neural.augment import AugmentSettings
from enrich.classifiers.neural.checkpoints import plain
from enrich.classifiers.neural.image import BackboneSettings, square
from enrich.classifiers.neural.networks import build_backbone, pixel_statistics
from enrich.classifiers.neural.optimisation import TrainingSettings, pick_device
from enrich.classifiers.neural.training import shuffled, steps_of, train
from enrich.classifiers.neural.weights import CARD, FILE, read_card, weights_taken

CHECKPOINTS = "checkpoints"
LEAST = 16
"""Pictures to learn from, at least."""
MEASURED = 512
"""Pictures on which the spread of the projections is measured, at most."""
COLLAPSED = 0.2
"""Share of the healthy spread below which the features have collapsed."""
SHOWN = 20
"""Files that cannot be used which the card names, at most."""

Batch = tuple[Tensor, Tensor]
File = tuple[str, bytes | str]
"""The name of a picture and its bytes, or the reason why it could not be had."""


class CollapsedError(ClassifierError):
    """All pictures look alike to the backbone: it has learnt nothing."""


class PretrainingSettings(BackboneSettings):
    """How a backbone learns from pictures without labels."""

    weights: str = "none"
    crop: float = Field(default=0.75, ge=0.1, le=1)
    """Share of a kept picture's side that the network's size is: 0.75 keeps pictures 4/3 as wide, so that crops stay sharp."""
    projection: int = Field(default=512, ge=8, le=8192)
    """Width of the projections; the predictor's bottleneck is a quarter of it. The paper has 2048, for 224 pixels."""
    augment: AugmentSettings = AugmentSettings(scale=0.2, colour=0.4, grey=0.2)
    """What is changed at random in each view."""
    training: TrainingSettings = TrainingSettings(
        epochs=100,
        batch=128,
        learning_rate=1e-3,
        layer_decay=1.0,
        frozen_epochs=0,
        patience=0,
    )
    """The training run."""


class SimSiam(nn.Module):
    """A backbone with the projector and the predictor of SimSiam; takes two views (m, 3, size, size) from 0 to 1."""

    mean: Tensor
    std: Tensor

    def __init__(self, body: nn.Module, width: int, projection: int) -> None:
        super().__init__()
        self.body = body
        for name, value in pixel_statistics(body).items():
            self.register_buffer(name, value)
        last = (nn.Linear(projection, projection, bias=False), nn.BatchNorm1d(projection, affine=False))
        self.projector = nn.Sequential(*_layer(width, projection), *_layer(projection, projection), *last)
        narrow = projection // 4
        self.predictor = nn.Sequential(*_layer(projection, narrow), nn.Linear(narrow, projection))

    def features(self, pixels: Tensor) -> Tensor:
        """What the backbone sees in each picture, (m, width)."""
        found: Tensor = self.body((pixels - self.mean) / self.std)
        return found

    def forward(self, first: Tensor, second: Tensor) -> Tensor:
        """The loss of two views: the negative cosine of each one's prediction and the other's projection, from −1 to 1."""
        z1, z2 = (self.projector(self.features(pixels)) for pixels in (first, second))
        p1, p2 = self.predictor(z1).float(), self.predictor(z2).float()
        alike = F.cosine_similarity(p1, z2.detach().float()) + F.cosine_similarity(p2, z1.detach().float())
        return -alike.mean() / 2


def _layer(width: int, out: int) -> tuple[nn.Module, ...]:
    return nn.Linear(width, out, bias=False), nn.BatchNorm1d(out), nn.ReLU(inplace=True)


@dataclass(frozen=True)
class Unlabelled:
    """n pictures without labels: `pixels` (n, 3, side, side) uint8, the SHA-256 of their files, and what could not be used.

    `broken` maps the name of a file to the reason; `repeated` counts files that are another one once more.
    """

    pixels: Tensor
    digests: tuple[str, ...]
    broken: dict[str, str]
    repeated: int

    def __len__(self) -> int:
        return len(self.digests)

    def digest(self) -> str:
        """SHA-256 of the pictures, in order."""
        return json_digest([*self.digests, list(self.pixels.shape)])


def collect(files: Iterable[File], side: int, folder: Path, progress: Progress = no_progress) -> Unlabelled:
    """The middle squares of these pictures, each file once; one that does not decode costs only itself.

    The pixels lie in a file of `folder` that goes with this process, not in memory: 3·side² bytes a picture.
    """
    digests: dict[str, None] = {}
    broken: dict[str, str] = {}
    repeated = 0
    with tempfile.TemporaryFile(dir=folder) as kept:
        for done, (name, data) in enumerate(files, start=1):
            try:
                digest, pixels = _squared(data, side, digests)
            except ClassifierError as error:
                broken[name] = str(error)
                continue
            repeated += pixels is None
            if pixels is not None:
                digests[digest] = None
                kept.write(pixels.numpy().tobytes())
            if done % 100 == 0:
                progress("reading pictures", done, 0)
        kept.flush()
        shape = (len(digests), 3, side, side)
        # a private mapping: torch wants memory that could be written to
        found = np.memmap(kept, np.uint8, "c", shape=shape) if digests else np.zeros(shape, np.uint8)
    return Unlabelled(torch.from_numpy(np.asarray(found)), tuple(digests), broken, repeated)


def _squared(data: bytes | str, side: int, known: Container[str]) -> tuple[str, Tensor | None]:
    """A picture's digest and its middle square, None where it is known. ClassifierError for the reason why not."""
    if isinstance(data, str):
        raise ClassifierError(data)
    digest = bytes_digest(data)
    return digest, None if digest in known else square(data, side)


class SimSiamTask:
    """The network and its pictures as the training loop sees them."""

    def __init__(
        self, settings: PretrainingSettings, model: SimSiam, size: int, pictures: Unlabelled
    ) -> None:
        self.settings, self.size, self.pictures = settings, size, pictures
        self.device = pick_device(settings.device)
        self.model = model.to(self.device)
        self.network: nn.Module = self.model

    def layers(self) -> list[list[nn.Parameter]]:
        """All learn at the same rate: the backbone, and what is thrown away in the end."""
        above = (*self.model.projector.parameters(), *self.model.predictor.parameters())
        return [list(self.model.body.parameters()), list(above)]

    def steps(self) -> int:
        return steps_of(len(self.pictures), self.settings.training.batch)

    def batches(self, generator: torch.Generator) -> Iterator[Batch]:
        """Two views of shuffled pictures."""
        for rows in shuffled(len(self.pictures), self.settings.training.batch, generator):
            pixels, s = self.pictures.pixels[rows], self.settings.augment
            first, second = (augment.crops(pixels, self.size, s, generator) for _ in range(2))
            yield first, second

    def mode(self, *, frozen: bool) -> None:  # noqa: ARG002
        self.network.train()

    def loss(self, batch: Batch) -> Tensor:
        first, second = (t.to(self.device) for t in batch)
        loss: Tensor = self.model(first, second)
        return loss

    def evaluate(self) -> dict[str, float]:
        """The spread of the projections, 1 where it is healthy. CollapsedError where it is all but 0."""
        spread = self.spread()
        if spread < COLLAPSED:
            raise CollapsedError(
                f"the features have collapsed: their spread is {spread:.2f} of the healthy one, below {COLLAPSED}, so all "
                f"pictures look alike to the backbone; lower learning_rate ({self.settings.training.learning_rate:g}), or "
                "see whether the pictures are really different ones; no weights are left"
            )
        return {"spread": spread}

    def spread(self) -> float:
        """Deviation of the normalised projections over pictures, as a share of 1/√width: near 1 healthy, 0 collapsed.

        Projections are normed over these pictures as in training; one that is all but nothing stays so.
        """
        chosen = np.unique(np.linspace(0, len(self.pictures) - 1, MEASURED).astype(int)).tolist()
        self.network.eval()
        with torch.inference_mode():
            seen = torch.cat([self._seen(chosen[i : i + 128]) for i in range(0, len(chosen), 128)])
            width = self.settings.projection
            self.model.projector.train()
            z = self.model.projector(seen).float()
            z = z / z.norm(dim=1, keepdim=True).clamp(min=0.1 * math.sqrt(width))
            return float(z.std(dim=0, correction=0).mean()) * math.sqrt(width)

    def _seen(self, rows: list[int]) -> Tensor:
        pixels, share = self.pictures.pixels, self.size / self.pictures.pixels.shape[-1]
        middle = [augment.centre_crop(pixels[i], self.size, share) for i in rows]
        return self.model.features((torch.stack(middle).float() / 255.0).to(self.device))


def build(settings: PretrainingSettings, seed: int) -> tuple[SimSiam, int]:
    """The network, what is fresh in it drawn by `seed`, and the width of picture that its backbone looks at."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        body, width, size = build_backbone(settings.backbone, settings.size, weights=settings.weights)
        model = SimSiam(body, width, settings.projection)
    return model.to(memory_format=torch.channels_last), size  # type: ignore[call-overload]


def pretrain(
    folder: Path,
    files: Iterable[File],
    settings: PretrainingSettings,
    *,
    seed: int = 0,
    progress: Progress = no_progress,
) -> dict[str, Any]:
    """Learn from pictures into `folder`: the backbone's weights by timm's names, and the card, which is returned.

    What was killed goes on from its last epoch, and what is finished is returned as it is. Raises ClassifierError where
    the folder holds anything else, for too few pictures, and for features that have collapsed: then no weights are left.
    """
    model, size = build(settings, seed)
    began = weights_taken(settings.weights, model.body)
    with _folder_kept(folder):
        pictures = collect(files, settings.side(size), folder, progress)
        if len(pictures) < LEAST:
            raise ClassifierError(_too_few(pictures))
        decides = {k: v for k, v in settings.to_json().items() if k != "device"}
        fingerprint = json_digest([decides, began, seed, pictures.digest()])
        card = read_card(folder / FILE)
        if card is not None and card["fingerprint"] != fingerprint:
            raise ClassifierError(
                f"{folder} holds a pretraining from other pictures or settings; name another folder, or delete this one"
            )
        if card is None:
            task = SimSiamTask(settings, model, size, pictures)
            history = _trained(folder, task, seed, fingerprint, progress)
            said = _card(settings, size, seed, pictures, history)
            card = _write(folder, model.body, said | began | {"fingerprint": fingerprint})
        shutil.rmtree(folder / CHECKPOINTS, ignore_errors=True)
    return card


@contextmanager
def _folder_kept(folder: Path) -> Iterator[None]:
    """The folder is there while it is needed, and afterwards if anything is in it. ClassifierError for one of others."""
    if folder.exists():
        ours = any((folder / name).exists() for name in (CARD, CHECKPOINTS))
        if not ours and not (folder.is_dir() and not any(folder.iterdir())):
            raise ClassifierError(f"{folder} is there already and holds no pretraining; name another folder")
    folder.mkdir(parents=True, exist_ok=True)
    try:
        yield
    finally:
        with suppress(OSError):
            folder.rmdir()


def _trained(
    folder: Path, task: SimSiamTask, seed: int, fingerprint: str, progress: Progress
) -> dict[str, Any]:
    """The history of the training. What has collapsed leaves no checkpoint to go on from."""
    settings = task.settings
    try:
        return train(
            task,
            settings.training,
            seed=seed,
            folder=folder / CHECKPOINTS,
            fingerprint=fingerprint,
            progress=progress,
            stage=f"pretraining {settings.backbone}",
        )
    except CollapsedError:
        shutil.rmtree(folder / CHECKPOINTS, ignore_errors=True)
        raise


def _too_few(pictures: Unlabelled) -> str:
    said = f"{len(pictures)} pictures are too few to learn from: at least {LEAST} are needed"
    if pictures.repeated:
        said += f"; {pictures.repeated} files are another one once more"
    for name, reason in list(pictures.broken.items())[:1]:
        said += f"; {len(pictures.broken)} files cannot be used, such as {name}: {reason}"
    return said


def _card(
    settings: PretrainingSettings, size: int, seed: int, pictures: Unlabelled, history: Mapping[str, Any]
) -> dict[str, Any]:
    epochs = [{**e, **e["held_out"]} for e in history["epochs"]]
    return {
        "format": 1,
        "method": "SimSiam",
        "backbone": settings.backbone,
        "size": size,
        "seed": seed,
        "settings": settings.to_json(),
        "pictures": {
            "count": len(pictures),
            "sha256": pictures.digest(),
            "repeated": pictures.repeated,
            "broken": len(pictures.broken),
            "such_as": dict(list(pictures.broken.items())[:SHOWN]),
        },
        "epochs": [{k: v for k, v in e.items() if k != "held_out"} for e in epochs],
        "spread": epochs[-1]["spread"],
        "seconds": round(sum(e["seconds"] for e in epochs), 1),
    }


def _write(folder: Path, body: nn.Module, card: Mapping[str, Any]) -> dict[str, Any]:
    """The weights, then the card that says they are whole; returns it with their digest."""
    part = folder / f"{FILE}.part"
    save_file(plain(body.state_dict()), part)
    part.replace(folder / FILE)
    whole = {**card, "sha256": file_digest(folder / FILE)}
    part = folder / f"{CARD}.part"
    write_json(part, whole)
    part.replace(folder / CARD)
    return whole
