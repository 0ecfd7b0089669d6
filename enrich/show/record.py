"""All that is known and predicted of one record: each answer with its whole provenance, as data and as a tree."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any

from pyoxigraph import NamedNode, Triple

from enrich.errors import InputError
from enrich.graph.labels import best_label, labels
from enrich.graph.records import Subject
from enrich.graph.stores.base import Store, Term
from enrich.ontology.queries import named_query
from enrich.ontology.terms import CRM, DCT, ENR, PROV, Names, class_term, is_iri, values_block
from enrich.runs.export.run_graphs import KEPT_HERE
from enrich.runs.reviews import Review, Verdict, in_force, read_reviews, verdicts
from enrich.runs.shards import store_of_answers
from enrich.show.ours import local
from enrich.workspace import Workspace

Statements = dict[NamedNode, list[Term]]
"""What is said of one node, by predicate."""
Described = dict[NamedNode, Statements]


def show_record(workspace: Workspace, record: NamedNode, language: str = "en") -> dict[str, Any]:
    """What the facts say of a record, and every answer about it, those of retracted runs included.

    Answers come by property, current ones first; names are in the language where there are such. The store is asked at
    most eight questions, whatever it holds, once vocabularies are read. Raises InputError when neither the facts nor any run
    know the record. An answer whose gap the facts have filled since is not current: see `_settle`.
    """
    store, names = workspace.store, workspace.names
    subject, called = workspace.reader.read_one(record)
    nodes, states, runs_of = _answers(store, names, record)
    if not states and subject.problem is not None:
        raise InputError(subject.problem)
    models = {m for said in nodes.values() for m in said.get(ENR.byModel, []) if isinstance(m, NamedNode)}
    register = _register(store, names, set(runs_of.values()), models)
    reviews = in_force(read_reviews(store, names, [record]))
    stand = verdicts(reviews, workspace.profile.many_valued)
    answers = []
    for answer in states:
        data = _answer(answer, nodes, register, _members(runs_of[answer], register))
        data["run"] = _run(runs_of[answer], states[answer], register)
        data["reviews"] = _of_answer(data, reviews)
        data["state"] = _state(data, stand.get((record.value, data["property"]), {}))
        answers.append(data)
    _rank(answers, {run.value: int(_text(register.get(run, {}), ENR.order) or 0) for run in runs_of.values()})
    _settle(answers, subject)
    answers.sort(key=lambda a: (a["property"], not a["current"], a["run"]["started"] or "", a["prediction"]))
    shown = {
        "record": record.value,
        "texts": [{"value": text.value, "language": text.language} for text in subject.record.texts],
        "pictures": [picture.url for picture in subject.record.pictures],
        "context": {name: list(values) for name, values in subject.record.context.items()}
        | {name: [f"{number:g}"] for name, number in subject.record.numbers.items()},
        "facts": {n: [class_term(v).value for v in values] for n, values in subject.record.known.items()},
        "outside": {name: list(values) for name, values in subject.outside.items()},
        "missing": list(subject.missing),
        "predictions": answers,
    }
    own = best_label(called, language)
    shown["labels"] = labels(store, iris(shown), language) | ({record.value: own} if own else {})
    return shown


def record_statements(
    workspace: Workspace, record: NamedNode, prediction: NamedNode | None = None
) -> list[Triple]:
    """All that stands in our graphs about a record, or about one prediction of it: the answers with what they stand on,
    their runs and models as the register has them, and the reviews."""
    store, names = workspace.store, workspace.names
    nodes, _, runs = _answers(store, names, record)
    if prediction is not None:
        runs = {answer: run for answer, run in runs.items() if answer == prediction}
        nodes = _around(nodes, prediction)
    models = {m for said in nodes.values() for m in said.get(ENR.byModel, []) if isinstance(m, NamedNode)}
    found = [*_triples(nodes), *_triples(_register(store, names, set(runs.values()), models), KEPT_HERE)]
    of = f"; {ENR.reviews} {prediction}" if prediction is not None else ""
    query = f"SELECT ?s ?p ?o WHERE {{ GRAPH {names.reviews} {{ ?s {ENR.about} {record} {of} ; ?p ?o }} }}"
    for review, predicate, value in store.select(query):
        if isinstance(review, NamedNode) and isinstance(predicate, NamedNode) and value is not None:
            found.append(Triple(review, predicate, value))
    return found


def _around(nodes: Described, prediction: NamedNode) -> Described:
    """Of all that is said around a record's answers what belongs to one: its candidates, usages and evidence."""
    found = {prediction} & set(nodes)
    found |= {node for node, said in nodes.items() if prediction in said.get(PROV.wasGeneratedBy, [])}
    frontier = set(found)
    while frontier:
        led = (
            term
            for node in frontier
            for predicate in (PROV.qualifiedUsage, PROV.entity, PROV.hadMember)
            for term in nodes[node].get(predicate, [])
        )
        frontier = {t for t in led if isinstance(t, NamedNode) and t in nodes} - found
        found |= frontier
    return {node: nodes[node] for node in nodes if node in found}


