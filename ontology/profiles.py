"""Profiles: how a museum's graph says things, as frozen dataclasses read from TOML."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from fnmatch import fnmatchcase
from functools import cache
from importlib.resources import files
from pathlib import Path as FilePath
from typing import Annotated, Any, Self
from typing import Literal as OneOf

from pydantic import (
    AfterValidator,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainValidator,
    StrictBool,
    StrictInt,
    TypeAdapter,
    ValidationError,
    ValidationInfo,
    model_validator,
)
from pydantic.dataclasses import dataclass
from pyoxigraph import Literal, NamedNode

from ontology.checked import sentence
from ontology.literals import LiteralRules, class_text, keep_pattern
from ontology.terms import PREFIXES, OntologyError, Term, class_name, named_node

_CONFIG = ConfigDict(extra="forbid", arbitrary_types_allowed=True)
_PATTERN = ("*", "+", "?")
CONCEPT, LITERAL = "concept", "literal"
"""Kinds of values."""
Kind = OneOf["concept", "literal"]


@dataclass(frozen=True, slots=True, config=_CONFIG)
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


def _iri(value: object, info: ValidationInfo) -> NamedNode:
    """A prefixed name, or an IRI in full (in angle brackets or bare)."""
    if isinstance(value, NamedNode):
        return value
    if not isinstance(value, str):
        raise ValueError("must be an IRI or a prefixed name")
    if value.startswith("<") and value.endswith(">"):
        return named_node(value[1:-1])
    if value.startswith("^"):
        raise ValueError("is followed forwards: a path may turn round, with ^, in node")
    prefix, colon, local = value.partition(":")
    prefixes = PREFIXES | ((info.context or {}).get("prefixes") or {})
    if colon and prefix in prefixes:
        if local.endswith(_PATTERN) or "|" in local:
            raise ValueError("names one predicate, followed once: no *, +, ? or |")
        return named_node(prefixes[prefix] + local)
    if "://" in value:
        return named_node(value)
    raise ValueError(f"{value!r} has no known prefix; declare it under [prefixes]")


def _path(value: object, info: ValidationInfo) -> Path:
    if not isinstance(value, list | tuple):
        raise ValueError("must be a list of predicates")
    return tuple(step if isinstance(step, Step) else _step(step, info) for step in value)


def _step(value: object, info: ValidationInfo) -> Step:
    inverse = isinstance(value, str) and value.startswith("^")
    return Step(_iri(value.removeprefix("^") if isinstance(value, str) else value, info), inverse)


def _some_path(value: object, info: ValidationInfo) -> Path:
    if not value:
        raise ValueError("must be a path of at least one step")
    return _path(value, info)


def _paths(value: object, info: ValidationInfo) -> tuple[Path, ...]:
    if not isinstance(value, list | tuple) or not all(isinstance(v, list | tuple) and v for v in value):
        raise ValueError("must be a list of paths")
    return tuple(_path(path, info) for path in value)


def _groups(value: object, info: ValidationInfo) -> dict[NamedNode, NamedNode]:
    if not isinstance(value, Mapping):
        raise ValueError("must be a table of collections and the class that each stands for")
    return {_iri(key, info): _iri(target, info) for key, target in value.items()}


def _classes(value: object, info: ValidationInfo) -> tuple[Term, ...]:
    """The classes of a property: IRIs, or texts where its values are literals."""
    if not isinstance(value, list | tuple):
        raise ValueError("must be a list")
    if info.data.get("kind", CONCEPT) == CONCEPT:
        return tuple(_iri(each, info) for each in value)
    return tuple(each if isinstance(each, Literal) else class_text(each) for each in value)


def _unknown(value: object, info: ValidationInfo) -> tuple[Term, ...]:
    """Values that say that there is none: IRIs and prefixed names, else texts."""
    if not isinstance(value, list | tuple) or not all(
        isinstance(v, str | NamedNode | Literal) for v in value
    ):
        raise ValueError("must be a list of texts and IRIs")
    return tuple(_iri_or_text(each, info) for each in value)


def _iri_or_text(value: str | Term, info: ValidationInfo) -> Term:
    if not isinstance(value, str):
        return value
    prefix, colon, _ = value.partition(":")
    prefixed = colon and prefix in PREFIXES | ((info.context or {}).get("prefixes") or {})
    return (
        _iri(value, info) if prefixed or ("://" in value and not re.search(r"\s", value)) else Literal(value)
    )


def _named(name: str, table: Mapping[str, Any]) -> dict[str, Any]:
    if "name" in table:
        raise OntologyError(
            f"{name}: 'name' is not a setting; a table's key, or a profile's file, is its name"
        )
    return {**table, "name": name}


def _tables(value: object) -> object:
    """The tables of a table, each with its key as its name."""
    if isinstance(value, tuple):
        return value
    if not isinstance(value, Mapping):
        raise ValueError("must be a table")
    return [_named(k, table) if isinstance(table, Mapping) else table for k, table in value.items()]


_PATH = '["rdfs:label"]'
Iri = Annotated[NamedNode, PlainValidator(_iri), Field(examples=['"crm:P45_consists_of"'])]
Steps = Annotated[Path, PlainValidator(_path), Field(examples=[_PATH])]
Classes = Annotated[tuple[Term, ...], PlainValidator(_classes), Field(examples=['["voc:damask"]'])]
Paths = Annotated[tuple[Path, ...], PlainValidator(_paths), Field(examples=['[["skos:broader"]]'])]


Name = Annotated[str, Field(exclude=True)]
"""The key of a table, which is no key of the file."""
Prefixes = Annotated[Mapping[str, str], AfterValidator(lambda own: PREFIXES | own)]


@dataclass(frozen=True, slots=True, config=_CONFIG)
class PropertyProfile:
    """Where a property's value stands: record --node--> node --predicate--> object --value--> class.

    `node=()`: the node is the record itself. `value=()`: the object is the value; otherwise a node of
    `value_class` stands between (a time-span that falls within a century). `classes=()`: every IRI value
    is a class or, with a `scheme`, every concept of it. A raw value that is not a class is followed along
    `narrower` paths, any number of times, until it reaches a class or a collection of `groups`, which
    stands for a class. Classes with fewer than `minimum` training values are left out of a model.

    Of the `kind` "literal" the values are literals, and `rules` say which of them are one class. `unknown` are
    values of any kind that say that there is none.
    """

    name: Name
    predicate: Iri
    label: str = Field(default_factory=lambda data: data["name"])
    kind: Kind = "concept"
    node: Steps = ()
    node_class: Iri | None = None
    value: Steps = ()
    value_class: Iri | None = None
    classes: Classes = ()
    scheme: Iri | None = None
    narrower: Paths = ()
    groups: Annotated[Mapping[NamedNode, NamedNode], PlainValidator(_groups)] = Field(default_factory=dict)
    language: str | None = None
    datatype: Iri | None = None
    case: OneOf["keep", "lower"] = "keep"
    keep: Annotated[str, PlainValidator(keep_pattern), Field(examples=["'^([^(]+)'"])] = ""
    synonyms: Mapping[str, str] = Field(default_factory=dict)
    unknown: Annotated[tuple[Term, ...], PlainValidator(_unknown), Field(examples=['["[S.l.]"]'])] = ()
    minimum: StrictInt = Field(default=1, ge=1)
    many: StrictBool = False

    @property
    def rules(self) -> LiteralRules:
        """Which literals are one class."""
        unknown = [term.value for term in self.unknown if isinstance(term, Literal)]
        lower = self.case == "lower"
        return LiteralRules.of(self.language, self.datatype, lower, self.keep, self.synonyms, unknown)

    @property
    def class_names(self) -> tuple[str, ...]:
        """The classes as a model names them."""
        if self.kind == CONCEPT:
            return tuple(map(class_name, self.classes))
        keys = (self.rules.key(term.value) for term in self.classes)
        return tuple(dict.fromkeys(class_name(Literal(key)) for key in keys if key is not None))

    @model_validator(mode="after")
    def _kind(self) -> Self:
        """Each rule goes with its kind of values."""
        of_literals = ("language", "datatype", "keep", "synonyms", *(["case"] if self.case != "keep" else []))
        of_concepts = ("scheme", "narrower", "groups")
        for names, kind in ((of_literals, LITERAL), (of_concepts, CONCEPT)):
            given = [name for name in names if getattr(self, name)]
            if given and self.kind != kind:
                raise ValueError(
                    f'{given[0]} is for values of the kind "{kind}"; set kind = "{kind}", or take it out'
                )
        return self

    @model_validator(mode="after")
    def _check(self) -> Self:
        outside = [iri for iri in self.groups.values() if self.classes and iri not in self.classes]
        if outside:
            raise ValueError(f"groups names {outside[0]}, which is not among the classes")
        if self.value_class is not None and not self.value:
            raise ValueError("value_class is given, but no value path leads on from the node")
        if self.value and (self.value_class is None or len(self.value) > 1 or self.value[0].inverse):
            raise ValueError("value must be one forward step, with the value_class of the node")
        return self


@dataclass(frozen=True, slots=True, config=_CONFIG)
class TextProfile:
    """How to reach one kind of text of a record: the path ends in a literal."""

    name: Name
    path: Annotated[Path, PlainValidator(_some_path), Field(examples=[_PATH])]


@dataclass(frozen=True, slots=True, config=_CONFIG)
class ImageProfile:
    """How to reach pictures of a record: the path ends in the picture's URL (an IRI or a literal)."""

    path: Annotated[Path, PlainValidator(_some_path), Field(examples=[_PATH])]


