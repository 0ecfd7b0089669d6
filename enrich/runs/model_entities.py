"""What the register says of a model version and of the data that it learned from."""

from collections.abc import Iterator
from dataclasses import dataclass

from pyoxigraph import Literal, NamedNode

from enrich.ontology.terms import DCAT, DCT, ENR, MLS, PROV, RDF, XSD, Names

Triples = Iterator[tuple[NamedNode, NamedNode, NamedNode | Literal]]


@dataclass(frozen=True, slots=True)
class ModelEntity:
    """A model version for the register, with what it was made from (ingredients, members, snapshots)."""

    digest: str
    name: str
    derived_from: tuple[str, ...] = ()
    calibration: str | None = None
    modality: NamedNode | None = None
    """What kind of evidence it looks at; None for a fusion and for an ingredient."""

    def triples(self, names: Names) -> Triples:
        """What is said of it."""
        iri = names.model(self.digest)
        yield iri, RDF.type, PROV.Entity
        yield iri, RDF.type, MLS.Model
        yield iri, DCT.hasVersion, Literal(self.digest[:12])
        yield iri, DCT.title, Literal(self.name)
        yield iri, ENR.sha256, Literal(self.digest)
        for digest in self.derived_from:
            yield iri, PROV.wasDerivedFrom, names.model(digest)
        if self.calibration:
            yield iri, ENR.calibration, Literal(self.calibration)
        if self.modality is not None:
            yield iri, ENR.modality, self.modality


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The data a model learned from: the digest of what was read, when, and in which role."""

    digest: str
    issued: str
    role: str = "TrainingData"
    title: str = ""

    def triples(self, names: Names) -> Triples:
        """What is said of it."""
        iri = names.model(self.digest)
        yield iri, RDF.type, PROV.Entity
        yield iri, RDF.type, DCAT.Dataset
        yield iri, ENR.sha256, Literal(self.digest)
        yield iri, ENR.role, ENR[self.role]
        if self.title:
            yield iri, DCT.title, Literal(self.title)
        yield iri, DCT.issued, Literal(self.issued, datatype=XSD.date)
