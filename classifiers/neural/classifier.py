"""What the image and the text classifier share: training, batched prediction, and their model folder."""

from __future__ import annotations

import hashlib
import json
from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, Literal, Self, TypeVar

import numpy as np
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from enrich.classifiers.base import Classifier, ClassifierError, Distribution, Progress, no_progress
from enrich.classifiers.data import Dataset, Property, Record
from enrich.classifiers.errors import NothingToLearn
from enrich.classifiers.kinds import Flags
from enrich.classifiers.neural import heads as head
from enrich.classifiers.neural import onnx_runtime
from enrich.classifiers.neural.checkpoints import plain
from enrich.classifiers.neural.networks import MultitaskNetwork
from enrich.classifiers.neural.onnx_runtime import Arrays, Outputs, Runner, TorchRunner
from enrich.classifiers.neural.optimisation import pick_device
from enrich.classifiers.neural.training import train as run_training
from enrich.classifiers.neural.weights import load_network

WEIGHTS = "model.safetensors"
Network = TypeVar("Network", bound=MultitaskNetwork)
Runtime = Literal["auto", "onnx", "torch", "bfloat16"]
"""What answers. `bfloat16` is torch in half the precision, about 1e-2 off: for CPUs with AMX, when asked for."""


@dataclass(frozen=True)
class Batch:
    """Inputs of m items (pictures or texts), the record (0 to n−1) each belongs to, and n records' targets. `partial` is
    what else is known of them (see `heads.judged`), None for nothing."""

    inputs: tuple[Tensor, ...]
    owner: Tensor
    target: Tensor
    named: Tensor
    partial: tuple[Tensor, Tensor] | None = None


