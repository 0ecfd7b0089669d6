"""The image classifier: any timm backbone, fine-tuned, over all the pictures of a record."""

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any, ClassVar, TypeVar

import numpy as np
import torch
from pydantic import Field, field_validator
from torch import Tensor

from enrich.classifiers.base import ClassifierError, WrongSetting
from enrich.classifiers.data import Dataset, Picture, Record
from enrich.classifiers.explain.explanation import MemberExplanation, PictureExplanation, Saliency
from enrich.classifiers.neural import augment
from enrich.classifiers.neural.augment import AugmentSettings
from enrich.classifiers.neural.classifier import Batch, LabelledRecords, NeuralClassifier, Runtime
from enrich.classifiers.neural.decoding import DecodedPictures, decode, shared_pictures
from enrich.classifiers.neural.heads import Aggregate, HeadSettings, LossSettings
from enrich.classifiers.neural.networks import ImageNetwork, build_backbone
from enrich.classifiers.neural.onnx_runtime import Arrays, Outputs
from enrich.classifiers.neural.optimisation import TrainingSettings, from_nothing
from enrich.classifiers.neural.saliency import saliency_map
from enrich.classifiers.neural.weights import expect_weights, given_weights, weights_taken
from enrich.classifiers.settings import ClassifierSettings, Count

EXPLAINED = 3
"""Pictures of a record that get a saliency map, at most."""
AHEAD = 2
"""Batches that are decoded while the network works on another one."""

A = TypeVar("A")
B = TypeVar("B")


class BackboneSettings(ClassifierSettings):
    """A backbone and what it looks at."""

    backbone: str = "resnet50"
    """A name of timm."""
    weights: str = "hub"
    """`hub`, `package:NAME`, `none`, or a local safetensors file or folder; from `none` all layers train at the
    heads' rate."""
    size: int = Field(default=0, ge=0, le=1024)
    """Pixels of the square that the network looks at, 16 or more; 0 takes the backbone's own."""
    crop: float = Field(default=0.9, ge=0.1, le=1)
    """Share of a picture's shorter side that is looked at."""
    device: str = "auto"
    """Where it runs: auto, cpu or cuda."""

    @field_validator("size")
    @classmethod
    def _large_enough(cls, size: int) -> int:
        if 0 < size < 16:
            raise ValueError("size is 0 or from 16 to 1024 pixels")
        return size

    def side(self, size: int) -> int:
        """Width of the decoded pictures for a network that looks at `size` pixels."""
        return round(size / self.crop)


class PictureSettings(BackboneSettings):
    """A network over pictures and how it is trained."""

    heads: HeadSettings = HeadSettings()
    """Shape of the heads."""
    loss: LossSettings = LossSettings()
    """The loss."""
    augment: AugmentSettings = AugmentSettings()
    """What is changed at random in training."""
    training: TrainingSettings = TrainingSettings(head_rate=3.0)
    """The training run."""


class ImageSettings(PictureSettings):
    """The network over a record's pictures."""

    pictures: int = Field(default=1, ge=1, le=64)
    """Pictures of a record that a training step samples; prediction looks at all, up to `most`."""
    most: Count = 1000
    """Pictures of a record that are looked at, at most."""
    aggregate: Aggregate = "mean"
    """How the logits of several pictures become one answer."""
    predict_batch: int = Field(default=16, ge=1, le=4096)
    """Pictures in a prediction batch."""
    cache: int = Field(default=512, ge=0)
    """Memory for decoded pictures in training, MiB."""
    runtime: Runtime = "auto"
    """What answers: ONNX Runtime or torch; `bfloat16` is for processors with AMX, about 1e-2 off."""


