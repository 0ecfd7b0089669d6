"""When the nightly run is due."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from time import monotonic
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from enrich.errors import SettingsError, StoreUnavailable
from enrich.settings.loading import Settings
from enrich.settings.models import WorkersSettings
from enrich.workers import schedule
from enrich.workers.app import ask_to_reconcile, make_app
from enrich.workers.schedule import NightlyScheduler, last_slot, nightly_crontab
from tests.workers.museum import redis_server, running
from tests.workers.proxy import HANG, PASS, proxy

BERLIN = ZoneInfo("Europe/Berlin")


def settings(**said: object) -> WorkersSettings:
    """Settings that say this."""
    return WorkersSettings(**said)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("schedule", "now", "due"),
    [
        ("0 2 * * *", "2026-11-20T01:00:00", "2026-11-19T02:00:00"),
        ("0 2 * * *", "2026-11-20T02:00:30", "2026-11-20T02:00:00"),
        ("*/15 * * * *", "2026-11-20T02:44:59", "2026-11-20T02:30:00"),
        ("30 1 * * sun", "2026-11-20T12:00:00", "2026-11-15T01:30:00"),
        ("0 0 1 * *", "2026-11-05T12:00:00", "2026-11-01T00:00:00"),
        ("0 2 1 * *", "2026-11-28T12:00:00", "2026-11-01T02:00:00"),
        ("0 2 6 12 *", "2026-12-05T12:00:00", "2025-12-06T02:00:00"),
    ],
)
def test_last_slot(schedule: str, now: str, due: str) -> None:
    crontab = nightly_crontab(settings(schedule=schedule, timezone="Europe/Berlin"))
    assert crontab is not None
    moment = datetime.fromisoformat(now).replace(tzinfo=BERLIN)
    assert last_slot(crontab, BERLIN, moment) == datetime.fromisoformat(due).replace(tzinfo=BERLIN)


def test_no_slot_within_a_year() -> None:
    crontab = nightly_crontab(settings(schedule="0 0 29 2 *"))
    assert crontab is not None
    assert last_slot(crontab, ZoneInfo("UTC"), datetime(2026, 11, 20, tzinfo=UTC)) is None


@given(st.datetimes(datetime(2026, 1, 1), datetime(2027, 1, 1)), st.integers(0, 59), st.integers(0, 23))
def test_a_slot_is_the_same_until_the_next(moment: datetime, minute: int, hour: int) -> None:
    crontab = nightly_crontab(settings(schedule=f"{minute} {hour} * * *"))
    assert crontab is not None
    now = moment.replace(tzinfo=UTC)
    slot = last_slot(crontab, ZoneInfo("UTC"), now)
    assert slot is not None
    assert timedelta(0) <= now - slot < timedelta(days=1)
    assert (slot.hour, slot.minute) == (hour, minute)
    assert last_slot(crontab, ZoneInfo("UTC"), slot) == slot


@pytest.mark.parametrize("schedule", ["", "2 o'clock", "0 2 * *", "99 2 * * *", "0 2 * * * *", "a b c d e"])
def test_what_is_no_crontab_is_refused(schedule: str) -> None:
    with pytest.raises(SettingsError, match="schedule"):
        nightly_crontab(settings(schedule=schedule))


def test_no_schedule() -> None:
    assert nightly_crontab(settings()) is None


@pytest.fixture
def no_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    """Beat looks at the register at every tick."""
    monkeypatch.setattr(schedule, "LOOK_SECONDS", 0.0)


def beat(folder: Path, broker: str, started: list[datetime | None]) -> NightlyScheduler:
    """A beat whose register says the first of `started`, or that the store is away when there is none."""

    def nightly_started() -> datetime | None:
        if not started:
            raise StoreUnavailable("the store is away")
        return started[0]

    app = make_app(
        Settings(
            store={"query_url": "http://127.0.0.1:1/query"},  # type: ignore[arg-type]
            workers={"broker": broker, "model": str(folder), "schedule": "*/5 * * * *"},  # type: ignore[arg-type]
        )
    )
    app.nightly_started = nightly_started
    return NightlyScheduler(app=app)


def ticks(scheduler: NightlyScheduler, number: int = 3) -> None:
    """Let beat look whether something is due."""
    for _ in range(number):
        scheduler.tick()


def sent(scheduler: NightlyScheduler) -> int:
    """Messages in the queue."""
    return int(scheduler.app.enrich_broker.queue_lengths()["enrich"])


def taken(scheduler: NightlyScheduler) -> list[str]:
    """What the messages in the queue ask for; they are taken out of it. None may expire by the clock of its sender."""
    broker = scheduler.app.enrich_broker
    headers = [json.loads(text)["headers"] for text in broker.redis.lrange(broker.queue("enrich"), 0, -1)]
    broker.redis.delete(broker.queue("enrich"))
    assert sent(scheduler) == 0
    assert {said["expires"] for said in headers} <= {None}
    return [said["task"] for said in headers]


@pytest.mark.usefixtures("no_wait")
def test_beat_asks_until_the_register_has_the_night(tmp_path: Path) -> None:
    """Given a message that nothing came of, then beat asks again, but not while that waits to be taken; once the run is
    there, no more."""
    server, url = redis_server(tmp_path / "redis")
    now = datetime.now(UTC)
    slot = now.replace(minute=now.minute // 5 * 5, second=0, microsecond=0)
    started: list[datetime | None] = [slot - timedelta(days=1)]
    with running(server):
        scheduler = beat(tmp_path, url, started)
        ticks(scheduler)
        assert taken(scheduler) == ["enrich.nightly"]
        ticks(scheduler)
        assert taken(scheduler) == ["enrich.nightly"]
        started[0] = slot + timedelta(minutes=5)
        ticks(scheduler)
        assert taken(scheduler) == []
        ask_to_reconcile(scheduler.app, scheduler.app.process.settings)
        scheduler.app.enrich_broker.forget_once("reconcile")
        ask_to_reconcile(scheduler.app, scheduler.app.process.settings)
        assert taken(scheduler) == ["enrich.reconcile"]


@pytest.mark.usefixtures("no_wait")
def test_a_night_that_met_no_broker_is_asked_for_when_it_is_back(tmp_path: Path) -> None:
    server, url = redis_server(tmp_path / "redis")
    with running(server):
        scheduler = beat(tmp_path, url, [datetime.now(UTC) - timedelta(days=1)])
        ticks(scheduler)
    ticks(scheduler, 1)
    with running(server):
        assert sent(scheduler) == 0, "the broker has forgotten all"
        ticks(scheduler)
        assert sent(scheduler) >= 1


@pytest.mark.usefixtures("no_wait")
@pytest.mark.parametrize("how", ["open connections fall silent", "new ones are never answered"])
def test_a_silent_redis_does_not_hold_beat_up(tmp_path: Path, how: str) -> None:
    """Given a Redis that says nothing, then beat gives up within half a minute, and asks for the night when it speaks again."""
    server, url = redis_server(tmp_path / "redis")
    with running(server), proxy(int(url.rpartition(":")[2].partition("/")[0])) as between:
        scheduler = beat(
            tmp_path, f"redis://127.0.0.1:{between.port}/0", [datetime.now(UTC) - timedelta(days=1)]
        )
        ticks(scheduler)
        if how == "new ones are never answered":
            between.mode = HANG
        else:
            assert between.silence() >= 2
        silent = monotonic()
        ticks(scheduler, 1)
        assert monotonic() - silent < 45
        between.mode = PASS
        taken(scheduler)
        ticks(scheduler)
        assert taken(scheduler) == ["enrich.nightly"]


@pytest.mark.usefixtures("no_wait")
def test_a_register_that_cannot_be_read_is_read_later(tmp_path: Path) -> None:
    server, url = redis_server(tmp_path / "redis")
    started: list[datetime | None] = []
    with running(server):
        scheduler = beat(tmp_path, url, started)
        ticks(scheduler)
        assert sent(scheduler) == 0
        started.append(datetime.now(UTC) - timedelta(days=1))
        ticks(scheduler)
        assert sent(scheduler) >= 1


@pytest.mark.usefixtures("no_wait")
def test_a_museum_without_nights_has_none_to_make_up(tmp_path: Path) -> None:
    server, url = redis_server(tmp_path / "redis")
    with running(server):
        scheduler = beat(tmp_path, url, [None])
        due = scheduler.schedule["nightly"].last_run_at
        assert timedelta(0) <= datetime.now(UTC) - due < timedelta(minutes=5, seconds=1)
        if datetime.now(UTC) - due < timedelta(minutes=4, seconds=55):
            ticks(scheduler)
            assert sent(scheduler) == 0
