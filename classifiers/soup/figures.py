"""Figures of the analysis and the comparison, as PNG files below 100 KB."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from matplotlib.figure import Figure
from PIL import Image

from classifiers.soup.analysis import Analysis
from classifiers.soup.candidates import BEST, VOTE

matplotlib.use("Agg")
DPI = 90
COLOURS = {
    BEST: "#444444",
    "uniform": "#c1440e",
    "greedy": "#1b7f5c",
    "pruned": "#2a5db0",
    "window": "#d3548b",
    "learned": "#8a4fbf",
    VOTE: "#b8860b",
}


def save_figures(analysis: Analysis, folder: Path) -> dict[str, Path]:
    """Write every figure of an analysis into `folder`; title to file."""
    folder.mkdir(parents=True, exist_ok=True)
    drawn = {
        "Members, soups and the vote": ("members", _members(analysis.numbers)),
        "Bias and variance": ("bias-variance", _bias_variance(analysis.numbers)),
        "Where the models lie": ("maps", _maps(analysis)),
        "Loss along lines between members": ("lines", _lines(analysis.numbers)),
        "Calibration": ("calibration", _calibration(analysis.numbers)),
    }
    return {title: _save(figure, folder / f"{name}.png") for title, (name, figure) in drawn.items()}


def save_comparison(numbers: Mapping[str, Any], folder: Path) -> dict[str, Path]:
    """Write the comparison's figure; title to file."""
    folder.mkdir(parents=True, exist_ok=True)
    return {"Accuracy over seeds": _save(_comparison(numbers), folder / "comparison.png")}


def _save(figure: Figure, path: Path) -> Path:
    """A palette of 256 colours is plenty for a drawing, and half of the bytes."""
    drawn = io.BytesIO()
    figure.savefig(drawn, dpi=DPI)
    with Image.open(drawn) as picture:
        picture.convert("RGB").quantize(256, dither=Image.Dither.NONE).save(path, optimize=True)
    return path


def _members(numbers: Mapping[str, Any]) -> Figure:
    figure = Figure(figsize=(8, 3.4), layout="constrained")
    for axes, key in zip(figure.subplots(1, 2), ("accuracy", "loss"), strict=True):
        runs: dict[str, list[Mapping[str, Any]]] = {}
        for member in numbers["members"]:
            runs.setdefault(member["trajectory"], []).append(member)
        for name, members in runs.items():
            axes.plot(
                [m["epoch"] for m in members],
                [m["scoring"][key] for m in members],
                marker=".",
                color="#999999",
                alpha=0.8,
                label=name,
            )
        for dish in numbers["dishes"]:
            style = "--" if dish["name"] in (BEST, VOTE) else "-"
            axes.axhline(
                dish["scoring"][key], color=COLOURS[dish["name"]], linestyle=style, label=dish["name"]
            )
        axes.set_xlabel("epoch")
        axes.set_ylabel({"accuracy": "accuracy", "loss": "cross-entropy, nats"}[key])
        if key == "loss":
            top = max(m["scoring"]["loss"] for m in numbers["members"])
            axes.set_ylim(top=1.05 * top)
    axes.legend(fontsize=7)
    return figure


def _bias_variance(numbers: Mapping[str, Any]) -> Figure:
    parts = numbers["bias_variance"]
    names = list(parts)
    figure = Figure(figsize=(8, 0.5 * len(names) + 1.8), layout="constrained")
    left, right = figure.subplots(1, 2, sharey=True)
    rows = np.arange(len(names))
    hard = [parts[n]["zero_one"] for n in names]
    soft = [parts[n]["cross_entropy"] for n in names]
    bias = np.array([h["bias"][0] for h in hard])
    added = np.array([h["variance_unbiased"][0] for h in hard])
    taken = np.array([h["variance_biased"][0] for h in hard])
    left.barh(rows, bias, color="#2a5db0", label="bias")
    left.barh(rows, added, left=bias, color="#e08e45", label="variance that adds")
    left.barh(rows, -taken, color="#9bc59d", label="variance that takes off")
    left.plot([h["loss"][0] for h in hard], rows, "k|", markersize=12, label="loss")
    left.set_xlabel("0–1 loss")
    first = np.array([s["bias"][0] for s in soft])
    right.barh(rows, first, color="#2a5db0")
    right.barh(rows, [s["variance"][0] for s in soft], left=first, color="#e08e45")
    right.set_xlabel("cross-entropy, nats")
    left.set_yticks(rows, names, fontsize=8)
    left.invert_yaxis()
    figure.legend(loc="outside lower center", ncols=4, fontsize=7)
    return figure


