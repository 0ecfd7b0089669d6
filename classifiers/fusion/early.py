"""Early fusion: one multitask network over everything concatenated.

Words, context and known values have an embedding each; their weighted sums are joined with what the
other modalities predict, go through one shared layer, and a head per property answers.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.numpy import save_file
from torch import Tensor
from torch.nn import functional

from enrich.classifiers.arrays import read_arrays
from enrich.classifiers.base import ClassifierError, Distribution, Progress, no_progress
from enrich.classifiers.data import Dataset, Property, Record
from enrich.classifiers.fusion.base import ByModality, Fuser
from enrich.classifiers.fusion.columns import Columns, RecordColumns, gated
from enrich.classifiers.fusion.rows import present_in, present_rows
from enrich.classifiers.neural.heads import focal_loss
from enrich.classifiers.probability import log_odds, probabilities_of
from enrich.classifiers.settings import ClassifierSettings, Count, Gamma, Positive, Share
from enrich.classifiers.tfidf.features import TextFeatureSettings

WEIGHTS = "early.safetensors"
_BATCH = 128


class EarlyFusionSettings(ClassifierSettings):
    """One network over words, context, known values and the other modalities' predictions."""

    epochs: Count = 12
    """Epochs."""
    width: Count = 128
    """Width of the embeddings and of the shared layer."""
    learning_rate: Positive = 3e-3
    """Learning rate; that of the embeddings is three times as high."""
    dropout: Share = 0.3
    """Share of the shared layer dropped at random in training."""
    gamma: Gamma = 1.0
    """Focusing parameter of the focal loss; 0 is cross-entropy. `train.gamma` does not reach it."""
    hide_known: Share = 0.3
    """Share of known values not shown in training."""
    features: TextFeatureSettings = TextFeatureSettings(letters=(4, 4), columns=60_000)
    """Columns of the texts."""


