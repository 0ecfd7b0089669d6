"""The joint model's evidence is out of fold, uses what the members may use, and finds what values share."""

from __future__ import annotations

import numpy as np
import pytest

from enrich.classifiers.base import no_progress
from enrich.classifiers.data import Dataset, Record
from enrich.classifiers.folds import fold_of
from enrich.classifiers.fusion.columns import RecordColumns
from enrich.classifiers.fusion.evidence import fit_joint_models, joint_evidence, pool_evidence
from enrich.classifiers.fusion.joint import LINEAR, NEIGHBOURS
from enrich.classifiers.fusion.rows import present_in, present_rows, take, take_property
from enrich.classifiers.tfidf.features import TextFeatureSettings
from tests.classifiers.fusion.test_late import MATERIAL, PLACE, museum, said_by

FEATURES = TextFeatureSettings(letters=(4, 4))
DATA = museum(120)
BY = said_by(DATA, {"text": 1.5, "tabular": 1.0}, absent=0.3)


def test_every_record_has_evidence_and_some_a_second_time_with_values_hidden() -> None:
    fold = fold_of(len(DATA), 3, 0)
    layout, evidence = pool_evidence(DATA, BY, fold, FEATURES, None, 0.4, 1.0, 0, no_progress)
    assert layout is not None
    assert evidence.columns is not None
    assert 0.25 < len(evidence.rows) / len(DATA) < 0.55
    for prop in DATA.properties:
        assert {LINEAR, NEIGHBOURS} < set(evidence.seen[prop.name]) == set(evidence.ablated[prop.name])
        assert evidence.seen[prop.name][LINEAR].shape == (len(DATA), len(prop.classes))
        assert evidence.ablated[prop.name][LINEAR].shape == (len(evidence.rows), len(prop.classes))
    some = evidence.of(PLACE, np.array([3, 5]))
    assert np.array_equal(some[LINEAR], evidence.seen["place"][LINEAR][[3, 5]])


def test_no_model_sees_the_record_that_it_gives_evidence_on() -> None:
    """Given words that occur in one record alone, they cannot tell its class."""
    rng = np.random.default_rng(1)
    records = [Record(f"r{i}", {"place": (PLACE.classes[rng.integers(3)],)}) for i in range(150)]
    told = Dataset([Record(r.id, r.known, {"own": (r.id,)}) for r in records], (PLACE,))
    noise = said_by(told, {"tabular": 0.0})
    _, evidence = pool_evidence(told, noise, fold_of(150, 3, 0), FEATURES, None, 0.0, 1.0, 0, no_progress)
    target, _ = told.targets(PLACE)
    scores = evidence.seen["place"][LINEAR]
    assert (scores.argmax(axis=1) == target.argmax(axis=1)).mean() < 0.5


def test_without_a_joint_model_there_is_no_evidence() -> None:
    layout, evidence = pool_evidence(DATA, BY, fold_of(len(DATA), 3, 0), None, None, 0.3, 1.0, 0, no_progress)
    assert (layout, evidence.columns) == (None, None)
    assert evidence.of(PLACE, np.arange(3)) == {}


def test_texts_and_values_are_used_only_where_their_member_is_present() -> None:
    layout, columns = RecordColumns.learn(DATA.records, FEATURES)
    models = fit_joint_models(DATA, layout, columns, np.arange(len(DATA)), 1.0, 0)
    rows = np.arange(len(DATA))
    found = joint_evidence(models["place"], BY, columns, rows)
    silent = ~(present_in(BY, "text", PLACE, rows) | present_in(BY, "tabular", PLACE, rows))
    assert silent.any()
    scores = found[LINEAR][silent]
    assert np.allclose(scores, scores[0]), "nothing but the bias is left"
    assert np.isnan(found[NEIGHBOURS][silent]).all()


def test_a_value_shared_by_a_class_has_a_gain_for_it() -> None:
    layout, columns = RecordColumns.learn(DATA.records, FEATURES)
    model = fit_joint_models(DATA, layout, columns, np.arange(len(DATA)), 1.0, 0)["place"]
    wood = layout.vocabulary.index((("known", "material", "urn:wood"),))
    assert model.gain[wood].argmax() == PLACE.classes.index("urn:JP")
    own = [i for i, column in enumerate(layout.vocabulary) if ("known", "place") in [t[:2] for t in column]]
    assert not model.gain[own].any(), "the property's own values tell nothing"


def test_rows_of_modalities_are_taken_together() -> None:
    rows = np.array([4, 1])
    taken = take(BY, rows)
    assert np.array_equal(
        taken["text"]["place"].probabilities, BY["text"]["place"].probabilities[rows], equal_nan=True
    )
    assert take_property(BY, MATERIAL, rows)["tabular"].present.tolist() == [
        bool(BY["tabular"]["material"].present[i]) for i in rows
    ]
    either = BY["text"]["place"].present | BY["tabular"]["place"].present
    assert np.array_equal(present_rows(BY, PLACE, len(DATA)), either)
    assert not present_in(BY, "image", PLACE, rows).any()


@pytest.mark.parametrize("modality", ["text", "tabular"])
def test_a_joint_model_stands_on_one_modality_too(modality: str) -> None:
    alone = {modality: BY[modality]}
    _, evidence = pool_evidence(
        DATA, alone, fold_of(len(DATA), 2, 0), FEATURES, None, 0.3, 1.0, 0, no_progress
    )
    assert np.isfinite(evidence.seen["place"][LINEAR]).all()
