"""Figures of the analysis and the comparison, as PNG files below 100 KB."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from enrich.classifiers.plots import GREY, LIGHT, panels, save
from enrich.classifiers.soup.analysis import Analysis
from enrich.classifiers.soup.candidates import BEST, RENEWED, VOTE
from enrich.classifiers.soup.distances import Map

if TYPE_CHECKING:
    from matplotlib.figure import Figure

COLOURS = {
    BEST: "#444444",
    RENEWED: "#8c8c8c",
    "uniform": "#c1440e",
    "greedy": "#1b7f5c",
    "pruned": "#2a5db0",
    "window": "#d3548b",
    "learned": "#8a4fbf",
    VOTE: "#b8860b",
}
BIAS, ADDS, TAKES_OFF = "#2a5db0", "#e08e45", "#9bc59d"
UNITS = {"accuracy": "accuracy", "loss": "cross-entropy, nats"}
Numbers = Mapping[str, Any]


def save_figures(analysis: Analysis, folder: Path) -> dict[str, Path]:
    """Write every figure of an analysis into `folder`; title to file."""
    drawn = {
        "Members, soups and the vote": ("members", _members(analysis.numbers)),
        "Bias and variance": ("bias-variance", _bias_variance(analysis.numbers)),
        "Where the models lie": ("maps", _maps(analysis)),
        "Loss along lines between members": ("lines", _lines(analysis.numbers)),
        "Calibration": ("calibration", _calibration(analysis.numbers)),
    }
    return {title: save(figure, folder / f"{name}.png") for title, (name, figure) in drawn.items()}


def save_comparison(numbers: Numbers, folder: Path) -> dict[str, Path]:
    """Write the comparison's figure; title to file."""
    return {"Accuracy over seeds": save(_comparison(numbers), folder / "comparison.png")}


def _members(numbers: Numbers) -> Figure:
    figure, grid = panels(1, 2, 8, 3.4)
    runs: dict[str, list[Numbers]] = {}
    for member in numbers["members"]:
        runs.setdefault(member["trajectory"], []).append(member)
    for axes, key in zip(grid[0], ("accuracy", "loss"), strict=True):
        for name, members in runs.items():
            epochs, values = [m["epoch"] for m in members], [m["scoring"][key] for m in members]
            axes.plot(epochs, values, marker=".", color=GREY, alpha=0.8, label=name)
        for said in numbers["candidates"]:
            name = said["name"]
            style = "--" if name in (BEST, RENEWED, VOTE) else "-"
            axes.axhline(said["scoring"][key], color=COLOURS[name], linestyle=style, label=name)
        axes.set(xlabel="epoch", ylabel=UNITS[key])
    grid[0, 1].set_ylim(top=1.05 * max(m["scoring"]["loss"] for m in numbers["members"]))
    grid[0, 1].legend(fontsize=7)
    return figure


def _bias_variance(numbers: Numbers) -> Figure:
    parts = numbers["bias_variance"]
    rows = np.arange(len(parts))
    figure, grid = panels(1, 2, 8, 0.5 * len(parts) + 1.8, sharey=True)
    left, right = grid[0]

    def term(loss: str, name: str) -> Any:
        return np.array([said[loss][name][0] for said in parts.values()])

    bias = term("zero_one", "bias")
    left.barh(rows, bias, color=BIAS, label="bias")
    left.barh(rows, term("zero_one", "variance_unbiased"), left=bias, color=ADDS, label="variance that adds")
    left.barh(rows, -term("zero_one", "variance_biased"), color=TAKES_OFF, label="variance that takes off")
    left.plot(term("zero_one", "loss"), rows, "k|", markersize=12, label="loss")
    bias = term("cross_entropy", "bias")
    right.barh(rows, bias, color=BIAS)
    right.barh(rows, term("cross_entropy", "variance"), left=bias, color=ADDS)
    left.set_xlabel("0–1 loss")
    right.set_xlabel(UNITS["loss"])
    left.set_yticks(rows, list(parts), fontsize=8)
    left.invert_yaxis()
    figure.legend(loc="outside lower center", ncols=4, fontsize=7)
    return figure


