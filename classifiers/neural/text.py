"""The text classifier: any transformers encoder, frozen or fine-tuned, over all the texts of a record."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field, model_validator
from torch import Tensor, nn

from enrich.classifiers.base import ClassifierError
from enrich.classifiers.data import Dataset, Record
from enrich.classifiers.digest import file_digests
from enrich.classifiers.explain.explanation import MemberExplanation
from enrich.classifiers.neural import encoders
from enrich.classifiers.neural.cache import ArrayCache
from enrich.classifiers.neural.classifier import Batch, LabelledRecords, NeuralClassifier, Runtime
from enrich.classifiers.neural.encoders import TOKENIZER, Encoder, ScratchSettings
from enrich.classifiers.neural.heads import Aggregate, HeadSettings, LossSettings
from enrich.classifiers.neural.networks import Pooling, TextNetwork
from enrich.classifiers.neural.onnx_runtime import Arrays, Outputs, TorchRunner
from enrich.classifiers.neural.optimisation import TrainingSettings, from_nothing
from enrich.classifiers.neural.saliency import word_shares
from enrich.classifiers.neural.tokens import Tokens, buckets
from enrich.classifiers.neural.weights import weights_taken
from enrich.classifiers.settings import ClassifierSettings, Count

BUCKET = 50
"""Training sorts this many batches' worth of shuffled records by length, so that padding stays small."""


class TextSettings(ClassifierSettings):
    """The transformer over a record's texts."""

    encoder: str = "FacebookAI/xlm-roberta-base"
    """A name of the hub, a local folder, `minilm` (packaged, English) or `scratch`."""
    frozen: bool = False
    """Train the heads alone, on features that are computed once."""
    tokens: int = Field(default=256, ge=8, le=8192)
    """Tokens read of a sequence, at most."""
    join: bool = True
    """Read a record's texts as one sequence; otherwise each by itself, and their logits are aggregated."""
    languages: tuple[str, ...] = ()
    """Languages to read, in this order; empty for all."""
    pooling: Pooling = "mean"
    """How token states become one vector."""
    aggregate: Aggregate = "mean"
    """How the logits of several texts become one answer."""
    predict_batch: Count = 64
    """Texts in a prediction batch, at most."""
    predict_tokens: Count = 8192
    """Tokens of a prediction batch with its padding, at most."""
    device: str = "auto"
    """Where it runs: auto, cpu or cuda."""
    runtime: Runtime = "auto"
    """What answers: ONNX Runtime or torch; `bfloat16` is for processors with AMX, about 1e-2 off."""
    scratch: ScratchSettings = ScratchSettings()
    """Shape of the encoder that is built from scratch."""
    heads: HeadSettings = HeadSettings()
    """Shape of the heads."""
    loss: LossSettings = LossSettings()
    """The loss."""
    training: TrainingSettings = TrainingSettings(
        epochs=16, learning_rate=5e-5, layer_decay=0.9, head_rate=20.0
    )
    """The training run."""

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.encoder == "scratch" and self.frozen:
            raise ValueError("an encoder from scratch cannot be frozen")
        return self


FEATURES = ArrayCache(256 * 1024 * 1024)
"""Features of token sequences by frozen encoders: the folds of a cross-validation share them."""


