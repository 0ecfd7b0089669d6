"""Explains the answers about a record anew, with the model that gave them: words, values, places in pictures."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pyoxigraph import NamedNode

from enrich.answering.models import load_model
from enrich.classifiers.base import ClassifierError
from enrich.classifiers.digest import file_digest, text_digest
from enrich.classifiers.explain.explanation import (
    Contribution,
    Explanation,
    MemberExplanation,
    PictureExplanation,
)
from enrich.classifiers.explain.model_explanation import explain
from enrich.classifiers.explain.overlay import overlay
from enrich.classifiers.model.manifest import MANIFEST
from enrich.classifiers.model.model import Model
from enrich.errors import InputError, ModelError
from enrich.graph.labels import labels
from enrich.graph.records import Subject, input_digest
from enrich.media.pictures import PictureSource
from enrich.media.prefetch import prefetch
from enrich.ontology.terms import class_term
from enrich.runs.reviews import Reviews
from enrich.show.record import iris
from enrich.workspace import Workspace

FOLDER = Path("explanations")
"""Where saliency pictures go unless told otherwise, in the current folder."""
_DEPTH = 2


def explain_shown(
    workspace: Workspace,
    shown: dict[str, Any],
    model: Path | None = None,
    out: Path | None = None,
    *,
    most: int = 10,
) -> dict[str, Any]:
    """Add `explanation` to the current answers in what `show_record` told that are by the model.

    Without `model` its folder is looked for: the one that the settings name, then beside enrich.toml.
    Answers of which a curator or the classifiers said nothing (failures) have None. Saliency pictures are
    written into `out`. Raises InputError when no answer is by the model, ModelError for its folder.
    """
    by_model = {iri for a in shown["predictions"] if a["current"] for iri in a["run"]["used"]}
    if not by_model:
        raise InputError(f"there is no current answer about {shown['record']} to explain; see enrich show")
    folder = model if model is not None else _find(workspace, by_model)
    loaded = load_model(folder)
    iri = workspace.names.model(loaded.digest).value
    answers = [a for a in shown["predictions"] if a["current"] and iri in a["run"]["used"]]
    if not answers:
        raise InputError(
            f"no current answer about {shown['record']} is by the model in {folder} ({loaded.digest[:12]}…); "
            f"they are by: {', '.join(sorted(by_model))}"
        )
    subject = _subject(workspace, loaded, shown["record"])
    asked = [(a, value) for a in answers if (value := _explained_value(a)) is not None]
    wanted = [(answer["property"], _class_of(loaded, answer["property"], value)) for answer, value in asked]
    try:
        found = explain(loaded, subject.record, wanted, most=most)
    except ClassifierError as error:
        raise ModelError(f"explaining: {error}") from error
    for answer in answers:
        answer["explanation"] = None
    reviews = Reviews.read(workspace.store, workspace.names, workspace.profile.many_valued, [subject.iri])
    for (answer, _), explanation in zip(asked, found, strict=True):
        name = answer["property"]
        rejected = reviews.rejected(shown["record"], name)
        inputs = {input_digest(subject.record, name), input_digest(subject.record, name, rejected)}
        changed = answer["input"] not in inputs
        told = _told(explanation, out or FOLDER, shown["record"])
        answer["explanation"] = told | {"input_changed": changed}
    shown["labels"] |= labels(workspace.store, set(iris(shown)) - set(shown["labels"]))
    return shown


def _explained_value(answer: Mapping[str, Any]) -> str | None:
    """What was answered, or what came first where it abstained."""
    if answer["value"] is not None:
        return str(answer["value"])
    return next((str(c["value"]) for c in answer["candidates"]), None)


def _class_of(model: Model, name: str, value: str) -> str:
    """What the model calls a value that was shown: a literal is shown by its text, as it was written."""
    for prop in model.properties:
        for known in prop.classes if prop.name == name and value not in prop.classes else ():
            if class_term(prop.spellings.get(known, known)).value == value:
                return known
    return value


def _subject(workspace: Workspace, model: Model, record: str) -> Subject:
    """The record as the run saw it: its pictures fetched when the model looks at pictures."""
    subject = workspace.reader.read([NamedNode(record)])[0]
    if subject.problem is not None:
        raise InputError(f"{record} cannot be read any more: {subject.problem}")
    if "image" not in model.members:
        return subject
    with PictureSource(workspace.settings.located_media) as source:
        return next(iter(prefetch([subject], source)))


def _find(workspace: Workspace, wanted: set[str]) -> Path:
    """The folder of one of these models. Raises InputError when none is where models are looked for."""
    settings = workspace.settings
    named = dict.fromkeys([settings.locate(settings.model), settings.nightly_model])
    for folder in [*named, *_folders(settings.folder, _DEPTH)]:
        manifest = folder / MANIFEST
        if manifest.is_file() and workspace.names.model(file_digest(manifest)).value in wanted:
            return folder
    raise InputError(
        f"the folder of {' or '.join(sorted(wanted))} is not beside enrich.toml: name it with --model DIR"
    )


def _folders(folder: Path, depth: int) -> Iterator[Path]:
    for inner in sorted(p for p in folder.iterdir() if p.is_dir() and not p.name.startswith(".")):
        yield inner
        if depth > 1 and not (inner / MANIFEST).is_file():
            yield from _folders(inner, depth - 1)


def _told(explanation: Explanation, out: Path, record: str) -> dict[str, Any]:
    """The explanation as JSON values, its saliency pictures written."""
    name = f"{_file_name(record)}-{_file_name(explanation.property)}-{_file_name(explanation.value)}"
    return {
        "value": explanation.value,
        "probability": explanation.probability,
        "fusion": [_contribution(c) for c in explanation.fusion],
        "modalities": [_member(m, out, name) for m in explanation.members],
    }


def _member(member: MemberExplanation, out: Path, name: str) -> dict[str, Any]:
    told: dict[str, Any] = {
        "modality": member.modality,
        "classifier": member.classifier,
        "probability": member.probability,
        "absent": member.absent,
    }
    if member.contributions:
        told["unit"] = member.unit
        told["contributions"] = [_contribution(c) for c in member.contributions]
    if member.pictures:
        told["pictures"] = [_picture(p, out, f"{name}-{i}") for i, p in enumerate(member.pictures, 1)]
    return told


def _contribution(contribution: Contribution) -> dict[str, Any]:
    told: dict[str, Any] = {"name": contribution.name, "weight": round(contribution.weight, 6)}
    if contribution.value is not None:
        told |= {"value": contribution.value, "there": contribution.there}
    return told


def _picture(looked: PictureExplanation, out: Path, name: str) -> dict[str, Any]:
    told: dict[str, Any] = {"url": looked.picture.url, "file": None, "method": None, "reason": looked.reason}
    if looked.saliency is None:
        return told
    file = out / f"{name}.png"
    try:
        out.mkdir(parents=True, exist_ok=True)
        file.write_bytes(overlay(looked.saliency))
    except OSError as error:
        raise InputError(
            f"{file} cannot be written: {error.strerror}; name another folder with --out"
        ) from error
    return {**told, "file": str(file), "method": looked.saliency.method}


def _file_name(iri: str) -> str:
    """The end of an IRI as part of a file name, with a digest where something was left out."""
    tail = re.split(r"[/#]", iri.rstrip("/#"))[-1]
    safe = re.sub(r"[^A-Za-z0-9_-]+", "_", tail)[:60]
    if "/" not in iri:
        return safe
    return f"{safe}-{text_digest(iri)[:6]}"
