"""When the nightly run is due, and when it rests."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from enrich.errors import SettingsError
from enrich.sections import WorkersSettings
from workers.schedule import last_slot, nightly_crontab, resting, windows, zone

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
    ],
)
def test_last_slot(schedule: str, now: str, due: str) -> None:
    crontab = nightly_crontab(settings(schedule=schedule, timezone="Europe/Berlin"))
    assert crontab is not None
    moment = datetime.fromisoformat(now).replace(tzinfo=BERLIN)
    assert last_slot(crontab, BERLIN, moment) == datetime.fromisoformat(due).replace(tzinfo=BERLIN)


def test_no_slot_within_eight_days() -> None:
    crontab = nightly_crontab(settings(schedule="0 0 1 1 *"))
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


@pytest.mark.parametrize("name", ["Nowhere/Land", "", "../etc/passwd"])
def test_what_is_no_time_zone_is_refused(name: str) -> None:
    with pytest.raises(SettingsError, match="timezone"):
        zone(settings(timezone=name))


@pytest.mark.parametrize(
    ("blackout", "moment", "rests"),
    [
        (("08:00-18:00",), "2026-11-20T08:00:00", True),
        (("08:00-18:00",), "2026-11-20T18:00:00", False),
        (("22:00-06:00",), "2026-11-20T23:00:00", True),
        (("22:00-06:00",), "2026-11-20T05:59:00", True),
        (("fri 22:00-06:00",), "2026-11-21T05:00:00", True),
        (("fri 22:00-06:00",), "2026-11-20T05:00:00", False),
        (("sat,sun 00:00-23:59",), "2026-11-21T12:00:00", True),
        (("sat,sun 00:00-23:59",), "2026-11-20T12:00:00", False),
        ((), "2026-11-20T12:00:00", False),
    ],
)
def test_resting(blackout: tuple[str, ...], moment: str, rests: bool) -> None:
    said = settings(blackout=blackout, timezone="Europe/Berlin")
    assert resting(said, datetime.fromisoformat(moment).replace(tzinfo=BERLIN)) is rests


@pytest.mark.parametrize("window", ["8-18", "08:00", "someday 08:00-18:00", "25:00-26:00", "08:61-09:00"])
def test_what_is_no_window_is_refused(window: str) -> None:
    with pytest.raises(SettingsError, match="blackout"):
        windows(settings(blackout=(window,)))


def test_the_environments_commas_do_not_cut_weekdays_off() -> None:
    (found,) = windows(settings(blackout="mon,tue 08:00-18:00"))
    assert found[0] == {0, 1}
