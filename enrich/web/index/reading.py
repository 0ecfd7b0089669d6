"""What the index reads of the store: answers shard by shard, verdicts, and what the facts say of records and values."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from urllib.parse import unquote

from pyoxigraph import Literal, NamedNode

from enrich.answering.kept_facts import fingerprint
from enrich.classifiers.digest import text_digest
from enrich.graph.classes import broader_concepts
from enrich.graph.labels import labels_by_language, record_names
from enrich.graph.reading import BATCH, Reader
from enrich.graph.records import halved
from enrich.graph.stores.base import PAGE_TOKEN, Term
from enrich.ontology.terms import DCT, ENR, PROV, class_name, class_term, is_iri, values_block
from enrich.runs.register import Register, Run, number
from enrich.show.naming import number_of
from enrich.web.index.asked import ALL_AGREE, OF_IRI, ONE_MODALITY, SOME_DIFFER, UNKNOWN
from enrich.workspace import Workspace

GapOf = tuple[str, str]
"""A record and the name of a property."""
_CANDIDATES = 2
_PER_QUERY = 200


@dataclass(slots=True)
class Answer:
    """One prediction of a shard, in the words of the index."""

    prediction: str
    record: str
    property: str
    outcome: str
    confidence: float
    value: str = UNKNOWN
    reason: str = UNKNOWN
    regime: str = UNKNOWN
    promised: float | None = None
    threshold: float | None = None
    margin: float = 0.0
    agreement: str = UNKNOWN


@dataclass(frozen=True, slots=True)
class About:
    """What the facts say of a record."""

    name: str = ""
    museum: str = UNKNOWN
    picture: str | None = None


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """Names of terms by language (`""` where a label has none), and the concepts above each, the nearest first."""

    names: dict[str, dict[str, str]] = field(default_factory=dict)
    above: dict[str, tuple[str, ...]] = field(default_factory=dict)


class IndexSource:
    """Reads one workspace's store; what it looked up of vocabularies it keeps, so take a new one after a change."""

    def __init__(self, workspace: Workspace) -> None:
        self.workspace, self.store, self.names = workspace, workspace.store, workspace.names
        self.profile = workspace.profile
        self.reader = Reader(workspace.store, workspace.profile, workspace.names)
        self.many = workspace.profile.many_valued

    def runs(self) -> list[Run]:
        """The register."""
        return Register(self.store, self.names).runs()

    def shards(self) -> dict[str, set[str]]:
        """The graphs of each active run's answers."""
        found: dict[str, set[str]] = defaultdict(set)
        query = (
            f"SELECT ?run ?g WHERE {{ GRAPH {self.names.runs} {{ ?run {ENR.graph} ?g ; "
            f"{ENR.runState} {ENR.Active} }} {PAGE_TOKEN}\n}}"
        )
        for run, graph in self.store.select_by_key(query, "g"):
            if run is not None and graph is not None:
                found[run.value].add(graph.value)
        return found

    def facts(self) -> str:
        """A digest of facts and vocabularies. Of a server that cannot give one, of how much each graph holds."""
        digest = fingerprint(self.reader)
        if digest is not None:
            return digest
        graphs = self.store.graphs(beside=self.names.base)
        return text_digest("\n".join(f"{self.store.count(graph)} {graph}" for graph in graphs))

    def reviewed(self) -> str:
        """How many reviews and verdicts there are: they are appended to, so that it says whether any is new."""
        counts = []
        for graph, predicate in ((self.names.reviews, ENR.decision), (self.names.verdicts, ENR.decision)):
            query = f"SELECT (COUNT(?r) AS ?n) WHERE {{ GRAPH {graph} {{ ?r {predicate} ?d }} }}"
            counts.append(str(next((number(n) for (n,) in self.store.select(query)), 0)))
        return " ".join(counts)

    def verdicts(self, records: Collection[str] | None = None) -> dict[tuple[str, str, str], str]:
        """How reviewed values stand, by record, property and value: of all records, or of some."""
        some = "" if records is None else values_block(["record"], ([NamedNode(r)] for r in records))
        query = (
            f"SELECT ?v ?record ?name ?value ?decision WHERE {{ {some} GRAPH {self.names.verdicts} {{ "
            f"?v {ENR.about} ?record ; {ENR.propertyName} ?name ; {ENR.answers} ?value ; {ENR.decision} ?decision }} "
            f"{PAGE_TOKEN}\n}}"
        )
        return {
            (record.value, name.value, _called(value)): _word(decision)
            for _, record, name, value, decision in self.store.select_by_key(query, "v")
            if record is not None and name is not None
        }

    def answers(self, shard: str) -> list[Answer]:
        """The predictions of a shard."""
        graph = NamedNode(shard)
        found = {answer.prediction: answer for answer in self._answers(graph)}
        self._margins(graph, found)
        self._agreement(graph, found)
        return list(found.values())

    def _answers(self, graph: NamedNode) -> Iterator[Answer]:
        said = ("answers", "reason", "regime", "promised", "abstainBelow")
        optional = " ".join(f"OPTIONAL {{ ?p {ENR[name]} ?{name} }}" for name in said)
        query = (
            f"SELECT ?p ?record ?name ?outcome ?confidence {' '.join(f'?{name}' for name in said)} WHERE {{ "
            f"GRAPH {graph} {{ ?p {ENR.about} ?record ; {ENR.propertyName} ?name ; {ENR.outcome} ?outcome ; "
            f"{ENR.confidence} ?confidence . {optional} }} {PAGE_TOKEN}\n}}"
        )
        for row in self.store.select_by_key(query, "p"):
            p, record, name, outcome, confidence, value, reason, regime, promised, below = row
            if p is None or record is None or name is None:
                continue
            yield Answer(
                p.value,
                record.value,
                name.value,
                _word(outcome),
                _share(confidence) or 0.0,
                _called(value),
                _word(reason),
                _word(regime),
                _share(promised),
                _share(below),
            )

    def _margins(self, graph: NamedNode, answers: dict[str, Answer]) -> None:
        """How far the first candidate is ahead of the second. Each value of a set is a question of its own, yes or no."""
        query = (
            f"SELECT ?c ?p ?rank ?probability WHERE {{ GRAPH {graph} {{ ?c {ENR.rank} ?rank ; "
            f"{ENR.probability} ?probability ; {PROV.wasGeneratedBy} ?p FILTER(?rank <= {_CANDIDATES}) }} {PAGE_TOKEN}\n}}"
        )
        ranked: dict[str, list[float]] = defaultdict(list)
        for _, p, _, probability in self.store.select_by_key(query, "c"):
            if p is not None:
                ranked[p.value].append(_share(probability) or 0.0)
        for iri, answer in answers.items():
            if answer.property in self.many:
                answer.margin = abs(2 * answer.confidence - 1)
            else:
                first, second, *_ = [*sorted(ranked[iri], reverse=True), 0.0, 0.0]
                answer.margin = first - second

    def _agreement(self, graph: NamedNode, answers: dict[str, Answer]) -> None:
        """Whether the modalities, each alone, held the same value likeliest."""
        query = (
            f"SELECT ?p ?value WHERE {{ GRAPH {graph} {{ ?p {PROV.qualifiedUsage} ?usage . "
            f"?usage {ENR.value} ?value }} {PAGE_TOKEN}\n}}"
        )
        alone: dict[str, list[Term | None]] = defaultdict(list)
        for p, value in self.store.select_by_key(query, "p"):
            if p is not None:
                alone[p.value].append(value)
        for iri, values in alone.items():
            if iri in answers:
                differ = len(set(values)) > 1
                answers[iri].agreement = (
                    SOME_DIFFER if differ else ALL_AGREE if len(values) > 1 else ONE_MODALITY
                )

    def stated(self, records: Sequence[str]) -> dict[GapOf, tuple[str, ...]]:
        """What the facts state of records, by record and property, as classes; none where they state it in another way.
        What is not there is a gap."""
        found: dict[GapOf, tuple[str, ...]] = {}
        for start in range(0, len(records), BATCH):
            some = [NamedNode(record) for record in records[start : start + BATCH] if is_iri(record)]
            for prop in self.profile.properties:
                said = self.reader.stated(some, prop)
                found |= {(record, prop.name): classes for record, classes in said.items()}
        return found

    def about(self, records: Sequence[str]) -> dict[str, About]:
        """What the facts say of records."""
        found: dict[str, About] = {}
        for start in range(0, len(records), BATCH):
            some = [NamedNode(record) for record in records[start : start + BATCH] if is_iri(record)]
            for part in halved(some, self._about):
                found |= part
        return found

    def _about(self, records: Sequence[NamedNode]) -> dict[str, About]:
        names = record_names(self.reader, records)
        museum = self.profile.museum
        museums = self.reader.of_context(records, museum) if museum else {}
        pictures = self.reader.first_pictures(records)
        return {
            r.value: About(names.get(r.value, ""), _first(museums.get(r.value, ())), pictures.get(r.value))
            for r in records
        }

    def vocabulary(self, values: dict[str, set[str]], others: Iterable[str]) -> Vocabulary:
        """Names and hierarchy of the values of each property, and names of other terms."""
        found = Vocabulary()
        for prop in self.profile.properties:
            known = values.get(prop.name, set())
            above = broader_concepts(prop, known, self.store, *self.reader.vocabulary)
            broader = {concept for concepts in above.values() for concept in concepts} - known
            found.above.update(broader_concepts(prop, broader, self.store, *self.reader.vocabulary))
            found.above.update(above)
        terms = {t for known in (*values.values(), others, found.above, *found.above.values()) for t in known}
        wanted = sorted(filter(is_iri, terms))
        for start in range(0, len(wanted), _PER_QUERY):
            found.names.update(labels_by_language(self.store, wanted[start : start + _PER_QUERY]))
        for text in sorted(terms - found.names.keys() - {UNKNOWN}):
            found.names[text] = dict([_own_words(text)])
        for model, title in self._models():
            found.names[model] = {"": title}
        return found

    def _models(self) -> Iterator[tuple[str, str]]:
        """Every model of the register with its title."""
        query = f"SELECT ?m ?title WHERE {{ GRAPH {self.names.runs} {{ ?run {PROV.used} ?m . ?m {DCT.title} ?title }} }}"
        for model, title in self.store.select(query):
            if model is not None and title is not None:
                yield model.value, title.value


def _own_words(text: str) -> tuple[str, str]:
    """What a term without a label is looked for by: a literal's text in its language, or the end of an IRI."""
    if text.startswith('"') and isinstance(literal := class_term(text), Literal):
        return (literal.language or "").partition("-")[0], literal.value
    return OF_IRI, unquote(text.rstrip("/#").replace("#", "/").rpartition("/")[2])


def _first(values: Iterable[Term]) -> str:
    return min(map(class_name, values), default=UNKNOWN)  # type: ignore[arg-type]


def _called(term: Term | None) -> str:
    """What a model calls a value; of none, UNKNOWN."""
    return class_name(term) if isinstance(term, NamedNode | Literal) else UNKNOWN


def _word(term: Term | None) -> str:
    """A term of our vocabulary without its namespace."""
    return UNKNOWN if term is None else term.value.removeprefix(str(ENR))


def _share(term: Term | None) -> float | None:
    """A probability; None for what is none."""
    found = number_of(term)
    return None if found is None or not 0 <= found <= 1 else float(found)
