"""The explorer's index by size: made predictions, how long the index takes to build, and what pages cost then.

    python benchmarks/explorer.py --sizes 10000 100000 1000000 --sparql 100000

The predictions are written as a run writes them, shard by shard, with their candidates and what two modalities held
alone; records have a type, a keeper, a name and a picture. Two runs: the second answers a tenth of the gaps again, and is
taken back at the end. Beyond --straight answers nothing is written to a store: the same answers go into the index as they would
come from it, so that building is the writing alone. Beside the index the same is asked by SPARQL: the counts of one facet after the other, and the first
page by confidence. Times are of the processor, medians of several; `hidden_ms` is of the wall.
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from pyoxigraph import NamedNode, Quad, RdfFormat, parse  # noqa: E402

from enrich.graph.stores.base import Store  # noqa: E402
from enrich.ontology.terms import CRM, ENR, PROV, RDF, RDFS, SKOS, XSD, Names  # noqa: E402
from enrich.runs.register import Register, Run  # noqa: E402
from enrich.runs.reviewing import Judgement, Reviewer  # noqa: E402
from enrich.settings.loading import Settings  # noqa: E402
from enrich.settings.models import StoreSettings  # noqa: E402
from enrich.show.querying import run_text  # noqa: E402
from enrich.web.index.asked import ALL_AGREE, SOME_DIFFER, Filters  # noqa: E402
from enrich.web.index.building import Writer  # noqa: E402
from enrich.web.index.database import Database, set_meta  # noqa: E402
from enrich.web.index.index import Index  # noqa: E402
from enrich.web.index.reading import About, Answer, Vocabulary  # noqa: E402
from enrich.workspace import Workspace  # noqa: E402

BASE = "https://museum.example.org/"
NAMES = Names("https://data.example.org/enrich/")
PROPERTIES = {"place": 60, "time": 12, "technique": 40, "material": 30}
"""Properties, each with so many values."""
MUSEUMS = 20
SHARD = 2_000
AGAIN = 0.1
"""The share of gaps that the second run answers again."""
FACETS = ("property", "value", "outcome", "reason", "regime", "state", "run")
"""The facets that SPARQL can count without asking the facts."""


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--sizes", type=int, nargs="+", default=[10_000, 100_000, 1_000_000])
    parser.add_argument("--sparql", type=int, default=100_000, help="the size at which SPARQL is asked, too")
    parser.add_argument(
        "--straight", type=int, default=100_000, help="the largest size that a store is made of"
    )
    parser.add_argument("--rounds", type=int, default=21, help="how often each page is asked for")
    parser.add_argument("--folder", type=Path, help="where stores are made, and found again")
    parser.add_argument("--out", type=Path, help="JSON file for the figures")
    args = parser.parse_args()
    rows = []
    with tempfile.TemporaryDirectory(prefix="enrich-bench-") as scratch:
        for size in args.sizes:
            folder = (args.folder or Path(scratch)) / str(size)
            if size > args.straight:
                rows.append(measure_straight(folder, size, args.rounds))
            else:
                rows.append(measure(folder, size, args.rounds, sparql=size == args.sparql))
            print(json.dumps(rows[-1]), flush=True)
    print(table(rows))
    if args.out:
        args.out.write_text(json.dumps(rows, indent=1) + "\n")


def measure(folder: Path, size: int, rounds: int, *, sparql: bool) -> dict[str, Any]:
    """One size. Times are milliseconds but for making and building, which are seconds."""
    folder.mkdir(parents=True, exist_ok=True)
    settings = Settings(base=NAMES.base, store=StoreSettings(path=folder / "store"), profile="linked-art")
    path = folder / "index.sqlite"
    for end in ("", "-wal", "-shm"):
        path.with_name(path.name + end).unlink(missing_ok=True)
    found: dict[str, Any] = {"answers": size}
    with Workspace(settings) as workspace:
        made = (
            None if (folder / "store" / "CURRENT").exists() else seconds(lambda: make(workspace.store, size))
        )
        counting = Counted(workspace.store)
        index = Index(path, workspaces_of(settings, counting))
        found |= {"made_s": made, "build_s": seconds(index.refresh)}
        counting.queries = 0
        found |= asked(index, rounds)
        found |= {"store_queries": counting.queries, "nothing_new_ms": median(index.refresh, 5)}
        if sparql:
            found |= by_sparql(workspace, found)
        found |= reviewed(index, workspace, rounds)
        found |= taken_back(index, workspace)
        found |= {"mb": round(index.held().bytes / 1e6, 1), "cells": len(index._cells.n)}
        index.close()
    return found


def measure_straight(folder: Path, size: int, rounds: int) -> dict[str, Any]:
    """The same of an index that is written without a store."""
    folder.mkdir(parents=True, exist_ok=True)
    path, dice = folder / "index.sqlite", random.Random(1)
    for end in ("", "-wal", "-shm"):
        path.with_name(path.name + end).unlink(missing_ok=True)
    database = Database(path)
    database.make("straight")
    gaps = gaps_of(size)
    found: dict[str, Any] = {"answers": size}
    found["build_s"] = seconds(lambda: fill(database, gaps, dice))
    index = Index(path, workspaces_of(Settings(), None))
    found |= asked(index, rounds)
    known = []
    for row in index.sample(Filters({"outcome": ("Predicted",)}), rounds, seed=5):
        began = time.process_time()
        with writing(database) as writer:
            writer.verdicts({(row.record, row.property, row.value or ""): "Rejected"}, [row.record])
        known.append((time.process_time() - began) * 1000)
    found["review_known_ms"] = round(statistics.median(known), 1)
    found["first_after_review_ms"] = round(seconds(lambda: index.facets(Filters())) * 1000, 1)
    before, whole = index.total(Filters({"run": (run_of(2).run,)})), index.total(Filters())
    began = time.monotonic()
    with writing(database) as writer:
        writer.runs([run_of(1), replace(run_of(2), state="Retracted")])
    hidden = time.monotonic() - began
    assert index.total(Filters()) == whole, "the earlier answers are not there again"
    found |= {"taken_back": before, "hidden_ms": round(hidden * 1000, 1)}
    found |= {"mb": round(index.held().bytes / 1e6, 1), "cells": len(index._cells.n)}
    index.close()
    database.close()
    return found


def fill(database: Database, gaps: list[tuple[int, str]], dice: random.Random) -> None:
    """Two runs, shard by shard, as a refresh writes them."""
    with writing(database) as writer:
        writer.runs([run_of(1), run_of(2)])
    museums = [f"{BASE}museum/{number}" for number in range(MUSEUMS)]
    for order, some in ((1, gaps), (2, gaps[: int(len(gaps) * AGAIN)])):
        for start in range(0, len(some), SHARD):
            answers = [told(gap, order, dice) for gap in some[start : start + SHARD]]
            about = {} if order == 2 else {
                a.record: About(f"Fragment de soie {n % 997}, no. {n}", museums[n % MUSEUMS], "http://m.example/1.jpg")
                for a in answers for n in [int(a.record.rpartition("/")[2])]
            }  # fmt: skip
            with writing(database) as writer:
                writer.shard(f"{order}/{start}", order, answers, about, {})
    names = {
        value_of(p, n): {"en": f"{p} {n}", "es": f"seda {n}"}
        for p, count in PROPERTIES.items()
        for n in range(count)
    }
    above: dict[str, tuple[str, ...]] = {
        value_of(p, n): (value_of(p, f"above-{n // 5}"),)
        for p, count in PROPERTIES.items()
        for n in range(count)
    }
    with writing(database) as writer:
        writer.words(Vocabulary(names, above))
        writer.execute("UPDATE run SET shown = 1")
        set_meta(writer.connection, "complete", "1")


def run_of(order: int) -> Run:
    return Run(
        f"{NAMES.base}run/{order}", "Active", f"2026-01-0{order}", order=order, model=f"{NAMES.base}model/1"
    )


def told(gap: tuple[int, str], order: int, dice: random.Random) -> Answer:
    """One answer, as the index reads `answer` from a store."""
    record, name = gap
    first, second = sorted((min(dice.expovariate(1.3), 0.999) for _ in range(2)), reverse=True)
    values = [value_of(name, min(int(dice.expovariate(8) * n), n - 1)) for n in [PROPERTIES[name]] * 3]
    sure = first >= 0.5
    key = NAMES.key(str(order), str(record), name)
    return Answer(
        f"{NAMES.base}prediction/{key}",
        f"{BASE}object/{record}",
        name,
        "Predicted" if sure else "Abstained",
        first,
        values[0] if sure else "",
        "" if sure else "BelowThreshold",
        dice.choice(("Seen", "UnseenBlock")),
        0.9,
        0.5,
        first - second,
        ALL_AGREE if dice.choice(values) == values[0] else SOME_DIFFER,
    )


@contextmanager
def writing(database: Database) -> Iterator[Writer]:
    with database.writing() as connection:
        writer = Writer(connection)
        yield writer
        writer.done()


def asked(index: Index, rounds: int) -> dict[str, float]:
    """What pages, facets and rows, cost: the first one, and anew as after a change; one with filters, one that looks for
    words, one far into the list."""
    some = Filters({"property": ("technique",), "state": ("Pending",)})
    few = Filters({"value": (value_of("place", 7),), "museum": (f"{BASE}museum/3",)})
    words = Filters(text="seda 12")
    after = None
    for _ in range(20):
        after = index.page(some, limit=50, after=after).after

    def page(filters: Filters) -> None:
        index.facets(filters)
        index.page(filters, limit=50)

    def anew(filters: Filters) -> None:
        index._cells._found.clear()
        page(filters)

    return {
        "first_page_ms": median(lambda: page(Filters()), rounds),
        "first_page_anew_ms": median(lambda: anew(Filters()), rounds),
        "filtered_ms": median(lambda: anew(some), rounds),
        "narrow_ms": median(lambda: anew(few), rounds),
        "words_ms": median(lambda: anew(words), max(3, rounds // 5)),
        "later_page_ms": median(lambda: index.page(some, limit=50, after=after), rounds),
        "groups_ms": median(lambda: index.grouped(Filters()), rounds),
        "sample_ms": median(lambda: index.sample(some, 12, seed=1), rounds),
    }


def by_sparql(workspace: Workspace, found: dict[str, Any]) -> dict[str, float]:
    """The same facets and the first page, each by a query of its own; and how many times slower that is."""
    text = (ROOT / "ontology" / "queries" / "current.rq").read_text(encoding="utf-8")
    for name, graph in NAMES.graphs.items():
        text = text.replace(f"${name}", str(graph))
    head, _, where = text.partition("SELECT ")
    where = where[where.index("WHERE") :].rstrip()
    optional = " ".join(
        f"OPTIONAL {{ GRAPH ?g {{ ?prediction {ENR[n]} ?{n} }} }}" for n in ("reason", "regime")
    )
    where = f"{where[:-1]} {optional} }}"
    facets = 0.0
    for facet in FACETS:
        query = f"{head} SELECT ?{facet} (COUNT(*) AS ?n) {where} GROUP BY ?{facet}"
        facets += seconds(lambda query=query: list(run_text(workspace, query, "a facet").rows)) * 1000  # type: ignore[misc]
    query = (
        f"{head} SELECT ?prediction ?record ?value ?confidence {where} ORDER BY DESC(?confidence) LIMIT 50"
    )
    page = seconds(lambda: list(run_text(workspace, query, "page").rows)) * 1000
    return {
        "sparql_facets_ms": round(facets, 1),
        "sparql_page_ms": round(page, 1),
        "ratio": round((facets + page) / found["first_page_anew_ms"]),
    }


def reviewed(index: Index, workspace: Workspace, rounds: int) -> dict[str, float]:
    """How long the index takes to know of one review, beside writing it."""
    reviewer, written, known = Reviewer(workspace, "Ana Ruiz"), [], []
    for row in index.sample(Filters({"outcome": ("Predicted",), "property": ("place",)}), rounds, seed=5):
        judgement = Judgement(NamedNode(row.prediction), "Rejected")
        written.append(seconds(lambda j=judgement: reviewer.write([j], datetime.now(UTC))) * 1000)  # type: ignore[misc]
        known.append(seconds(lambda r=row: index.judged([(r.record, r.property)])) * 1000)  # type: ignore[misc]
    after = seconds(lambda: index.facets(Filters())) * 1000
    return {
        "review_written_ms": round(statistics.median(written), 1),
        "review_known_ms": round(statistics.median(known), 1),
        "first_after_review_ms": round(after, 1),
    }


def taken_back(index: Index, workspace: Workspace) -> dict[str, float]:
    """How long the newest run's answers are seen after it was taken back, and until the index is tidy."""
    index.refresh()
    newest = Register(workspace.store, NAMES).runs()[-1].run
    only = Filters({"run": (newest,)})
    before, whole = index.total(only), index.total(Filters())
    Register(workspace.store, NAMES).retract(NamedNode(newest))
    began, hidden = time.monotonic(), list[float]()

    def watch() -> None:
        while index.total(only):
            time.sleep(0.005)
        hidden.append((time.monotonic() - began) * 1000)

    watching = threading.Thread(target=watch)
    watching.start()
    tidy = seconds(index.refresh)
    watching.join()
    assert index.total(Filters()) == whole, "the earlier answers are not there again"
    register = f"GRAPH {NAMES.runs} {{ {NamedNode(newest)} {ENR.runState} "
    workspace.store.update(
        f"DELETE DATA {{ {register} {ENR.Retracted} }} }} ; INSERT DATA {{ {register} {ENR.Active} }} }}"
    )
    return {"taken_back": before, "hidden_ms": round(hidden[0], 1), "tidy_s": round(tidy, 2)}


