"""One self-contained HTML page of an analysis or a comparison, with the figures as PNG and the numbers as JSON."""

import base64
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from enrich.classifiers.model.folder import write_json
from enrich.classifiers.page import render, share, today, within
from enrich.classifiers.soup.analysis import Analysis
from enrich.classifiers.soup.candidates import BEST, RENEWED, VOTE
from enrich.classifiers.soup.figures import save_comparison, save_figures

COMMON = ("accuracy", "95 %", "macro-F1", "cross-entropy")


def write_analysis(analysis: Analysis, folder: Path, title: str = "Soup analysis") -> Path:
    """Write report.html, numbers.json and the figures into `folder`; returns the page."""
    numbers, measures = analysis.numbers, (*COMMON, "barrier", "stress")
    verdict = analysis_verdict(numbers)
    return _write("analysis.html", numbers, save_figures(analysis, folder), folder, title, verdict, measures)


def write_comparison(numbers: Mapping[str, Any], folder: Path, title: str = "Soup comparison") -> Path:
    """Write report.html, numbers.json and the figure into `folder`; returns the page."""
    pictures, measures = save_comparison(numbers, folder), (*COMMON, "ECE", "p")
    return _write("comparison.html", numbers, pictures, folder, title, comparison_verdict(numbers), measures)


def analysis_verdict(numbers: Mapping[str, Any]) -> str:
    """Whether the soup that does best on the selecting pictures beats the best member on the others, in one sentence."""
    found = {c["name"]: c for c in numbers["candidates"]}
    best = f"the best member answers {share(found[BEST]['scoring']['accuracy'])} of the pictures right"
    if RENEWED in found:
        best += f" ({share(found[RENEWED]['scoring']['accuracy'])} with its batch norm renewed)"
    soups = [c for name, c in found.items() if name not in (BEST, RENEWED, VOTE)]
    if not soups:
        return f"No soup was made; {best}."
    metric = numbers["metric"]
    sign = -1 if metric == "loss" else 1
    soup = max(soups, key=lambda c: sign * c["selection"][metric])
    gain = soup["against_best"]
    told = f"{soup['name']}, of {len(soup['members'])} members, by {within(gain)}"
    if gain[1] > 0:
        return f"A soup helps: {best}, and a soup clearly more ({told})."
    worse = "a soup is clearly worse" if gain[2] < 0 else "a soup differs by nothing that is clear"
    return f"No soup is worth it here: {best}, and {worse} ({told})."


def comparison_verdict(numbers: Mapping[str, Any]) -> str:
    """In which networks a soup is better than the best member, in one sentence."""
    gains = [
        (s["against_best"]["difference"], f"{network}, {name}")
        for network, x in numbers["networks"].items()
        for name, s in x["candidates"].items()
        if s["against_best"] and name not in (RENEWED, VOTE)
    ]
    if not gains:
        return "No soup was made, so there is nothing to compare."
    best, where = max(gains)
    told = f"{where}, by {within(best)} in accuracy"
    if best[1] > 0:
        return f"A soup is clearly better than the best member of its network: {told}."
    return f"In no network is a soup clearly better than the best member; the most is {told}."


def _write(
    template: str,
    numbers: Mapping[str, Any],
    pictures: Mapping[str, Path],
    folder: Path,
    title: str,
    verdict: str,
    measures: tuple[str, ...],
) -> Path:
    inline = {
        heading: "data:image/png;base64," + base64.b64encode(path.read_bytes()).decode()
        for heading, path in pictures.items()
    }
    page = render(
        template,
        package="enrich.classifiers.soup",
        measures=measures,
        title=f"{title}, {numbers['property']}, {today()}",
        verdict=verdict,
        about={"date": today(), "property": numbers["property"], "data": numbers["data"]},
        d=numbers,
        pictures=inline,
    )
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
