"""Beat on the nights when the clocks go back or leap: a night is asked for once."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from celery.beat import Scheduler

from enrich.settings.loading import Settings
from enrich.workers import schedule
from enrich.workers.app import make_app
from enrich.workers.schedule import ENTRY, Nightly, NightlyScheduler, last_slot, nightly_crontab

BERLIN = ZoneInfo("Europe/Berlin")
BACK, LEAP = datetime(2026, 10, 25, tzinfo=BERLIN), datetime(2026, 3, 29, tzinfo=BERLIN)
"""At 3 o'clock it is 2 again; at 2 o'clock it is 3."""


class Clock:
    """A clock that is set by hand."""

    def __init__(self, moment: datetime) -> None:
        self.moment = moment.astimezone(UTC)

    def __call__(self) -> datetime:
        """Now."""
        return self.moment


class Night:
    """A beat with a clock of its own, in a museum whose workers open the run that they are asked for."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, times: str, zone: str, opens: bool = True) -> None:
        store = {"query_url": "http://127.0.0.1:1/query"}
        workers = {"model": "model", "schedule": times, "timezone": zone}
        self.settings = Settings(store=store, workers=workers)  # type: ignore[arg-type]
        self.opens = opens
        self.clock = Clock(BACK)
        self.runs: list[datetime] = []
        self.sent: list[datetime] = []
        monkeypatch.setattr(Scheduler, "apply_async", self._send)
        monkeypatch.setattr(schedule, "monotonic", lambda: self.clock.moment.timestamp())

    def _send(self, *_: Any, **__: Any) -> None:
        """A worker opens the run of the last time that was due, unless it is there."""
        self.sent.append(self.clock.moment)
        slot = last_slot(self.times, ZoneInfo(self.settings.workers.timezone), self.clock.moment)
        if self.opens and slot is not None and slot not in self.runs:
            self.runs.append(slot)

    @property
    def times(self) -> Any:
        """When it is due."""
        return nightly_crontab(self.settings.workers)

    def beat(self, start: datetime, hours: float) -> None:
        """Start beat, let it look at the clock every five seconds for so many hours, and end it."""
        self.clock.moment = start.astimezone(UTC)
        app = make_app(self.settings)
        app.enrich_broker = None
        app.nightly_started = lambda: max(self.runs, default=None)
        nightly = Nightly(self.times, ZoneInfo(self.settings.workers.timezone), self.clock)
        app.conf.beat_schedule = {ENTRY: {"task": "enrich.nightly", "schedule": nightly}}
        scheduler = NightlyScheduler(app=app)
        scheduler.producer = None
        until = self.clock.moment + timedelta(hours=hours)
        while self.clock.moment < until:
            scheduler.tick()
            self.clock.moment += timedelta(seconds=5)


@pytest.mark.parametrize("zone", ["Europe/Berlin", "Europe/Ljubljana"])
@pytest.mark.parametrize(
    ("day", "times", "due"),
    [
        (BACK, "30 2 * * *", "2026-10-25T00:30"),
        (BACK, "0 3 * * *", "2026-10-25T02:00"),
        (BACK, "59 1 * * *", "2026-10-24T23:59"),
        (LEAP, "30 2 * * *", "2026-03-29T01:30"),
        (LEAP, "0 2 * * *", "2026-03-29T01:00"),
        (LEAP, "0 3 * * *", "2026-03-29T01:00"),
    ],
)
def test_a_night_is_asked_for_once(
    monkeypatch: pytest.MonkeyPatch, zone: str, day: datetime, times: str, due: str
) -> None:
    """Given beat that runs on, then one message is sent, within ten seconds of the time that is due."""
    night = Night(monkeypatch, times, zone)
    slot = datetime.fromisoformat(f"{due}+00:00")
    before = last_slot(night.times, BERLIN, slot - timedelta(seconds=1))
    assert before is not None
    night.runs.append(before)
    night.beat(day, 8)
    assert len(night.sent) == 1
    assert timedelta(0) <= night.sent[0] - slot <= timedelta(seconds=10)
    assert night.runs[-1] == slot


@pytest.mark.parametrize("minutes", [150, 155, 181, 200, 215, 239, 241])
def test_beat_started_within_the_hour_that_comes_twice(monkeypatch: pytest.MonkeyPatch, minutes: int) -> None:
    """Given beat started again within or just after that hour, when the night is begun, then it asks no more."""
    night = Night(monkeypatch, "30 2 * * *", "Europe/Berlin")
    night.runs.append(datetime(2026, 10, 25, 0, 30, tzinfo=UTC))
    night.beat(BACK.astimezone(UTC) + timedelta(minutes=minutes), 5)
    assert night.sent == []
    assert len(night.runs) == 1


def test_a_night_missed_within_the_hour_is_made_up_once(monkeypatch: pytest.MonkeyPatch) -> None:
    night = Night(monkeypatch, "30 2 * * *", "Europe/Berlin")
    night.runs.append(datetime(2026, 10, 24, 0, 30, tzinfo=UTC))
    night.beat(BACK.astimezone(UTC) + timedelta(minutes=200), 5)
    assert len(night.sent) == 1
    assert night.runs[-1] == datetime(2026, 10, 25, 0, 30, tzinfo=UTC)


def test_a_night_that_nobody_opens_is_asked_for_each_minute_only(monkeypatch: pytest.MonkeyPatch) -> None:
    night = Night(monkeypatch, "30 2 * * *", "Europe/Berlin", opens=False)
    night.runs.append(datetime(2026, 10, 24, 0, 30, tzinfo=UTC))
    night.beat(BACK.astimezone(UTC) + timedelta(minutes=120), 3)
    assert 140 <= len(night.sent) <= 181


def test_every_quarter_of_an_hour(monkeypatch: pytest.MonkeyPatch) -> None:
    """Times that come twice are due the first time: the second hour of the same name has none."""
    night = Night(monkeypatch, "*/15 * * * *", "Europe/Berlin")
    night.beat(BACK, 8)
    assert len(night.runs) == len(night.sent) == 4 * 7 - 1, "the first was due before beat"
    assert night.runs == sorted(set(night.runs))
