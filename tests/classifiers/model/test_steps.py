"""A fit of many stages is told as one: the properties of a fold are one step, and the whole never shrinks."""

from __future__ import annotations

from enrich.classifiers.data import Dataset
from enrich.classifiers.model.fitting import fit_model
from enrich.classifiers.model.steps import Steps
from tests.classifiers.museum import PROPERTIES
from tests.two_modalities import SPEC, told

Reports = list[tuple[str, int, int]]


def test_the_stages_of_a_fold_are_one_step() -> None:
    reported: Reports = []
    steps = Steps(lambda *said: reported.append(said), 3)
    for stage in ("tabular place · fold 1/2", "tabular time · fold 1/2", "tabular place · fold 2/2"):
        steps(stage, 1, 1)
    steps("unseen block: tabular place · fold 1/2", 3, 8)
    assert [(done, total) for _, done, total in reported] == [(0, 3), (0, 3), (1, 3), (2, 3)]
    assert reported[-1][0] == "learning unseen block: tabular place · fold 1/2, 3 of 8"


def test_more_steps_than_were_expected_lengthen_the_whole() -> None:
    reported: Reports = []
    steps = Steps(lambda *said: reported.append(said), 1)
    steps("fusion", 1, 1)
    steps("thresholds", 1, 1)
    assert reported[-1][1:] == (1, 2)


def test_a_whole_fit_comes_to_about_as_many_steps_as_were_expected() -> None:
    reported: Reports = []
    fit_model(Dataset(told(120), PROPERTIES), SPEC, progress=lambda *said: reported.append(said))
    done, total = [h[1] for h in reported], {h[2] for h in reported}
    assert done == sorted(done)
    assert len(total) == 1
    assert 0.8 * total.pop() <= done[-1] + 1
