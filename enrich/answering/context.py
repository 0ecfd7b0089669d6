"""What a process that answers holds between batches: settings, store, models, and what the runs need."""

import time
from collections import Counter, OrderedDict
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cached_property
from pathlib import Path

from pyoxigraph import NamedNode

from enrich.answering.batch import Batcher
from enrich.answering.kept_facts import KeptFacts
from enrich.answering.models import Models
from enrich.answering.observer import Observer
from enrich.answering.time_limit import TimeUp
from enrich.classifiers.model.model import Model
from enrich.errors import RunError
from enrich.graph.stores.base import Store
from enrich.media.pictures import PictureSource
from enrich.ontology.terms import Names
from enrich.runs.attempts import Attempt
from enrich.runs.existing_answers import ExistingAnswers
from enrich.runs.plan import Plan
from enrich.runs.provenance import RunContext
from enrich.runs.register import OPEN, Register
from enrich.runs.request import RUN, Request, profile_digest, request_of, requested_runs
from enrich.runs.reviews import Reviews
from enrich.settings.loading import Settings
from enrich.workspace import Workspace

REVIEWS_SECONDS = 30.0
"""How long the reviews that were read are believed."""
RUNS_KEPT = 4
"""Runs whose readers a process keeps."""


@dataclass(slots=True)
class RunWork:
    """What batches of one run share in this process: the request, and readers that know the fact graphs."""

    run: NamedNode | None
    request: Request
    workspace: Workspace
    pictures: PictureSource | None = None
    reviews: Reviews | None = None
    reviews_at: float = 0.0
    ended: list[tuple[str, Attempt]] = field(default_factory=list)
    """Attempts of this process that failed, by their batch, and could not be noted as such yet."""
    checked: dict[str, Counter[str]] = field(default_factory=dict)
    """What shards were seen to hold when this process was finalizing the run."""

    def close(self) -> None:
        """Let the connections to picture servers go."""
        if self.pictures is not None:
            self.pictures.close()


class Context:
    """One per process; its models may have been read before a fork."""

    def __init__(
        self,
        settings: Settings,
        models: Models | None = None,
        workspace: Workspace | None = None,
        observer: Observer | None = None,
    ) -> None:
        self.settings = settings
        self.models = models or Models()
        self.workspace = workspace or Workspace(settings)
        self.observer = observer or Observer()
        self._work: OrderedDict[str, RunWork] = OrderedDict()

    @property
    def store(self) -> Store:
        """The triplestore."""
        return self.workspace.store

    @property
    def names(self) -> Names:
        """Our IRIs."""
        return self.workspace.names

    @cached_property
    def register(self) -> Register:
        """The register of runs."""
        return Register(self.store, self.names)

    @cached_property
    def kept_facts(self) -> KeptFacts:
        """The facts as the last runs found them."""
        return KeptFacts(self.settings.locate(self.settings.run.kept_facts))

    def plan(self, run: NamedNode) -> Plan:
        """The plan of a run."""
        return Plan(self.store, self.names, run)

    @property
    def lease_time(self) -> timedelta:
        """How long a run counts as alive after something was done for it."""
        return timedelta(seconds=self.settings.run.lease)

    def until(self) -> datetime:
        """Until when a run that was worked on now counts as alive."""
        return self.register.clock() + self.lease_time

    def work(self, run: NamedNode) -> RunWork | None:
        """What batches of a run share; None when the run is not open. The facts' graphs are looked up once
        per run, so that graphs loaded since are seen by the next one.

        Raises RunError when the profile is not the one that the run began with.
        """
        known = self._work.get(run.value)
        if known is None:
            request = request_of(self.workspace, run)
            if request is None:
                return None
            known = self.new_work(request, run)
            self._work[run.value] = known
            while len(self._work) > RUNS_KEPT:
                self._work.popitem(last=False)[1].close()
        self._check_profile(known)
        return known

    def known_work(self, run: NamedNode) -> RunWork | None:
        """What batches of a run share, if any was done here, whether or not the run is still open."""
        return self._work.get(run.value)

    def new_work(self, request: Request, run: NamedNode | None) -> RunWork:
        """The same for a request whose run may not be open yet."""
        return RunWork(run, request, Workspace(self.settings, self.store))

    def _check_profile(self, work: RunWork) -> None:
        if work.request.profile not in (None, profile_digest(work.workspace)):
            raise RunError(
                f"the profile {self.settings.profile} is not the one that the run began with: put that one back and "
                "resume the run, or cancel it and start a new one"
            )

    def model(self, work: RunWork) -> Model:
        """The model of a run. Raises ModelError when the folder holds another one by now, RunError when reading it
        takes all the time that a task has."""
        try:
            return self.models.get(Path(work.request.model), work.request.digest)
        except TimeUp:
            raise RunError(
                f"reading {work.request.model} takes longer than a task may: raise workers.time_limit "
                f"({self.settings.workers.time_limit:g} s), and resume the run"
            ) from None

    def batcher(self, work: RunWork) -> Batcher:
        """What answers batches of a run, knowing all that was answered until now: by runs under way as well,
        so that a job that overtakes the nightly run answers no gap a second time."""
        model = self.model(work)
        self.observer.model(model.digest)
        if work.pictures is None and "image" in model.members:
            observer = self.observer
            work.pictures = PictureSource(
                self.settings.located_media,
                decode_size=model.members["image"].classifier.decode_size,
                observe=observer.picture,
                opened=observer.circuit_opened,
            )
        return Batcher(
            work.workspace,
            model,
            work.request.properties,
            self.answers(work),
            self.reviews(work),
            work.pictures,
        )

    def reviews(self, work: RunWork, *, anew: bool = False) -> Reviews:
        """What curators decided, read anew now and then, or at once."""
        if anew or work.reviews is None or time.monotonic() - work.reviews_at > REVIEWS_SECONDS:
            work.reviews = Reviews.read(self.store, self.names, work.workspace.profile.many_valued)
            work.reviews_at = time.monotonic()
        return work.reviews

    def answers(self, work: RunWork) -> ExistingAnswers:
        """The answers that count for a run: those of jobs that wait for workers too, which are sure to become active."""
        others = [
            known.iri
            for known in requested_runs(self.register.runs(OPEN))
            if known.iri != work.run and known.request.kind != RUN and self.register.alive(known.run)
        ]
        also = [other for other in others if self.plan(other).failure() is None]
        return ExistingAnswers(self.store, self.names, work.request.digest, work.run, also)

    def run_context(self, run: NamedNode, model: Model) -> RunContext:
        """What the predictions of a run have in common."""
        members = {name: self.names.model(member.digest) for name, member in model.members.items()}
        return RunContext(self.names, run, members, {p.name: p.spellings for p in model.properties})

    def batch_size(self, request: Request) -> int:
        """Records in a batch: its answers fit into one shard, its pictures into what was allowed."""
        settings = self.settings
        size = min(settings.run.batch, settings.run.shard // max(1, len(request.properties)))
        if request.pictures:
            size = min(size, settings.workers.batch_pictures // settings.media.per_record)
        return max(1, size)

    def let_go_of_runs(self) -> None:
        """Forget what was read for runs, and let their picture servers go."""
        while self._work:
            self._work.popitem()[1].close()

    def close(self) -> None:
        """Let the runs and the store go."""
        self.let_go_of_runs()
        self.workspace.close()
