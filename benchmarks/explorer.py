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
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from _predictions import (  # noqa: E402
    BASE,
    NAMES,
    fill,
    gaps_of,
    make,
    run_of,
    value_of,
    writing,
)
from _requests import count_requests  # noqa: E402
from pyoxigraph import NamedNode  # noqa: E402

from enrich.ontology.terms import ENR  # noqa: E402
from enrich.runs.register import Register  # noqa: E402
from enrich.runs.reviewing import Judgement, Reviewer  # noqa: E402
from enrich.settings.loading import Settings  # noqa: E402
from enrich.settings.models import StoreSettings  # noqa: E402
from enrich.show.querying import run_text  # noqa: E402
from enrich.web.index.asked import Filters  # noqa: E402
from enrich.web.index.database import Database  # noqa: E402
from enrich.web.index.index import Index  # noqa: E402
from enrich.workspace import Workspace  # noqa: E402

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
    Database(path).discard()
    found: dict[str, Any] = {"answers": size}
    with Workspace(settings) as workspace:
        made = (
            None if (folder / "store" / "CURRENT").exists() else seconds(lambda: make(workspace.store, size))
        )
        index = Index(path, lambda: nullcontext(workspace))
        found |= {"made_s": made, "build_s": seconds(index.refresh)}
        queries = count_requests(workspace.store)
        found |= asked(index, rounds)
        found |= {"store_queries": queries(), "nothing_new_ms": median(index.refresh, 5)}
        if sparql:
            found |= by_sparql(workspace, found)
        found |= reviewed(index, workspace, rounds)
        found |= taken_back(index, workspace)
        found |= {"mb": megabytes(path), "cells": len(index._cells.n)}
        index.close()
    return found


def measure_straight(folder: Path, size: int, rounds: int) -> dict[str, Any]:
    """The same of an index that is written without a store."""
    folder.mkdir(parents=True, exist_ok=True)
    path, dice = folder / "index.sqlite", random.Random(1)
    database = Database(path)
    database.discard()
    database.make("straight")
    gaps = gaps_of(size)
    found: dict[str, Any] = {"answers": size}
    found["build_s"] = seconds(lambda: fill(database, gaps, dice))
    index = Index(path, lambda: nullcontext(Workspace(Settings())))
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
    found |= {"mb": megabytes(path), "cells": len(index._cells.n)}
    index.close()
    database.close()
    return found


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


def seconds(work: Callable[[], object]) -> float:
    """Of the processor, which another program on the machine does not change."""
    began = time.process_time()
    work()
    return round(time.process_time() - began, 5)


def median(work: Callable[[], object], rounds: int) -> float:
    """Milliseconds."""
    return round(statistics.median(seconds(work) for _ in range(rounds)) * 1000, 2)


def megabytes(path: Path) -> float:
    """What the index takes on disk, its log of changes too."""
    return round(sum(file.stat().st_size for file in path.parent.glob(path.name + "*")) / 1e6, 1)


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