def _maps(analysis: Analysis) -> Figure:
    figure = Figure(figsize=(8, 3.0 * len(analysis.maps)), layout="constrained")
    grid = figure.subplots(len(analysis.maps), 2, squeeze=False)
    members = analysis.numbers["members"]
    dishes = {d["name"]: d for d in analysis.numbers["dishes"]}
    chosen = set(dishes["greedy"]["members"]) if "greedy" in dishes else set()
    runs = list(dict.fromkeys(m["trajectory"] for m in members))
    for row, (name, pair) in zip(grid, analysis.maps.items(), strict=True):
        for axes, found in zip(row, pair, strict=True):
            for k, run in enumerate(runs):
                index = [i for i, m in enumerate(members) if m["trajectory"] == run]
                points = found.points[index]
                axes.plot(points[:, 0], points[:, 1], color=f"C{k}", linewidth=0.5, alpha=0.5)
                axes.scatter(
                    points[:, 0],
                    points[:, 1],
                    s=[4 + 1.5 * members[i]["epoch"] for i in index],
                    color=f"C{k}",
                )
            ringed = [i for i, m in enumerate(members) if m["name"] in chosen]
            axes.scatter(
                *found.points[ringed].T,
                s=70,
                facecolors="none",
                edgecolors=COLOURS["greedy"],
                label="in greedy",
            )
            for i in range(len(members), len(analysis.names)):
                kind = analysis.names[i]
                marker = "*" if kind == VOTE else "X"
                axes.scatter(*found.points[i], marker=marker, s=70, color=COLOURS[kind], label=kind, zorder=3)
            axes.set_title(f"{name}, {found.method}: stress {found.stress:.2f}", fontsize=8)
            axes.tick_params(labelsize=6)
    grid[0, 1].legend(fontsize=6)
    return figure


def _lines(numbers: Mapping[str, Any]) -> Figure:
    figure = Figure(figsize=(8, 3), layout="constrained")
    for axes, key in zip(figure.subplots(1, 2), ("loss", "accuracy"), strict=True):
        for line in numbers["lines"]:
            axes.plot(
                [p["t"] for p in line["points"]], [p[key] for p in line["points"]], ".-", label=line["pair"]
            )
        axes.set_xlabel("share of the other member")
        axes.set_ylabel({"loss": "cross-entropy, nats", "accuracy": "accuracy"}[key])
    axes.legend(fontsize=7)
    return figure


def _calibration(numbers: Mapping[str, Any]) -> Figure:
    figure = Figure(figsize=(8, 3.6), layout="constrained")
    for axes, when in zip(figure.subplots(1, 2), ("before", "after"), strict=True):
        axes.plot([0, 1], [0, 1], color="#cccccc")
        for said in numbers["calibration"]:
            bins = said[when]["reliability"]
            axes.plot(
                [b["confidence"] for b in bins],
                [b["correct"] for b in bins],
                ".-",
                color=COLOURS[said["name"]],
                label=f"{said['name']}: ECE {said[when]['ece']:.3f}",
            )
        axes.set_title(f"{when} calibration", fontsize=9)
        axes.set_xlabel("confidence")
        axes.set_ylabel("share correct")
        axes.legend(fontsize=6)
    return figure


def _comparison(numbers: Mapping[str, Any]) -> Figure:
    networks: Mapping[str, Any] = numbers["networks"]
    figure = Figure(figsize=(8, 1.5 * len(networks) + 1), layout="constrained")
    axes = figure.subplots()
    ticks: list[tuple[float, str]] = []
    for n, (name, network) in enumerate(networks.items()):
        found: Sequence[tuple[str, Any]] = list(network["dishes"].items())
        for k, (dish, said) in enumerate(found):
            y = n * (len(found) + 1) + k
            value, low, high = said["accuracy"]
            axes.errorbar(
                value, y, xerr=[[value - low], [high - value]], fmt="o", color=COLOURS[dish], capsize=3
            )
            axes.scatter(said["accuracy_by_seed"], [y] * len(said["accuracy_by_seed"]), s=8, color="#888888")
            ticks.append((y, f"{name}: {dish}"))
    axes.set_yticks([y for y, _ in ticks], [label for _, label in ticks], fontsize=7)
    axes.invert_yaxis()
    figure.supxlabel(
        "accuracy on the scoring pictures: mean over seeds, 95 % interval, seeds in grey", fontsize=8
    )
    axes.grid(axis="x", color="#eeeeee")
    return figure
