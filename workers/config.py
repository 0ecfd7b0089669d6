"""The Celery configuration that follows from enrich.toml, and the checks that it makes sense."""

import re
from typing import Any

from enrich.answering.time_limit import SOFT
from enrich.errors import SettingsError
from enrich.graph.stores.served import service_of
from enrich.graph.stores.transport import redact_credentials
from enrich.settings.loading import Settings
from enrich.workers.address import PING_SECONDS, connection, target

CONTROL_PRIORITY, JOB_PRIORITY, NIGHTLY_PRIORITY = 0, 3, 6
"""Priorities of messages, the lowest number first: planning and finalizing pass before any batch."""


def check(settings: Settings) -> None:
    """Raise SettingsError for settings with which work would be lost, done twice or not at all."""
    workers = settings.workers
    connection(workers.broker)
    if workers.time_limit >= workers.visibility_timeout:
        raise SettingsError(
            f"workers.time_limit ({workers.time_limit:g} s) must be below workers.visibility_timeout "
            f"({workers.visibility_timeout:g} s): a task that runs longer would be given to a second worker"
        )
    if workers.soft_shutdown >= workers.visibility_timeout:
        raise SettingsError(
            f"workers.soft_shutdown ({workers.soft_shutdown:g} s) must be below workers.visibility_timeout "
            f"({workers.visibility_timeout:g} s)"
        )


def expect_shared_store(settings: Settings) -> None:
    """Raise SettingsError where the store is an embedded one that nobody serves: several processes cannot work on it."""
    if settings.store.query_url is None and service_of(settings.locate(settings.store.path)) is None:
        raise SettingsError(
            "workers need a store that several processes use: start enrich web, which serves the embedded store, or "
            "set store.query_url (oxigraph serve --location store --bind 127.0.0.1:7878 serves the same folder)"
        )


def celery_settings(settings: Settings) -> dict[str, Any]:
    """The configuration of the Celery app: JSON only, late acknowledgement, nothing fetched in advance."""
    workers, ours = settings.workers, target(settings)
    transport = {
        "connect": connection(workers.broker),
        "unacked_key": f"unacked.{ours}",
        "unacked_index_key": f"unacked_index.{ours}",
        "unacked_mutex_key": f"unacked_mutex.{ours}",
        "visibility_timeout": workers.visibility_timeout,
        "unacked_restore_interval": 2,
        "unacked_restore_throttle": 1,
        "queue_order_strategy": "priority",
        "priority_steps": [CONTROL_PRIORITY, JOB_PRIORITY, NIGHTLY_PRIORITY],
        "health_check_interval": PING_SECONDS,
        "max_retries": 2,
    }
    return {
        "broker_url": re.sub(r"^redis\+socket:", "unix:", redact_credentials(workers.broker)),
        "broker_transport": "enrich.workers.transport:Transport",
        "broker_transport_options": transport,
        "broker_connection_retry_on_startup": True,
        "broker_connection_max_retries": None,
        "broker_connection_timeout": 3,
        "accept_content": ["json"],
        "task_serializer": "json",
        "result_backend": None,
        "task_ignore_result": True,
        "task_acks_late": True,
        "task_reject_on_worker_lost": True,
        "task_default_queue": f"{workers.queue}.{ours}",
        "task_default_priority": CONTROL_PRIORITY,
        "task_time_limit": workers.time_limit,
        "task_soft_time_limit": soft_limit(settings),
        "task_publish_retry_policy": {"max_retries": 2, "interval_start": 0, "interval_step": 0.5},
        "worker_prefetch_multiplier": 1,
        "worker_soft_shutdown_timeout": workers.soft_shutdown,
        "worker_enable_soft_shutdown_on_idle": False,
        "worker_cancel_long_running_tasks_on_connection_loss": False,
        "worker_hijack_root_logger": False,
        "worker_redirect_stdouts": False,
        "worker_send_task_events": True,
        "worker_concurrency": workers.concurrency,
        "timezone": workers.timezone,
        "enable_utc": True,
        "beat_max_loop_interval": 5,
    }


def soft_limit(settings: Settings) -> float:
    """Seconds after which a task is asked to stop, before it is killed."""
    return settings.workers.time_limit * SOFT
