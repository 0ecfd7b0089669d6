"""A classifier on disk: config.json, labels.json, weights, metrics.json, README.md and MANIFEST."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from enrich.classifiers.base import Classifier, ClassifierError
from enrich.classifiers.data import Property
from enrich.classifiers.digest import file_digest
from enrich.classifiers.model.card import classifier_card
from enrich.classifiers.model.manifest import MANIFEST, ModelFolderError, staged
from enrich.classifiers.model.verified import VerifiedFolder, load_verified
from enrich.classifiers.registry import classifier_class
from enrich.classifiers.stored import json_values

FORMAT = 1
"""Version of the layout; a folder of a later version is refused."""
_IRI = r"[A-Za-z][A-Za-z0-9+.-]*:[^\s<>\"{}|\\\\^`]+"
_LITERAL = rf'"(?:[^"\\\n\r]|\\[tbnrf"\'\\uU])*"(?:@[A-Za-z0-9-]+|\^\^<{_IRI}>)?'
_CLASS = re.compile(f"{_IRI}|{_LITERAL}")
"""A class is an absolute IRI, or a literal as N-Triples spell it."""


@dataclass(frozen=True)
class LoadedModel:
    """A verified classifier with its digest (SHA-256 of MANIFEST), configuration and metrics."""

    classifier: Classifier
    digest: str
    config: Mapping[str, Any]
    metrics: Mapping[str, Any]


def write_json(path: Path, value: Any) -> None:
    """Deterministic JSON; NaN becomes null."""
    path.write_text(
        json.dumps(json_values(value), indent=1, sort_keys=True, allow_nan=False) + "\n", encoding="utf-8"
    )


def labels_json(properties: tuple[Property, ...]) -> dict[str, list[str]]:
    """Property → its classes in order."""
    return {p.name: list(p.classes) for p in properties}


def heads_json(properties: tuple[Property, ...]) -> dict[str, dict[str, Any]]:
    """Property → number of classes and whether a record may have several."""
    return {p.name: {"classes": len(p.classes), "many": p.many} for p in properties}


def read_properties(folder: VerifiedFolder, config: Mapping[str, Any]) -> tuple[Property, ...]:
    """The properties of labels.json, checked against the heads of config.json. Raises ModelFolderError."""
    labels, heads, path = folder.json("labels.json"), config.get("heads"), folder.path
    if not isinstance(labels, dict) or not isinstance(heads, dict) or set(heads) != set(labels):
        raise ModelFolderError(f"{path}: labels.json and the heads of config.json name other properties")
    properties = []
    for name, head in heads.items():
        classes = labels[name]
        if not isinstance(classes, list) or not all(
            isinstance(c, str) and _CLASS.fullmatch(c) for c in classes
        ):
            raise ModelFolderError(
                f"{path}: the labels of {name} are not a list of absolute IRIs and literals"
            )
        if len(set(classes)) != len(classes):
            raise ModelFolderError(f"{path}: the labels of {name} name a class twice")
        size = head.get("classes") if isinstance(head, dict) else None
        if size != len(classes):
            raise ModelFolderError(
                f"{path}: labels.json names {len(classes)} classes of {name}, the head has {size!r}"
            )
        properties.append(Property(name, tuple(classes), bool(head.get("many"))))
    order = config.get("order", list(heads))
    return tuple(sorted(properties, key=lambda p: order.index(p.name) if p.name in order else len(order)))


def fill(
    folder: Path, classifier: Classifier, *, metrics: Mapping[str, Any], training: Mapping[str, Any]
) -> None:
    """Write everything but the MANIFEST into an empty folder."""
    settings = classifier.write(folder)
    config = {
        "format": FORMAT,
        "classifier": classifier.name,
        "modality": classifier.modality,
        "heads": heads_json(classifier.properties),
        "order": [p.name for p in classifier.properties],
        "training": dict(training),
        "classifier_config": dict(settings),
    }
    write_json(folder / "config.json", config)
    write_json(folder / "labels.json", labels_json(classifier.properties))
    write_json(folder / "metrics.json", metrics)
    (folder / "README.md").write_text(classifier_card(config, metrics), encoding="utf-8")


def write_model(
    folder: Path, classifier: Classifier, *, metrics: Mapping[str, Any], training: Mapping[str, Any]
) -> str:
    """Write a model folder whole or not at all; returns its digest. Raises ModelFolderError."""
    with staged(folder) as stage:
        fill(stage, classifier, metrics=metrics, training=training)
    return file_digest(Path(folder) / MANIFEST)


def read_model(folder: Path) -> LoadedModel:
    """Verify and load a classifier's folder. Raises ModelFolderError for anything that does not fit."""
    return load_verified(Path(folder), read_classifier)


def read_classifier(folder: VerifiedFolder) -> LoadedModel:
    """A classifier from a folder that was verified. Raises ModelFolderError for anything that does not fit."""
    config = folder.json("config.json")
    if not isinstance(config, dict) or config.get("format") != FORMAT:
        raise ModelFolderError(f"{folder.path}: config.json is not of format {FORMAT}; train the model anew")
    properties = read_properties(folder, config)
    try:
        kind = classifier_class(str(config["classifier"]))
        classifier = kind.read(folder.path, config["classifier_config"], properties)
    except ModelFolderError:
        raise
    except (ClassifierError, KeyError) as error:
        raise ModelFolderError(f"{folder.path}: {error}") from error
    return LoadedModel(classifier, folder.digest, config, folder.json("metrics.json"))
