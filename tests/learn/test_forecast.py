from __future__ import annotations

from pathlib import Path

from classifiers.model.model import Model
from enrich.graph.gaps import count_gaps
from enrich.learn.forecast import forecast
from tests.museums import dummy_model, museum


def test_every_gap_of_a_property_that_was_learnt_is_in_the_forecast(tmp_path: Path) -> None:
    workspace = museum(80)
    model = dummy_model(workspace, tmp_path / "model")
    found = forecast(workspace, model)
    learnt = {p.name for p in Model.load(model).properties}
    gaps = count_gaps(workspace).properties
    for name in learnt:
        assert sum(f.gaps for f in found if f.property == name) == gaps[name].missing
    assert all(f.answered == 0 for f in found if f.promised is None)
    assert all(0 <= f.answered <= f.gaps for f in found)
    assert {f.regime for f in found} <= {"seen", "unseen block", "unseen group"}
    few = [f for f in found if f.labelled < 20]
    assert all(f.regime == "unseen group" for f in few)
