"""Contexts that are numbers: a column each, measured from the lowest, and enough to answer by."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from enrich.classifiers.data import Dataset, Property, Record
from enrich.classifiers.model.folder import read_model, write_model
from enrich.classifiers.tabular.classifier import TabularClassifier
from enrich.classifiers.tabular.features import FeatureMap

METALS = ("https://coins.example.org/gold", "https://coins.example.org/silver")


def coin(number: int, weight: float | None, metal: str | None = None) -> Record:
    return Record(
        f"https://coins.example.org/coin/{number}",
        known={"metal": (metal,)} if metal else {},
        numbers={} if weight is None else {"weight": weight},
    )


def hoard(count: int = 120) -> Dataset:
    """Coins of gold are heavy, coins of silver light, some below nought by a bad balance."""
    rng = np.random.default_rng(3)
    heavy = [coin(i, float(w), METALS[0]) for i, w in enumerate(rng.normal(20, 2, count // 2))]
    light = [coin(i + count, float(w), METALS[1]) for i, w in enumerate(rng.normal(0, 2, count // 2))]
    mixed = [record for pair in zip(heavy, light, strict=True) for record in pair]
    return Dataset(mixed, (Property("metal", METALS),))


def test_a_number_is_a_column_above_nought_and_absent_where_there_is_none() -> None:
    records = [coin(1, -5.0), coin(2, 3.0), coin(3, None), coin(4, -9.0)]
    features = FeatureMap.learn(records[:3])

    column = features.matrix(records).toarray()[:, features.names().index("weight")]

    assert column.tolist() == [1.0, 9.0, 0.0, 1.0]
    assert FeatureMap.read(features.to_json(), "features.json") == features
    assert FeatureMap.learn([coin(1, 2.0), coin(2, 2.0)]).measured == ()


def test_weights_alone_tell_the_metal_and_survive_the_folder(tmp_path: Path) -> None:
    """Given coins of which only the weight is known, then the classifier tells gold from silver; a coin that was not
    weighed has no answer; a folder read again says the same."""
    data = hoard()
    made = TabularClassifier(rounds=40, numerals=False)
    made.fit(data, Dataset([], data.properties), seed=0)
    asked = [coin(900, 21.0), coin(901, 1.0), coin(902, None)]

    found = made.predict(asked)["metal"]
    write_model(tmp_path / "m", made, metrics={}, training={})
    again = read_model(tmp_path / "m").classifier.predict(asked)["metal"]

    assert found.probabilities[0, 0] > 0.9
    assert found.probabilities[1, 1] > 0.9
    assert found.present.tolist() == [True, True, False]
    np.testing.assert_array_equal(found.probabilities, again.probabilities)
    explained = made.explain(asked[0], "metal", METALS[0])
    assert explained.contributions[0].name == "weight"