class EarlyFusion(Fuser):
    """See the module. The arrays of the network are kept by name."""

    name = "early"
    settings_class = EarlyFusionSettings
    settings: EarlyFusionSettings

    def prepare(self) -> None:
        self.modalities: tuple[str, ...] = ()
        self.layout, _ = RecordColumns.learn([])
        self.arrays: dict[str, NDArray[np.float32]] = {}

    def fit(
        self, dataset: Dataset, by: ByModality, *, seed: int = 0, progress: Progress = no_progress
    ) -> Mapping[str, Any]:
        self.properties, self.modalities = dataset.properties, tuple(sorted(by))
        self.layout, columns = RecordColumns.learn(dataset.records, self.settings.features)
        generator = torch.Generator().manual_seed(seed)
        weights = self._start(generator)
        embeddings = [weights["embedding"]]
        rest = [w for name, w in weights.items() if name != "embedding"]
        rate = self.settings.learning_rate
        optimiser = torch.optim.AdamW(
            [
                {"params": embeddings, "lr": 3 * rate, "weight_decay": 0.0},
                {"params": rest, "lr": rate, "weight_decay": 1e-2},
            ]
        )
        prepared = [self._prepare(prop, by, columns) for prop in self.properties]
        targets = [dataset.targets(prop) for prop in self.properties]
        history: dict[str, Any] = {"note": f"one network over {', '.join(self.modalities)}"}
        for epoch in range(self.settings.epochs):
            total = 0.0
            order = torch.randperm(len(dataset), generator=generator).numpy()
            for start in range(0, len(order), _BATCH):
                rows = order[start : start + _BATCH]
                loss = torch.zeros(())
                for prop, (matrix, dense), (target, named) in zip(
                    self.properties, prepared, targets, strict=True
                ):
                    use = rows[named[rows]]
                    if len(use):
                        shown = self._dropped(matrix[use], generator)
                        scores = self._forward(weights, prop, shown, dense[use], generator)
                        truth = torch.from_numpy(target[use].astype(np.float32))
                        if not prop.many:
                            truth = truth / truth.sum(dim=1, keepdim=True)
                        each = focal_loss(scores, truth, prop.many, self.settings.gamma)
                        loss = loss + each.mean()
                optimiser.zero_grad()
                if loss.requires_grad:
                    loss.backward()  # type: ignore[no-untyped-call]
                    optimiser.step()
                total += float(loss.detach())
            progress("early fusion", epoch + 1, self.settings.epochs)
            history["loss"] = total / max(1, len(order))
        self.arrays = {name: w.detach().numpy().copy() for name, w in weights.items()}
        self.arrays["embedding"] = self.arrays["embedding"].astype(np.float16).astype(np.float32)
        return history

    def _start(self, generator: Any) -> dict[str, Tensor]:
        """Random weights, drawn from the generator alone."""
        width, dense = self.settings.width, self._dense_width()
        shapes = {"embedding": (max(1, len(self.layout)), width), "dense": (dense, width)}
        shapes["shared"] = (width, width)
        for i, prop in enumerate(self.properties):
            shapes[f"{i}.head"] = (width, len(prop.classes))
        found = {}
        for name, shape in shapes.items():
            scale = 0.1 if name == "embedding" else (1.0 / max(1, shape[0])) ** 0.5
            found[name] = (torch.randn(shape, generator=generator) * scale).requires_grad_()
        for name, size in [
            ("shared.bias", width),
            *[(f"{i}.bias", len(p.classes)) for i, p in enumerate(self.properties)],
        ]:
            found[name] = torch.zeros(size).requires_grad_()
        return found

    def _dense_width(self) -> int:
        other = [m for m in self.modalities if m not in ("text", "tabular")]
        return max(1, sum(len(p.classes) + 1 for p in self.properties) * len(other))

    def _prepare(self, prop: Property, by: ByModality, columns: Columns) -> tuple[Any, NDArray[np.float32]]:
        """The columns that may be looked at for a property, CSR, and what the other modalities predict."""
        n = columns.text.shape[0]
        rows = np.arange(n)
        text, tabular = (present_in(by, m, prop, rows) for m in ("text", "tabular"))
        matrix = gated(columns, text, tabular).both(self.layout.visible(prop.name), 0.5)
        matrix.eliminate_zeros()
        parts = []
        for modality in self.modalities:
            if modality in ("text", "tabular"):
                continue
            for other in self.properties:
                odds, present = np.zeros((n, len(other.classes))), np.zeros((n, 1))
                if modality in by:
                    seen = by[modality][other.name]
                    odds = np.where(seen.present[:, None], log_odds(seen.probabilities, seen.many), 0.0)
                    present = seen.present[:, None].astype(float)
                parts += [np.nan_to_num(odds) * 0.3, present]
        dense = np.concatenate(parts, axis=1) if parts else np.zeros((n, 1))
        return matrix, dense.astype(np.float32)

    def _dropped(self, matrix: Any, generator: Any) -> Any:
        """The rows with some of the known values not shown."""
        known = np.array([any(t[0] == "known" for t in c) for c in self.layout.vocabulary], dtype=bool)
        known = np.concatenate([np.zeros(len(self.layout.text), dtype=bool), known])
        lost = torch.rand(len(matrix.data), generator=generator).numpy() < self.settings.hide_known
        matrix.data[known[matrix.indices] & lost] = 0.0
        return matrix

    def _forward(
        self,
        weights: Mapping[str, Tensor],
        prop: Property,
        matrix: Any,
        dense: NDArray[np.float32],
        generator: Any = None,
    ) -> Tensor:
        place = [p.name for p in self.properties].index(prop.name)
        summed = functional.embedding_bag(
            torch.from_numpy(matrix.indices.astype(np.int64)),
            weights["embedding"],
            torch.from_numpy(matrix.indptr[:-1].astype(np.int64)),
            mode="sum",
            per_sample_weights=torch.from_numpy(np.ascontiguousarray(matrix.data, dtype=np.float32)),
        )
        hidden = torch.relu(summed + torch.from_numpy(dense) @ weights["dense"])
        hidden = hidden + torch.relu(hidden @ weights["shared"] + weights["shared.bias"])
        if generator is not None and self.settings.dropout > 0.0:
            keep = 1.0 - self.settings.dropout
            hidden = hidden * (torch.rand(hidden.shape, generator=generator) < keep) / keep
        scores: Tensor = hidden @ weights[f"{place}.head"] + weights[f"{place}.bias"]
        return scores

    def predict(self, records: Sequence[Record], by: ByModality) -> dict[str, Distribution]:
        """One distribution per property; absent where every modality is."""
        columns = self.layout.matrices(records)
        weights = {name: torch.from_numpy(a) for name, a in self.arrays.items()}
        found = {}
        for prop in self.properties:
            matrix, dense = self._prepare(prop, by, columns)
            with torch.inference_mode():
                scores = self._forward(weights, prop, matrix, dense).numpy().astype(np.float64)
            probabilities = probabilities_of(scores, prop.many) if len(scores) else scores
            found[prop.name] = Distribution.of(prop, probabilities, present_rows(by, prop, len(records)))
        return found

    def write(self, folder: Path) -> Mapping[str, Any]:
        """The columns and early.safetensors (embeddings in half precision)."""
        self.layout.write(folder)
        arrays: dict[str, Any] = dict(self.arrays)
        arrays["embedding"] = arrays["embedding"].astype(np.float16)
        save_file(arrays, folder / WEIGHTS)
        return {"settings": self.settings.to_json(), "modalities": list(self.modalities)}

    def restore(self, folder: Path, config: Mapping[str, Any]) -> None:
        self.modalities = tuple(map(str, config["modalities"]))
        self.layout = RecordColumns.read(folder, self.settings.features)
        self.arrays = {name: a.astype(np.float32) for name, a in read_arrays(folder / WEIGHTS).items()}
        wanted = {name: tuple(w.shape) for name, w in self._start(torch.Generator()).items()}
        if wanted != {name: a.shape for name, a in self.arrays.items()}:
            raise ClassifierError(
                f"{folder}: the early fusion is of another size than its columns and labels"
            )
