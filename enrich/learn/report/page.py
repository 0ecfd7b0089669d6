"""Writes an evaluation as report.json and one self-contained page, report.html."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from markupsafe import Markup
from pyoxigraph import NamedNode

from enrich.classifiers.data import Dataset, Record
from enrich.classifiers.fusion.base import PassThrough
from enrich.classifiers.model.config import FUSION
from enrich.classifiers.model.model import Model
from enrich.classifiers.page import render, today
from enrich.classifiers.tables import cell_text
from enrich.graph.labels import class_names, group_names, record_names, told_apart
from enrich.learn.measures import OTHER_SPLITS
from enrich.learn.plots import Panel, Point, colour, confusion_figure, embedded, panels_figure
from enrich.learn.report.verdict import answers, right, verdict
from enrich.ontology.terms import is_iri
from enrich.version import VERSION
from enrich.workspace import Workspace

MEASURES = (
    "records", "outside", "macro-F1", "accuracy", "95 %", "ECE", "Brier", "coverage", "precision", "regime",
    "promised", "recall", "F1",
)  # fmt: skip


def account(
    model: Model, workspace: Workspace, records: Sequence[Record], hide_known: bool, without: Sequence[str]
) -> dict[str, Any]:
    """What the figures were taken on, and which classes the model was not taught."""
    profile = workspace.profile
    labels = {p.name: p.label for p in profile.properties}
    training, decision = model.training, workspace.settings.decision
    return {
        "made": today(),
        "software": VERSION,
        "creator": workspace.settings.creator,
        "profile": profile.name,
        "data": Dataset(records, model.properties).digest,
        "records": len(records),
        "hidden": [*(["all known values"] if hide_known else []), *without],
        "labels": {p.name: labels.get(p.name, p.name) for p in model.properties},
        "museum": profile.museum,
        "minimum": {p.name: p.minimum for p in profile.properties},
        "training": {
            "records": training.get("records"),
            "seed": training.get("seed"),
            "classes": training.get("classes", {}),
            "left_out": training.get("left_out", {}),
            "properties_left_out": training.get("properties_left_out", []),
        },
        "target_precision": model.target_precision,
        "decision": {
            key: {p.name: own[p.name] for p in model.properties if p.name in own}
            for key, own in (("own", decision.thresholds), ("at_least", decision.floors))
        },
        "fusion": {"name": model.fuser.name, "note": model.fusion_history.get("note", "")},
        "promises": model.metrics.get("regimes", {}),
    }


def write_report(folder: Path, result: Mapping[str, Any], workspace: Workspace) -> None:
    """Write both files into `folder`, which is made. Names come from the graph."""
    iris = [iri for said in result["training"]["classes"].values() for iri in said]
    iris += [iri for said in result["training"]["left_out"].values() for iri in said]
    iris += [iri for said in result["properties"].values() for iri in _classes(said)]
    iris += [row["value"] for row in result.get("left_out", ())]
    names = class_names(workspace.store, iris, workspace.profile.prefixes)
    kept = [found for by in result["promises"].values() for found in by.values()]
    groups = dict.fromkeys(group for found in kept for group in found["groups"])
    names |= group_names(workspace.store, groups, workspace.profile.prefixes)
    wrong = [w["record"] for said in result["properties"].values() for w in said["wrong"]]
    names |= told_apart(
        wrong,
        record_names(workspace.reader, map(NamedNode, filter(is_iri, wrong))),
        workspace.profile.prefixes,
    )
    folder.mkdir(parents=True, exist_ok=True)
    text = json.dumps({**result, "names": names}, indent=1, ensure_ascii=False, allow_nan=False)
    (folder / "report.json").write_text(text + "\n", encoding="utf-8")
    (folder / "report.html").write_text(page(result, names), encoding="utf-8")


def page(result: Mapping[str, Any], names: Mapping[str, str] | None = None) -> str:
    """The page of an evaluation with detail; `names` of IRIs, short forms where there is none."""
    result = _without_echo(result)
    iris = [iri for said in result["properties"].values() for iri in _classes(said)]
    known = told_apart(iris, {}) | dict(names or {})
    modalities = list(result["mean_macro_f1"])
    sections = [_section(name, said, result, known) for name, said in result["properties"].items()]
    told = (result["split"], result["creator"], result["profile"], result["made"])
    return render(
        "report.html",
        package="enrich",
        measures=MEASURES,
        title=f"Evaluation of the model {result['model'][:12]} on {', '.join(filter(None, told))}",
        verdict=verdict(result),
        about=_about(result),
        result=result,
        modalities=modalities,
        colours={m: colour(i) for i, m in enumerate(modalities)},
        name=lambda iri: known.get(iri, iri),
        overview=_overview(result),
        sections=sections,
    )


def _about(result: Mapping[str, Any]) -> dict[str, str]:
    """What the figures were taken with and on, for whoever cites them."""
    training, fusion, decision = result["training"], result["fusion"], result["decision"]
    own = [f"{name} {value:g}" for name, value in decision["own"].items()]
    own += [f"{name} at least {value:g}" for name, value in decision["at_least"].items()]
    skipped = f"; {result['skipped']:,} more could not be read" if result["skipped"] else ""
    return {
        "date": result["made"],
        "profile": result["profile"],
        "model": f"sha256 {result['model']}",
        "data": f"{result['records']:,} records of {result['split']}{skipped}, sha256 {result['data']}",
        "learnt from": f"{cell_text(training['records'])} records, seed {cell_text(training['seed'])}",
        "hidden from it": ", ".join(["the property asked for", *result["hidden"]]),
        **({"thresholds of the settings": ", ".join(own)} if own else {}),
        **({"splits": OTHER_SPLITS} if result["other_splits"] else {}),
        "fusion": fusion["name"] + (f": {fusion['note']}" if fusion["note"] else ""),
        "made by": f"enrich {result['software']}",
    }


def _without_echo(result: Mapping[str, Any]) -> Mapping[str, Any]:
    """The result without the fusion where that only repeats the one modality there is."""
    if result["fusion"]["name"] != PassThrough.name:
        return result
    properties = {
        name: {**said, "by": {m: f for m, f in said["by"].items() if m != FUSION}}
        for name, said in result["properties"].items()
    }
    means = {m: v for m, v in result["mean_macro_f1"].items() if m != FUSION}
    return {**result, "properties": properties, "mean_macro_f1": means}


def _overview(result: Mapping[str, Any]) -> Markup:
    series: dict[str, list[Point]] = {m: [] for m in result["mean_macro_f1"]}
    for name, said in result["properties"].items():
        for modality, figures in said["by"].items():
            interval = figures.get("intervals", {}).get("macro_f1")
            if interval and interval["low"] is not None:
                point = (interval["value"], interval["low"], interval["high"])
                series[modality].append((result["labels"].get(name, name), *point))
    return embedded(panels_figure([Panel("", "macro-F1", "", series)], legend=False), "macro-F1 by property")


def _lines(
    said: Mapping[str, Any], key: str, across: str, up: str, what: str, *, unit: bool = False
) -> Markup:
    """A line per modality; one without points keeps its place, so that colours are the same everywhere."""
    series = {
        m: [(p[across], p[up], p[up], p[up]) for p in figures.get(key, ())]
        for m, figures in said["by"].items()
    }
    axes = (what.partition(" by ")[2], what.partition(" by ")[0])
    return embedded(panels_figure([Panel("", *axes, series, unit)], legend=False), what)


def _section(
    name: str, said: Mapping[str, Any], result: Mapping[str, Any], names: Mapping[str, str]
) -> dict[str, Any]:
    """What the page says of one property."""
    detailed = {m: f for m, f in said["by"].items() if "classes" in f}
    training = result["training"]
    return {
        "id": name,
        "label": result["labels"].get(name, name),
        "said": said,
        "answers": answers(said),
        "right": right(said),
        "alone": [f"F1 {m}" for m in result["mean_macro_f1"] if m != FUSION],
        "classes": _class_rows(detailed, training["classes"].get(name, {})),
        "left_out": training["left_out"].get(name, {}),
        "reliability": _lines(
            said, "reliability", "confidence", "correct", "share correct by mean confidence", unit=True
        ),
        "curve": _lines(said, "curve", "coverage", "precision", "precision by coverage"),
        "confusions": {
            m: embedded(
                confusion_figure(f["confusion"], [names.get(c, c) for c in f["classes"]]),
                f"confusions of {m}",
            )
            for m, f in detailed.items()
        },
    }


def _classes(said: Mapping[str, Any]) -> list[str]:
    return next((list(f["classes"]) for f in said["by"].values() if "classes" in f), [])


def _class_rows(detailed: Mapping[str, Any], trained: Mapping[str, int]) -> list[dict[str, Any]]:
    """Each class the model knows, the most frequent in training first; none is dropped."""
    if not detailed:
        return []
    whole = detailed.get(FUSION) or next(iter(detailed.values()))
    rows = [
        {
            "iri": iri,
            "trained": trained.get(iri),
            "fused": figures,
            "by": {m: f["classes"][iri]["f1"] for m, f in detailed.items() if m != FUSION},
        }
        for iri, figures in whole["classes"].items()
    ]
    return sorted(rows, key=lambda row: -(row["trained"] or row["fused"]["support"]))
