"""The Redis broker: whether it answers, and the few short-lived things that are kept in it.

Nothing that must last is here: were it all lost, `workers.reconcile` would find what is to do in the
triplestore.
"""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import redis

from enrich.errors import BrokerError, SettingsError
from enrich.graph.stores.transport import redact_credentials
from enrich.settings.loading import Settings
from enrich.workers.address import connection, target

_RELEASE = "if redis.call('get',KEYS[1])==ARGV[1] then return redis.call('del',KEYS[1]) end return 0"
_RENEW = (
    "local held=redis.call('get',KEYS[1]) "
    "if not held or held==ARGV[1] then redis.call('set',KEYS[1],ARGV[1],'px',ARGV[2]) end return 0"
)


class Broker:
    """A connection to Redis, with keys of this target: several museums may share one server."""

    def __init__(self, settings: Settings) -> None:
        self.where = redact_credentials(settings.workers.broker)
        self.queues = tuple(dict.fromkeys((settings.workers.queue, settings.workers.batch_queue)))
        self.target = target(settings)
        self.prefix = f"enrich:{self.target}"
        pool = redis.ConnectionPool(**connection(settings.workers.broker), decode_responses=True)
        self.redis: Any = redis.Redis.from_pool(pool)

    def key(self, *parts: str) -> str:
        """A key of this target."""
        return ":".join((self.prefix, *parts))

    def queue(self, name: str) -> str:
        """What a queue of the settings is called in Redis."""
        return f"{name}.{self.target}"

    def served(self, asked: str | None) -> list[str]:
        """The queues of the settings, or those asked for of them: `a,b`. Raises SettingsError."""
        named = [name.strip() for name in asked.split(",")] if asked else list(self.queues)
        for name in named:
            if name not in self.queues:
                raise SettingsError(
                    f"there is no queue {name!r}; workers.queue and workers.batch_queue are {', '.join(self.queues)}"
                )
        return named

    def check(self) -> None:
        """Raise BrokerError, which says how to start a broker, when none answers within seconds."""
        try:
            self.redis.ping()
        except (redis.AuthenticationError, redis.ResponseError) as error:
            raise BrokerError(
                f"the broker {self.where} refuses us ({error}); check workers.broker"
            ) from error
        except (redis.RedisError, OSError) as error:
            raise BrokerError(
                f"no broker answers at {self.where}; start one (redis-server, or: docker compose -f "
                "docker/compose.yaml up -d redis) or set workers.broker; without one, use: enrich run"
            ) from error

    @contextmanager
    def lock(self, name: str, seconds: float, *, renewed: bool = False) -> Iterator[bool]:
        """A lock that expires by itself, when `renewed` only after this process has died; gives whether it
        was obtained. Never waits.

        It only saves work: what it guards is guarded again by the tokens in the triplestore.
        """
        key, token, span = self.key("lock", name), str(time.monotonic_ns()), int(seconds * 1000)
        held = bool(self.redis.set(key, token, nx=True, px=span))
        ended = threading.Event()

        def renew() -> None:
            while not ended.wait(seconds / 3):
                with suppress(redis.RedisError):
                    self.redis.eval(_RENEW, 1, key, token, span)

        renewing = threading.Thread(target=renew, daemon=True)
        if held and renewed:
            renewing.start()
        try:
            yield held
        finally:
            ended.set()
            if renewing.is_alive():
                renewing.join()
            if held:
                self.redis.eval(_RELEASE, 1, key, token)

    def is_held(self, name: str) -> bool:
        """Whether somebody holds a lock."""
        return bool(self.redis.exists(self.key("lock", name)))

    def once_in(self, name: str, seconds: float) -> bool:
        """True for the first caller within so many seconds."""
        return bool(self.redis.set(self.key("once", name), "1", nx=True, px=max(1, int(seconds * 1000))))

    def forget_once(self, name: str) -> None:
        """Let the next caller of `once_in` be the first again."""
        self.redis.delete(self.key("once", name))

    def ask_later(self, name: str, seconds: float) -> None:
        """Ask for something to be done when so many seconds have passed; asking again puts it off."""
        with self.redis.pipeline() as pipe:
            pipe.set(self.key("asked", name), "1")
            pipe.set(self.key("wait", name), "1", px=max(1, int(seconds * 1000)))
            pipe.execute()

    def is_due(self, name: str) -> bool:
        """Whether what was asked for is to be done now; True for one caller."""
        return not self.redis.exists(self.key("wait", name)) and bool(
            self.redis.delete(self.key("asked", name))
        )

    def differs(self, name: str, value: str) -> bool:
        """Whether a value is another than the last one given; it is kept for a week."""
        return bool(self.redis.set(self.key(name), value, ex=7 * 86_400, get=True) != value)

    def in_a_row(self, name: str, again: bool) -> int:
        """How often in a row `again` was true; kept for a day."""
        key = self.key(name)
        if not again:
            self.redis.delete(key)
            return 0
        number = int(self.redis.incr(key))
        self.redis.expire(key, 86_400)
        return number

    def first_seen(self) -> float:
        """Since when there are workers here (Unix time), as far as Redis remembers."""
        self.redis.set(self.key("installed"), time.time(), nx=True)
        return float(self.redis.get(self.key("installed")) or time.time())

    def queue_lengths(self) -> dict[str, int]:
        """Messages waiting in each queue, those of every priority."""
        steps = ("", *(f"\x06\x16{step}" for step in range(1, 10)))
        names = {name: [f"{self.queue(name)}{step}" for step in steps] for name in self.queues}
        with self.redis.pipeline(transaction=False) as pipe:
            for keys in names.values():
                for key in keys:
                    pipe.llen(key)
            lengths = iter(pipe.execute())
        return {queue: sum(int(next(lengths)) for _ in keys) for queue, keys in names.items()}

    def control_waits(self) -> bool:
        """Whether a message that passes before all batches is still in the queue: nobody has had time for it, and another
        that asks for the same need not be sent. (Clocks of machines differ: a message that expires by the sender's
        clock would be thrown away by a worker whose own is ahead.)"""
        return bool(self.redis.llen(self.queue(self.queues[0])))

    def beats(self) -> int:
        """How many beats have shown a sign of life lately."""
        return sum(1 for _ in self.redis.scan_iter(match=self.key("beat", "*"), count=100))


class InFlight:
    """The batches of one run that are waiting in the queue or in work, each with when it was sent."""

    def __init__(self, broker: Broker, run_id: str) -> None:
        self.redis = broker.redis
        self.key = broker.key("flight", run_id)

    def size(self) -> int:
        """How many there are."""
        return int(self.redis.zcard(self.key))

    def claim(self, batch: str) -> bool:
        """Note a batch as sent; False when somebody else has sent it."""
        taken = bool(self.redis.zadd(self.key, {batch: time.time()}, nx=True))
        self.redis.expire(self.key, 7 * 86_400)
        return taken

    def heartbeat(self, batch: str) -> None:
        """Note that a batch was begun."""
        self.redis.zadd(self.key, {batch: time.time()}, xx=True)

    def ack(self, batch: str) -> None:
        """Forget a batch."""
        self.redis.zrem(self.key, batch)

    def drop_older(self, seconds: float) -> int:
        """Forget what was sent longer ago than this, so that it is sent again. Returns how many."""
        return int(self.redis.zremrangebyscore(self.key, "-inf", time.time() - seconds))

    def clear(self) -> None:
        """Forget all."""
        self.redis.delete(self.key)