@dataclass(frozen=True, slots=True, config=_CONFIG)
class ContextProfile:
    """How to reach a context value of a record; with `graph`, it is the named graph that types the record."""

    name: Name
    path: Steps = ()
    graph: StrictBool = False

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.graph == bool(self.path):
            raise ValueError("give either a path or graph = true")
        return self


@dataclass(frozen=True, slots=True, config=_CONFIG)
class Profile:
    """How one data model says things.

    `facts` are glob patterns of graph IRIs, those that begin with `!` exclude; without any that includes,
    every graph is one of facts that is neither excluded nor ours. `museum` is the name of the context
    that says which museum a record belongs to; `group` names the contexts whose values, taken together, say within
    which records a property is recorded alike (a museum's collections or departments), the museum when it names none;
    `labels` are paths to a record's own name, best first;
    `extends` names the profile of the package that this one started from.
    """

    name: Name
    record_class: Iri
    title: str = Field(default_factory=lambda data: data["name"])
    extends: str = ""
    prefixes: Prefixes = Field(default_factory=lambda: PREFIXES)
    facts: tuple[str, ...] = ()
    properties: Annotated[tuple[PropertyProfile, ...], BeforeValidator(_tables)] = ()
    texts: Annotated[tuple[TextProfile, ...], BeforeValidator(_tables)] = ()
    images: tuple[ImageProfile, ...] = ()
    contexts: Annotated[tuple[ContextProfile, ...], BeforeValidator(_tables)] = ()
    museum: str = ""
    group: tuple[str, ...] = ()
    labels: Paths = ()

    @model_validator(mode="after")
    def _check(self) -> Self:
        if not self.properties:
            raise ValueError("no property to predict; add a table such as [properties.place]")
        if self.museum and self.museum not in {context.name for context in self.contexts}:
            raise ValueError(f"museum names the context {self.museum!r}, which is not there; add it")
        for name in self.group:
            if name not in {context.name for context in self.contexts}:
                raise ValueError(f"group names the context {name!r}, which is not there; add it")
        return self

    @property
    def grouped_by(self) -> tuple[str, ...]:
        """The contexts that say which group a record belongs to."""
        return self.group or ((self.museum,) if self.museum else ())

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
    if isinstance(name_or_file, str) and name_or_file in profile_names():
        return parse_profile(_shipped(name_or_file), name_or_file, f"the profile {name_or_file}")
    path = FilePath(name_or_file)
    if not path.is_file():
        known = ", ".join(profile_names())
        raise OntologyError(f"no profile and no file is called {str(name_or_file)!r}; profiles: {known}")
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise OntologyError(f"{path} is not UTF-8 text ({error}); save it as UTF-8") from error
    return parse_profile(text, path.stem, str(path))