class TextClassifier(NeuralClassifier[TextNetwork]):
    """Items are a record's texts, joined into one sequence or read one by one."""

    name: ClassVar[str] = "text"
    modality: ClassVar[str] = "text"
    settings_class = TextSettings
    settings: TextSettings
    encoder: Encoder
    tokens: Tokens
    _encoder_digest: bytes = b""

    @classmethod
    def affordable(cls, settings: Mapping[str, Any]) -> Mapping[str, Any]:
        """With the encoder frozen where no GPU makes fine-tuning quick and nothing else was said."""
        read = TextSettings.read(settings)
        if read.encoder == "scratch":
            return settings
        encoders.load(read.encoder)
        return settings if torch.cuda.is_available() else {"frozen": True, **settings}

    @classmethod
    def decided_by(cls, settings: Mapping[str, Any]) -> Mapping[str, str]:
        """The files of a local or packaged encoder."""
        encoder = TextSettings.read(settings).encoder
        return {} if encoder == "scratch" else file_digests(encoders.encoder_folder(encoder))

    def finished(self) -> dict[str, Any]:
        """Which encoder's weights it began with."""
        scratch = self.settings.encoder == "scratch"
        return weights_taken("none" if scratch else self.settings.encoder, self.network.body)

    def has_items(self, record: Record) -> bool:
        return any(t.value.strip() for t in record.texts)

    def why_absent(self, record: Record) -> str:
        return "no text with a word that it knows" if record.texts else "the record has no text"

    def explain(self, record: Record, prop: str, value: str) -> MemberExplanation:
        """The words that mattered, as shares."""
        column = self.column_of(prop, value)
        found = word_shares(self.network, self.tokens, record, column, join=self.settings.join)
        return MemberExplanation(self.modality, self.name, unit="share", contributions=tuple(found))

    def build(self, train: Dataset, resume: Path | None) -> TextNetwork:
        s = self.settings
        if s.encoder == "scratch":
            self.settings = s = s.replace(training=from_nothing(s.training))
            encoder = encoders.from_scratch(self._tokenizer(train, resume), s.scratch, s.tokens)
        else:
            encoder = encoders.load(s.encoder)
        network = self._use(encoder)
        if s.frozen:
            network.body.requires_grad_(False)
            self._encoder_digest = _digest(network.body, s.pooling)
        return network

    def _tokenizer(self, train: Dataset, resume: Path | None) -> Any:
        """The tokenizer of the texts; a run that is resumed keeps the one it began with."""
        file = resume / TOKENIZER if resume else None
        if file and file.is_file():
            return encoders.read_tokenizer(file)
        texts = (t.value[:100_000] for r in train.records for t in r.texts)
        clean = (t.encode("utf-8", "replace").decode("utf-8") for t in texts)
        tokenizer = encoders.train_tokenizer(clean, self.settings.scratch.vocabulary)
        if file:
            file.parent.mkdir(parents=True, exist_ok=True)
            tokenizer.save(str(file))
        return tokenizer

    def _use(self, encoder: Encoder) -> TextNetwork:
        s = self.settings
        limit = min(s.tokens, encoder.positions)
        pad = int(encoder.config.get("pad_token_id") or 0)
        self.encoder = encoder
        self.tokens = Tokens(encoder.tokenizer, limit, pad, s.languages)
        network = TextNetwork(encoder.body, encoder.width, self.properties, s.heads, s.aggregate)
        network.pooling = s.pooling
        return network

    def own_config(self, folder: Path) -> dict[str, Any]:
        self.encoder.tokenizer.save(str(folder / TOKENIZER))
        return {"encoder": dict(self.encoder.config)}

    def rebuild(self, folder: Path, config: Mapping[str, Any]) -> TextNetwork:
        described = config.get("encoder")
        if not isinstance(described, Mapping):
            raise ClassifierError("config.json does not describe the encoder; save the model again")
        network = self._use(encoders.rebuild(described, folder / TOKENIZER))
        vocabulary = network.body.get_input_embeddings().num_embeddings  # type: ignore[operator]
        if self.encoder.tokenizer.get_vocab_size() > vocabulary:
            raise ClassifierError(f"{TOKENIZER} has more tokens than the encoder's {vocabulary}")
        return network

    def trained(self) -> nn.Module:
        if not self.settings.frozen:
            return self.network
        attention = self.network.attention
        return nn.ModuleList([self.network.heads, *([attention] if attention is not None else [])])

    def layers(self) -> list[list[nn.Parameter]]:
        return [self.network.head_parameters()] if self.settings.frozen else self.network.layers()

    def samples(self) -> tuple[dict[str, dict[int, str]], list[Arrays]]:
        generator = np.random.default_rng(0)
        vocabulary = self.encoder.tokenizer.get_vocab_size()
        lengths = ([9, 5], [min(24, self.tokens.limit), 3, 17], [4])
        inputs: list[Arrays] = [
            self.tokens.padded([generator.integers(5, vocabulary, n).tolist() for n in of_batch])
            for of_batch in lengths
        ]
        axes = {0: "items", 1: "length"}
        return {"ids": axes, "mask": axes}, inputs

    def training_batches(self, data: LabelledRecords, generator: torch.Generator) -> Iterator[Batch]:
        """Shuffled records in batches of about equal length, in shuffled order."""
        sequences, owners = self._sequences_of(data)
        items: dict[int, list[int]] = {}
        for item, row in enumerate(owners):
            items.setdefault(row, []).append(item)
        size = self.settings.training.batch
        order = torch.randperm(len(data), generator=generator).tolist()
        by_length: list[int] = []
        for start in range(0, len(order), size * BUCKET):
            part = order[start : start + size * BUCKET]
            by_length += sorted(part, key=lambda row: sum(len(sequences[i]) for i in items[row]))
        chunks = data.chunks(by_length, size)
        for number in torch.randperm(len(chunks), generator=generator).tolist():
            rows = chunks[number]
            chosen = [(place, item) for place, row in enumerate(rows) for item in items[row]]
            found = [sequences[item] for _, item in chosen]
            yield data.batch(self._inputs(found), [place for place, _ in chosen], rows)

    def _sequences_of(self, data: LabelledRecords) -> tuple[list[list[int]], list[int]]:
        """Token sequences of the training records, made once."""
        if self._sequenced is None or self._sequenced[0] is not data:
            self._sequenced = (data, *self.tokens.sequences(data.dataset.records, joined=self.settings.join))
        return self._sequenced[1], self._sequenced[2]

    _sequenced: tuple[LabelledRecords, list[list[int]], list[int]] | None = None

    def _inputs(self, sequences: list[list[int]]) -> tuple[Tensor, ...]:
        if self.settings.frozen:
            return (torch.from_numpy(self._features(sequences)),)
        return tuple(torch.from_numpy(a) for a in self.tokens.padded(sequences))

    def outputs(self, records: Sequence[Record]) -> Iterator[tuple[list[int], Outputs]]:
        """Texts in batches of about equal length across records."""
        s = self.settings
        sequences, owners = self.tokens.sequences(records, joined=s.join)
        cached = s.frozen and isinstance(self.runner, TorchRunner) and bool(self._encoder_digest)
        for chosen in buckets([len(q) for q in sequences], most=s.predict_batch, tokens=s.predict_tokens):
            found = [sequences[i] for i in chosen]
            inputs = (self._features(found),) if cached else self.tokens.padded(found)
            yield [owners[i] for i in chosen], self.runner.run(*inputs)

    def _features(self, sequences: list[list[int]]) -> NDArray[np.float32]:
        """Features (m, width) by the frozen encoder, from the cache where they are known."""
        keys = [hashlib.sha256(self._encoder_digest + np.asarray(q).tobytes()).digest() for q in sequences]
        known = {k: FEATURES.get(k) for k in keys}
        missing = [i for i, k in enumerate(keys) if known[k] is None]
        s = self.settings
        lengths = [len(sequences[i]) for i in missing]
        body = self.network
        training, _ = body.training, body.eval()
        with torch.inference_mode():
            for chosen in buckets(lengths, most=s.predict_batch, tokens=s.predict_tokens):
                arrays = self.tokens.padded([sequences[missing[i]] for i in chosen])
                found = body.features(*(torch.from_numpy(a).to(self.device) for a in arrays)).float().cpu()
                for i, row in zip(chosen, found.numpy(), strict=True):
                    known[keys[missing[i]]] = FEATURES.put(keys[missing[i]], row.copy())
        body.train(training)
        if training:
            body.body.eval()
        return np.stack([f for f in (known[k] for k in keys) if f is not None])


def _digest(body: nn.Module, pooling: str) -> bytes:
    """Digest of an encoder's weights and of how its states are pooled."""
    digest = hashlib.sha256(pooling.encode())
    for name, value in sorted(body.state_dict().items()):
        digest.update(name.encode())
        digest.update(value.detach().cpu().contiguous().numpy().tobytes())
    return digest.digest()
