"""The README.md of a model folder, written from what was measured (Mitchell et al. 2019, Model Cards)."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

from enrich.classifiers import libraries
from enrich.classifiers.tables import markdown_cell


def _plain(account: Mapping[str, Any]) -> list[tuple[str, Any]]:
    return [(k, v) for k, v in sorted(account.items()) if isinstance(v, str | int | float | bool)]


@cache
def _templates() -> Any:
    """The environment of the templates; a model that is only read writes no card."""
    jinja2 = libraries.jinja2()
    made = jinja2.Environment(
        loader=jinja2.PackageLoader("enrich.classifiers.model"),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,  # Markdown
    )
    made.filters["cell"] = markdown_cell
    made.globals["plain"] = _plain
    return made


def classifier_card(config: Mapping[str, Any], metrics: Mapping[str, Any]) -> str:
    """The card of one classifier."""
    history = [
        (
            name,
            ", ".join(f"{k}: {markdown_cell(v)}" for k, v in part.items() if not isinstance(v, list | dict)),
        )
        for name, part in metrics.items()
        if isinstance(part, Mapping)
    ]
    return str(_templates().get_template("classifier.md").render(**config, history=history))


def model_card(config: Mapping[str, Any], metrics: Mapping[str, Any]) -> str:
    """The card of a whole model: members, fusion, figures held out and on dev, thresholds, classes."""
    training = config["training"]
    kinds = (("classes", "learnt"), ("left_out", "left out: too few"))
    classes = [
        (name, value, count, state)
        for key, state in kinds
        for name, counts in training.get(key, {}).items()
        for value, count in counts.items()
    ]
    curve = [
        (name, point["coverage"], point["precision"], point["threshold"])
        for name, by in metrics.get("dev", {}).items()
        for point in by.get("fusion", {}).get("curve", ())
    ]
    card = _templates().get_template("model.md")
    return str(card.render(**config, metrics=metrics, classes=classes, curve=curve))
