"""When the nightly run is due: its crontab, and beat's scheduler."""

import os
import socket
from collections.abc import Callable
from datetime import UTC, datetime, time, timedelta
from functools import partial
from time import monotonic
from typing import Any
from zoneinfo import ZoneInfo

import redis
from celery.beat import Scheduler
from celery.schedules import BaseSchedule, ParseException, crontab

from enrich.errors import EnrichError, SettingsError
from enrich.runs.blackout import zone
from enrich.settings.models import WorkersSettings
from enrich.workers.broker import Broker
from enrich.workers.logs import log

ENTRY = "nightly"
BEAT_SECONDS = 30
LOOK_SECONDS = 60.0
"""Between two looks of beat at the register."""
POLL_SECONDS = 5.0
"""Between two looks of beat at the clock."""


def nightly_crontab(settings: WorkersSettings) -> crontab | None:
    """The schedule of the nightly run; None when there is none. Raises SettingsError."""
    if settings.schedule is None:
        return None
    fields = settings.schedule.split()
    if len(fields) != 5:
        raise SettingsError(
            f"workers.schedule is {settings.schedule!r}; it has five fields: minute hour day month weekday"
        )
    minute, hour, day, month, weekday = fields
    here = zone(settings)
    try:
        return crontab(minute, hour, weekday, day, month, nowfun=lambda: datetime.now(here))
    except (ParseException, ValueError) as error:
        raise SettingsError(f"workers.schedule {settings.schedule!r} is not a crontab: {error}") from error


def last_slot(schedule: crontab, here: ZoneInfo, moment: datetime, days: int = 366) -> datetime | None:
    """The last time, up to `moment`, at which the schedule was due (UTC); None within so many days.

    A time that the clocks pass twice is due the first time only; one that they leap over, an hour later.
    """
    today, due = moment.astimezone(here).date(), []
    for day in (today - timedelta(days=back) for back in range(days + 1)):
        if (
            day.month in schedule.month_of_year
            and day.day in schedule.day_of_month
            and day.isoweekday() % 7 in schedule.day_of_week
        ):
            times = (time(hour, minute) for hour in schedule.hour for minute in schedule.minute)
            slots = (datetime.combine(day, clock, here).astimezone(UTC) for clock in times)
            due = [slot for slot in slots if slot <= moment]
        if due:
            break
    return max(due, default=None)


class Nightly(BaseSchedule):  # type: ignore[misc]
    """When the nightly run is due, judged in UTC: Celery's crontab is due again and again for an hour when the
    clocks go back."""

    def __init__(
        self, times: crontab, here: ZoneInfo, clock: Callable[[], datetime] = partial(datetime.now, UTC)
    ) -> None:
        super().__init__(nowfun=clock)
        self.times, self.here = times, here

    def is_due(self, last_run_at: datetime) -> tuple[bool, float]:
        """Whether a time has passed since the last one; and the seconds until this is asked again."""
        slot = last_slot(self.times, self.here, self.now())
        return slot is not None and slot > last_run_at, POLL_SECONDS


class NightlyScheduler(Scheduler):  # type: ignore[misc]
    """Beat without a file of its own: the register of runs tells which night was begun last.

    A night that was due while beat was away, whose message was lost, or that met a store that was down, is
    not in the register, and is asked for again every `LOOK_SECONDS`. The app's `nightly_started` tells when the
    last nightly run of the register was due (UTC), or None.
    """

    def setup_schedule(self) -> None:
        """One entry, whose last time is that of the last nightly run; a museum without any has none to make up."""
        entries = self.app.conf.beat_schedule
        self.install_default_entries(entries)
        self.update_from_dict(entries)
        nightly = self.schedule[ENTRY].schedule if ENTRY in self.schedule else None
        self._first = nightly and last_slot(nightly.times, nightly.here, nightly.now())
        self._follow_register()

    def tick(self, *args: Any, **kwargs: Any) -> Any:
        """What beat does; and a sign of life for `enrich health`."""
        broker: Broker | None = getattr(self.app, "enrich_broker", None)
        if broker is not None:
            alive(broker)
        if monotonic() - self._looked >= LOOK_SECONDS:
            self._follow_register()
        return super().tick(*args, **kwargs)

    def apply_entry(self, *args: Any, **kwargs: Any) -> None:
        """Send the message, unless the workers have not had time for others yet; the register is looked at again when one
        has had time to act on it."""
        broker: Broker | None = getattr(self.app, "enrich_broker", None)
        try:
            if broker is None or not broker.control_waits():
                super().apply_entry(*args, **kwargs)
        except redis.RedisError as error:
            log.warning("the broker does not answer", reason=str(error))
        self._looked = monotonic()

    def _follow_register(self) -> None:
        self._looked = monotonic()
        started = getattr(self.app, "nightly_started", None)
        if started is None or ENTRY not in self.schedule:
            return
        try:
            last = started() or self._first
        except EnrichError as error:
            log.warning("the register cannot be read", reason=str(error))
            return
        if last is not None:
            self.schedule[ENTRY].last_run_at = last
            self._heap = None


def alive(broker: Broker) -> None:
    """Leave a sign that this beat lives."""
    try:
        broker.redis.set(broker.key("beat", f"{socket.gethostname()}-{os.getpid()}"), "1", ex=BEAT_SECONDS)
    except redis.RedisError as error:
        log.warning("no sign of life left", reason=str(error))
