"""Names of classifiers and fusers: the one place where a new one is entered, imported only when asked for."""

from collections.abc import Mapping
from importlib import import_module
from importlib.metadata import entry_points
from typing import Any

from enrich.classifiers.base import Classifier, ClassifierError
from enrich.classifiers.extras import needs
from enrich.classifiers.fusion.base import Fuser

CLASSIFIERS: dict[str, str] = {
    "dummy": "enrich.classifiers.dummy:DummyClassifier",
    "tabular": "enrich.classifiers.tabular.classifier:TabularClassifier",
    "tfidf": "enrich.classifiers.tfidf.classifier:TfidfClassifier",
    "sentences": "enrich.classifiers.tfidf.classifier:SentenceClassifier",
    "image": "enrich.classifiers.neural.image:ImageClassifier",
    "soup": "enrich.classifiers.soup.classifier:SoupClassifier",
    "text": "enrich.classifiers.neural.text:TextClassifier",
}
"""Those of this package; other packages enter theirs as entry points of the group `enrich.classifiers`."""

FUSERS: dict[str, str] = {
    "pass-through": "enrich.classifiers.fusion.base:PassThrough",
    "early": "enrich.classifiers.fusion.early:EarlyFusion",
    "hybrid": "enrich.classifiers.fusion.hybrid:HybridFusion",
    "late": "enrich.classifiers.fusion.late:LateFusion",
}

DEFAULTS = {"tabular": "tabular", "text": "tfidf", "image": "image"}
"""The classifier that a modality gets when none is named."""

BACK_ENDS = {"transformer": "text"}
"""Names that settings may say for a classifier."""


def classifier_names() -> list[str]:
    """Every name that `classifier_class` takes."""
    return sorted({*CLASSIFIERS, *_entered_elsewhere()})


def classifier_class(name: str) -> type[Classifier]:
    """The class of this name. Raises ClassifierError when there is none or a module it needs is absent."""
    table = CLASSIFIERS if name in CLASSIFIERS else {**_entered_elsewhere(), **CLASSIFIERS}
    found: type[Classifier] = _load("classifier", table, name)
    return found


def _entered_elsewhere() -> dict[str, str]:
    return {entry.name: entry.value for entry in entry_points(group="enrich.classifiers")}


def fuser_class(name: str) -> type[Fuser]:
    """The fuser of this name. Raises ClassifierError when there is none or a module it needs is absent."""
    found: type[Fuser] = _load("fusion", FUSERS, name)
    return found


def _load(kind: str, table: Mapping[str, str], name: str) -> Any:
    if name not in table:
        raise ClassifierError(f"there is no {kind} called {name!r}; there are: {', '.join(sorted(table))}")
    module, attribute = table[name].split(":")
    try:
        return getattr(import_module(module), attribute)
    except ModuleNotFoundError as error:
        absent = error.name or ""
        why = needs(absent, name) or f"the module {absent!r} is not installed; install it first"
        raise ClassifierError(f"the {kind} {name!r} cannot be used: {why}") from error
