"""A run in the pattern that SILKNOW's explorer (ADASilk) reads, as in the dumps that SILKNOW published.

Each prediction is a reified rdf:Statement with its score (silk:L18), the PROV activity that made it and
the agent with its description. What the published dumps got wrong is not repeated: IRIs are absolute, a
property of a node gets one value, and the value is not asserted beside the statement as if it were a fact.
The activity is the prediction itself, so all that our own pattern says of it can be found from there.
"""

from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal

from pyoxigraph import Literal, NamedNode, Quad

from enrich.graph.stores.base import Store, Term
from enrich.ontology.terms import CRM, DCT, ECRM, ENR, MLS, PROV, RDF, SILK, XSD, Names
from enrich.runs.export.run_graphs import Described, ExportReport, by_subject, register, shard, shards
from enrich.runs.superseded import superseded

PREDICTIONS = NamedNode("http://data.silknow.org/predictions")
"""The graph in which the explorer looks for predictions."""


def statements(store: Store, names: Names, run: NamedNode, report: ExportReport) -> Iterator[Quad]:
    """The statements of an active run, a shard at a time; `report` counts them and what was left out.

    Left out are answers to whose gaps a newer active run has one or a curator turned down, abstentions and
    failures, and all but the surest value of a property of a node (the first shard that has one wins).
    """
    about = by_subject(register(store, names, run))
    time = (about[run].get(PROV.endedAtTime) or about[run][PROV.startedAtTime])[0]
    agent, description = _agent(names, run, about)
    yield Quad(agent, RDF.type, PROV.SoftwareAgent, PREDICTIONS)
    yield Quad(agent, ECRM.P70_documents, Literal(description), PREDICTIONS)
    taken: set[tuple[str, str]] = set()
    older = {answer.prediction for answer in superseded(store, names, run=run)}
    for graph in shards(store, names, run):
        report.graphs += 1
        described = by_subject(shard(store, graph))
        dropped = older, _turned_down(store, names, graph)
        for prediction in _chosen(described, dropped, taken, report):
            report.written += 1
            yield from _statement(names, prediction, described, time, agent)


def _agent(names: Names, run: NamedNode, about: Described) -> tuple[NamedNode, str]:
    """The agent of a run: its software with its models, and the sentences that describe them."""
    models = sorted(
        (m for m in about[run][PROV.used] if isinstance(m, NamedNode) and MLS.Model in about[m][RDF.type]),
        key=str,
    )
    software = sorted(about[run][PROV.wasAssociatedWith], key=str)
    versions = [v.value for s in software if isinstance(s, NamedNode) for v in about[s][DCT.hasVersion]]
    text = f"Predictions made by enrich {', '.join(versions)} in the run {run.value}."
    for model in models:
        digests = ", ".join(term.value for term in about[model][ENR.sha256])
        text += f" Model {model.value}, SHA-256 {digests}."
        text += "".join(f" Calibration: {term.value}." for term in about[model][ENR.calibration])
    text += (
        " The score is the calibrated probability of the value. Answers below the threshold are not given."
        " The activity of each statement leads to the evidence, the candidates and the models."
    )
    return names.mint("actor", run, *_iris(software), *models), text


def _iris(terms: Sequence[Term]) -> list[NamedNode]:
    """The IRIs among terms."""
    return [term for term in terms if isinstance(term, NamedNode)]


def _turned_down(store: Store, names: Names, graph: NamedNode) -> set[NamedNode]:
    """The predictions of a shard whose values stand rejected or corrected."""
    query = (
        f"SELECT ?p ?decision ?value ?judged WHERE {{ GRAPH {names.verdicts} {{ ?verdict {ENR.about} ?record ; "
        f"{ENR.propertyName} ?name ; {ENR.answers} ?judged ; {ENR.decision} ?decision }} "
        f"GRAPH {graph} {{ ?p {ENR.about} ?record ; {ENR.propertyName} ?name ; {ENR.answers} ?value }} }}"
    )
    return {
        prediction
        for prediction, decision, value, judged in store.select(query)
        if isinstance(prediction, NamedNode) and value == judged and decision in (ENR.Rejected, ENR.Corrected)
    }


