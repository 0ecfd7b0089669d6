"""Profiles: how a museum's graph says things, as frozen dataclasses read from TOML."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from functools import cache
from importlib.resources import files
from pathlib import Path as FilePath

from pyoxigraph import NamedNode

from ontology.terms import OntologyError


@dataclass(frozen=True, slots=True)
class Step:
    """One predicate of a path, followed from object to subject when `inverse`."""

    predicate: NamedNode
    inverse: bool = False


Path = tuple[Step, ...]
"""A sequence of steps; the empty path stays where it is."""


def path_text(path: Path) -> str:
    """A path as a SPARQL property path, `""` for the empty one."""
    return "/".join(f"{'^' if step.inverse else ''}{step.predicate}" for step in path)


def path_triples(start: str, path: Path, end: str) -> str:
    """A path as triple patterns from one variable to another, named without their question mark.

    The variables between are `end_1`, `end_2`, …; an empty path needs none, and `start` is its end. Some
    servers plan triple patterns better than property paths.
    """
    patterns = []
    here = start
    for number, step in enumerate(path, 1):
        there = end if number == len(path) else f"{end}_{number}"
        subject, target = (there, here) if step.inverse else (here, there)
        patterns.append(f"?{subject} {step.predicate} ?{target} .")
        here = there
    return " ".join(patterns)


@dataclass(frozen=True, slots=True)
class PropertyProfile:
    """Where a property's value stands: record --node--> node --predicate--> object --value--> class.

    `node=()`: the node is the record itself. `value=()`: the object is the value; otherwise a node of
    `value_class` stands between (a time-span that falls within a century). `classes=()`: every IRI value
    is a class or, with a `scheme`, every concept of it. A raw value that is not a class is followed along `narrower` paths, any number of times,
    until it reaches a class or a collection of `groups`, which stands for a class. Classes with fewer
    than `minimum` training values are left out of a model.
    """

    name: str
    label: str
    node: Path
    node_class: NamedNode | None
    predicate: NamedNode
    value: Path = ()
    value_class: NamedNode | None = None
    classes: tuple[NamedNode, ...] = ()
    scheme: NamedNode | None = None
    narrower: tuple[Path, ...] = ()
    groups: Mapping[NamedNode, NamedNode] = field(default_factory=dict)
    minimum: int = 1
    many: bool = False


@dataclass(frozen=True, slots=True)
class TextProfile:
    """How to reach one kind of text of a record: the path ends in a literal."""

    name: str
    path: Path


@dataclass(frozen=True, slots=True)
class ImageProfile:
    """How to reach pictures of a record: the path ends in the picture's URL (an IRI or a literal)."""

    path: Path


@dataclass(frozen=True, slots=True)
class ContextProfile:
    """How to reach a context value of a record; with `graph`, it is the named graph that types the record."""

    name: str
    path: Path = ()
    graph: bool = False


@dataclass(frozen=True, slots=True)
class Profile:
    """How one data model says things.

    `facts` are glob patterns of graph IRIs, those that begin with `!` exclude; without any that includes,
    every graph is one of facts that is neither excluded nor ours. `museum` is the name of the context
    that says which museum a record belongs to; `labels` are paths to a record's own name, best first.
    """

    name: str
    title: str
    record_class: NamedNode
    facts: tuple[str, ...]
    properties: tuple[PropertyProfile, ...]
    texts: tuple[TextProfile, ...] = ()
    images: tuple[ImageProfile, ...] = ()
    contexts: tuple[ContextProfile, ...] = ()
    museum: str = ""
    prefixes: Mapping[str, str] = field(default_factory=dict)
    labels: tuple[Path, ...] = ()

    def property(self, name: str) -> PropertyProfile:
        """The property of this name. Raises OntologyError when the profile has none."""
        for prop in self.properties:
            if prop.name == name:
                return prop
        known = ", ".join(prop.name for prop in self.properties)
        raise OntologyError(f"the profile {self.name} has no property {name!r}; it has: {known}")

    def holds_facts(self, graph: str) -> bool:
        """Whether a graph, by its IRI, is one of the museum's facts (ours must be left out beforehand)."""
        included = [pattern for pattern in self.facts if not pattern.startswith("!")]
        excluded = [pattern[1:] for pattern in self.facts if pattern.startswith("!")]
        if any(fnmatchcase(graph, pattern) for pattern in excluded):
            return False
        return not included or any(fnmatchcase(graph, pattern) for pattern in included)


@cache
def profile_names() -> tuple[str, ...]:
    """The names of the profiles that come with the package, in order."""
    folder = files("ontology") / "profiles"
    return tuple(sorted(f.name.removesuffix(".toml") for f in folder.iterdir() if f.name.endswith(".toml")))


def load_profile(name_or_file: str | FilePath) -> Profile:
    """A profile of the package by its name, or one from a TOML file.

    Raises OntologyError when there is none, or when the file does not say what it must.
    """
    from ontology.profile_toml import parse_profile

    if isinstance(name_or_file, str) and name_or_file in profile_names():
        text = (files("ontology") / "profiles" / f"{name_or_file}.toml").read_text(encoding="utf-8")
        return parse_profile(text, name_or_file, f"the profile {name_or_file}")
    path = FilePath(name_or_file)
    if not path.is_file():
        known = ", ".join(profile_names())
        raise OntologyError(f"no profile and no file is called {str(name_or_file)!r}; profiles: {known}")
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise OntologyError(f"{path} is not UTF-8 text ({error}); save it as UTF-8") from error
    return parse_profile(text, path.stem, str(path))
