"""Kombu's Redis transport with our connections, that survives what is malformed and a Redis without memory."""

from queue import Empty
from typing import Any

from kombu.transport import redis as base
from redis.exceptions import OutOfMemoryError

from enrich.workers import metrics

MALFORMED = (AttributeError, LookupError, RecursionError, TypeError, ValueError)
"""What kombu and Celery raise for a message that is not in their form."""


class Channel(base.Channel):  # type: ignore[misc]
    """A channel over the connections that `workers.address` describes."""

    connect: dict[str, Any]
    from_transport_options = (*base.Channel.from_transport_options, "connect")

    @property
    def connection_class(self) -> Any:
        """How Redis is reached: by TCP, TLS or a socket."""
        return self.connect["connection_class"]

    def _prepare_virtual_host(self, vhost: Any) -> int:
        del vhost
        return int(self.connect["db"])

    def _connparams(self, asynchronous: bool = False) -> dict[str, Any]:
        made = super()._connparams(asynchronous)
        return {**self.connect, "connection_class": made["connection_class"]}

    def _brpop_read(self, **options: Any) -> Any:
        try:
            return super()._brpop_read(**options)
        except (ValueError, RecursionError) as error:  # it is no JSON, and has left the queue
            dropped(error)
            raise Empty from error


class Transport(base.Transport):  # type: ignore[misc]
    """A message that cannot be read is dropped: what it asked for is in the plan, and is asked again.

    Redis without memory is like Redis that is away: the connection is tried again until there is some.
    """

    Channel = Channel
    connection_errors = (*base.Transport.connection_errors, OutOfMemoryError)

    def establish_connection(self) -> Any:
        """A connection that can be written to. Raises OutOfMemoryError."""
        made = super().establish_connection()
        try:
            with self._avail_channels[-1].conn_or_acquire() as client:
                client.set("enrich:memory", "", px=1)
        except Exception:
            self.close_connection(made)
            raise
        return made

    def _deliver(self, message: Any, queue: str) -> None:
        try:
            super()._deliver(message, queue)
        except MALFORMED as error:
            dropped(error)
            properties = message.get("properties") if isinstance(message, dict) else None
            tag = properties.get("delivery_tag") if isinstance(properties, dict) else None
            for channel in self.channels:
                if isinstance(tag, str) and tag in channel.qos._delivered:
                    channel.basic_reject(tag, requeue=False)


def dropped(error: Exception) -> None:
    """Count and tell a message that was dropped."""
    said = f"{type(error).__name__}: {error}"[:200]
    metrics.failed("message", "a malformed message was dropped", level="error", reason=said)
