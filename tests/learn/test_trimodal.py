"""The whole path on real objects with pictures, texts and values at once, while modalities fail.

Pictures come over HTTP from a loopback server, as from a museum's image server. Far too few records to
say anything of accuracy: what is asked is that nothing fails and that the evidence says what was seen.
"""

from __future__ import annotations

import gzip
import shutil
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyoxigraph as ox
import pytest
from pyoxigraph import Literal, NamedNode, Quad

from enrich.answering import run as pipeline
from enrich.answering.run import RunSummary
from enrich.classifiers.model.model import Model
from enrich.graph.stores import open_store
from enrich.learn.training import train
from enrich.settings.loading import Settings
from enrich.show.explaining import explain_shown
from enrich.show.record import show_record
from enrich.workspace import Workspace
from tests.media.servers import Handler, HttpServer, server

pytestmark = [pytest.mark.data, pytest.mark.slow, pytest.mark.timeout(300)]

IMAGES = "https://images.example.org/"
VALUES = ("P7_took_place_at", "P4_has_time-span", "P32_used_general_technique", "P45_consists_of")
PICTURE, TEXT = "P138i_has_representation", ("P67i_is_referred_to_by", "label")
OPTIONS: dict[str, Any] = {
    "tabular": {"rounds": 20, "patience": 5, "depth": 3, "bins": 32},
    "fusion": {"rounds": 20, "folds": 2},
    "image": {
        "backbone": "test_resnet",
        "weights": "none",
        "size": 32,
        "runtime": "torch",
        "training": {"epochs": 2, "batch": 16},
    },
}
Keep = Callable[[Quad], bool]


@dataclass(frozen=True)
class Museum:
    """The quads, which records are to be answered, and the model's folder."""

    quads: list[Quad]
    gaps: frozenset[str]
    images: Path
    folder: Path
    model: Path


def local(term: object) -> str:
    return str(getattr(term, "value", "")).rsplit("#", 1)[-1].rsplit("/", 1)[-1]


def record_of(quad: Quad) -> str:
    return str(quad.subject.value).split("/production")[0]


def whole(_quad: Quad) -> bool:
    return True


def without_pictures(quad: Quad) -> bool:
    return local(quad.predicate) != PICTURE


def without_texts(quad: Quad) -> bool:
    return local(quad.predicate) not in TEXT


def fails(path: str) -> bool:
    """Whether this picture is one of the half that cannot be had."""
    return zlib.crc32(path.encode()) % 2 == 0