class NeuralClassifier(Classifier, Generic[Network]):
    """A multitask network over the items of a record. Back ends say what items are and how they are batched.

    `failed` maps what could not be used in the last `predict` (a picture's path, a record) to the reason.
    """

    shared = {"gamma": "loss.gamma"}  # noqa: RUF012
    costly = True
    takes_refusals = True

    def prepare(self) -> None:
        self.device = pick_device(self.settings.device)
        self.failed: dict[str, str] = {}
        self._network: Network | None = None
        self._runner: Runner | None = None

    @property
    def network(self) -> Network:
        """The network; ClassifierError before `fit` or `read`."""
        if self._network is None:
            raise ClassifierError(f"the {self.name} classifier has not been trained or loaded yet")
        return self._network

    @property
    def runner(self) -> Runner:
        """What runs the network, ONNX Runtime or torch, and why."""
        if self._runner is None:
            self._runner = TorchRunner(self.network, self.device, "in training; saved models may use onnx")
        return self._runner

    # What a back end says.

    @abstractmethod
    def has_items(self, record: Record) -> bool:
        """Whether the record has anything this modality can look at."""

    @abstractmethod
    def build(self, train: Dataset, resume: Path | None) -> Network:
        """The network to train, for `self.properties`."""

    @abstractmethod
    def training_batches(self, data: LabelledRecords, generator: torch.Generator) -> Iterator[Batch]:
        """One epoch of batches."""

    @abstractmethod
    def outputs(self, records: Sequence[Record]) -> Iterator[tuple[list[int], Outputs]]:
        """Rows and network outputs of the records' items, in batches of bounded size."""

    @abstractmethod
    def samples(self) -> tuple[dict[str, dict[int, str]], list[Arrays]]:
        """The inputs' dynamic axes by name, and inputs of at least two sizes, for the export."""

    @abstractmethod
    def own_config(self, folder: Path) -> dict[str, Any]:
        """What else `rebuild` needs, as JSON; further files go into the folder."""

    @abstractmethod
    def rebuild(self, folder: Path, config: Mapping[str, Any]) -> Network:
        """The network of a model folder, its weights still to be filled."""

    # What they share.

    def finished(self) -> dict[str, Any]:
        """What else the history of a training says."""
        return {}

    def trained(self) -> nn.Module:
        """The part of the network that training changes: what checkpoints hold."""
        return self.network

    def layers(self) -> list[list[nn.Parameter]]:
        """The parameters that are trained, by depth, the heads last."""
        return self.network.layers()

    def fit(
        self,
        train: Dataset,
        held_out: Dataset,
        *,
        seed: int = 0,
        progress: Progress = no_progress,
        resume: Path | None = None,
    ) -> dict[str, Any]:
        """Train; see Classifier.fit. NothingToLearn when no record has both an item and a value."""
        self.properties = train.properties
        usable = [
            r
            for r in train.records
            if self.has_items(r) and (r.reviewed or any(r.known.get(p.name) for p in self.properties))
        ]
        if not usable:
            wanted = {"image": "a picture", "text": "a text"}.get(self.modality, "an input")
            raise NothingToLearn(f"no record of the training data has {wanted} and a known value")
        seen = [r for r in held_out.records if self.has_items(r)]
        self._runner = None
        with torch.random.fork_rng(devices=[self.device] if self.device.type == "cuda" else []):
            torch.manual_seed(seed)
            self._network = self.build(train, resume).to(self.device)
        data = LabelledRecords(Dataset(usable, train.properties))
        task = NeuralTask(self, data, LabelledRecords(Dataset(seen, train.properties)))
        history = run_training(
            task,
            self.settings.training,
            seed=seed,
            folder=resume,
            fingerprint="" if resume is None else self._fingerprint(data, seed),
            progress=progress,
            stage=f"training {self.name}",
        )
        self.network.eval()
        counts = {"records": len(usable), "held_out_records": len(seen)}
        return {**history, **counts, "device": str(self.device), **self.finished()}

    def predict(self, records: Sequence[Record]) -> dict[str, Distribution]:
        """See Classifier.predict; a record with no usable item is absent."""
        logits, present = self.logits(records)
        return head.distributions(logits, present, self.head_properties())

    def logits(self, records: Sequence[Record]) -> tuple[Tensor, Flags]:
        """Aggregated logits (n, ΣK) of records, and which of them had anything to look at (n,)."""
        self.network.eval()
        self.failed = {}
        n, total = len(records), sum(len(p.classes) for p in self.head_properties())
        owners: list[int] = []
        logits, attention = [torch.zeros(0, total)], [torch.zeros(0, 1)]
        for rows, (item_logits, item_attention) in self.outputs(records):
            owners += rows
            logits.append(item_logits)
            attention.append(item_attention)
        owner = torch.tensor(owners, dtype=torch.long)
        answer = head.aggregate(torch.cat(logits), torch.cat(attention), owner, n, self.settings.aggregate)
        present: Flags = np.bincount(np.array(owners, dtype=np.intp), minlength=n) > 0
        for row in torch.nonzero(~torch.isfinite(answer).all(dim=1))[:, 0].tolist():
            self.failed[records[row].id] = f"the {self.name} network's output is not a number"
            present[row] = False
        return answer, present

    def write(self, folder: Path) -> dict[str, Any]:
        """Weights as safetensors, the ONNX export where it equals torch, and the settings for config.json."""
        save_file(plain(self.network.state_dict()), folder / WEIGHTS)
        config = {"settings": self.settings.to_json(), **self.own_config(folder)}
        if self.settings.runtime in ("torch", "bfloat16"):
            return {**config, "onnx": {"reason": f"runtime is {self.settings.runtime}"}}
        network = self.network.to("cpu")
        config["onnx"] = onnx_runtime.export(network, folder, *self.samples())
        network.to(self.device)
        return config

    @classmethod
    def read(cls, folder: Path, config: Mapping[str, Any], properties: tuple[Property, ...]) -> Self:
        """Rebuild from a folder, with no network access; see Classifier.read."""
        settings: Any = cls.settings_class.read(config.get("settings", {}), "config.json settings")
        elsewhere = settings.device != "auto" and not settings.device.startswith("cpu")
        if elsewhere and not torch.cuda.is_available():
            settings = settings.replace(device="auto")
        classifier = cls(settings)
        classifier.properties = properties
        network = classifier.rebuild(folder, config)
        load_network(network, folder / WEIGHTS)
        classifier._network = network.to(classifier.device).eval()
        onnx = config.get("onnx", {})
        classifier._runner = onnx_runtime.pick(
            network, folder, onnx if isinstance(onnx, Mapping) else {}, classifier.device, settings.runtime
        )
        return classifier

    def head_properties(self) -> tuple[Property, ...]:
        """The properties whose logits the network gives, in their order."""
        return self.properties

    def column_of(self, prop: str, value: str) -> int:
        """Which logit belongs to a class. Raises ClassifierError for one that the network does not know."""
        heads = self.head_properties()
        for known, part in head.by_property(heads):
            if known.name == prop and value in known.classes:
                return int(part.start) + known.classes.index(value)
        raise ClassifierError(f"the {self.name} classifier has no class {value!r} of {prop!r}")

    def _fingerprint(self, data: LabelledRecords, seed: int) -> str:
        """Digest of all that decides the result of a training run."""
        settings = self.settings.to_json()
        said = [settings, dict(self.decided_by(settings)), seed]
        digest = hashlib.sha256(json.dumps(said, sort_keys=True).encode())
        digest.update(repr([(p.name, p.classes, p.many) for p in self.properties]).encode())
        for r in data.dataset.records:
            values = sorted((k, v) for k, v in r.known.items())
            pictures = [p.sha256 or p.url for p in r.pictures]
            digest.update(
                repr((r.id, values, [t.value for t in r.texts], pictures)).encode("utf-8", "replace")
            )
            if r.reviewed:
                digest.update(repr((sorted(r.taught.items()), sorted(r.refused.items()))).encode())
        return digest.hexdigest()


