"""How a run is cited, and the description of its graphs as one dataset: Dublin Core, DCAT and VoID."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Self

from pyoxigraph import Literal, NamedNode, Quad

from enrich.graph.stores.base import Term
from enrich.ontology.terms import CREATOR_NAME, CRM, DCAT, DCT, ENR, MLS, PROV, RDF, XSD, Names, Namespace
from enrich.runs.export.run_graphs import by_subject, register
from enrich.runs.register import Run
from enrich.workspace import Workspace

VOID = Namespace("http://rdfs.org/ns/void#")
DESCRIPTION = (
    "Values that a museum's records lack, predicted by a model and kept apart from the facts: each answer with its "
    "confidence, candidates, evidence and model. AI generated content."
)


@dataclass(frozen=True, slots=True)
class Made:
    """A model or the data it learned from: its IRI, what it is called, and its digest."""

    iri: str
    title: str
    sha256: str
    issued: str | None = None


@dataclass(frozen=True, slots=True)
class Citation:
    """What names a run to those who cite it. Fields are None where the register does not say."""

    run: str
    dataset: str
    title: str
    actor: str
    creator: str | None
    licence: str | None
    date: str
    software: str
    models: tuple[Made, ...]
    data: tuple[Made, ...]

    @property
    def text(self) -> str:
        """The citation in one line, as DataCite orders it: creator, year, title, version, kind, identifier."""
        version = f"enrich {self.software}" + "".join(
            f", model {m.title} ({m.sha256[:12]})" for m in self.models
        )
        licence = f" Licence: {self.licence}." if self.licence else ""
        return f"{self.creator or self.actor} ({self.date[:4]}). {self.title}. Made with {version}. [Data set]. {self.run}.{licence}"

    @classmethod
    def of(cls, quads: Iterable[Quad], names: Names, run: NamedNode) -> Self:
        """The citation of a run, from what the register says of it (see `run_graphs.register`)."""
        said: Mapping[Any, Mapping[NamedNode, list[Term]]] = by_subject(quads)

        def text(subject: Any, *predicates: NamedNode) -> str | None:
            return next((said[subject][p][0].value for p in predicates if said[subject][p]), None)

        def made(iri: NamedNode) -> Made:
            digest = text(iri, ENR.sha256) or ""
            return Made(iri.value, text(iri, DCT.title) or digest[:12], digest, text(iri, DCT.issued))

        def of_kind(kind: NamedNode) -> Iterator[NamedNode]:
            return (iri for iri in sorted(said, key=str) if kind in said[iri][RDF.type])

        used = [iri for iri in of_kind(MLS.Model) if iri in said[run][PROV.used]]
        run_id = names.run_id(run)
        return cls(
            run=run.value,
            dataset=names.dataset(run_id).value,
            title=text(run, DCT.title) or f"Predictions of the run {run_id}",
            actor=text(run, DCT.creator, CRM.P14_carried_out_by) or "",
            creator=text(run, CREATOR_NAME),
            licence=text(run, DCT.license),
            date=(text(run, PROV.endedAtTime, PROV.startedAtTime) or "")[:10],
            software=text(next(iter(said[run][PROV.wasAssociatedWith]), None), DCT.hasVersion) or "",
            models=tuple(map(made, used)),
            data=tuple(map(made, of_kind(DCAT.Dataset))),
        )

    def described(self, graph: NamedNode) -> Iterator[Quad]:
        """The dataset's description, in a graph."""
        dataset = NamedNode(self.dataset)
        said: list[tuple[NamedNode, Term]] = [
            (RDF.type, DCAT.Dataset),
            (RDF.type, VOID.Dataset),
            (DCT.title, Literal(self.title)),
            (DCT.description, Literal(DESCRIPTION, language="en")),
            (DCT.creator, NamedNode(self.actor)),
            (DCT.publisher, NamedNode(self.actor)),
            (DCT.issued, Literal(self.date, datatype=XSD.date)),
            (DCT.identifier, Literal(self.run)),
            (DCT.bibliographicCitation, Literal(self.text)),
            (PROV.wasGeneratedBy, NamedNode(self.run)),
            *((PROV.wasDerivedFrom, NamedNode(each.iri)) for each in self.data),
            *((VOID.vocabulary, NamedNode(str(space))) for space in (ENR, CRM, PROV)),
        ]
        if self.creator:
            said.append((CREATOR_NAME, Literal(self.creator)))
        if self.licence:
            said.append((DCT.license, NamedNode(self.licence)))
        for predicate, value in said:
            yield Quad(dataset, predicate, value, graph)

    def counted(self, graph: NamedNode, statements: int, predictions: int) -> Iterator[Quad]:
        """How large the dataset is."""
        for predicate, number in ((VOID.triples, statements), (VOID.entities, predictions)):
            yield Quad(NamedNode(self.dataset), predicate, Literal(number), graph)


def cite(workspace: Workspace, run: Run) -> Citation:
    """The citation of a run."""
    names, found = workspace.names, NamedNode(run.run)
    return Citation.of(register(workspace.store, names, found), names, found)
