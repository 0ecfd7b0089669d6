"""IRIs of our own, served where they say: by Accept as a page, Turtle, JSON-LD or N-Triples. Where one leads to another
it says so from where it is, since a proxy may have cut off the beginning of its path."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from fastapi import APIRouter, Depends, HTTPException, Request
from fastapi.responses import RedirectResponse, Response
from pyoxigraph import Literal, NamedNode, Triple

from enrich.errors import RunError
from enrich.ontology.terms import DCT, ENR, MLS, RDFS, OntologyError, named_node
from enrich.runs.citation import Citation
from enrich.runs.expectation import from_text
from enrich.runs.export.run_graphs import register
from enrich.runs.register import RETRACTED, Register, Run
from enrich.show.named import printed
from enrich.show.ours import local, model_entry, reviews_of_prediction, thing
from enrich.show.record import record_statements, show_record
from enrich.web import faults
from enrich.web.negotiation import preferred
from enrich.web.rdf import FORMS, rdf
from enrich.web.rendering import Words, page, words_of
from enrich.web.site import site_of
from enrich.web.who import reader
from enrich.workspace import Workspace

KINDS = ("prediction", "run", "model", "review", "evidence", "candidate", "usage", "node", "agent", "verdict")
"""The first parts of our IRIs' paths under the base; those of graphs come beside."""
_MEDIA = {"text/html": "html", **{media: form for form, (_, media) in FORMS.items()}}

router = APIRouter(dependencies=[Depends(reader)])


@router.get("/graph/run/{rest:path}")
def graph(request: Request, rest: str) -> Response:
    """A graph of a run, or all of them as the dataset that is cited: served with its run."""
    run_id = rest.partition("/")[0]
    with site_of(request).workspace() as workspace:
        run = _run(workspace, run_id)
        if _dropped(workspace, run):
            return gone(request, run)
    return RedirectResponse(f"{'../' * (rest.count('/') + 2)}run/{quote(run_id, safe='')}", 303)


@router.get("/model")
def model(request: Request, iri: str) -> Response:
    """A model by its IRI, wherever that is."""
    return _model(request, named_node(iri), "html")


def _ours(request: Request, kind: str, rest: str) -> Response:
    """Something of ours by the end of its IRI; without a form, 303 to the one that the client would rather have."""
    names = site_of(request).settings.base
    end, dot, form = rest.rpartition(".")
    if not dot or form not in _MEDIA.values():
        media = preferred(request.headers.get("accept"), tuple(_MEDIA))
        if media is None:
            raise HTTPException(406, f"there are {', '.join(_MEDIA)}", {"Vary": "Accept"})
        return RedirectResponse(
            f"{quote(rest.rpartition('/')[2], safe='')}.{_MEDIA[media]}", 303, {"Vary": "Accept"}
        )
    try:
        iri = named_node(f"{names}{kind}/{end}")
    except OntologyError as error:
        raise HTTPException(404) from error
    show = {"prediction": _prediction, "run": _run_page, "model": _model}.get(kind, _thing)
    return show(request, iri, form)


def _add(kind: str) -> None:
    def route(request: Request, rest: str) -> Response:
        return _ours(request, kind, rest)

    router.add_api_route(f"/{kind}/{{rest:path}}", route, name=kind)


for _kind in KINDS:
    _add(_kind)


def gone(request: Request, run: Run | None, reviews: list[tuple[str, str, str]] | None = None) -> Response:
    """What was here and is dropped: with what the register says of its run, as far as that is known."""
    if faults.wants_page(request):
        response: Response = page(request, "gone.html", 410, run=run, reviews=reviews or [])
    else:
        response = faults.fault(request, 410, f"the run {run.run} was taken back" if run else "")
    response.headers["Cache-Control"] = "no-store"
    return response


