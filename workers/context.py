"""What a worker process holds between its tasks: settings, broker, models, and the readers of its runs."""

from __future__ import annotations

import time
from collections import Counter, OrderedDict
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from pyoxigraph import NamedNode

from enrich.runs.attempts import Attempt
from enrich.runs.jobs import Request, request_of
from enrich.runs.plan import Plan
from enrich.runs.reviews import Reviews
from enrich.settings.loading import Settings, load_settings
from enrich.workspace import Workspace
from workers.broker import Broker, Flight
from workers.models import Models

if TYPE_CHECKING:
    from enrich.graph.stores.base import Store
    from enrich.media.pictures import PictureSource
    from enrich.runs.register import Register
    from ontology.terms import Names

REVIEWS_SECONDS = 30.0
"""How long the reviews that were read are believed."""


@dataclass(slots=True)
class RunWork:
    """What batches of one run share in this process: the request, and readers that know the fact graphs."""

    request: Request
    workspace: Workspace
    plan: Plan
    flight: Flight
    reviews: Reviews | None = None
    reviews_at: float = 0.0
    ended: list[tuple[str, Attempt]] = field(default_factory=list)
    """Attempts of this process that failed, by their batch, and could not be noted as such yet."""
    counted: dict[str, Counter[str]] = field(default_factory=dict)
    """What shards were seen to hold when this process was closing the run."""


class Service:
    """One per process, made after the fork; its models may have been read before."""

    def __init__(self, settings: Settings, models: Models | None = None) -> None:
        self.settings = settings
        self.models = models or Models()
        self.workspace = Workspace(settings)
        self._runs: OrderedDict[str, RunWork] = OrderedDict()

    @classmethod
    def open(cls, config: Path | None = None) -> Service:
        """The service that a settings file describes."""
        return cls(load_settings(config))

    @cached_property
    def broker(self) -> Broker:
        """The connection to Redis."""
        return Broker(self.settings)

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
        from enrich.runs.register import Register

        return Register(self.store, self.names)

    @cached_property
    def pictures(self) -> PictureSource:
        """Where pictures are fetched; made when a model first looks at any."""
        from enrich.media.pictures import PictureSource

        return PictureSource(self.settings.located_media)

    def plan(self, run: NamedNode) -> Plan:
        """The plan of a run."""
        return Plan(self.store, self.names, run)

    def flight(self, run: NamedNode) -> Flight:
        """The batches of a run that are under way."""
        return Flight(self.broker, self.names.run_id(run))

    def work(self, run: NamedNode) -> RunWork | None:
        """What batches of a run share; None when the run is not open. The facts' graphs are looked up once
        per run, so that graphs loaded since are seen by the next one."""
        known = self._runs.get(run.value)
        if known is None:
            request = request_of(self.workspace, run)
            if request is None:
                return None
            workspace = Workspace(self.settings, self.store)
            known = RunWork(request, workspace, self.plan(run), self.flight(run))
            self._runs[run.value] = known
            while len(self._runs) > 4:
                self._runs.popitem(last=False)
        if known.reviews is None or time.monotonic() - known.reviews_at > REVIEWS_SECONDS:
            known.reviews = Reviews.read(self.store, self.names)
            known.reviews_at = time.monotonic()
        return known

    def close(self) -> None:
        """Let the store and the broker go."""
        if "pictures" in self.__dict__:
            self.pictures.close()
        if "broker" in self.__dict__:
            self.broker.redis.close()
        self.workspace.close()