def _triples(said: Described, without: Collection[NamedNode] = ()) -> Iterator[Triple]:
    for node, statements in said.items():
        for predicate, values in statements.items():
            yield from (Triple(node, predicate, value) for value in values if predicate not in without)


def _answers(
    store: Store, names: Names, record: NamedNode
) -> tuple[dict[NamedNode, Statements], dict[NamedNode, str], dict[NamedNode, NamedNode]]:
    """Everything said around the answers about a record; the state of each answer's run; and the run."""
    query = named_query("provenance").bind(**names.graphs, record=record)
    seen: dict[NamedNode, dict[NamedNode, dict[Term, None]]] = defaultdict(lambda: defaultdict(dict))
    states: dict[NamedNode, str] = {}
    runs: dict[NamedNode, NamedNode] = {}
    for run, state, answer, subject, predicate, value in store_of_answers(store, names).select(query):
        if not isinstance(run, NamedNode) or not isinstance(answer, NamedNode) or value is None:
            continue
        states[answer], runs[answer] = _local(state), run
        if isinstance(subject, NamedNode) and isinstance(predicate, NamedNode):
            seen[subject][predicate][value] = None
    nodes = {node: {p: list(values) for p, values in said.items()} for node, said in seen.items()}
    return nodes, states, runs


def _rank(answers: Sequence[dict[str, Any]], order: Mapping[str, int]) -> None:
    """Say of each answer whether it is current, and which answers of older active runs it stands before."""

    def place(answer: Mapping[str, Any]) -> tuple[int, str]:
        return order[answer["run"]["run"]], answer["run"]["run"]

    for answer in answers:
        others = [a for a in answers if a["property"] == answer["property"] and a["run"]["state"] == "Active"]
        answer["current"] = answer in others and place(answer) == max(map(place, others))
        answer["supersedes"] = [a["prediction"] for a in others if place(a) < place(answer)]


def _settle(answers: Iterable[dict[str, Any]], subject: Subject) -> None:
    """Say of each answer whether the facts have filled its gap since, so that it is no longer current, and whether
    they agree with it: "agrees" or "disagrees", or "settled" where there is nothing to compare."""
    for answer in answers:
        stated = [class_term(v).value for v in subject.record.known.get(answer["property"], ())]
        read = subject.problem is None and answer["property"] in subject.nodes
        answer["facts"] = None
        if read and answer["property"] not in subject.missing:
            agrees = "agrees" if answer["value"] in stated else "disagrees"
            answer["facts"] = agrees if answer["value"] is not None and stated else "settled"
            answer["current"] = False


def _register(store: Store, names: Names, runs: set[NamedNode], models: set[NamedNode]) -> Described:
    """What the register says of runs and models, of the models that they used, and of their members."""
    if not runs:
        return {}
    found: Described = defaultdict(lambda: defaultdict(list))
    start = values_block(["start"], [[node] for node in sorted(runs | models, key=str)])
    led = ("", f"{PROV.used}", f"{PROV.wasDerivedFrom}", f"{PROV.used}/{PROV.wasDerivedFrom}")
    reached = " UNION ".join(
        f"{{ {start} ?start {path} ?s }}" if path else f"{{ {start} BIND(?start AS ?s) }}" for path in led
    )
    query = (
        f"SELECT DISTINCT ?s ?p ?o WHERE {{ GRAPH {names.runs} {{ {{ SELECT DISTINCT ?s WHERE {{ {reached} }} }} "
        f"?s ?p ?o FILTER(?p != {ENR.graph}) }} }}"
    )
    for subject, predicate, value in store.select(query):
        if isinstance(subject, NamedNode) and isinstance(predicate, NamedNode) and value is not None:
            found[subject][predicate].append(value)
    return found


def _members(run: NamedNode, register: Mapping[NamedNode, Statements]) -> dict[Term, NamedNode]:
    """The model that looked at each modality in a run."""
    models = [m for m in register.get(run, {}).get(PROV.used, []) if isinstance(m, NamedNode)]
    members = [d for m in models for d in register.get(m, {}).get(PROV.wasDerivedFrom, [])]
    return {
        modality: member
        for member in members
        if isinstance(member, NamedNode)
        for modality in register.get(member, {}).get(ENR.modality, [])
    }


