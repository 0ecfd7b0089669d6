"""Reads a profile's TOML: CURIEs to IRIs, lists to paths, and a sentence for everything that is wrong."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from importlib.resources import files
from types import MappingProxyType
from typing import Any

from pyoxigraph import NamedNode

from ontology.profiles import (
    ContextProfile,
    ImageProfile,
    Path,
    Profile,
    PropertyProfile,
    Step,
    TextProfile,
    profile_names,
)
from ontology.terms import PREFIXES, OntologyError, named_node

KEYS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "profile": (
            "title", "extends", "record_class", "facts", "museum", "labels",
            "prefixes", "properties", "texts", "images", "contexts",
        ),
        "property": (
            "label", "node", "node_class", "predicate", "value", "value_class", "classes",
            "scheme", "narrower", "groups", "minimum", "many",
        ),
        "text": ("path",),
        "image": ("path",),
        "context": ("path", "graph"),
    }
)  # fmt: skip
"""Every key that a profile may hold, by the table it stands in."""


def parse_profile(text: str, name: str, where: str) -> Profile:
    """A profile from TOML text. `where` names the source in errors. Raises OntologyError."""
    document = _toml(text, where)
    if "extends" in document:
        document = _merged(_parent(document["extends"], where), document)
    prefixes = PREFIXES | _Table(_mapping(document, "prefixes", where), f"{where}, prefixes", {}).strings()
    top = _Table(document, where, prefixes)
    top.check("profile")
    properties = tuple(_property(table) for table in top.tables("properties", "property"))
    texts = tuple(TextProfile(t.name, t.path("path", required=True)) for t in top.tables("texts", "text"))
    contexts = tuple(_context(table) for table in top.tables("contexts", "context"))
    if not properties:
        raise OntologyError(f"{where}: no property to predict; add a table such as [properties.place]")
    museum = top.text("museum", "")
    if museum and museum not in {context.name for context in contexts}:
        raise OntologyError(f"{where}: museum names the context {museum!r}, which is not there; add it")
    return Profile(
        name=name,
        title=top.text("title", name),
        record_class=top.iri("record_class"),
        facts=top.texts("facts"),
        properties=properties,
        texts=texts,
        images=tuple(ImageProfile(t.path("path", required=True)) for t in top.rows("images", "image")),
        contexts=contexts,
        museum=museum,
        prefixes=MappingProxyType(prefixes),
        labels=top.paths("labels"),
    )


def _toml(text: str, where: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise OntologyError(f"{where} is not valid TOML: {error}") from error


def _parent(name: object, where: str) -> dict[str, Any]:
    if name not in profile_names():
        known = ", ".join(profile_names())
        raise OntologyError(f"{where}: extends {name!r}, which is not a profile of the package; use {known}")
    return _toml((files("ontology") / "profiles" / f"{name}.toml").read_text(encoding="utf-8"), str(name))


def _merged(below: dict[str, Any], above: dict[str, Any]) -> dict[str, Any]:
    """Tables are merged key by key; anything else is taken from above."""
    merged = dict(below)
    for key, value in above.items():
        old = merged.get(key)
        merged[key] = _merged(old, value) if isinstance(old, dict) and isinstance(value, dict) else value
    return merged


def _mapping(document: dict[str, Any], key: str, where: str) -> dict[str, Any]:
    value = document.get(key, {})
    if not isinstance(value, dict):
        raise OntologyError(f"{where}: {key} must be a table, not {value!r}")
    return value


def _property(table: _Table) -> PropertyProfile:
    groups = _Table(_mapping(table.values, "groups", table.where), f"{table.where}, groups", table.prefixes)
    profile = PropertyProfile(
        name=table.name,
        label=table.text("label", table.name),
        node=table.path("node"),
        node_class=table.iri("node_class") if "node_class" in table.values else None,
        predicate=table.iri("predicate"),
        value=table.path("value"),
        value_class=table.iri("value_class") if "value_class" in table.values else None,
        classes=tuple(table.resolve(iri) for iri in table.texts("classes")),
        scheme=table.iri("scheme") if "scheme" in table.values else None,
        narrower=table.paths("narrower"),
        groups=MappingProxyType({groups.resolve(k): groups.resolve(v) for k, v in groups.strings().items()}),
        minimum=table.number("minimum", 1),
        many=table.flag("many"),
    )
    outside = [iri for iri in profile.groups.values() if profile.classes and iri not in profile.classes]
    if outside:
        raise OntologyError(f"{table.where}: groups names {outside[0]}, which is not among the classes")
    if profile.value_class is not None and not profile.value:
        raise OntologyError(f"{table.where}: value_class is given, but no value path leads on from the node")
    if profile.value and (profile.value_class is None or len(profile.value) > 1 or profile.value[0].inverse):
        raise OntologyError(
            f"{table.where}: value must be one forward step, with the value_class of the node"
        )
    return profile


def _context(table: _Table) -> ContextProfile:
    graph = table.flag("graph")
    if graph == ("path" in table.values):
        raise OntologyError(f"{table.where}: give either a path or graph = true")
    return ContextProfile(table.name, table.path("path"), graph)


@dataclass(frozen=True)
class _Table:
    """One table of the file, with typed access to its keys and its name for errors."""

    values: dict[str, Any]
    where: str
    prefixes: Mapping[str, str]
    name: str = ""

    def check(self, kind: str) -> None:
        """Refuse keys that mean nothing here."""
        for key in self.values:
            if key not in KEYS[kind]:
                near = get_close_matches(key, KEYS[kind], 1)
                advice = f"did you mean {near[0]}?" if near else f"it may hold: {', '.join(KEYS[kind])}"
                raise OntologyError(f"{self.where}: unknown key {key!r}; {advice}")

    def tables(self, key: str, kind: str) -> Iterator[_Table]:
        """The named tables below a key."""
        for name, values in _mapping(self.values, key, self.where).items():
            yield self._below(values, f"{key}.{name}", kind, name)

    def rows(self, key: str, kind: str) -> Iterator[_Table]:
        """The unnamed tables of an array."""
        for number, values in enumerate(self._list(key), 1):
            yield self._below(values, f"{key} {number}", kind, "")

    def _below(self, values: object, label: str, kind: str, name: str) -> _Table:
        if not isinstance(values, dict):
            raise OntologyError(f"{self.where}: {label} must be a table, not {values!r}")
        table = _Table(values, f"{self.where}, {label}", self.prefixes, name)
        table.check(kind)
        return table

    def strings(self) -> dict[str, str]:
        """The whole table as text to text."""
        return {key: self._text(key, value) for key, value in self.values.items()}

    def text(self, key: str, default: str) -> str:
        return self._text(key, self.values.get(key, default))

    def texts(self, key: str) -> tuple[str, ...]:
        return tuple(self._text(key, item) for item in self._list(key))

    def number(self, key: str, default: int) -> int:
        value = self.values.get(key, default)
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            raise OntologyError(f"{self.where}: {key} must be a whole number of at least 1, not {value!r}")
        return value

    def flag(self, key: str) -> bool:
        value = self.values.get(key, False)
        if not isinstance(value, bool):
            raise OntologyError(f"{self.where}: {key} must be true or false, not {value!r}")
        return value

    def iri(self, key: str) -> NamedNode:
        if key not in self.values:
            raise OntologyError(f"{self.where}: {key} is missing; give an IRI or a prefixed name")
        return self.resolve(self._text(key, self.values[key]))

    def path(self, key: str, required: bool = False) -> Path:
        steps = tuple(self._step(step) for step in self.texts(key))
        if required and not steps:
            raise OntologyError(f'{self.where}: {key} is missing; give a path such as ["rdfs:label"]')
        return steps

    def paths(self, key: str) -> tuple[Path, ...]:
        paths = []
        for item in self._list(key):
            if not isinstance(item, list) or not item:
                raise OntologyError(f'{self.where}: {key} must be a list of paths such as [["skos:broader"]]')
            paths.append(tuple(self._step(self._text(key, step)) for step in item))
        return tuple(paths)

    def resolve(self, text: str) -> NamedNode:
        """A prefixed name, or an IRI in full (in angle brackets or bare)."""
        if text.startswith("<") and text.endswith(">"):
            return named_node(text[1:-1])
        prefix, colon, local = text.partition(":")
        if colon and prefix in self.prefixes:
            return named_node(self.prefixes[prefix] + local)
        if "://" in text:
            return named_node(text)
        raise OntologyError(f"{self.where}: {text!r} has no known prefix; declare it under [prefixes]")

    def _step(self, text: str) -> Step:
        return Step(self.resolve(text.removeprefix("^")), text.startswith("^"))

    def _text(self, key: str, value: object) -> str:
        if not isinstance(value, str):
            raise OntologyError(f"{self.where}: {key} must be text, not {value!r}")
        return value

    def _list(self, key: str) -> list[Any]:
        value = self.values.get(key, [])
        if not isinstance(value, list):
            raise OntologyError(f"{self.where}: {key} must be a list, not {value!r}")
        return value
