"""Maps the raw values of a graph to a property's classes, along the vocabulary's own relations."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product
from typing import Protocol, Self

from pyoxigraph import Literal, NamedNode

from enrich.errors import ProfileError
from enrich.graph.stores.base import PAGE_TOKEN, Store, Term
from enrich.ontology.literals import LiteralRules
from enrich.ontology.paths import Path, Step, path_pattern
from enrich.ontology.profiles import PropertyProfile
from enrich.ontology.terms import SKOS, is_iri, values_block

_PER_QUERY = 200
LISTED = 200
"""A class map with more raw values than this is not written into a query as it is."""


class ValueMap(Protocol):
    """How the raw values of a property map to its classes, whatever kind they are of."""

    @property
    def large(self) -> bool:
        """Whether a filter has to know which values there are."""

    def of_term(self, value: Term) -> str | None:
        """The class of a raw value; None for one that reaches none."""

    def named(self, value: Term) -> str | None:
        """A value that somebody names, as an answer says it; None for what is none."""

    def says_nothing(self, value: Term) -> bool:
        """Whether a raw value states none, such as one that says that the value is not known."""

    def filter(self, variable: str, raw: Collection[Term] | None = None) -> str:
        """A SPARQL FILTER that keeps the values with a class; `raw` are the values that there are."""


@dataclass(frozen=True, slots=True)
class ClassMap:
    """`classes` maps a raw IRI to its class; None when every IRI is a class of its own, but for those of `nothing`,
    which say that there is no value, as literals may that `rules` know."""

    classes: Mapping[str, str] | None
    nothing: frozenset[str] = frozenset()
    rules: LiteralRules = field(default_factory=LiteralRules)

    @property
    def large(self) -> bool:
        return len(self.classes or ()) > LISTED

    def of_term(self, value: Term) -> str | None:
        """The class of a raw value; None for one that reaches none, and for whatever is not an IRI."""
        if not isinstance(value, NamedNode) or value.value in self.nothing:
            return None
        return value.value if self.classes is None else self.classes.get(value.value)

    def named(self, value: Term) -> str | None:
        """A value that somebody names: itself, where it has a class."""
        return value.value if isinstance(value, NamedNode) and self.of_term(value) is not None else None

    def says_nothing(self, value: Term) -> bool:
        """Whether a raw value says that there is none."""
        if isinstance(value, Literal):
            return self.rules.says_nothing(value.value)
        return isinstance(value, NamedNode) and value.value in self.nothing

    def filter(self, variable: str, raw: Collection[Term] | None = None) -> str:
        """A SPARQL FILTER that keeps the values with a class.

        `raw` are the values that there are: of those with a class and those without, the fewer are named.
        """
        within = sorted(set(self.classes or ()) - self.nothing)
        without = sorted(self.nothing)
        if raw is not None:
            iris = [value for value in raw if isinstance(value, NamedNode)]
            within = sorted(value.value for value in iris if self.of_term(value) is not None)
            without = sorted(value.value for value in iris if self.of_term(value) is None)
        if self.classes is None or (raw is not None and len(without) <= len(within)):
            test = f" && {variable} NOT IN ({_listed(without)})" if without else ""
            return f"FILTER(isIRI({variable}){test})"
        return f"FILTER({variable} IN ({_listed(within)}))"

    @classmethod
    def of(cls, prop: PropertyProfile, store: Store, *datasets: str) -> Self:
        """Read the vocabulary in the graphs of each of `datasets` (FROM clauses), from the classes downwards.

        A value that reaches several classes belongs to the nearest, then to the first by IRI.
        Raises ProfileError when the property names a scheme of which the graph holds no concept.
        """
        nothing = frozenset(iri.value for iri in prop.unknown_iris)
        if prop.classes:
            return cls(_descend(prop, store, datasets or ("",)), nothing, prop.rules)
        if prop.scheme is None:
            return cls(None, nothing, prop.rules)
        members: dict[str, str] = {}
        for dataset in datasets or ("",):
            query = f"SELECT DISTINCT ?v {dataset} WHERE {{ ?v {SKOS.inScheme} {prop.scheme} {PAGE_TOKEN}\n}}"
            found = store.select_by_key(query, "v")
            members |= {v.value: v.value for (v,) in found if isinstance(v, NamedNode)}
        if not members:
            raise ProfileError(
                f"the graph holds no concept of {prop.scheme}, which the property {prop.name} takes its "
                "values from: load the vocabulary, or take `scheme` out of the profile"
            )
        return cls(members, nothing, prop.rules)


HIERARCHY: tuple[Path, ...] = ((Step(SKOS.broader),), (Step(SKOS.member, inverse=True),))
"""How a vocabulary says that a concept is narrower than another, where the profile says nothing else."""
_DEEPEST = 6


def broader_concepts(
    prop: PropertyProfile, values: Iterable[str], store: Store, *datasets: str
) -> dict[str, tuple[str, ...]]:
    """By value the concepts above it in the vocabulary, the nearest first; values with none are left out."""
    above: dict[str, set[str]] = {}
    frontier = sorted(v for v in set(values) if is_iri(v))
    for _ in range(_DEEPEST):
        for child, parent in _pairs(store, "child", frontier, prop.narrower or HIERARCHY, datasets or ("",)):
            if parent != child:
                above.setdefault(child, set()).add(parent)
        frontier = sorted({p for ps in above.values() for p in ps} - set(above) - set(values))
        if not frontier:
            break
    return {v: found for v in set(values) if (found := _upwards(v, above))}


def _pairs(
    store: Store, end: str, iris: Sequence[str], paths: Iterable[Path], datasets: Sequence[str]
) -> Iterator[tuple[str, str]]:
    """Each child with its parent, along the paths from one to the other, where the `end` of that name is one of these."""
    other = "parent" if end == "child" else "child"
    for start in range(0, len(iris), _PER_QUERY):
        block = values_block([end], ([NamedNode(iri)] for iri in iris[start : start + _PER_QUERY]))
        for path, dataset in product(paths, datasets):
            pattern = path_pattern("?child", path, "?parent")
            query = f"SELECT ?child ?parent {dataset} WHERE {{ {block} {pattern} {PAGE_TOKEN}\n}}"
            for child, parent in store.select_by_key(query, other):
                if isinstance(child, NamedNode) and isinstance(parent, NamedNode):
                    yield child.value, parent.value


def _upwards(value: str, above: Mapping[str, set[str]]) -> tuple[str, ...]:
    """Breadth first, each concept once."""
    found: dict[str, None] = {}
    level = [value]
    while level:
        level = sorted({p for v in level for p in above.get(v, ())} - set(found) - {value})
        found.update(dict.fromkeys(level))
    return tuple(found)


def _listed(iris: Iterable[str]) -> str:
    return ", ".join(str(NamedNode(iri)) for iri in iris)


def _descend(prop: PropertyProfile, store: Store, datasets: Sequence[str]) -> dict[str, str]:
    """Breadth first from the classes, and from the collections that stand for one."""
    found = {name: name for name in prop.class_names}
    reached = dict(found)
    for group, stands_for in prop.groups.items():
        reached.setdefault(group.value, stands_for.value)
    frontier = list(reached)
    while frontier and prop.narrower:
        below: dict[str, str] = {}
        for child, parent in _pairs(store, "parent", frontier, prop.narrower, datasets):
            if child not in reached:
                below[child] = min(below.get(child, reached[parent]), reached[parent])
        reached.update(below)
        found.update(below)
        frontier = sorted(below)
    return found
