"""RDF terms: the namespaces, the IRIs of our own, and the only way a term enters SPARQL text."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256
from typing import TypeGuard

from pyoxigraph import Literal, NamedNode, RdfFormat, parse

from enrich.ontology.errors import OntologyError as OntologyError

Term = NamedNode | Literal
"""A term that may stand in a query: `str(term)` is its N-Triples form, escaped, which SPARQL reads alike."""

_RUN_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._~-]{0,99}")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def named_node(iri: str) -> NamedNode:
    """An absolute IRI as a term. Raises OntologyError for anything else."""
    try:
        return NamedNode(iri)
    except ValueError as error:
        raise OntologyError(f"not an absolute IRI: {iri!r} ({error}); give one such as https://…") from error


def is_iri(text: str) -> bool:
    """Whether a text is an absolute IRI."""
    try:
        NamedNode(text)
    except ValueError:
        return False
    return True


def class_name(term: Term) -> str:
    """What a model calls a value: an IRI as it is, a literal as N-Triples spell it."""
    return term.value if isinstance(term, NamedNode) else str(term)


@lru_cache(10_000)
def class_term(name: str) -> Term:
    """The value that a model calls so. Raises OntologyError for what is neither an IRI nor a literal."""
    if not name.startswith('"'):
        return named_node(name)
    try:
        found = [quad.object for quad in parse(f"<x:x> <x:x> {name} .", RdfFormat.N_TRIPLES)]
    except (SyntaxError, ValueError) as error:
        raise OntologyError(f"not a literal as N-Triples spell it: {name!r} ({error})") from error
    if len(found) != 1 or not isinstance(found[0], Literal):
        raise OntologyError(f"not one literal: {name!r}")
    return found[0]


class Namespace:
    """A namespace whose terms are its attributes or items: `PROV.used`, `CRM["P45_consists_of"]`."""

    __slots__ = ("_base",)

    def __init__(self, base: str) -> None:
        self._base = base

    def __getitem__(self, local: str) -> NamedNode:
        return named_node(self._base + local)

    def __getattr__(self, local: str) -> NamedNode:
        if local.startswith("__"):
            raise AttributeError(local)
        return NamedNode(self._base + local)

    def __contains__(self, term: object) -> bool:
        return isinstance(term, NamedNode) and term.value.startswith(self._base)

    def __str__(self) -> str:
        return self._base

    def __repr__(self) -> str:
        return f"Namespace({self._base!r})"


CRM = Namespace("http://www.cidoc-crm.org/cidoc-crm/")
ECRM = Namespace("http://erlangen-crm.org/current/")
CRMDIG = Namespace("http://www.ics.forth.gr/isl/CRMdig/")
CRMINF = Namespace("http://www.cidoc-crm.org/extensions/crminf/")
PROV = Namespace("http://www.w3.org/ns/prov#")
DCT = Namespace("http://purl.org/dc/terms/")
DCAT = Namespace("http://www.w3.org/ns/dcat#")
MLS = Namespace("http://www.w3.org/ns/mls#")
SPDX = Namespace("http://spdx.org/rdf/terms#")
SKOS = Namespace("http://www.w3.org/2004/02/skos/core#")
SH = Namespace("http://www.w3.org/ns/shacl#")
XSD = Namespace("http://www.w3.org/2001/XMLSchema#")
RDF = Namespace("http://www.w3.org/1999/02/22-rdf-syntax-ns#")
RDFS = Namespace("http://www.w3.org/2000/01/rdf-schema#")
OWL = Namespace("http://www.w3.org/2002/07/owl#")
SCHEMA = Namespace("http://schema.org/")
LA = Namespace("https://linked.art/ns/terms/")
AAT = Namespace("http://vocab.getty.edu/aat/")
SILK = Namespace("http://data.silknow.org/ontology/")
ENR = Namespace("https://w3id.org/enrich/ns#")

AI_GENERATED = AAT["300456841"]
"""AAT "AI generated content": the type of every prediction."""

CREATOR_NAME = NamedNode("http://purl.org/dc/elements/1.1/creator")
"""Dublin Core's element, whose value is a name; that of dct:creator is an IRI."""

PREFIXES = {name.lower(): str(space) for name, space in globals().items() if isinstance(space, Namespace)}
"""The prefixes that every profile and query file knows: the names above in lower case."""


