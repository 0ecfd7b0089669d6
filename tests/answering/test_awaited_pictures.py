"""An answer given without pictures that may come later is asked again at the next run, and only then changed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from pyoxigraph import NamedNode, Quad

from enrich.answering import run as pipeline
from enrich.answering.context import Context
from enrich.answering.observer import Observer
from enrich.classifiers.data import Picture
from enrich.classifiers.model.description import ModelDescription
from enrich.classifiers.model.model import Model
from enrich.demo.museum import museum_quads
from enrich.graph.stores import open_store
from enrich.ontology.terms import CRM, ENR, LA
from enrich.runs.existing_answers import ExistingAnswer, ExistingAnswers
from enrich.runs.request import RUN, make_request
from enrich.settings.loading import Settings
from enrich.settings.models import MediaSettings
from enrich.workspace import Workspace
from tests.media.servers import Handler, HttpServer, picture, server
from tests.museums import dummy_model
from tests.museums import museum as museum_of


@pytest.fixture
def web() -> Iterator[HttpServer]:
    with server() as running:
        yield running


class Museum:
    """Five objects with two pictures each on a server, and a model that looks at pictures."""

    def __init__(self, web: HttpServer, folder: Path) -> None:
        self.web = web
        media = MediaSettings(allow=("127.0.0.1",), cache=folder / "cache", retries=0, max_wait=0.1)
        store = open_store()
        self.workspace = Workspace(Settings(profile="linked-art", media=media), store)
        facts = list(museum_quads(5, seed=3, pictures=False))
        store.insert(facts)
        objects = [(q.subject, q.graph_name) for q in facts if q.object == CRM["E22_Human-Made_Object"]]
        self.pictures = []
        for number, (record, graph) in enumerate(objects):
            for side in "ab":
                node = NamedNode(f"https://museum.example.org/picture/{number}{side}")
                address = NamedNode(web.url(f"/{number}{side}.jpg"))
                self.pictures.append(f"/{number}{side}.jpg")
                store.insert(
                    [
                        Quad(record, CRM.P138i_has_representation, node, graph),
                        Quad(node, LA.access_point, address, graph),
                    ]
                )
        model = Model.load(dummy_model(museum_of(40), folder / "dummy"))
        for part in model.parts().values():
            part.members = {"image": part.members["tabular"]}
        self.model = folder / "model"
        model.save(self.model, training={})

    def run(self, observer: Observer | None = None, limit: int | None = None) -> pipeline.RunSummary:
        return pipeline.run(self.workspace, self.model, observer=observer, limit=limit)

    def current(self) -> list[ExistingAnswer]:
        answers = ExistingAnswers(self.workspace.store, self.workspace.names)
        found = answers.current(list(self.workspace.reader.iris()))
        return [answer for given in found.values() for answer in given]

    def awaiting(self) -> int:
        """Current answers that await pictures."""
        return sum(answer.seen is not None for answer in self.current())

    def written(self) -> int:
        return len(
            list(self.workspace.store.select(f"SELECT ?p WHERE {{ GRAPH ?g {{ ?p a {ENR.Prediction} }} }}"))
        )


@pytest.fixture
def museum(web: HttpServer, tmp_path: Path) -> Museum:
    return Museum(web, tmp_path)


def silent(handler: Handler) -> None:
    """Say nothing for longer than anybody waits."""
    handler.server.stopping.wait(20)


@pytest.mark.parametrize("status", [401, 403, 429, 500, 503, "time-out"])
def test_an_answer_without_pictures_that_may_come_is_given_anew_when_they_came(
    status: int | str, museum: Museum
) -> None:
    media = museum.workspace.settings.media
    if isinstance(status, str):
        museum.web.default, media.__dict__["header_timeout"] = silent, 0.2
    else:
        museum.web.default = lambda handler: handler.reply(status)
    first = museum.run()
    assert museum.awaiting() == museum.written() > 0

    museum.web.default, media.__dict__["header_timeout"] = lambda handler: handler.reply(200, picture()), 10
    second = museum.run()
    assert second.records == first.records
    assert museum.awaiting() == 0
    assert museum.run().run is None, "what has all its pictures is not asked again"


def test_as_long_as_the_same_is_seen_nothing_is_written(museum: Museum) -> None:
    museum.web.default = lambda handler: handler.reply(503)
    museum.run()
    written, asked = museum.written(), len(museum.web.seen)

    again = museum.run()

    assert (again.run, again.records) == (None, 0)
    assert museum.written() == written
    assert len(museum.web.seen) - asked == len(museum.pictures), "each picture is asked for once a run"


def test_records_that_await_pictures_do_not_fill_the_limit_of_the_next_run(museum: Museum) -> None:
    museum.web.default = lambda handler: handler.reply(503)
    first = museum.run(limit=2)
    second = museum.run(limit=2)
    assert (first.records, second.records) == (2, 2)
    museum.run()
    everything = museum.awaiting()
    assert museum.run(limit=2).run is None, "they are asked last, and see the same"
    assert museum.awaiting() == everything


@pytest.mark.parametrize("status", [404, 410])
def test_an_answer_without_pictures_that_are_refused_for_good_is_final(status: int, museum: Museum) -> None:
    museum.web.default = lambda handler: handler.reply(status)
    museum.run()
    assert museum.awaiting() == 0
    museum.web.default = lambda handler: handler.reply(200, picture())
    assert museum.run().run is None


def test_only_the_records_that_see_something_else_are_answered_anew(museum: Museum) -> None:
    museum.web.default = lambda handler: handler.reply(503)
    first = museum.run()
    museum.web.gives("/0a.jpg", picture())
    museum.web.gives("/1b.jpg", b"", 404)

    second = museum.run()

    assert 0 < second.records <= 2 < first.records
    assert museum.awaiting() > 0, "each of the two has another picture that may come"
    assert museum.run().run is None


def test_a_run_tells_what_became_of_its_pictures(museum: Museum) -> None:
    museum.web.default = lambda handler: handler.reply(404)
    museum.web.gives("/0a.jpg", picture())
    museum.web.gives("/1b.jpg", b"", 403)
    told = museum.run().pictures
    assert told is not None
    assert (told.had, told.may_come) == (1, {"login": 1})
    assert told.refused["missing"] > 0
    assert told.open_circuits == {}


def test_an_answer_that_awaits_pictures_keeps_no_better_one_out(museum: Museum) -> None:
    """Finalizing leaves out answers to gaps that others have closed meanwhile."""
    museum.web.default = lambda handler: handler.reply(503)
    museum.run()
    answers = ExistingAnswers(museum.workspace.store, museum.workspace.names)
    for answer in museum.current():
        assert answers.same(answer, answer.digest)
        assert not answers.closes(answer, answer.digest)


class Recorder(Observer):
    """Remembers what it is told."""

    def __init__(self) -> None:
        self.pictures: Counter[tuple[str, str]] = Counter()
        self.logged: list[tuple[str, str, dict[str, object]]] = []

    def picture(self, outcome: str, kind: str) -> None:
        self.pictures[outcome, kind] += 1

    def log(self, level: str, event: str, **fields: object) -> None:
        self.logged.append((level, event, fields))


def test_pictures_and_circuits_are_told_to_who_observes_the_run(museum: Museum) -> None:
    museum.web.default = lambda handler: handler.reply(200, picture())
    museum.web.gives("/0a.jpg", b"", 403)
    recorder = Recorder()
    museum.run(recorder)
    told = len(museum.pictures) - 1
    assert recorder.pictures.keys() == {("had", "server"), ("may come", "login")}
    assert 0 < recorder.pictures["had", "server"] <= told


def test_failures_of_a_host_belong_to_a_run(museum: Museum) -> None:
    """One process does the batches of two runs, as a worker does."""
    recorder = Recorder()
    context = Context(museum.workspace.settings, workspace=museum.workspace, observer=recorder)
    request = make_request(museum.workspace, RUN, museum.model, ModelDescription.read(museum.model))
    first, second = (context.batcher(context.new_work(request, None)).pictures for _ in range(2))
    assert first is not None
    assert second is not None

    for n in range(museum.workspace.settings.media.host_failures):
        assert first.get(Picture(f"http://127.0.0.1:1/{n}.jpg")).may_come

    assert list(first.tally().open_circuits) == ["127.0.0.1:1"]
    assert second.tally().open_circuits == {}
    assert [(level, fields["host"]) for level, _, fields in recorder.logged] == [("warning", "127.0.0.1:1")]
