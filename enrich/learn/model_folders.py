"""Finds model folders and says of each what it holds and whether it is whole."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from enrich.classifiers.base import ClassifierError
from enrich.classifiers.digest import file_digest
from enrich.classifiers.model.config import read_config
from enrich.classifiers.model.manifest import MANIFEST
from enrich.classifiers.model.verified import open_folder, read_json
from enrich.errors import InputError


@dataclass(frozen=True)
class FoundModel:
    """A model folder as it lies there. `state` is whole, or what is wrong with it."""

    folder: str
    digest: str
    state: str
    classifiers: tuple[str, ...]
    properties: tuple[str, ...]
    mean_macro_f1: float | None

    def as_dict(self) -> dict[str, Any]:
        """The fields, for JSON."""
        return asdict(self)


def find_models(folder: Path) -> Iterator[FoundModel]:
    """Every model folder at or beneath a folder; the parts of a model are not listed by themselves."""
    if not folder.is_dir():
        raise InputError(f"no folder {folder}")
    if (folder / MANIFEST).is_file():
        yield _described(folder)
        return
    for inner in sorted(p for p in folder.iterdir() if p.is_dir() and not p.name.startswith(".")):
        yield from find_models(inner)


def _described(folder: Path) -> FoundModel:
    config, members = json_file(folder / "config.json"), json_file(folder / "config.json", "members")
    try:
        opened = open_folder(folder)
        if config.get("kind") == "model":
            read_config(opened)
        digest, state = opened.digest, "whole"
    except ClassifierError as error:
        digest, state = file_digest(folder / MANIFEST), str(error)
    kinds = {m: said.get("classifier") for m, said in members.items() if isinstance(said, Mapping)}
    names = tuple(f"{m}: {kind}" for m, kind in kinds.items() if kind)
    mean = json_file(folder / "metrics.json").get("mean_macro_f1")
    if isinstance(mean, Mapping):
        mean = mean.get("fusion") or next((v for v in mean.values() if v is not None), None)
    return FoundModel(
        folder=str(folder),
        digest=digest,
        state=state,
        classifiers=names or (str(config.get("classifier", "")),),
        properties=tuple(json_file(folder / "labels.json")),
        mean_macro_f1=mean if isinstance(mean, float) else None,
    )


def json_file(path: Path, *within: str) -> dict[str, Any]:
    """A part of a model folder, or what it holds `within`; empty where that is missing or broken, which `state` says
    already."""
    try:
        data = read_json(path)
    except ClassifierError:
        return {}
    for key in within:
        data = data.get(key) if isinstance(data, dict) else None
    return data if isinstance(data, dict) else {}
