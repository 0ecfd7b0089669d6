"""The dummy answers with class shares, for every record alike."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from enrich.classifiers.base import ClassifierError
from enrich.classifiers.data import Property
from enrich.classifiers.dummy import DummyClassifier
from tests.classifiers.museum import PLACES, PROPERTIES, dataset


def test_it_answers_with_the_shares_of_the_training_values() -> None:
    data = dataset(300)
    dummy = DummyClassifier()
    dummy.fit(data.subset(range(200)), data.subset(range(200, 300)))
    for prop in PROPERTIES:
        target, named = data.targets(prop)
        said = dummy.predict(data.records)[prop.name]
        assert said.present.all()
        assert (said.probabilities == said.probabilities[0]).all()
        shares = target[named].sum(axis=0) / (named.sum() if prop.many else target.sum())
        assert said.probabilities[0] == pytest.approx(shares, abs=0.02)


def test_it_reads_back_and_refuses_labels_that_do_not_fit(tmp_path: Path) -> None:
    data = dataset(50)
    dummy = DummyClassifier()
    dummy.fit(data, data.subset([]))
    config = json.loads(json.dumps(dummy.write(tmp_path)))
    again = DummyClassifier.read(tmp_path, config, PROPERTIES)
    assert np.array_equal(
        again.predict(data.records)["place"].probabilities, dummy.predict(data.records)["place"].probabilities
    )
    with pytest.raises(ClassifierError, match="4 classes of place, the model has 3 priors"):
        DummyClassifier.read(tmp_path, config, (Property("place", (*PLACES, "urn:x")),))
    with pytest.raises(ClassifierError, match="cannot be read"):
        DummyClassifier.read(tmp_path, {}, PROPERTIES)
