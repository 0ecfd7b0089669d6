"""Profiles: how a museum's graph says things, as frozen dataclasses read from TOML."""

from collections.abc import Mapping
from fnmatch import fnmatchcase
from typing import Annotated, Any, Self
from typing import Literal as OneOf

from pydantic import (
    BeforeValidator,
    ConfigDict,
    Field,
    StrictBool,
    StrictInt,
    model_validator,
)
from pydantic.dataclasses import dataclass
from pyoxigraph import Literal, NamedNode

from enrich.ontology.fields import (
    AStep,
    Classes,
    Groups,
    Iri,
    Iris,
    Keep,
    Name,
    NodeSteps,
    Paths,
    Predicate,
    Prefixes,
    SomeSteps,
    Steps,
    Unknown,
    Values,
)
from enrich.ontology.kinds import DATE, LITERAL, Kind, misfit
from enrich.ontology.literals import LiteralRules
from enrich.ontology.paths import Condition, Path, Step, TermText, condition_pattern, condition_text, steps
from enrich.ontology.spans import Span
from enrich.ontology.terms import PREFIXES, RDF, SKOS, OntologyError, Term, class_name

_CONFIG = ConfigDict(extra="forbid", arbitrary_types_allowed=True)


def named(name: str, table: Mapping[str, Any]) -> dict[str, Any]:
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
    return [named(k, table) if isinstance(table, Mapping) else table for k, table in value.items()]


@dataclass(frozen=True, slots=True, config=_CONFIG)
class PropertyProfile:
    """Where a property's value stands: record --node--> node --predicate--> object --value--> class.

    `node=()`: the node is the record itself. `value=()`: the object is the value; otherwise a node of
    `value_class` stands between (a time-span that falls within a century). `classes=()`: every IRI value
    is a class or, with a `scheme`, every concept of it. A raw value that is not a class is followed along
    `narrower` paths, any number of times, until it reaches a class or a collection of `groups`, which
    stands for a class. A record that one of the paths `stated` leads on from states the value in another way,
    and has no gap. Classes with fewer than `minimum` training values are left out of a model.

    Of the `kind` "literal" the values are literals, and `rules` say which of them are one class. Of the kind "date" they
    are dates, `by` or `classes` says into which spans of years they fall, and `begin` and `end` lead from the object
    to the two ends of a date, where these stand by themselves. `unknown` are
    values of any kind that say that there is none.
    """

    name: Name
    predicate: Predicate
    label: str = Field(default_factory=lambda data: data["name"])
    kind: Kind = "concept"
    node: NodeSteps = ()
    node_class: Iri | None = None
    value: Steps = ()
    value_class: Iri | None = None
    classes: Classes = ()
    scheme: Iri | None = None
    narrower: Paths = ()
    groups: Groups = Field(default_factory=dict)
    by: OneOf["century", "half-century", "decade"] | None = None
    begin: NodeSteps = ()
    end: NodeSteps = ()
    language: str | None = None
    datatype: Iri | None = None
    case: OneOf["keep", "lower"] = "keep"
    keep: Keep = ""
    synonyms: Mapping[str, str] = Field(default_factory=dict)
    unknown: Unknown = ()
    stated: Paths = ()
    minimum: StrictInt = Field(default=1, ge=1)
    many: StrictBool = False

    @property
    def rules(self) -> LiteralRules:
        """Which literals are one class."""
        unknown = [term.value for term in self.unknown if isinstance(term, Literal)]
        lower = self.case == "lower"
        return LiteralRules.of(self.language, self.datatype, lower, self.keep, self.synonyms, unknown)

    @property
    def unknown_iris(self) -> frozenset[NamedNode]:
        """The IRIs that say that there is no value."""
        return frozenset(term for term in self.unknown if isinstance(term, NamedNode))

    @property
    def spans(self) -> Mapping[Term, Span]:
        """The classes that are given by their bounds; empty where they are not."""
        return self.classes if isinstance(self.classes, Mapping) else {}

    @property
    def class_names(self) -> tuple[str, ...]:
        """The classes as a model names them."""
        if self.kind != LITERAL:
            return tuple(map(class_name, self.classes))
        rules = self.rules
        keys = (rules.key(term.value) for term in self.classes)
        return tuple(dict.fromkeys(class_name(Literal(key)) for key in keys if key is not None))

    @model_validator(mode="after")
    def _kind(self) -> Self:
        """Each rule goes with its kind of values."""
        if problem := misfit(self):
            raise ValueError(problem)
        return self

    @model_validator(mode="after")
    def _check(self) -> Self:
        outside = [iri for iri in self.groups.values() if self.classes and iri not in self.classes]
        if outside:
            raise ValueError(f"groups names {outside[0]}, which is not among the classes")
        if self.kind == LITERAL and self.predicate.inverse:
            raise ValueError("predicate leads backwards from a literal, which no graph can say")
        if self.kind == DATE:
            return self
        onward = [step for step in steps(self.value) if not step.optional]
        if self.value_class is not None and not onward:
            raise ValueError("value_class is given, but no value path leads on from the node")
        if onward and (self.value_class is None or len(onward) > 1 or onward[0].inverse):
            raise ValueError("value must be one forward step, with the value_class of the node")
        return self

    @property
    def onward(self) -> Path:
        """The path from the node that carries the value to the value."""
        return (self.predicate, *self.value)

    @property
    def path(self) -> Path:
        """The path from a record to its values."""
        return (*self.node, *self.onward)

    @property
    def paths(self) -> tuple[Path, ...]:
        """All paths from a record to what its values are read from."""
        ends = (self.begin, self.end) if self.begin else (self.value,)
        return tuple((*self.node, self.predicate, *end) for end in ends)


