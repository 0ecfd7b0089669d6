"""Whether the service is well: broker, store, workers and beat, each asked and answered within seconds."""

from dataclasses import asdict, dataclass
from typing import Any

import redis
from celery import Celery
from kombu.exceptions import OperationalError

from enrich.errors import BrokerError, EnrichError, StoreError
from enrich.graph.stores.opening import shared_store_of
from enrich.ontology.terms import Names
from enrich.runs.jobs import last_success
from enrich.runs.register import OPEN, Register
from enrich.settings.loading import Settings
from enrich.workers.broker import Broker
from enrich.workers.watch import STORE_SECONDS

WORKER_SECONDS = 1.5


@dataclass(frozen=True, slots=True)
class Health:
    """What was found. `problems` is empty when all is well that the command needs."""

    ok: bool
    broker: bool
    store_readable: bool
    store_writable: bool
    workers: int
    beats: int
    queued: dict[str, int]
    open_runs: list[str]
    last_run: str | None
    problems: list[str]

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)

    @property
    def exit_code(self) -> int:
        """7 without a broker, 3 without a store, 1 for anything else that is missing, 0 when all is well."""
        if self.ok:
            return 0
        if not self.broker:
            return BrokerError.exit_code
        return 3 if not (self.store_readable and self.store_writable) else 1


def look(app: Celery, settings: Settings, *, need_worker: bool = True) -> Health:
    """Ask everything once. Without `need_worker` a service whose workers are elsewhere is well too."""
    problems: list[str] = []
    queued: dict[str, int] = {}
    beats, workers, alive = 0, 0, False
    broker = Broker(settings)
    try:
        broker.check()
        alive = True
        queued, beats = broker.queue_lengths(), broker.beats()
        ours = f"*.{broker.target}@*"
        workers = len(app.control.inspect(timeout=WORKER_SECONDS, pattern=ours, matcher="glob").ping() or {})
    except (BrokerError, redis.RedisError, OperationalError, OSError) as error:
        problems.append(str(error))
    if alive and need_worker and not workers:
        problems.append("no worker answers; start one with: enrich worker")
    if alive and settings.workers.schedule and not beats:
        problems.append("no beat has shown a sign of life; start one with: enrich beat")
    readable, writable = False, False
    runs: list[str] = []
    last: str | None = None
    try:
        with shared_store_of(settings, timeout=STORE_SECONDS, retries=0) as store:
            found = store.health()
            readable, writable = found.readable, found.writable
            if found.problem:
                problems.append(found.problem)
            if readable:
                try:
                    names = Names(settings.base)
                    runs = [run.run for run in Register(store, names).runs(OPEN)]
                    ended = last_success(store, names)
                    last = f"{ended:%Y-%m-%dT%H:%M:%SZ}" if ended else None
                except EnrichError as error:
                    problems.append(str(error))
    except StoreError as error:
        problems.append(str(error))
    return Health(not problems, alive, readable, writable, workers, beats, queued, runs, last, problems)