def parse_profile(text: str, name: str, where: str) -> Profile:
    """A profile from TOML text. `where` names the source in errors. Raises OntologyError."""
    document = _toml(text, where)
    try:
        if "extends" in document:
            document = _merged(_parent(document["extends"]), document)
        given = document.get("prefixes")
        own = {k: v for k, v in given.items() if isinstance(v, str)} if isinstance(given, dict) else {}
        context = {"prefixes": PREFIXES | own}
        return _PROFILE.validate_python(_named(name, document), context=context)
    except ValidationError as error:
        raise OntologyError(f"{where}: {sentence(error, Profile, document)}") from error
    except OntologyError as error:
        raise OntologyError(f"{where}: {error}") from error


_PROFILE = TypeAdapter(Profile)


def _toml(text: str, where: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise OntologyError(f"{where} is not valid TOML: {error}") from error


def _shipped(name: str) -> str:
    return (files("ontology") / "profiles" / f"{name}.toml").read_text(encoding="utf-8")


def _parent(name: object) -> dict[str, Any]:
    if name not in profile_names():
        known = ", ".join(profile_names())
        raise OntologyError(f"extends {name!r}, which is not a profile of the package; use {known}")
    return _toml(_shipped(str(name)), str(name))


def _merged(below: dict[str, Any], above: dict[str, Any]) -> dict[str, Any]:
    """Tables are merged key by key; anything else is taken from above."""
    merged = dict(below)
    for key, value in above.items():
        old = merged.get(key)
        merged[key] = _merged(old, value) if isinstance(old, dict) and isinstance(value, dict) else value
    return merged