# What is measured upon


def make(store: Store, size: int) -> None:
    """Records, a vocabulary, and two runs with `size` answers to gaps between them that are current."""
    dice = random.Random(1)
    graphs = {f"{BASE}graph/objects": facts(size // len(PROPERTIES) + 1, dice), f"{BASE}graph/words": words()}
    for graph, lines in graphs.items():
        while some := "".join(islice(lines, 200_000)):
            store.write_graph(NamedNode(graph), some.encode())
    gaps = [
        (n // len(PROPERTIES), name) for n, name in zip(range(size), list(PROPERTIES) * size, strict=False)
    ]
    write_run(store, "first", gaps, 1, dice)
    write_run(store, "second", gaps[: int(size * AGAIN)], 2, dice)


def gaps_of(size: int) -> list[tuple[int, str]]:
    names = list(PROPERTIES)
    return [(n // len(names), names[n % len(names)]) for n in range(size)]


def facts(records: int, dice: random.Random) -> Iterator[str]:
    for number in range(records):
        record, visual = f"<{BASE}object/{number}>", f"<{BASE}visual/{number}>"
        yield (
            f"{record} {RDF.type} {CRM['E22_Human-Made_Object']} .\n"
            f"{record} {CRM.P50_has_current_keeper} <{BASE}museum/{dice.randrange(MUSEUMS)}> .\n"
            f'{record} {RDFS.label} "Fragment de soie {number % 997}, no. {number}"@fr .\n'
            f"{record} {CRM.P138i_has_representation} {visual} .\n"
            f"{visual} <https://linked.art/ns/terms/digitally_shown_by> <{BASE}shown/{number}> .\n"
            f"<{BASE}shown/{number}> <https://linked.art/ns/terms/access_point> <{BASE}pictures/{number}.jpg> .\n"
        )


def words() -> Iterator[str]:
    """Names in two languages; every five values have one above them."""
    for name, count in PROPERTIES.items():
        for number in range(count):
            value = f"<{value_of(name, number)}>"
            yield f'{value} {SKOS.prefLabel} "{name} {number}"@en .\n{value} {SKOS.prefLabel} "seda {number}"@es .\n'
            yield f"{value} {SKOS.broader} <{value_of(name, f'above-{number // 5}')}> .\n"


def value_of(name: str, number: int | str) -> str:
    return f"{BASE}value/{name}/{number}"


def write_run(store: Store, name: str, gaps: list[tuple[int, str]], order: int, dice: random.Random) -> None:
    """A run as the register has it, whose shards are written first."""
    run, model = NAMES.run(name), NAMES.model("0" * 64)
    shards = [NAMES.shard(name, number) for number in range(-(-len(gaps) // SHARD))]
    for number, shard in enumerate(shards):
        lines = (
            line for gap in gaps[number * SHARD : (number + 1) * SHARD] for line in answer(run, gap, dice)
        )
        store.write_graph(shard, "".join(lines).encode())
    said = f"{run} {PROV.used} {model} ; {ENR.runState} {ENR.Active} ; {ENR.order} {order} ; {PROV.startedAtTime} "
    said += f'"2026-01-0{order}T00:00:00Z"^^{XSD.dateTime} .\n{model} {RDF.type} {PROV.Entity} .\n'
    said = said.replace(" ; ", f" .\n{run} ").replace(
        f"{ENR.order} {order}", f'{ENR.order} "{order}"^^{XSD.integer}'
    )
    said += "".join(f"{run} {ENR.graph} {shard} .\n" for shard in shards)
    quads = parse(said.encode(), RdfFormat.N_TRIPLES)
    store.insert(Quad(q.subject, q.predicate, q.object, NAMES.runs) for q in quads)


def answer(run: NamedNode, gap: tuple[int, str], dice: random.Random) -> Iterator[str]:
    """One prediction as a run writes it: what it says, three candidates, and what two modalities held alone."""
    record, name = gap
    key = NAMES.key(run, str(record), name)
    p = f"<{NAMES.base}prediction/{key}>"
    first, second = sorted((min(dice.expovariate(1.3), 0.999) for _ in range(2)), reverse=True)
    values = [f"<{value_of(name, min(int(dice.expovariate(8) * n), n - 1))}>" for n in [PROPERTIES[name]] * 3]
    sure = first >= 0.5
    yield f"{p} {RDF.type} {ENR.Prediction} .\n{p} {RDF.type} {CRM.E13_Attribute_Assignment} .\n"
    yield f"{p} {CRM.P140_assigned_attribute_to} <{BASE}object/{record}> .\n"
    yield f"{p} {CRM.P177_assigned_property_of_type} {CRM.P45_consists_of} .\n{p} {CRM.P9i_forms_part_of} {run} .\n"
    yield f'{p} {ENR.about} <{BASE}object/{record}> .\n{p} {ENR.propertyName} "{name}" .\n'
    yield f"{p} {ENR.outcome} {ENR.Predicted if sure else ENR.Abstained} .\n"
    yield f'{p} {ENR.inputDigest} "sha256:{key}" .\n{p} {ENR.confidence} "{first:.6f}"^^{XSD.decimal} .\n'
    yield f'{p} {ENR.abstainBelow} "0.5"^^{XSD.decimal} .\n{p} {ENR.promised} "0.9"^^{XSD.decimal} .\n'
    yield f"{p} {ENR.regime} {dice.choice((ENR.Seen, ENR.UnseenBlock))} .\n"
    if sure:
        yield f"{p} {ENR.answers} {values[0]} .\n{p} {CRM.P141_assigned} {values[0]} .\n"
    else:
        yield f"{p} {ENR.reason} {ENR.BelowThreshold} .\n"
    for rank, (value, share) in enumerate(zip(values, (first, second, 0.0), strict=True), 1):
        c = f"<{NAMES.base}candidate/{key}-{rank}>"
        yield f'{c} {PROV.wasGeneratedBy} {p} .\n{c} {ENR.rank} "{rank}"^^{XSD.integer} .\n'
        yield f'{c} {ENR.value} {value} .\n{c} {ENR.probability} "{share:.6f}"^^{XSD.decimal} .\n'
    for modality, value in (("image", dice.choice(values)), ("text", values[0])):
        u = f"<{NAMES.base}usage/{key}-{modality}>"
        yield f"{p} {PROV.qualifiedUsage} {u} .\n{u} {PROV.entity} <{NAMES.base}evidence/{record}> .\n"
        yield f'{u} {ENR.value} {value} .\n{u} {ENR.probability} "0.5"^^{XSD.decimal} .\n'


class Counted:
    """A store that counts what it is asked."""

    def __init__(self, store: Store) -> None:
        self.store, self.queries = store, 0

    def __getattr__(self, name: str) -> Any:
        self.queries += name in ("select", "select_by_key", "ask", "construct")
        return getattr(self.store, name)


def workspaces_of(settings: Settings, store: Any) -> Callable[[], Any]:
    @contextmanager
    def workspaces() -> Iterator[Workspace]:
        yield Workspace(settings, store)

    return workspaces


def seconds(work: Callable[[], object]) -> float:
    """Of the processor, which another program on the machine does not change."""
    began = time.process_time()
    work()
    return round(time.process_time() - began, 5)


def median(work: Callable[[], object], rounds: int) -> float:
    """Milliseconds."""
    return round(statistics.median(seconds(work) for _ in range(rounds)) * 1000, 2)


def table(rows: list[dict[str, Any]]) -> str:
    """The figures as Markdown, a column a size."""
    names = list(dict.fromkeys(name for row in rows for name in row if name != "answers"))
    lines = [
        "| | " + " | ".join(f"{row['answers']:,}" for row in rows) + " |",
        "|---" * (len(rows) + 1) + "|",
    ]
    lines += [f"| {n} | " + " | ".join(str(row.get(n, "")) for row in rows) + " |" for n in names]
    return "\n".join(lines)


if __name__ == "__main__":
    main()