def _chosen(
    described: Described,
    dropped: tuple[set[NamedNode], set[NamedNode]],
    taken: set[tuple[str, str]],
    report: ExportReport,
) -> list[NamedNode]:
    """The predictions of a shard to write, in order; the rest are counted by why not."""
    best: dict[tuple[str, str], tuple[Decimal, str, NamedNode]] = {}
    for prediction, said in described.items():
        if ENR.Prediction not in said[RDF.type]:
            continue
        report.predictions += 1
        if said[ENR.outcome] != [ENR.Predicted]:
            report.left_out["abstained or failed"] += 1
        elif prediction in dropped[0]:
            report.left_out["superseded"] += 1
        elif prediction in dropped[1]:
            report.left_out["turned down by a curator"] += 1
        else:
            key = (_carrier(said).value, said[ENR.propertyName][0].value)
            rank = (-Decimal(said[ENR.confidence][0].value), said[ENR.answers][0].value, prediction)
            if key in taken or key in best:
                report.left_out["another value is surer"] += 1
            if key not in taken and (key not in best or rank[:2] < best[key][:2]):
                best[key] = rank
    taken.update(best)
    return sorted((prediction for _, _, prediction in best.values()), key=str)


def _statement(
    names: Names, prediction: NamedNode, described: Described, time: Term, agent: NamedNode
) -> Iterator[Quad]:
    said = described[prediction]
    statement = names.mint("statement", prediction)
    score = Literal(said[ENR.confidence][0].value, datatype=XSD.float)
    rows: list[tuple[NamedNode, NamedNode, Term]] = [
        (statement, RDF.type, RDF.Statement),
        (statement, SILK.L18, score),
        (statement, RDF.subject, said[CRM.P140_assigned_attribute_to][0]),
        (statement, RDF.predicate, said[CRM.P177_assigned_property_of_type][0]),
        (statement, RDF.object, _object(said)),
        (statement, PROV.wasGeneratedBy, prediction),
        (prediction, RDF.type, PROV.Activity),
        (prediction, PROV.atTime, time),
        (prediction, PROV.used, _evidence(prediction, described)),
        (prediction, PROV.wasAssociatedWith, agent),
    ]
    for subject, predicate, obj in rows:
        yield Quad(subject, predicate, obj, PREDICTIONS)


def _carrier(said: Mapping[NamedNode, Sequence[Term]]) -> Term:
    """The node that carries the property: the object, where the predicate leads from the class to it."""
    return said[CRM.P141_assigned if _backwards(said) else CRM.P140_assigned_attribute_to][0]


def _object(said: Mapping[NamedNode, Sequence[Term]]) -> Term:
    """The class that is asserted, or the node, where the predicate leads from the class to it."""
    return said[CRM.P141_assigned if _backwards(said) else ENR.answers][0]


def _backwards(said: Mapping[NamedNode, Sequence[Term]]) -> bool:
    return said[CRM.P140_assigned_attribute_to][0] == said[ENR.answers][0]


def _evidence(prediction: NamedNode, described: Described) -> Term:
    """The one thing that the explorer shows as evidence: the picture that speaks loudest for the value,
    or else the record."""
    said = described[prediction]
    pictures = []
    for usage in _iris(said[PROV.qualifiedUsage]):
        used = described[usage]
        entities = _iris(used[PROV.entity])
        kinds = used[PROV.hadRole] or [
            kind for entity in entities for kind in described[entity][ENR.modality]
        ]
        if kinds == [ENR.ImageModality]:
            agrees = used[ENR.value] == said[ENR.answers]
            weight = Decimal(used[ENR.probability][0].value) if used[ENR.probability] else Decimal(0)
            for evidence in entities:
                for source in described[evidence][PROV.wasDerivedFrom]:
                    pictures.append((not agrees, -weight, source.value, source))
    return min(pictures, key=lambda p: p[:3])[3] if pictures else said[ENR.about][0]