def _prediction(request: Request, iri: NamedNode, form: str) -> Response:
    t = words_of(request)
    with site_of(request).workspace() as workspace:
        store, names = workspace.store, workspace.names
        found = thing(store, names, iri)
        about = found.first(ENR.about)
        if about is None:
            return _lost(request, workspace, iri)
        record = NamedNode(about)
        shown = show_record(workspace, record, "en" if form != "html" else t.language)
        answer = next((a for a in shown["predictions"] if a["prediction"] == iri.value), None)
        if answer is None:  # it stands in a graph that the register does not name any more
            return _lost(request, workspace, iri)
        called = site_of(request).called
        if form != "html":
            label = Literal(title_of(Words("en"), answer, shown["labels"], called, about), language="en")
            return rdf([*record_statements(workspace, record, iri), Triple(iri, RDFS.label, label)], form)
        sparql = printed(workspace, "provenance", {"record": record})
    return page(
        request,
        "prediction.html",
        shown=shown,
        answer=answer,
        called=called,
        title=title_of(t, answer, shown["labels"], called, about),
        sparql=sparql,
        forms=list(FORMS),
    )


def title_of(
    t: Words, answer: Mapping[str, Any], labels: Mapping[str, str], called: Mapping[str, str], record: str
) -> str:
    """A prediction in a line: "technique of Velvet chasuble: velvet, 0.98"."""
    value = (
        labels.get(answer["value"], local(answer["value"])) if answer["value"] else t.term(answer["outcome"])
    )
    name = called.get(answer["property"], answer["property"])
    line = t("ours.prediction", property=name, record=labels.get(record, local(record)), value=value)
    return line if answer["confidence"] is None else f"{line}, {t.decimal(answer['confidence'])}"


def _lost(request: Request, workspace: Workspace, iri: NamedNode) -> Response:
    """A prediction that is not there: 410 where something still speaks of it, 404 otherwise."""
    reviews = reviews_of_prediction(workspace.store, workspace.names, iri)
    if reviews:
        return gone(request, None, reviews)
    raise HTTPException(404, f"there is no {iri.value}")


def _run(workspace: Workspace, run_id: str) -> Run:
    try:
        return Register(workspace.store, workspace.names).get(workspace.names.run(run_id))
    except (RunError, OntologyError) as error:
        raise HTTPException(404, f"no run is called {run_id!r}") from error


def _dropped(workspace: Workspace, run: Run) -> bool:
    """Whether a run was taken back and its graphs are gone."""
    held = f"GRAPH {workspace.names.runs} {{ <{run.run}> {ENR.graph} ?g }} GRAPH ?g {{ ?s ?p ?o }}"
    return run.state == RETRACTED and not workspace.store.ask(f"ASK {{ {held} }}")


def _run_page(request: Request, iri: NamedNode, form: str) -> Response:
    with site_of(request).workspace() as workspace:
        store, names = workspace.store, workspace.names
        found = _run(workspace, iri.value.rpartition("/")[2])
        quads = register(store, names, iri)
        cited = Citation.of(quads, names, iri)
        if form != "html":
            described = [*quads, *cited.described(names.runs)]
            return rdf((q.triple for q in described), form)
        shards = {q.object for q in quads if q.subject == iri and q.predicate == ENR.graph}
        dropped = _dropped(workspace, found)
    return page(
        request,
        "run.html",
        run=found,
        cited=cited,
        shards=len(shards),
        dropped=dropped,
        expected=from_text(found.expected),
        forms=list(FORMS),
    )


def _model(request: Request, iri: NamedNode, form: str) -> Response:
    with site_of(request).workspace() as workspace:
        store, names = workspace.store, workspace.names
        found = thing(store, names, iri)
        if not found.is_a(MLS.Model):
            return _thing(request, iri, form)
        if form != "html":
            return rdf((q.triple for q in register(store, names, iri)), form)
        entry = model_entry(store, names, found)
    title = found.first(DCT.title) or local(iri.value)[:12]
    return page(request, "model.html", entry=entry, model=found, title=title, forms=list(FORMS), **_terms())


def _thing(request: Request, iri: NamedNode, form: str) -> Response:
    with site_of(request).workspace() as workspace:
        found = thing(workspace.store, workspace.names, iri)
    if not found.said:
        raise HTTPException(404, f"there is no {iri.value}")
    if form != "html":
        return rdf(found.triples(), form)
    return page(
        request, "thing.html", thing=found, about=found.first(ENR.about), forms=list(FORMS), **_terms()
    )


def _terms() -> dict[str, Any]:
    return {"DCT": DCT, "ENR": ENR, "local": local}