def _maps(analysis: Analysis) -> Figure:
    figure, grid = panels(len(analysis.maps), 2, 8, 3.0 * len(analysis.maps))
    for row, (name, pair) in zip(grid, analysis.maps.items(), strict=True):
        for axes, found in zip(row, pair, strict=True):
            _map(axes, found, analysis)
            axes.set_title(f"{name}, {found.method}: stress {found.stress:.2f}", fontsize=8)
            axes.tick_params(labelsize=6)
    grid[0, 1].legend(fontsize=6)
    return figure


def _map(axes: Any, found: Map, analysis: Analysis) -> None:
    """Members as dots, larger for later epochs; soups as crosses, the vote as a star."""
    members = analysis.numbers["members"]
    for k, run in enumerate(dict.fromkeys(m["trajectory"] for m in members)):
        index = [i for i, m in enumerate(members) if m["trajectory"] == run]
        x, y = found.points[index].T
        axes.plot(x, y, color=f"C{k}", linewidth=0.5, alpha=0.5)
        axes.scatter(x, y, s=[4 + 1.5 * members[i]["epoch"] for i in index], color=f"C{k}")
    greedy = {m for c in analysis.numbers["candidates"] if c["name"] == "greedy" for m in c["members"]}
    ringed = found.points[[i for i, m in enumerate(members) if m["name"] in greedy]].T
    axes.scatter(*ringed, s=70, facecolors="none", edgecolors=COLOURS["greedy"], label="in greedy")
    for kind, point in zip(analysis.names[len(members) :], found.points[len(members) :], strict=True):
        marker = "*" if kind == VOTE else "X"
        axes.scatter(*point, marker=marker, s=70, color=COLOURS[kind], label=kind, zorder=3)


def _lines(numbers: Numbers) -> Figure:
    figure, grid = panels(1, 2, 8, 3)
    for axes, key in zip(grid[0], ("loss", "accuracy"), strict=True):
        for line in numbers["lines"]:
            points = line["points"]
            axes.plot([p["t"] for p in points], [p[key] for p in points], ".-", label=line["pair"])
        axes.set(xlabel="share of the other member", ylabel=UNITS[key])
    grid[0, 1].legend(fontsize=7)
    return figure


def _calibration(numbers: Numbers) -> Figure:
    figure, grid = panels(1, 2, 8, 3.6)
    for axes, when in zip(grid[0], ("before", "after"), strict=True):
        axes.plot([0, 1], [0, 1], color=LIGHT)
        for said in numbers["calibration"]:
            bins, name = said[when]["reliability"], said["name"]
            across, up = [b["confidence"] for b in bins], [b["correct"] for b in bins]
            label = f"{name}: ECE {said[when]['ece']:.3f}"
            axes.plot(across, up, ".-", color=COLOURS[name], label=label)
        axes.set(xlabel="confidence", ylabel="share correct")
        axes.set_title(f"{when} calibration", fontsize=9)
        axes.legend(fontsize=6)
    return figure


def _comparison(numbers: Numbers) -> Figure:
    networks: Numbers = numbers["networks"]
    figure, grid = panels(1, 1, 8, 1.5 * len(networks) + 1)
    axes = grid[0, 0]
    ticks: list[tuple[float, str]] = []
    for n, (name, network) in enumerate(networks.items()):
        found: Sequence[tuple[str, Any]] = list(network["candidates"].items())
        for k, (kind, said) in enumerate(found):
            y = n * (len(found) + 1) + k
            value, low, high = said["accuracy"]
            error = [[value - low], [high - value]]
            axes.errorbar(value, y, xerr=error, fmt="o", color=COLOURS[kind], capsize=3)
            axes.scatter(said["accuracy_by_seed"], [y] * len(said["accuracy_by_seed"]), s=8, color=GREY)
            ticks.append((y, f"{name}: {kind}"))
    axes.set_yticks([y for y, _ in ticks], [label for _, label in ticks], fontsize=7)
    axes.invert_yaxis()
    axes.grid(axis="x", color=LIGHT, alpha=0.4)
    across = "accuracy on the scoring pictures: mean over seeds, 95 % interval, seeds in grey"
    figure.supxlabel(across, fontsize=8)
    return figure
