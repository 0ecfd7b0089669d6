"""One self-contained HTML page of an analysis or a comparison, with the figures as PNG and the numbers as JSON."""

import base64
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from enrich.classifiers.model.folder import write_json
from enrich.classifiers.soup.analysis import Analysis
from enrich.classifiers.soup.figures import save_comparison, save_figures


def write_analysis(analysis: Analysis, folder: Path, title: str = "Soup analysis") -> Path:
    """Write report.html, numbers.json and the figures into `folder`; returns the page."""
    return _write("analysis.html", analysis.numbers, save_figures(analysis, folder), folder, title)


def write_comparison(numbers: Mapping[str, Any], folder: Path, title: str = "Soup comparison") -> Path:
    """Write report.html, numbers.json and the figure into `folder`; returns the page."""
    return _write("comparison.html", numbers, save_comparison(numbers, folder), folder, title)


def _write(
    template: str, numbers: Mapping[str, Any], pictures: Mapping[str, Path], folder: Path, title: str
) -> Path:
    environment = Environment(
        loader=PackageLoader("enrich.classifiers.soup"), autoescape=True, undefined=StrictUndefined
    )
    inline = {
        heading: "data:image/png;base64," + base64.b64encode(path.read_bytes()).decode()
        for heading, path in pictures.items()
    }
    page = environment.get_template(template).render(d=numbers, title=title, pictures=inline)
    write_json(folder / "numbers.json", numbers_json(numbers))
    target = folder / "report.html"
    target.write_text(page, encoding="utf-8")
    return target


def numbers_json(numbers: Mapping[str, Any]) -> dict[str, Any]:
    """The numbers as they are given out: `dishes`, the former name of `candidates`, stays for one version."""
    networks = {name: _with_former_name(said) for name, said in numbers.get("networks", {}).items()}
    return _with_former_name(numbers) | ({"networks": networks} if networks else {})


def _with_former_name(said: Mapping[str, Any]) -> dict[str, Any]:
    return {**said, "dishes": said["candidates"]} if "candidates" in said else dict(said)