class ImageClassifier(NeuralClassifier[ImageNetwork]):
    """Items are a record's pictures that have a local file; one that does not decode costs only itself.

    `pictures` holds the decoded ones and can be replaced by another store.
    """

    name: ClassVar[str] = "image"
    modality: ClassVar[str] = "image"
    settings_class = ImageSettings
    settings: ImageSettings

    def prepare(self) -> None:
        super().prepare()
        self.pictures = shared_pictures()
        self.size = self.settings.size
        self._kept: DecodedPictures | None = None
        self._broken: set[str] = set()

    @property
    def decode_size(self) -> int:
        """See Classifier; models with the same one share the decoding."""
        return self.settings.side(self.size)

    @classmethod
    def training_settings(
        cls, options: Mapping[str, Any], shared: Mapping[str, Any], folder: Path, where: str
    ) -> dict[str, Any]:
        """See Classifier; weights that are not there are refused at once."""
        settings = super().training_settings(options, shared, folder, where)
        try:
            expect_weights(cls.settings_class.read(settings).weights)
        except WrongSetting as error:
            raise WrongSetting(f"{where}.weights: {error}") from error
        return settings

    @classmethod
    def decided_by(cls, settings: Mapping[str, Any]) -> Mapping[str, str]:
        """The files of local weights."""
        return given_weights(cls.settings_class.read(settings).weights)

    def finished(self) -> dict[str, Any]:
        """How many pictures did not decode."""
        self._kept = None
        return {
            "pictures_failed": len(self._broken),
            **weights_taken(self.settings.weights, self.network.body),
        }

    def has_items(self, record: Record) -> bool:
        return any(p.path is not None for p in record.pictures)

    def why_absent(self, record: Record) -> str:
        reasons = dict.fromkeys(p.failure for p in record.pictures if p.failure)
        return "; ".join(reasons) or "the record has no picture that it can look at"

    def explain(self, record: Record, prop: str, value: str) -> MemberExplanation:
        """A saliency map of the first pictures; one that does not decode has the reason instead."""
        shown = [p for p in record.pictures if p.path is not None][:EXPLAINED]
        found = tuple(self._explain_picture(picture, prop, value) for picture in shown)
        return MemberExplanation(self.modality, self.name, unit="share", pictures=found)

    def _explain_picture(self, picture: Picture, prop: str, value: str) -> PictureExplanation:
        assert picture.path is not None
        column = self.column_of(prop, value)
        decoded = self._decode(picture.path, self.pictures)
        if decoded is None:
            return PictureExplanation(picture, None, self.failed[str(picture.path)])
        crop = self.look(decoded)
        found, method = saliency_map(self.network, _pixels([crop]).to(self.device), column)
        pixels = crop.permute(1, 2, 0).numpy()
        return PictureExplanation(picture, Saliency(prop, value, picture.path, method, found, pixels))

    def build(self, train: Dataset, resume: Path | None) -> ImageNetwork:  # noqa: ARG002
        self._broken = set()
        self._kept = DecodedPictures(self.settings.cache * 1024 * 1024)
        if self.settings.weights == "none":
            self.settings = self.settings.replace(training=from_nothing(self.settings.training))
        return self._network_of(self.settings.weights, self.settings.size)

    def _network_of(self, weights: str, size: int) -> ImageNetwork:
        s = self.settings
        body, width, self.size = build_backbone(s.backbone, size, weights=weights)
        network = ImageNetwork(body, width, self.head_properties(), s.heads, s.aggregate)
        return network.to(memory_format=torch.channels_last)  # type: ignore[call-overload, no-any-return]

    def own_config(self, folder: Path) -> dict[str, Any]:  # noqa: ARG002
        return {"size": self.size}

    def rebuild(self, folder: Path, config: Mapping[str, Any]) -> ImageNetwork:  # noqa: ARG002
        size = config.get("size")
        if not isinstance(size, int) or not 16 <= size <= 1024:
            raise ClassifierError(f"config.json: size is {size!r}, expected 16 to 1024 pixels")
        return self._network_of("none", size)

    def samples(self) -> tuple[dict[str, dict[int, str]], list[Arrays]]:
        generator = np.random.default_rng(0)
        shapes = ((2, 3, self.size, self.size), (3, 3, self.size, self.size))
        inputs: list[Arrays] = [(generator.random(shape, dtype=np.float32),) for shape in shapes]
        return {"pixels": {0: "items"}}, inputs

    def training_batches(self, data: LabelledRecords, generator: torch.Generator) -> Iterator[Batch]:
        """Shuffled records, some pictures of each, cropped and changed at random."""
        order = torch.randperm(len(data), generator=generator).tolist()
        chunks = data.chunks(order, self.settings.training.batch)
        picked = [[(row, path) for row in c for path in self._pick(data, row, generator)] for c in chunks]
        kept = self._kept or self.pictures
        for items in _ahead(lambda chunk: [(row, self._decode(path, kept)) for row, path in chunk], picked):
            batch = self._batch(data, items, generator)
            if batch is not None:
                yield batch

    def _pick(self, data: LabelledRecords, row: int, generator: torch.Generator) -> list[Path]:
        paths = _paths(data.dataset.records[row], self.settings.most)
        if len(paths) <= self.settings.pictures:
            return paths
        chosen = torch.randperm(len(paths), generator=generator)[: self.settings.pictures]
        return [paths[int(i)] for i in chosen]

    def _batch(
        self, data: LabelledRecords, items: list[tuple[int, Tensor | None]], generator: torch.Generator
    ) -> Batch | None:
        """Crops of the pictures that decoded, with the targets of their records; None when none did."""
        good = [(row, picture) for row, picture in items if picture is not None]
        if not good:
            return None
        rows = list(dict.fromkeys(row for row, _ in good))
        place = {row: i for i, row in enumerate(rows)}
        s = self.settings.augment
        pixels = augment.crops([picture for _, picture in good], self.size, s, generator)
        batch = data.batch((pixels,), [place[row] for row, _ in good], rows)
        if len(rows) == len(good):
            mixed, target, named = augment.mix(pixels, batch.target, batch.named, s, generator)
            partial = batch.partial if mixed is pixels else None  # of half a picture nothing was turned down
            batch = Batch((mixed,), batch.owner, target, named, partial)
        return replace(batch, inputs=(batch.inputs[0].contiguous(memory_format=torch.channels_last),))

    def outputs(self, records: Sequence[Record]) -> Iterator[tuple[list[int], Outputs]]:
        """Pictures in batches across records: memory does not grow with the pictures of one."""
        items = ((row, path) for row, r in enumerate(records) for path in _paths(r, self.settings.most))
        for rows, pixels in _ahead(self._look, _batched(items, self.settings.predict_batch)):
            if rows:
                yield rows, self.runner.run(pixels.numpy())

    def _look(self, items: Sequence[tuple[int, Path]]) -> tuple[list[int], Tensor]:
        """The rows of the records whose picture decodes, and the middles of those, float32 (m, 3, size, size)."""
        found = [(row, self._decode(path, self.pictures)) for row, path in items]
        crops = [(row, self.look(picture)) for row, picture in found if picture is not None]
        return [row for row, _ in crops], _pixels([crop for _, crop in crops])

    def look(self, picture: Tensor) -> Tensor:
        """The part of a decoded picture (3, H, W) that the network looks at, uint8 (3, size, size)."""
        return augment.centre_crop(picture, self.size, self.settings.crop)

    def _decode(self, path: Path, pictures: DecodedPictures) -> Tensor | None:
        """A picture (3, H, W) uint8; None when it does not decode, and `failed` says why."""
        try:
            array = pictures.decode(path, self.decode_size)
        except ClassifierError as error:
            self.failed[str(path)] = str(error)
            self._broken.add(str(path))
            return None
        return torch.from_numpy(np.array(array)).permute(2, 0, 1)