def serve(museum_images: Path, running: HttpServer, *, failing: bool) -> None:
    """All the pictures; when failing, half of them missing, cut short, not pictures, or hung up on."""

    def answer(handler: Handler) -> None:
        content = (museum_images / handler.path.rpartition("/")[2]).read_bytes()
        if not (failing and fails(handler.path)):
            handler.reply(200, content, Content_Type="image/jpeg")
            return
        how = zlib.crc32(handler.path.encode()) // 2 % 4
        if how == 0:
            handler.reply(404, b"gone")
        elif how == 1:
            handler.reply(200, content[: len(content) // 2], Content_Type="image/jpeg")
        elif how == 2:
            handler.reply(200, b"<html>please log in</html>", Content_Type="text/html")
        else:
            handler.reply(403, b"no")

    running.default = answer


@contextmanager
def opened(museum: Museum, running: HttpServer, keep: Keep, cache: str) -> Iterator[Workspace]:
    """A workspace over the quads to keep, with the pictures' addresses those of the server."""
    settings = Settings(
        profile="linked-art",
        train={"modalities": ("tabular", "text", "image"), "folds": 2, "options": OPTIONS},
        media={"allow": ("127.0.0.1",), "cache": museum.folder / cache, "size": 64, "timeout": 5.0},
        decision={"thresholds": dict.fromkeys(("place", "time", "technique", "material"), 0.2)},
    )
    with open_store() as store:
        store.insert(moved(quad, running.url("/")) for quad in museum.quads if keep(quad))
        yield Workspace(settings, store)


def moved(quad: Quad, to: str) -> Quad:
    if isinstance(quad.object, NamedNode) and quad.object.value.startswith(IMAGES):
        there = NamedNode(quad.object.value.replace(IMAGES, to))
        return Quad(quad.subject, quad.predicate, there, quad.graph_name)
    return quad


@pytest.fixture(scope="module")
def museum(museum_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Museum:
    """The objects without the values of dev and test, and a model of all three modalities."""
    source = museum_data / "trimodal"
    if not source.is_dir():
        pytest.skip(f"no trimodal museum in {museum_data}")
    rows = [line.split("\t") for line in (source / "splits.tsv").read_text().splitlines()[1:]]
    gaps = frozenset(record for record, split in rows if split != "train")
    with gzip.open(source / "records.nq.gz", "rb") as file:
        quads = list(ox.parse(file, ox.RdfFormat.N_QUADS))
    asked = [q for q in quads if not (record_of(q) in gaps and local(q.predicate) in VALUES)]
    folder = tmp_path_factory.mktemp("trimodal")
    shutil.copy(source / "splits.tsv", folder / "splits.tsv")
    found = Museum(asked, gaps, source / "images", folder, folder / "model")
    with server() as running:
        serve(found.images, running, failing=False)
        with opened(found, running, whole, "cache") as workspace:
            summary = train(workspace, folder / "splits.tsv", found.model)
    assert summary["skipped"] == 0
    assert set(Model.load(found.model).members) == {"tabular", "text", "image"}
    return found


@contextmanager
def answered(
    museum: Museum, keep: Keep = whole, *, failing: bool = False
) -> Iterator[tuple[Workspace, RunSummary, HttpServer]]:
    """A run over the gaps of what is kept, from an empty cache of pictures."""
    with server() as running:
        serve(museum.images, running, failing=failing)
        with opened(museum, running, keep, f"cache-{keep.__name__}-{failing}") as workspace:
            yield workspace, pipeline.run(workspace, museum.model, records=museum.gaps), running


def evidence(workspace: Workspace, museum: Museum) -> list[dict[str, Any]]:
    """Every piece of evidence of every answer about the gaps."""
    shown = [show_record(workspace, NamedNode(iri)) for iri in sorted(museum.gaps)]
    assert all(answer["current"] for data in shown for answer in data["predictions"])
    return [piece for data in shown for answer in data["predictions"] for piece in answer["evidence"]]


def check(museum: Museum, summary: RunSummary) -> None:
    """Every gap answered or abstained from, and nothing failed."""
    assert summary.records == len(museum.gaps)
    assert summary.failed == 0
    assert summary.predicted + summary.abstained >= 3 * summary.records
    assert summary.predicted > summary.records


def reasons(workspace: Workspace) -> Counter[str]:
    """Why pictures could not be had, by the evidence."""
    query = (
        "SELECT ?entity ?why WHERE { GRAPH ?g { ?entity <https://w3id.org/enrich/ns#detail> ?why ; "
        "<http://www.w3.org/ns/prov#wasDerivedFrom> ?url } }"
    )
    return Counter(why.value for _, why in workspace.store.select(query) if isinstance(why, Literal))


def test_all_three_modalities_are_heard(museum: Museum) -> None:
    with answered(museum) as (workspace, summary, running):
        check(museum, summary)
        seen = evidence(workspace, museum)
        said = Counter(piece["modality"] for piece in seen if piece["value"] is not None)
        assert set(said) == {"tabular", "text", "image"}
        assert min(said.values()) > summary.records
        assert not reasons(workspace)
        assert len(running.seen) > summary.records


def test_an_answer_can_be_explained(museum: Museum, tmp_path: Path) -> None:
    with answered(museum) as (workspace, _, _):
        shown = show_record(workspace, NamedNode(min(museum.gaps)))
        explain_shown(workspace, shown, museum.model, tmp_path / "why")
        told = next(a for a in shown["predictions"] if a["property"] == "place")["explanation"]
        by = {m["modality"]: m for m in told["modalities"]}
        assert by["text"]["contributions"]
        assert not told["input_changed"]
        assert told["fusion"]
        for picture in by["image"]["pictures"]:
            assert Path(picture["file"]).read_bytes().startswith(b"\x89PNG")


def test_without_pictures_texts_and_values_answer(museum: Museum) -> None:
    with answered(museum, without_pictures) as (workspace, summary, running):
        check(museum, summary)
        assert {piece["modality"] for piece in evidence(workspace, museum)} == {"tabular", "text"}
        assert not running.seen


def test_without_texts_pictures_and_values_answer(museum: Museum) -> None:
    with answered(museum, without_texts) as (workspace, summary, _):
        check(museum, summary)
        assert {piece["modality"] for piece in evidence(workspace, museum)} == {"tabular", "image"}


def test_a_server_that_fails_half_the_time_costs_those_pictures_only(museum: Museum) -> None:
    with answered(museum, failing=True) as (workspace, summary, _):
        check(museum, summary)
        why = reasons(workspace)
        assert len(why) >= 3
        assert any("404" in reason for reason in why)
        for iri in sorted(museum.gaps):
            data = show_record(workspace, NamedNode(iri))
            had = [url for url in data["pictures"] if not fails("/" + url.rpartition("/")[2])]
            for answer in data["predictions"]:
                image = [e for e in answer["evidence"] if e["modality"] == "image"]
                assert len(image) == bool(data["pictures"])
                assert all((e["value"] is not None) == bool(had) for e in image)


def test_it_trains_although_half_the_pictures_and_all_texts_are_missing(
    museum: Museum, tmp_path: Path
) -> None:
    with server() as running:
        serve(museum.images, running, failing=True)
        with opened(museum, running, without_texts, "cache-training") as workspace:
            train(workspace, museum.folder / "splits.tsv", tmp_path / "model")
            summary = pipeline.run(workspace, tmp_path / "model", records=museum.gaps)
    check(museum, summary)
