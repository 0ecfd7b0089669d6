"""The README.md of a model folder, written from what was measured (Mitchell et al. 2019, Model Cards)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any


def table(header: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """A Markdown table; numbers with three digits, None as a dash."""
    lines = ["| " + " | ".join(header) + " |", "|" + "---|" * len(header)]
    lines += ["| " + " | ".join(_cell(v) for v in row) + " |" for row in rows]
    return "\n".join(lines)


def _cell(value: object) -> str:
    if value is None or value != value:
        return "–"
    if isinstance(value, float):
        return f"{value:.3f}"
    return str(value).replace("|", "\\|").replace("\n", " ")


def _training(training: Mapping[str, Any]) -> str:
    rows = [(k, v) for k, v in sorted(training.items()) if isinstance(v, str | int | float | bool)]
    return table(("training", ""), rows) if rows else "Nothing was recorded of the training."


def classifier_card(config: Mapping[str, Any], metrics: Mapping[str, Any]) -> str:
    """The card of one classifier."""
    heads = [(n, h["classes"], "many" if h["many"] else "one") for n, h in config["heads"].items()]
    history = [
        (name, ", ".join(f"{k}: {_cell(v)}" for k, v in said.items() if not isinstance(v, list | dict)))
        for name, said in metrics.items()
        if isinstance(said, Mapping)
    ]
    parts = [
        f"# {config['classifier']} classifier ({config['modality']})",
        "Part of a model: its probabilities here are not calibrated; the model that holds this folder does that.",
        "## Answers\n" + table(("property", "classes", "values per record"), heads),
        "## Training\n" + _training(config["training"]),
    ]
    if history:
        parts.append("## History\n" + table(("part", "what was seen"), history))
    return "\n\n".join(parts) + "\n"


_FIGURES = ("records", "accuracy", "macro_f1", "ece", "brier", "coverage", "selective_accuracy")


def _figures(properties: Mapping[str, Any]) -> str:
    rows = [
        (name, modality, *(said.get(key) for key in _FIGURES))
        for name, by in properties.items()
        for modality, said in by.items()
    ]
    return table(("property", "by", *(f.replace("_", " ") for f in _FIGURES)), rows)


def _curve(properties: Mapping[str, Any]) -> str:
    rows = []
    for name, by in properties.items():
        for point in by.get("fusion", {}).get("curve", ()):
            rows.append((name, point["coverage"], point["precision"], point["threshold"]))
    return table(("property", "coverage", "precision", "threshold"), rows) if rows else ""


def _classes(config: Mapping[str, Any]) -> str:
    training = config["training"]
    rows = []
    for name, counts in training.get("classes", {}).items():
        rows += [(name, value, count, "learnt") for value, count in counts.items()]
    for name, counts in training.get("left_out", {}).items():
        rows += [(name, value, count, "left out: too few") for value, count in counts.items()]
    return table(("property", "class", "training values", ""), rows) if rows else ""


def model_card(config: Mapping[str, Any], metrics: Mapping[str, Any]) -> str:
    """The card of a whole model: members, fusion, figures held out and on dev, thresholds, classes."""
    members = [(m, said["classifier"], said["digest"][:12]) for m, said in config["members"].items()]
    thresholds = [
        (
            name,
            value if not isinstance(value, list) else f"one per class, {min(value):.3f} to {max(value):.3f}",
        )
        for name, value in config["thresholds"].items()
    ]
    calibrations = [
        (name, modality, said["method"])
        for modality, by in config["calibrators"].items()
        for name, said in by.items()
    ]
    parts = [
        "# Model",
        "Proposes values that a museum's records lack. Each answer carries a calibrated probability; below "
        "the threshold of its property it abstains and keeps its candidates.",
        "## Members\n" + table(("modality", "classifier", "digest"), members),
        f"Fusion: {config['fusion']['name']}. {config['fusion'].get('note', '')}".rstrip(),
        "## Figures out of fold, on the training records\n"
        "Each record was predicted by a model that had not seen it. Thresholds and calibration come from here, "
        "so these figures are slightly kind.\n\n" + _figures(metrics.get("out_of_fold", {})),
    ]
    if metrics.get("dev"):
        parts.append("## Figures on dev\nNothing was fitted on these records.\n\n" + _figures(metrics["dev"]))
        if curve := _curve(metrics["dev"]):
            parts.append("### Coverage and precision\n" + curve)
    parts += [
        f"## Decision\nTarget precision {_cell(config['target_precision'])}. A threshold above 1 means that no "
        "confidence reached the target, and the model always abstains.\n\n"
        + table(("property", "threshold"), thresholds),
        "## Calibration\n" + table(("property", "by", "method"), calibrations),
    ]
    if classes := _classes(config):
        parts.append("## Classes\n" + classes)
    parts += [
        "## Limits\nFigures hold for records like those trained on: the same museums, cataloguing habits and mix of "
        "gaps. Accession numbers and the museum are strong hints that do not carry to other museums; "
        "`enrich evaluate --without museum` and `--hide-known` show how much rests on them.",
        "## Training\n" + _training(config["training"]),
    ]
    return "\n\n".join(parts) + "\n"