@dataclass(frozen=True, slots=True)
class Names:
    """Every IRI that is ours: they begin with `base`, an http(s) IRI that ends in a slash.

    Raises OntologyError for a base that is not one.
    """

    base: str

    def __post_init__(self) -> None:
        named_node(self.base)
        if not self.base.startswith(("http://", "https://")) or not self.base.endswith("/"):
            raise OntologyError(f"the base {self.base!r} must be an http(s) IRI that ends in a slash")

    @property
    def graph_prefix(self) -> str:
        """What the IRIs of our graphs begin with."""
        return self.base + "graph/"

    @property
    def runs(self) -> NamedNode:
        """The graph of the run register."""
        return NamedNode(self.graph_prefix + "runs")

    @property
    def reviews(self) -> NamedNode:
        """The graph of the curators' reviews."""
        return NamedNode(self.graph_prefix + "reviews")

    @property
    def accepted(self) -> NamedNode:
        """The graph of plain triples rebuilt from the reviews."""
        return NamedNode(self.graph_prefix + "accepted")

    @property
    def verdicts(self) -> NamedNode:
        """The graph of how reviewed values stand, which follows from the reviews."""
        return NamedNode(self.graph_prefix + "verdicts")

    @property
    def graphs(self) -> dict[str, NamedNode]:
        """Our graphs by the parameter that stands for each in named queries."""
        return {
            "runs": self.runs,
            "reviews": self.reviews,
            "verdicts": self.verdicts,
            "accepted": self.accepted,
        }

    def run(self, run_id: str) -> NamedNode:
        """A run, by its id (letters, digits, `.`, `_`, `~`, `-`)."""
        return NamedNode(f"{self.base}run/{_checked_run_id(run_id)}")

    def run_id(self, run: NamedNode) -> str:
        """The id in a run's IRI. Raises OntologyError when the IRI is not one of our runs."""
        prefix = self.base + "run/"
        if not run.value.startswith(prefix):
            raise OntologyError(f"{run} is not a run of {self.base}; `enrich runs` lists them")
        return _checked_run_id(run.value.removeprefix(prefix))

    def shard(self, run_id: str, number: int) -> NamedNode:
        """The graph of a run's shard."""
        return NamedNode(f"{self.graph_prefix}run/{_checked_run_id(run_id)}/{number}")

    def dataset(self, run_id: str) -> NamedNode:
        """The graphs of a run as one thing: what is described, and cited."""
        return NamedNode(f"{self.graph_prefix}run/{_checked_run_id(run_id)}")

    def model(self, digest: str) -> NamedNode:
        """A model version, by the digest of its folder."""
        return named_node(f"{self.base}model/{digest}")

    def agent(self, version: str) -> NamedNode:
        """A version of the software."""
        return named_node(f"{self.base}agent/enrich-{version}")

    def mint(self, kind: str, *parts: str | NamedNode) -> NamedNode:
        """An IRI that follows from its parts alone: the same parts, the same IRI."""
        return named_node(f"{self.base}{kind}/{self.key(*parts)}")

    @staticmethod
    def key(*parts: str | NamedNode) -> str:
        """The end of such an IRI: 20 hexadecimal digits of the parts' SHA-256."""
        texts = (part.value if isinstance(part, NamedNode) else part for part in parts)
        joined = "\x00".join(text.replace("\x01", "\x011").replace("\x00", "\x010") for text in texts)
        return sha256(joined.encode("utf-8", "surrogatepass")).hexdigest()[:20]

    def owns(self, iri: NamedNode | str) -> bool:
        """Whether an IRI (of a graph, say) is one of ours."""
        return (iri.value if isinstance(iri, NamedNode) else iri).startswith(self.base)

    def stands_in(self, node: object) -> TypeGuard[NamedNode]:
        """Whether a node is one of ours for what the facts lack: a production that is not there, a time-span."""
        return isinstance(node, NamedNode) and node.value.startswith(self.base + "node/")


def _checked_run_id(run_id: str) -> str:
    if not _RUN_ID.fullmatch(run_id):
        raise OntologyError(f"not a run id: {run_id!r}; use letters, digits, '.', '_', '~' and '-'")
    return run_id


def values_block(variables: Sequence[str], rows: Iterable[Sequence[Term]]) -> str:
    """`VALUES (?a ?b) { (…) (…) }` of typed terms, for variables named without their question mark.

    Raises OntologyError for a row of another length, a term that is not one, or a bad variable name.
    """
    for variable in variables:
        if not _VARIABLE.fullmatch(variable):
            raise OntologyError(f"not a variable name: {variable!r}")
    lines = []
    for row in rows:
        if len(row) != len(variables):
            raise OntologyError(f"a row of {len(row)} terms for {len(variables)} variables: {row!r}")
        lines.append("(" + " ".join(sparql(term) for term in row) + ")")
    head = " ".join(f"?{variable}" for variable in variables)
    return f"VALUES ({head}) {{ {' '.join(lines)} }}"


def sparql(term: Term) -> str:
    """A term as SPARQL text. Raises OntologyError for what cannot stand in a query (a blank node, a str)."""
    if not isinstance(term, (NamedNode, Literal)):
        raise OntologyError(f"{term!r} cannot stand in a query: only IRIs and literals can")
    return str(term)