def _answer(
    answer: NamedNode,
    nodes: Mapping[NamedNode, Statements],
    register: Mapping[NamedNode, Statements],
    members: Mapping[Term, NamedNode],
) -> dict[str, Any]:
    said = nodes[answer]
    candidates = [
        {"rank": int(_text(c, ENR.rank) or 0), "value": _text(c, ENR.value), "probability": _number(c, ENR.probability)}
        for c in nodes.values()
        if answer in c.get(PROV.wasGeneratedBy, []) and ENR.rank in c
    ]  # fmt: skip
    usages = [nodes[u] for u in said.get(PROV.qualifiedUsage, []) if isinstance(u, NamedNode) and u in nodes]
    return {
        "prediction": answer.value,
        "property": _text(said, ENR.propertyName) or "",
        "outcome": _local(_first(said, ENR.outcome)),
        "reason": _local(_first(said, ENR.reason)) or None,
        "detail": _text(said, ENR.detail),
        "awaits_pictures": ENR.seenDigest in said,
        "value": _text(said, ENR.answers),
        "confidence": _number(said, ENR.confidence),
        "threshold": _number(said, ENR.abstainBelow),
        "regime": _local(_first(said, ENR.regime)) or None,
        "promised": _number(said, ENR.promised),
        "broader": bool(said.get(ENR.broader)),
        "node": _text(said, CRM.P140_assigned_attribute_to),
        "predicate": _text(said, CRM.P177_assigned_property_of_type),
        "assigned": _text(said, CRM.P141_assigned),
        "input": _text(said, ENR.inputDigest),
        "candidates": sorted(candidates, key=lambda c: c["rank"]),
        "evidence": sorted(
            (_evidence(u, nodes, register, members) for u in usages), key=lambda e: str(e["modality"])
        ),
    }


def _evidence(
    usage: Statements,
    nodes: Mapping[NamedNode, Statements],
    register: Mapping[NamedNode, Statements],
    members: Mapping[Term, NamedNode],
) -> dict[str, Any]:
    entity = _first(usage, PROV.entity)
    saw = nodes.get(entity, {}) if isinstance(entity, NamedNode) else {}
    modality = _first(usage, PROV.hadRole) or _first(saw, ENR.modality)
    model = _first(usage, ENR.byModel) or (members.get(modality) if modality is not None else None)
    return {
        "modality": _local(modality).removesuffix("Modality").lower(),
        "value": _text(usage, ENR.value),
        "probability": _number(usage, ENR.probability),
        "model": _model(model, register) if isinstance(model, NamedNode) else None,
        "sources": [t.value for t in saw.get(PROV.wasDerivedFrom, [])],
        "property": _text(saw, ENR.property),
        "format": _text(saw, DCT.format),
        "language": _text(saw, DCT.language),
        "sha256": _text(saw, ENR.sha256),
    }


def _model(model: NamedNode, register: Mapping[NamedNode, Statements]) -> dict[str, Any]:
    said = register.get(model, {})
    return {"iri": model.value, "version": _text(said, DCT.hasVersion), "sha256": _text(said, ENR.sha256)}


def _run(run: NamedNode, state: str, register: Mapping[NamedNode, Statements]) -> dict[str, Any]:
    said = register.get(run, {})
    return {
        "run": run.value,
        "state": state,
        "started": _text(said, PROV.startedAtTime),
        "ended": _text(said, PROV.endedAtTime),
        "agent": _text(said, PROV.wasAssociatedWith),
        "used": [t.value for t in said.get(PROV.used, [])],
    }


def _state(answer: Mapping[str, Any], stand: Mapping[str, Verdict]) -> str | None:
    """How the value of an answer stands by its reviews; None for an answer without one."""
    if answer["value"] is None:
        return None
    found = (v.decision for value, v in stand.items() if class_term(value).value == answer["value"])
    return next(found, "Pending")


def _of_answer(answer: Mapping[str, Any], reviews: Sequence[Review]) -> list[dict[str, Any]]:
    """The reviews that were made of an answer, or that speak of its value, or of what was put in its place."""
    about = {answer["prediction"], answer["value"]} - {None}
    return [
        {
            "review": review.iri,
            "property": review.name,
            "decision": review.decision,
            "actor": review.curator,
            "time": review.time,
            "value": None if review.value is None else class_term(review.value).value,
            "instead": None if review.instead is None else class_term(review.instead).value,
            "objection": review.objection,
            "note": review.note,
        }
        for review in reviews
        if review.name == answer["property"]
        and about & {review.prediction, *(class_term(v).value for v in (review.value, review.instead) if v)}
    ]


def _first(said: Mapping[NamedNode, list[Term]], predicate: NamedNode) -> Term | None:
    return next(iter(said.get(predicate, [])), None)


def _text(said: Mapping[NamedNode, list[Term]], predicate: NamedNode) -> str | None:
    found = _first(said, predicate)
    return None if found is None else found.value


def _number(said: Mapping[NamedNode, list[Term]], predicate: NamedNode) -> float | None:
    text = _text(said, predicate)
    return None if text is None else float(text)


def _local(term: Term | None) -> str:
    return "" if term is None else local(term.value)


def iris(data: Any) -> list[str]:
    """Every text in the data that is an IRI."""
    if isinstance(data, dict):
        return [iri for value in data.values() for iri in iris(value)]
    if isinstance(data, list):
        return [iri for value in data for iri in iris(value)]
    return (
        [data] if isinstance(data, str) and data.startswith(("http://", "https://")) and is_iri(data) else []
    )