@dataclass(frozen=True, slots=True, config=_CONFIG)
class TextProfile:
    """How to reach one kind of text of a record: the path ends in a literal."""

    name: Name
    path: SomeSteps


@dataclass(frozen=True, slots=True, config=_CONFIG)
class ImageProfile:
    """How to reach pictures of a record: the path ends in the picture's URL (an IRI or a literal)."""

    path: SomeSteps


@dataclass(frozen=True, slots=True, config=_CONFIG)
class ContextProfile:
    """How to reach a context value of a record; with `graph` it is the named graph that types the record."""

    name: Name
    path: NodeSteps = ()
    graph: StrictBool = False
    kind: OneOf["text", "number"] = "text"
    unit: str | None = None

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.graph == bool(self.path):
            raise ValueError("give either a path or graph = true")
        if (self.kind != "number" and self.unit is not None) or (self.kind == "number" and self.graph):
            raise ValueError('a unit is for numbers along a path; set kind = "number", and path')
        return self


@dataclass(frozen=True, slots=True, config=_CONFIG)
class RecordProfile:
    """How records are known where `rdf:type` does not say it: all that is given must hold.

    `predicate` leads from a record to one of `value` (to anything, when there is none); `scheme` is a SKOS scheme
    that it is in, `graph` the named graphs of which one says all this, or anything of the record.
    """

    predicate: AStep | None = None
    value: Values = ()
    scheme: Iri | None = None
    graph: Iris = ()

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.value and self.predicate is None:
            raise ValueError("value is given, but no predicate that leads to it")
        if self.predicate is None and self.scheme is None and not self.graph:
            raise ValueError("must say how a record is known: by predicate and value, scheme or graph")
        return self


@dataclass(frozen=True, slots=True, config=_CONFIG)
class Profile:
    """How one data model says things.

    Records have one of the classes `record_class`, and are known by `record` where it is given.
    `facts` are glob patterns of graph IRIs, those that begin with `!` exclude; without any that includes,
    every graph is one of facts that is neither excluded nor ours. `museum` is the name of the context
    that says which museum a record belongs to; `group` names the contexts whose values, taken together, say within
    which records a property is recorded alike (a museum's collections or departments), the museum when it names none;
    `labels` are paths to a record's own name, best first;
    `extends` names the profile of the package that this one started from.
    """

    name: Name
    record_class: Iris = ()
    record: RecordProfile | None = None
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
        if not self.record_class and self.record is None:
            raise ValueError(
                'record_class is missing; give it, such as "crm:E22_Human-Made_Object", or a table [record]'
            )
        if not self.properties:
            raise ValueError("no property to predict; add a table such as [properties.place]")
        if self.museum and self.museum not in {context.name for context in self.contexts}:
            raise ValueError(f"museum names the context {self.museum!r}, which is not there; add it")
        numbers = {c.name for c in self.contexts if c.kind == "number"}.intersection(self.grouped_by)
        if numbers:
            raise ValueError(f"the context {min(numbers)!r} is a number, and no group of records")
        for name in self.group:
            if name not in {context.name for context in self.contexts}:
                raise ValueError(f"group names the context {name!r}, which is not there; add it")
        return self

    @property
    def known_by(self) -> Condition:
        """What must hold of a record, but for the graph that says it."""
        facts: list[tuple[Step, tuple[NamedNode | str, ...]]] = []
        if self.record_class:
            facts.append((Step(RDF.type), self.record_class))
        if self.record is not None and self.record.predicate is not None:
            facts.append((self.record.predicate, self.record.value))
        if self.record is not None and self.record.scheme is not None:
            facts.append((Step(SKOS.inScheme), (self.record.scheme,)))
        return Condition(tuple(facts))

    @property
    def record_graphs(self) -> tuple[NamedNode, ...]:
        """The named graphs that say what is a record; empty when all facts may."""
        return self.record.graph if self.record is not None else ()

    def is_record(self, subject: str = "?record", *, anywhere: bool = False, name: str = "?said") -> str:
        """The graph pattern that a record matches; with `anywhere`, whatever the graph that says so. Its variables
        begin with `name`.

        A record matches it once for each graph and class that say so. Where `record_graphs` are given, the query
        must have them as FROM NAMED.
        """
        known = self.known_by
        pattern = (
            condition_pattern(known, subject, name) if known.facts else f"{subject} {name}_by {name}_of ."
        )
        if anywhere or not self.record_graphs:
            return pattern
        if len(self.record_graphs) == 1:
            return f"GRAPH {self.record_graphs[0]} {{ {pattern} }}"
        graphs = ", ".join(map(str, self.record_graphs))
        return f"GRAPH {name}_in {{ {pattern} }} FILTER({name}_in IN ({graphs}))"

    def record_text(self, said: TermText = str) -> str:
        """What a record is, in short: `a crm:E22_Human-Made_Object`."""
        found = condition_text(self.known_by, said).replace(f"{said(RDF.type)} ", "a ")
        graphs = "|".join(map(said, self.record_graphs))
        return " ".join(part for part in (found, f"in {graphs}" if graphs else "") if part)

    @property
    def grouped_by(self) -> tuple[str, ...]:
        """The contexts that say which group a record belongs to."""
        return self.group or ((self.museum,) if self.museum else ())

    @property
    def many_valued(self) -> frozenset[str]:
        """The properties that have many values."""
        return frozenset(prop.name for prop in self.properties if prop.many)

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
