"""Early fusion: one multitask network over everything concatenated.

Words, context and known values have an embedding each; their weighted sums are joined with what the
other modalities said, go through one shared layer, and a head per property answers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import NDArray

from classifiers.base import ClassifierError, Distribution, FloatArray, Progress, no_progress
from classifiers.data import Dataset, Property, Record
from classifiers.fusion.base import ByModality, Fuser
from classifiers.fusion.columns import Columns, RecordColumns, gated
from classifiers.fusion.rows import distribution, heard_rows, present_rows
from classifiers.fusion.table import log_odds
from classifiers.settings import from_json, require, to_json
from classifiers.tabular.losses import sigmoid, softmax
from classifiers.tfidf.features import TextFeatureSettings

if TYPE_CHECKING:
    from torch import Tensor

EARLY = "early"
WEIGHTS = "early.safetensors"
_BATCH = 128


@dataclass(frozen=True)
class EarlyFusionSettings:
    """`width` of the embeddings and of the shared layer; `hide_known` the share of known values not shown
    in training; `gamma` the focal loss's; `features` the texts' columns."""

    epochs: int = 12
    width: int = 128
    learning_rate: float = 3e-3
    dropout: float = 0.3
    gamma: float = 1.0
    hide_known: float = 0.3
    features: TextFeatureSettings = field(
        default_factory=lambda: TextFeatureSettings(letters=(4, 4), columns=60_000)
    )

    def __post_init__(self) -> None:
        require(self.epochs >= 1 and self.width >= 1, "epochs and width are at least 1")
        require(self.learning_rate > 0.0 and self.gamma >= 0.0, "learning_rate above 0, gamma ≥ 0")
        require(0.0 <= self.dropout < 1.0 and 0.0 <= self.hide_known < 1.0, "shares are in [0, 1)")


class EarlyFusion(Fuser):
    """See the module. The arrays of the network are kept by name; torch is imported when it is used."""

    name = EARLY

    def __init__(self, **settings: Any) -> None:
        self.settings = from_json(EarlyFusionSettings, settings, "early fusion")
        self.modalities: tuple[str, ...] = ()
        self.layout, _ = RecordColumns.learn([])
        self.arrays: dict[str, NDArray[np.float32]] = {}

    def fit(
        self, dataset: Dataset, by: ByModality, *, seed: int = 0, progress: Progress = no_progress
    ) -> Mapping[str, Any]:
        """See Fuser.fit."""
        import torch

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
                        loss = loss + _focal(scores, target[use], prop.many, self.settings.gamma)
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
        import torch

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
        """The columns that may be looked at for a property, CSR, and what the other modalities said."""
        n = columns.text.shape[0]
        rows = np.arange(n)
        text, tabular = (heard_rows(by, m, prop, rows) for m in ("text", "tabular"))
        matrix = gated(columns, text, tabular).both(self.layout.visible(prop.name), 0.5)
        matrix.eliminate_zeros()
        parts = []
        for modality in self.modalities:
            if modality in ("text", "tabular"):
                continue
            for other in self.properties:
                odds, present = np.zeros((n, len(other.classes))), np.zeros((n, 1))
                if modality in by:
                    said = by[modality][other.name]
                    odds = np.where(said.present[:, None], log_odds(said.probabilities, said.many), 0.0)
                    present = said.present[:, None].astype(float)
                parts += [np.nan_to_num(odds) * 0.3, present]
        dense = np.concatenate(parts, axis=1) if parts else np.zeros((n, 1))
        return matrix, dense.astype(np.float32)

    def _dropped(self, matrix: Any, generator: Any) -> Any:
        """The rows with some of the known values not shown."""
        import torch

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
        import torch
        from torch.nn import functional

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
        import torch

        columns = self.layout.matrices(records)
        weights = {name: torch.from_numpy(a) for name, a in self.arrays.items()}
        answers = {}
        for prop in self.properties:
            matrix, dense = self._prepare(prop, by, columns)
            with torch.inference_mode():
                scores = self._forward(weights, prop, matrix, dense).numpy().astype(np.float64)
            said = sigmoid(scores) if prop.many else softmax(scores) if len(scores) else scores
            answers[prop.name] = distribution(prop, said, present_rows(by, prop, len(records)))
        return answers

    def write(self, folder: Path) -> Mapping[str, Any]:
        """The columns and early.safetensors (embeddings in half precision)."""
        from safetensors.numpy import save_file

        self.layout.write(folder)
        arrays: dict[str, Any] = dict(self.arrays)
        arrays["embedding"] = arrays["embedding"].astype(np.float16)
        save_file(arrays, folder / WEIGHTS)
        return {"settings": to_json(self.settings), "modalities": list(self.modalities)}

    @classmethod
    def read(cls, folder: Path, config: Mapping[str, Any], properties: tuple[Property, ...]) -> Self:
        """Raises ClassifierError when the weights do not fit the columns or the labels."""
        from safetensors import SafetensorError
        from safetensors.numpy import load_file

        try:
            made = cls(**config["settings"])
            made.modalities = tuple(map(str, config["modalities"]))
            arrays = load_file(folder / WEIGHTS)
        except (KeyError, TypeError, OSError, SafetensorError) as error:
            raise ClassifierError(f"{folder}: the early fusion cannot be read: {error!r}") from error
        made.properties = properties
        made.layout = RecordColumns.read(folder, made.settings.features)
        made.arrays = {name: a.astype(np.float32) for name, a in arrays.items()}
        import torch

        wanted = {name: tuple(w.shape) for name, w in made._start(torch.Generator()).items()}
        if wanted != {name: a.shape for name, a in made.arrays.items()}:
            raise ClassifierError(
                f"{folder}: the early fusion is of another size than its columns and labels"
            )
        if not all(np.isfinite(a).all() for a in made.arrays.values()):
            raise ClassifierError(f"{folder}: the early fusion has weights that are not numbers")
        return made


def _focal(scores: Tensor, target: FloatArray, many: bool, gamma: float) -> Tensor:
    """Mean focal loss (Lin et al. 2017) of a batch; several values of one property share the truth."""
    import torch
    from torch.nn import functional

    truth = torch.from_numpy(target.astype(np.float32))
    if many:
        each = functional.binary_cross_entropy_with_logits(scores, truth, reduction="none")
        loss: Tensor = ((1.0 - torch.exp(-each)) ** gamma * each).sum(dim=1).mean()
        return loss
    truth = truth / truth.sum(dim=1, keepdim=True)
    logs = functional.log_softmax(scores, dim=1)
    loss = -(truth * (1.0 - logs.exp()) ** gamma * logs).sum(dim=1).mean()
    return loss
