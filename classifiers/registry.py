"""What can be named in settings: classifiers and fusers, imported only when asked for."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import Any

from classifiers.base import Classifier, ClassifierError
from classifiers.fusion.base import Fuser

CLASSIFIERS: dict[str, str] = {
    "dummy": "classifiers.dummy:DummyClassifier",
    "tabular": "classifiers.tabular.classifier:TabularClassifier",
    "tfidf": "classifiers.tfidf.classifier:TfidfClassifier",
    "image": "classifiers.neural.image:ImageClassifier",
    "soup": "classifiers.soup.classifier:SoupClassifier",
    "text": "classifiers.neural.text:TextClassifier",
}

FUSERS: dict[str, str] = {
    "pass-through": "classifiers.fusion.base:PassThrough",
    "early": "classifiers.fusion.early:EarlyFusion",
    "hybrid": "classifiers.fusion.hybrid:HybridFusion",
    "late": "classifiers.fusion.late:LateFusion",
}


def _resolve(kind: str, table: dict[str, str], name: str) -> Any:
    if name not in table:
        raise ClassifierError(f"there is no {kind} called {name!r}; there are: {', '.join(sorted(table))}")
    module, attribute = table[name].split(":")
    try:
        return getattr(import_module(module), attribute)
    except ModuleNotFoundError as error:
        raise ClassifierError(
            f"the {kind} {name!r} needs the module {error.name!r}, which is not installed; install it first"
        ) from error


def classifier_class(name: str) -> type[Classifier]:
    """The class of this name. Raises ClassifierError when there is none or a module it needs is absent."""
    found: type[Classifier] = _resolve("classifier", CLASSIFIERS, name)
    return found


def fuser_class(name: str) -> type[Fuser]:
    """The fuser of this name. Raises ClassifierError when there is none or a module it needs is absent."""
    found: type[Fuser] = _resolve("fusion", FUSERS, name)
    return found


def build_classifier(name: str, settings: Mapping[str, Any]) -> Classifier:
    """A classifier with these settings, by its `from_settings` or its constructor's keywords.

    Raises ClassifierError for an unknown name or setting.
    """
    kind = classifier_class(name)
    if hasattr(kind, "from_settings"):
        made: Classifier = kind.from_settings(settings)
        return made
    classifier: Classifier = _construct("classifier", kind, name, settings)
    return classifier


def build_fuser(name: str, settings: Mapping[str, Any]) -> Fuser:
    """A fuser with these settings. Raises ClassifierError for an unknown name or setting."""
    fuser: Fuser = _construct("fusion", fuser_class(name), name, settings)
    return fuser


def _construct(kind: str, made: type[Any], name: str, settings: Mapping[str, Any]) -> Any:
    try:
        return made(**settings)
    except TypeError as error:
        given = ", ".join(sorted(settings))
        raise ClassifierError(
            f"the {kind} {name!r} cannot be made with the settings {given}: {error}"
        ) from error
