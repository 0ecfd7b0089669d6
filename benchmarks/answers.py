"""What an answer of three modalities costs: its quads, and the time to build, check and write it.

python benchmarks/answers.py [--records 2000]

Made answers with five candidates about the made museum's records that have a text and a picture, in shards
of 2,000 answers on disk, checked in pieces as a run checks them. Times are of the processor.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from enrich.answering.batch import Answered
from enrich.answering.decision import Candidate, Decision
from enrich.graph.stores import open_store
from enrich.ontology.terms import ENR
from enrich.runs.provenance import MemberPrediction, RunContext, answer_triples
from enrich.runs.validation import Triple, shapes
from enrich.workspace import Workspace
from tests.museums import museum


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--records", type=int, default=2_000)
    print(cost_of_answers(parser.parse_args().records))


def cost_of_answers(count: int = 2_000) -> str:
    """Quads, and milliseconds of processor to build, check and write an answer of three modalities with five
    candidates, into a store on disk, in shards of 2,000 answers checked in pieces as a run checks them.
    """
    workspace, answered, context = three_modalities(count)
    spent = dict.fromkeys(("build", "check", "write"), 0.0)
    with tempfile.TemporaryDirectory() as folder, open_store(path=Path(folder) / "store") as store:
        for start in range(0, len(answered), 2_000):
            shard = []
            for first in range(start, min(start + 2_000, len(answered)), 128):
                piece = answered[first : min(first + 128, start + 2_000)]
                with clocked(spent, "build"):
                    triples = [t for item in piece for t in said(workspace, context, item)]
                    shard.append("".join(dict.fromkeys(f"{s} {p} {o} .\n" for s, p, o in triples)).encode())
                with clocked(spent, "check"):
                    assert not shapes().problems(triples)
            with clocked(spent, "write"):
                store.write_graph(workspace.names.shard("x", start), b"".join(shard))
        quads = store.count()
    number, records = len(answered), len({a.subject.iri for a in answered})
    cells = " | ".join(f"{seconds / number * 1e3:.2f}" for seconds in (*spent.values(), sum(spent.values())))
    return (
        f"{number} answers about {records} records\n| quads an answer | build, ms | check, ms | write, ms | together, ms |\n"
        f"|---|---|---|---|---|\n| {quads / number:.1f} | {cells} |"
    )


def three_modalities(count: int) -> tuple[Workspace, list[Answered], RunContext]:
    """Answers to the gaps of made records with a text and a picture at least, as a model of three members gives."""
    workspace = museum(count)
    modalities = ("image", "text", "tabular")
    answered = []
    for subject in workspace.reader.read_all():
        record = subject.record
        if not record.pictures or not record.texts:
            continue
        seen = [replace(p, sha256=sha256(p.url.encode()).hexdigest(), format="JPEG") for p in record.pictures]
        looked = replace(subject, record=replace(record, pictures=tuple(seen)))
        for name in subject.missing:
            classes = [f"https://museum.example.org/vocabulary/{name}/{n}" for n in range(5)]
            ranked = tuple(Candidate(n, value, 0.9 / n, 0.7) for n, value in enumerate(classes, 1))
            decision = Decision(
                ENR.Predicted, 0.9, ranked, ranked[:1], threshold=0.7, regime=ENR.Seen, promised=0.9
            )
            members = {m: MemberPrediction(classes[0], 0.8) for m in modalities}
            answered.append(Answered(looked, name, decision, members))
    models = {m: workspace.names.model(sha256(m.encode()).hexdigest()) for m in modalities}
    return workspace, answered, RunContext(workspace.names, workspace.names.run("x"), models)


@contextmanager
def clocked(spent: dict[str, float], name: str) -> Iterator[None]:
    """Processor seconds of this process, added to spent[name]."""
    began = time.process_time()
    yield
    spent[name] += time.process_time() - began


def said(workspace: Workspace, context: RunContext, item: Answered) -> list[Triple]:
    """The triples of one answer."""
    prop = workspace.profile.property(item.property)
    return answer_triples(context, item.subject, prop, item.decision, item.members)


if __name__ == "__main__":
    main()
