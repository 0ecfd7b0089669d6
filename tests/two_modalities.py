"""A made museum with texts, and a model of text and tabular members for it, for tests of comparisons."""

from __future__ import annotations

from dataclasses import replace

from enrich.classifiers.data import Dataset, Record, Text
from enrich.classifiers.model.fitting import ModelSpec, fit_model
from enrich.classifiers.model.model import Model
from enrich.classifiers.model.out_of_fold import MemberSpec
from tests.classifiers.museum import PROPERTIES, museum

FAST = {"rounds": 8, "patience": 5, "depth": 3, "eta": 0.3, "bins": 32}
MEMBERS = (MemberSpec("tabular", FAST), MemberSpec("tfidf"))
SPEC = ModelSpec(MEMBERS, folds=2, fusion_settings={"rounds": 8, "depth": 2, "folds": 2})


def told(n: int, seed: int = 0) -> list[Record]:
    """The made museum; two records in three have a text that names their place, if it is known."""
    found = []
    for i, record in enumerate(museum(n, seed)):
        words = " ".join(v.rsplit("/", 1)[1] * 2 for v in record.known.get("place", ()))
        text = (Text(f"A woven piece, {words or 'unknown'}, number {i % 7}", "en"),) if i % 3 else ()
        found.append(replace(record, texts=text))
    return found


def fused_model(n: int = 200) -> Model:
    """A fitted model of two members and their late fusion."""
    records = told(n)
    return fit_model(Dataset(records, PROPERTIES), SPEC)
