"""How a model fares on a museum that taught it nothing."""

from __future__ import annotations

from typing import Any

from enrich.classifiers.data import Dataset, Property, Record, Text
from enrich.classifiers.model.fitting import ModelSpec, fit_model
from enrich.classifiers.model.model import Model
from enrich.classifiers.model.out_of_fold import MemberSpec
from enrich.learn.leave_out import leave_one_out
from enrich.learn.measures import measure
from tests.classifiers.conftest import TEXT

GLAZE = Property("glaze", ("urn:celadon", "urn:tin"))
WORDS = {"urn:celadon": "grey green bowl", "urn:tin": "white dish of Delft"}
READER = MemberSpec("tfidf", {"min_words": 1, "min_letters": 1})
NETWORK = MemberSpec(
    "text", {**TEXT, "runtime": "torch", "device": "cpu", "training": {"epochs": 1, "batch": 16}}
)


def kilns(told: str = "Arita Delft Faenza") -> list[Record]:
    """Sixty pots of each of three kilns; a text says the glaze of those of the kilns that are named."""
    return [
        Record(
            f"urn:{kiln}/{i}",
            {"glaze": (glaze,)},
            {"museum": (f"urn:{kiln}",), "form": (f"urn:form/{i % 3}",)},
            texts=(Text(WORDS[glaze], "en"),) if kiln in told else (),
        )
        for kiln in ("Arita", "Delft", "Faenza")
        for i in range(60)
        for glaze in (GLAZE.classes[i % 2],)
    ]


def made(records: list[Record], *members: MemberSpec) -> Model:
    model = fit_model(Dataset(records, (GLAZE,)), ModelSpec(members, folds=2))
    model.training = {
        "seed": 0,
        "members": [{"classifier": m.classifier, "settings": dict(m.settings)} for m in members],
    }
    return model


def left_out(records: list[Record], *members: MemberSpec, **rest: Any) -> dict[str, dict[str, Any]]:
    rows = leave_one_out(made(records, *members), records, records, "museum", **rest)
    return {row["value"]: row for row in rows}


def test_what_is_hidden_in_the_figures_is_hidden_there_too() -> None:
    """Without texts there is nothing that the reader can look at, with the museum or without it."""
    rows = left_out(kilns(), READER)
    assert all(row["trained_without"]["accuracy"] == 1.0 for row in rows.values())
    hidden = left_out(kilns(), READER, without=("texts",))
    bare = measure(made(kilns(), READER), kilns(), without=("texts",))["properties"]["glaze"]["by"]["fusion"]
    assert bare["accuracy"] is None
    for row in hidden.values():
        assert row["trained_with"]["accuracy"] is None
        assert row["trained_without"]["accuracy"] is None


def test_without_the_one_museum_that_a_network_learns_from_the_others_answer() -> None:
    values = MemberSpec("tabular", {"rounds": 3}, fold_settings={"refit": False})
    both = left_out(kilns("Delft"), values, NETWORK)
    assert set(both) == {"urn:Arita", "urn:Delft", "urn:Faenza"}
    assert both["urn:Delft"]["trained_without"]["accuracy"] is not None
    alone = left_out(kilns("Delft"), NETWORK)
    assert alone["urn:Delft"]["trained_without"] == {"macro_f1": None, "accuracy": None}
