"""The worker context: what a worker process holds between its tasks, with the broker beside the engine's own."""

from functools import cached_property

from pyoxigraph import NamedNode

from enrich.answering.context import Context
from enrich.answering.models import Models
from enrich.graph.stores.opening import shared_store_of
from enrich.settings.loading import Settings
from enrich.workers.broker import Broker, InFlight
from enrich.workers.observer import WorkerObserver
from enrich.workspace import Workspace


class WorkerContext(Context):
    """One per process, made after the fork; its models may have been read before."""

    def __init__(self, settings: Settings, models: Models | None = None) -> None:
        super().__init__(
            settings, models, Workspace(settings, opened=shared_store_of), observer=WorkerObserver()
        )

    @cached_property
    def broker(self) -> Broker:
        """The connection to Redis."""
        return Broker(self.settings)

    def in_flight(self, run: NamedNode) -> InFlight:
        """The batches of a run that are in flight."""
        return InFlight(self.broker, self.names.run_id(run))

    def close(self) -> None:
        """Let the store and the broker go."""
        if "broker" in self.__dict__:
            self.broker.redis.close()
        super().close()
