"""When the nightly run rests, and until when."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from enrich.errors import SettingsError
from enrich.runs.blackout import resting, rests_until, windows, zone
from enrich.settings.models import WorkersSettings

BERLIN = ZoneInfo("Europe/Berlin")


def settings(**said: object) -> WorkersSettings:
    """Settings that say this."""
    return WorkersSettings(**said)  # type: ignore[arg-type]


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
        (("sun 00:00-24:00",), "2026-11-22T00:00:00", True),
        (("sun 00:00-24:00",), "2026-11-22T23:59:59", True),
        (("sun 00:00-24:00",), "2026-11-23T00:00:00", False),
        (("fri 18:00-24:00",), "2026-11-20T23:59:00", True),
        (("fri 18:00-24:00",), "2026-11-21T00:00:00", False),
        ((), "2026-11-20T12:00:00", False),
    ],
)
def test_resting(blackout: tuple[str, ...], moment: str, rests: bool) -> None:
    said = settings(blackout=blackout, timezone="Europe/Berlin")
    assert resting(said, datetime.fromisoformat(moment).replace(tzinfo=BERLIN)) is rests


@pytest.mark.parametrize(
    "window",
    [
        "8-18",
        "08:00",
        "someday 08:00-18:00",
        "25:00-26:00",
        "08:61-09:00",
        "24:00-06:00",
        "07:00-7:00",
        "sat 00:00-00:00",
    ],
)
def test_what_is_no_window_is_refused(window: str) -> None:
    with pytest.raises(SettingsError, match="blackout"):
        windows(settings(blackout=(window,)))


def test_the_environments_commas_do_not_cut_weekdays_off() -> None:
    (found,) = windows(settings(blackout="mon,tue 08:00-18:00"))
    assert found[0] == {0, 1}


@pytest.mark.parametrize(
    ("blackout", "moment", "until"),
    [
        (("08:00-18:00",), "2026-11-20T08:00+01:00", "2026-11-20T18:00+01:00"),
        (("22:00-06:00",), "2026-11-20T23:00+01:00", "2026-11-21T06:00+01:00"),
        (("22:00-06:00",), "2026-11-20T05:00+01:00", "2026-11-20T06:00+01:00"),
        (("08:00-12:00", "11:00-18:00"), "2026-11-20T09:00+01:00", "2026-11-20T18:00+01:00"),
        (("00:00-12:00", "12:00-00:00"), "2026-11-20T09:00+01:00", None),
        (("sun 00:00-24:00",), "2026-10-25T02:30+02:00", "2026-10-26T00:00+01:00"),
        (("00:00-24:00",), "2026-11-20T09:00+01:00", None),
        (("22:00-04:00",), "2026-10-24T23:00+02:00", "2026-10-25T04:00+01:00"),
        (("22:00-04:00",), "2026-03-28T23:00+01:00", "2026-03-29T04:00+02:00"),
    ],
)
def test_until_when_the_nightly_run_rests(blackout: tuple[str, ...], moment: str, until: str | None) -> None:
    said = settings(blackout=blackout, timezone="Europe/Berlin")
    now = datetime.fromisoformat(moment)
    found = rests_until(said, now)
    if until is None:
        assert found is not None
        assert found - now >= timedelta(days=7), "for ever"
    else:
        assert found == datetime.fromisoformat(until)
        assert rests_until(said, found) is None


@given(
    st.datetimes(datetime(2026, 10, 24), datetime(2026, 10, 26)),
    st.times().map(lambda clock: clock.replace(second=0, microsecond=0)),
    st.times().map(lambda clock: clock.replace(second=0, microsecond=0)),
)
def test_the_clock_on_the_wall_decides(moment: datetime, start: time, end: time) -> None:
    """Also in the hour that comes twice: it rests in both when the window holds it."""
    assume(start != end)
    now = moment.replace(tzinfo=UTC)
    clock = now.astimezone(BERLIN).time()
    within = start <= clock < end if start <= end else clock >= start or clock < end
    said = settings(blackout=(f"{start:%H:%M}-{end:%H:%M}",), timezone="Europe/Berlin")
    assert resting(said, now) is within
    until = rests_until(said, now)
    assert until is None or now < until <= now + timedelta(hours=26)
