"""What it costs to check answers against the shapes before writing: the compiled checks beside pyshacl.

python benchmarks/validation.py [--records 300]
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

import pyshacl
from pyoxigraph import DefaultGraph, Quad, RdfFormat, serialize
from rdflib import Graph

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from enrich.classifiers.model.model import Model  # noqa: E402
from enrich.runs.validation import shapes, texts  # noqa: E402
from tests.museums import dummy_model, museum, written_quads  # noqa: E402


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--records", type=int, default=300)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        workspace = museum(args.records)
        quads, counts = written_quads(workspace, Model.load(dummy_model(workspace, Path(folder) / "model")))
    compiled, triples = shapes(), texts(quads)

    began = time.process_time()
    wrong = compiled.problems(triples)
    ours = time.process_time() - began

    plain = [Quad(q.subject, q.predicate, q.object, DefaultGraph()) for q in quads]
    began = time.process_time()
    data = Graph().parse(data=serialize(plain, format=RdfFormat.N_TRIPLES), format="nt")
    conforms, _, _ = pyshacl.validate(data, shacl_graph=Graph().parse(ROOT / "ontology" / "shapes.ttl"))
    theirs = time.process_time() - began

    number = counts.total()
    print(f"{number} answers, {len(quads)} triples; conform: compiled {not wrong}, pyshacl {conforms}")
    print("| checks | ms an answer | ratio |\n|---|---|---|")
    print(f"| compiled | {ours / number * 1e3:.2f} | 1 |")
    print(f"| pyshacl | {theirs / number * 1e3:.2f} | {theirs / ours:.0f} |")


if __name__ == "__main__":
    main()
