"""Runs: from the open gaps, through the classifiers, to a whole run made visible at once."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from hashlib import sha256
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from pyoxigraph import NamedNode

from classifiers.base import Progress, no_progress
from classifiers.data import Property
from classifiers.model.model import Model
from enrich import __version__
from enrich.answering.batch import Batcher, Question
from enrich.answering.write_behind import WriteBehind
from enrich.errors import InputError, RunError, SettingsError
from enrich.graph.gaps import scan, spooled
from enrich.runs.existing_answers import Answers
from enrich.runs.lineage import model_entities, snapshots
from enrich.runs.provenance import RunContext
from enrich.runs.register import OPEN, Register, Run, now
from enrich.runs.reviews import Reviews
from ontology.terms import OntologyError, named_node

if TYPE_CHECKING:
    from enrich.media.pictures import PictureSource, PictureTally
    from enrich.workspace import Workspace


@dataclass(frozen=True, slots=True)
class RunSummary:
    """What a run did. `run` is None when no gap was open, and then nothing was written.

    `pictures` tells what became of them, None for a model that looks at none.
    `records` counts the records with an open gap; `predicted`, `abstained` and `failed` count gaps, of
    the whole run where an earlier one was resumed; `skipped` the records scanned that had none open.
    """

    run: str | None
    records: int
    predicted: int
    abstained: int
    failed: int
    skipped: int
    seconds: float
    resumed: bool = False
    pictures: PictureTally | None = None


def run(
    workspace: Workspace,
    model: Path,
    *,
    properties: Sequence[str] = (),
    records: Iterable[str] | None = None,
    limit: int | None = None,
    progress: Progress = no_progress,
) -> RunSummary:
    """Answer the open gaps in this process and make the run active at the end.

    `records` are IRIs to stay within; `limit` is a number of records with an open gap. A run of the
    same request that died is taken up again. Raises RunError when another process has a run under way.
    """
    began = time.monotonic()
    loaded = Model.load(model)
    chosen = chosen_properties(workspace, loaded.properties, properties)
    wanted = None if records is None else [_record(text) for text in records]
    scanned = 0
    with (
        picture_source(workspace, loaded) as pictures,
        spooled(gap_records(workspace, chosen, wanted)) as (gaps, total),
        Execution(workspace, loaded, chosen, _request(chosen, wanted, limit), pictures) as work,
    ):
        while batch := list(islice(gaps, work.batch_size)):
            scanned += len(batch)
            work.answer(batch, limit)
            progress("records", scanned, total)
            if limit is not None and work.asked >= limit:
                break
    summary = work.finish(scanned, time.monotonic() - began)
    return summary if pictures is None else replace(summary, pictures=pictures.tally())


@contextmanager
def picture_source(workspace: Workspace, model: Model) -> Iterator[PictureSource | None]:
    """Where the pictures of one run come from; None for a model that looks at none."""
    if "image" not in model.members:
        yield None
        return
    from enrich.media.pictures import PictureSource

    with PictureSource(workspace.settings.located_media) as source:
        yield source


def gap_records(
    workspace: Workspace, properties: Sequence[str], records: Sequence[NamedNode] | None = None
) -> Iterator[NamedNode]:
    """The records to look at: those named, or all that lack one of the properties."""
    if records is not None:
        yield from dict.fromkeys(records)
        return
    for row in scan(workspace.reader, properties, rough=True):
        yield row.record


def chosen_properties(
    workspace: Workspace, of_model: Sequence[Property], properties: Sequence[str]
) -> tuple[str, ...]:
    """The properties asked for, in the profile's order: those named, or all that the model learned.

    Raises SettingsError for one that the profile does not have or the model did not learn.
    """
    known = [p.name for p in workspace.profile.properties]
    learned = {p.name for p in of_model}
    for name in properties:
        if name not in known:
            raise SettingsError(f"the profile has no property {name!r}; it has: {', '.join(known)}")
        if name not in learned:
            raise SettingsError(f"the model did not learn {name!r}; it learned: {', '.join(sorted(learned))}")
    return tuple(name for name in known if name in learned and (not properties or name in properties))


def _record(text: str) -> NamedNode:
    try:
        return named_node(text)
    except OntologyError as error:
        raise InputError(f"a record is named by its absolute IRI, not {text!r}") from error


def _request(properties: Sequence[str], records: Sequence[NamedNode] | None, limit: int | None) -> str:
    """What was asked, in a form that is the same when the same is asked again."""
    named = None
    if records is not None:
        named = sha256("\n".join(sorted(r.value for r in records)).encode()).hexdigest()
    return json.dumps({"properties": list(properties), "records": named, "limit": limit}, sort_keys=True)


class Execution:
    """A run being made: opened or taken up again at its first answer, then filled shard by shard.

    A shard is written while the next batch is read and predicted; leaving the context waits for the last.
    """

    def __init__(
        self,
        workspace: Workspace,
        model: Model,
        properties: tuple[str, ...],
        request: str,
        pictures: PictureSource | None = None,
    ) -> None:
        self.workspace = workspace
        self.model = model
        self.properties = properties
        self.request = request
        self.register = Register(workspace.store, workspace.names)
        self.lease = timedelta(seconds=workspace.settings.run.lease)
        self.run = self._earlier()
        self.resumed = self.run is not None
        self.shard = 0
        self.asked = 0
        self.counts: Counter[str] = Counter()
        if self.run is not None:
            self.shard = max(self.register.shards(self.run), default=-1) + 1
            self.asked = self.register.tally(self.run)["records"]
        answers = Answers(workspace.store, workspace.names, model.digest, self.run)
        reviews = Reviews.read(workspace.store, workspace.names)
        self.batcher = Batcher(workspace, model, properties, answers, reviews, pictures)
        self._write = WriteBehind()

    def __enter__(self) -> Self:
        self._write.__enter__()
        return self

    def __exit__(self, *exc: Any) -> None:
        self._write.__exit__(*exc)

    @property
    def batch_size(self) -> int:
        """Records in a batch: its answers fit into one shard."""
        settings = self.workspace.settings.run
        return max(1, min(settings.batch, settings.shard // max(1, len(self.properties))))

    def _earlier(self) -> NamedNode | None:
        """The run of the same request that died. Raises RunError when a run is under way elsewhere."""
        found = None
        model = self.workspace.names.model(self.model.digest).value
        for earlier in self.register.runs():
            if earlier.state != OPEN:
                continue
            if self._alive(earlier):
                raise RunError(_under_way(earlier))
            if earlier.model == model and earlier.request == self.request:
                found = NamedNode(earlier.run)
        return found

    def _alive(self, other: Run) -> bool:
        """Whether a process may still be writing an open run: never so in a store that only we hold."""
        if self.workspace.store.exclusive or other.alive_until is None:
            return False
        return datetime.fromisoformat(other.alive_until) > now()

    def open(self) -> NamedNode:
        """The run, opened when it is not yet. Raises RunError when another one was opened meanwhile."""
        if self.run is not None:
            return self.run
        opened = self.register.open(
            actor=NamedNode(self.workspace.settings.actor),
            software=__version__,
            models=model_entities(self.model.description()),
            snapshots=snapshots(self.model.description()),
            request=self.request,
            lease=self.lease,
        )
        others = [r for r in self.register.runs() if r.state == OPEN and self._alive(r)]
        if others and others[0].run != opened.value:
            self.register.retract(opened)
            raise RunError(_under_way(others[0]))
        self.run = opened
        return opened

    def context(self) -> RunContext:
        """What the predictions of this run have in common."""
        names = self.workspace.names
        members = {name: names.model(member.digest) for name, member in self.model.members.items()}
        return RunContext(names, self.open(), NamedNode(self.workspace.settings.actor), members)

    def answer(self, records: Sequence[NamedNode], limit: int | None = None) -> None:
        """Read and predict one batch, and begin to write it as the next shard."""
        questions: Sequence[Question] = self.batcher.questions(records)
        if limit is not None:
            questions = questions[: max(0, limit - self.asked)]
        if not questions:
            return
        answered = [a for piece in self.batcher.answer(questions) for a in piece]
        if not answered:
            return
        context = self.context()
        shard = self.workspace.names.shard(context.run_id, self.shard)
        quads, counts = self.batcher.quads(context, shard, answered)
        self._write(self.register.commit_shard, context.run, self.shard, quads, self.lease)
        self.shard += 1
        self.asked += len({a.subject.iri for a in answered})
        self.counts += counts

    def finish(self, scanned: int, seconds: float) -> RunSummary:
        """Check what the store holds against what was answered, and make the run visible.

        Raises RunError, and leaves the run open, when the store holds fewer answers than were written.
        """
        if self.run is None:
            return RunSummary(None, 0, 0, 0, 0, scanned, seconds)
        held = self.register.tally(self.run)
        answered = held["predicted"] + held["abstained"] + held["failed"]
        if answered < self.counts.total() or held["records"] != self.asked:
            raise RunError(
                f"run {self.run.value} holds {answered} answers about {held['records']} records, and "
                f"{self.asked} records were answered: it was left open; start the same run again to complete it"
            )
        self.register.activate(self.run, held)
        return RunSummary(
            run=self.run.value,
            records=held["records"],
            predicted=held["predicted"],
            abstained=held["abstained"],
            failed=held["failed"],
            skipped=max(0, scanned - held["records"]),
            seconds=round(seconds, 3),
            resumed=self.resumed,
        )


def _under_way(other: Run) -> str:
    return (
        f"run {other.run} is under way (alive until {other.alive_until}): wait for it to end, "
        f"or take it back with: enrich retract {other.run}"
    )
