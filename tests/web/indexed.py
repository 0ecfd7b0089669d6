"""An index over a made museum, and what it must say: counted from the store, answer by answer."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from pyoxigraph import Literal, NamedNode, Quad

from enrich.answering import run as pipeline
from enrich.graph.stores.base import Store
from enrich.ontology.terms import ENR, PROV, SKOS, class_name
from enrich.runs.observed import band
from enrich.runs.register import Register
from enrich.show.named import run_named
from enrich.web.index.asked import FACETS, Filters
from enrich.web.index.index import Index
from enrich.workspace import Workspace
from tests.museums import dummy_model, museum

BASE = "https://museum.example.org/"
WORDS = NamedNode(BASE + "graph/words")
BROADER = {
    "material/silk": "material/animal-fibre",
    "material/wool": "material/animal-fibre",
    "material/animal-fibre": "material/fibre",
    "material/linen": "material/fibre",
    "time/17th-century": "time/early-modern",
}
NAMES = {
    "material/silk": {"en": "silk", "es": "seda", "fr": "soie"},
    "material/animal-fibre": {"en": "animal fibre", "fr": "fibre animale"},
    "material/linen": {"es": "líno"},
    "time/17th-century": {"en": "17th century"},
}


def term(path: str) -> NamedNode:
    return NamedNode(f"{BASE}vocabulary/{path}")


def vocabulary() -> list[Quad]:
    """Names in some languages, and a hierarchy of three levels."""
    broader = [Quad(term(a), SKOS.broader, term(b), WORDS) for a, b in BROADER.items()]
    names = [
        Quad(term(path), SKOS.prefLabel, Literal(text, language=tag), WORDS)
        for path, said in NAMES.items()
        for tag, text in said.items()
    ]
    return broader + names


def above(value: str) -> set[str]:
    """The concepts above a value, however far."""
    path = value.removeprefix(f"{BASE}vocabulary/")
    found = set()
    while path in BROADER:
        path = BROADER[path]
        found.add(f"{BASE}vocabulary/{path}")
    return found


def answered(tmp_path: Path, count: int = 60, store: Store | None = None) -> Workspace:
    """A museum of which two models answered the gaps, the second after the first."""
    workspace = museum(count, store)
    workspace.store.insert(vocabulary())
    pipeline.run(workspace, dummy_model(workspace, tmp_path / "one"))
    pipeline.run(workspace, dummy_model(workspace, tmp_path / "two", seed=1), properties=["material", "time"])
    return workspace


def index_of(workspace: Workspace, path: Path, **more: Callable[[], None]) -> Index:
    """An index that reads with this workspace."""

    @contextmanager
    def workspaces() -> Iterator[Workspace]:
        yield workspace

    return Index(path, workspaces, **more)


@dataclass(frozen=True)
class Fact:
    """A current answer as the store has it: its values by facet, and what it is ordered by."""

    prediction: str
    record: str
    facets: dict[str, str]
    confidence: float
    text: str

    def fits(self, filters: Filters) -> bool:
        for facet, values in filters.chosen.items():
            own = {self.facets[facet]}
            if facet == "value" and not filters.exact:
                own |= above(self.facets[facet])
            if not own & set(values):
                return False
        words = plain(filters.text).split()
        return all(any(own.startswith(word) for own in self.text.split()) for word in words)


def plain(text: str) -> str:
    """Without accents and case."""
    return "".join(c for c in unicodedata.normalize("NFD", text.casefold()) if not unicodedata.combining(c))


def current(workspace: Workspace) -> list[Fact]:
    """Every current answer, by the query of that name; what it does not say is asked answer by answer."""
    models = {run.run: run.model or "" for run in Register(workspace.store, workspace.names).runs()}
    answer = run_named(workspace, "current")
    found = []
    for row in answer.rows:
        said = dict(zip(answer.variables, row, strict=True))
        record, prediction = said["record"], said["prediction"]
        assert isinstance(record, NamedNode)
        (subject,) = workspace.reader.read([record])
        value = "" if said["value"] is None else class_name(said["value"])  # type: ignore[arg-type]
        asked = {name: _one(workspace.store, prediction, ENR[name]) for name in ("reason", "regime")}
        confidence = float(said["confidence"].value)  # type: ignore[union-attr]
        facets = {
            "property": said["property"].value,  # type: ignore[union-attr]
            "value": value,
            "band": str(band(confidence)),
            "state": said["state"].value.removeprefix(str(ENR)),  # type: ignore[union-attr]
            "outcome": said["outcome"].value.removeprefix(str(ENR)),  # type: ignore[union-attr]
            "museum": min(subject.record.context.get("museum", ("",))),
            "run": said["run"].value,  # type: ignore[union-attr]
            "model": models[said["run"].value],  # type: ignore[union-attr]
            "agreement": _agreement(workspace.store, prediction),
            **asked,
        }
        assert set(facets) == set(FACETS)
        names = NAMES.get(value.removeprefix(f"{BASE}vocabulary/"), {}).values() or [value.rpartition("/")[2]]
        title = next((t.value for t in subject.record.texts), "")
        text = plain(" ".join([title, *names])).replace("-", " ")
        found.append(Fact(prediction.value, record.value, facets, confidence, text))  # type: ignore[union-attr]
    return found


def _one(store: Store, subject: object, predicate: NamedNode) -> str:
    rows = store.select(f"SELECT ?o WHERE {{ GRAPH ?g {{ {subject} {predicate} ?o }} }}")
    return next((o.value.removeprefix(str(ENR)) for (o,) in rows if o is not None), "")


def _agreement(store: Store, prediction: object) -> str:
    query = f"SELECT ?v WHERE {{ GRAPH ?g {{ {prediction} {PROV.qualifiedUsage} ?u . ?u {ENR.value} ?v }} }}"
    values = [str(v) for (v,) in store.select(query)]
    if len(values) < 2:
        return "one modality" if values else ""
    return "all agree" if len(set(values)) == 1 else "some differ"


def counted(facts: list[Fact], filters: Filters) -> dict[str, dict[str, int]]:
    """What every facet must count."""
    found: dict[str, dict[str, int]] = {}
    for facet in FACETS:
        counts: dict[str, int] = {}
        for fact in facts:
            if fact.fits(filters.without(facet)):
                own = {fact.facets[facet]} | (above(fact.facets[facet]) if facet == "value" else set())
                for value in own:
                    counts[value] = counts.get(value, 0) + 1
        for value in filters.chosen.get(facet, ()):
            counts.setdefault(value, 0)
        found[facet] = counts
    return found


def facets_of(index: Index, filters: Filters) -> dict[str, dict[str, int]]:
    """What every facet counts."""
    return {
        name: {found.value: found.count for found in values}
        for name, values in index.facets(filters, limit=10_000).items()
    }


def listed(index: Index, filters: Filters, **asked: object) -> list[str]:
    """The predictions of all pages."""
    found: list[str] = []
    after: str | None = None
    while True:
        page = index.page(filters, after=after, **asked)  # type: ignore[arg-type]
        found += [row.prediction for row in page.rows]
        after = page.after
        if after is None:
            assert len(found) == page.total
            return found


def agrees(index: Index, workspace: Workspace) -> None:
    """What the index says of all answers is what the store says."""
    facts = current(workspace)
    assert facets_of(index, Filters()) == counted(facts, Filters())
    assert sorted(listed(index, Filters(), limit=40)) == sorted(fact.prediction for fact in facts)