def square(data: bytes, side: int) -> Tensor:
    """The middle square of a picture, uint8 (3, side, side). ClassifierError when it does not decode."""
    return augment.centre_crop(torch.from_numpy(decode(data, side)).permute(2, 0, 1), side)


def _paths(record: Record, most: int) -> list[Path]:
    return [p.path for p in record.pictures if p.path is not None][:most]


def _pixels(crops: Sequence[Tensor]) -> Tensor:
    """uint8 crops to float32 (m, 3, size, size) from 0 to 1; nothing (0,) of none."""
    return torch.stack(list(crops)).float() / 255.0 if crops else torch.zeros(0)


def _batched(items: Iterable[A], size: int) -> Iterator[list[A]]:
    source = iter(items)
    while chunk := list(islice(source, size)):
        yield chunk


def _ahead(work: Callable[[Any], B], chunks: Iterable[Any]) -> Iterator[B]:
    """`work` of every chunk in order, up to AHEAD chunks done by threads while the caller is busy."""
    source = iter(chunks)
    with ThreadPoolExecutor(min(4, os.cpu_count() or 1), thread_name_prefix="pictures") as pool:
        waiting = [pool.submit(work, chunk) for chunk in islice(source, AHEAD)]
        try:
            while waiting:
                result = waiting.pop(0).result()
                waiting += [pool.submit(work, chunk) for chunk in islice(source, 1)]
                yield result
        finally:
            for future in waiting:
                future.cancel()