class LabelledRecords:
    """Records with their targets (n, ΣK) and which properties they name (n, P)."""

    def __init__(self, dataset: Dataset) -> None:
        self.dataset = dataset
        self.target, self.named = head.targets(dataset)
        self.partial = head.judged(dataset) if any(r.reviewed for r in dataset.records) else None

    def __len__(self) -> int:
        return len(self.dataset)

    def chunks(self, order: Sequence[int], size: int) -> list[list[int]]:
        """Rows cut into batches; one row alone at the end joins the batch before it (batch norm needs two)."""
        parts = [list(order[i : i + size]) for i in range(0, len(order), size)]
        if len(parts) > 1 and len(parts[-1]) == 1:
            last = parts.pop()
            parts[-1] += last
        return parts

    def batch(self, inputs: tuple[Tensor, ...], owner: Sequence[int], rows: Sequence[int]) -> Batch:
        """A batch of these rows; `owner` numbers the items' records within the batch."""
        index = list(rows)
        partial = None if self.partial is None else (self.partial[0][index], self.partial[1][index])
        owners = torch.tensor(owner, dtype=torch.long)
        return Batch(inputs, owners, self.target[index], self.named[index], partial)


class NeuralTask:
    """A neural classifier as the training loop sees it."""

    def __init__(
        self, classifier: NeuralClassifier[Any], data: LabelledRecords, held_out: LabelledRecords
    ) -> None:
        self.classifier, self.data, self.held_out = classifier, data, held_out
        self.network: nn.Module = classifier.trained()
        self.device = classifier.device
        settings = classifier.settings
        weights = head.class_weights(data.target, data.named, classifier.properties, settings.loss.balance)
        self.criterion = head.FocalLoss(classifier.properties, settings.loss, weights).to(self.device)

    def layers(self) -> list[list[nn.Parameter]]:
        return self.classifier.layers()

    def steps(self) -> int:
        return len(self.data.chunks(range(len(self.data)), self.classifier.settings.training.batch))

    def batches(self, generator: torch.Generator) -> Iterator[Batch]:
        return self.classifier.training_batches(self.data, generator)

    def mode(self, *, frozen: bool) -> None:
        self.classifier.network.train()
        if frozen or not any(p.requires_grad for p in self.classifier.network.body.parameters()):
            self.classifier.network.body.eval()

    def loss(self, batch: Batch) -> Tensor:
        inputs = tuple(t.to(self.device) for t in batch.inputs)
        logits, attention = self.classifier.network(*inputs)
        count = len(batch.target)
        how = self.classifier.settings.aggregate
        answer = head.aggregate(logits.float(), attention.float(), batch.owner.to(self.device), count, how)
        loss: Tensor = self.criterion(answer, batch.target.to(self.device), batch.named.to(self.device))
        if batch.partial is not None:
            target, known = (t.to(self.device) for t in batch.partial)
            gamma = self.criterion.settings.gamma
            loss = loss + head.partial_loss(
                answer, target, known, batch.named, self.classifier.properties, gamma
            )
        return loss

    def evaluate(self) -> dict[str, float]:
        if not len(self.held_out):
            return {}
        logits, present = self.classifier.logits(self.held_out.dataset.records)
        rows = torch.from_numpy(present)
        target, named = self.held_out.target[rows], self.held_out.named[rows]
        if not bool(named.any()):
            return {}
        return head.held_out_scores(logits[rows], target, named, self.classifier.properties)
