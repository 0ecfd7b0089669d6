"""When the nightly run rests: the windows of `workers.blackout` in the time zone of `workers.timezone`."""

import re
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from enrich.errors import SettingsError
from enrich.settings.models import WorkersSettings

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_WINDOW = re.compile(r"(?:(?P<days>[a-z,]+)\s+)?(?P<start>\d\d?:\d\d)-(?P<end>\d\d?:\d\d)", re.IGNORECASE)
Window = tuple[frozenset[int], time, time]
"""Weekdays (0 is Monday), start and end; it may reach past midnight, and ends a day later where both are the same."""
_MIDNIGHT = "24:00"
"""How the end of a day may be written, as an end."""


def zone(settings: WorkersSettings) -> ZoneInfo:
    """The time zone. Raises SettingsError for one that there is not."""
    try:
        return ZoneInfo(settings.timezone)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise SettingsError(
            f"workers.timezone is {settings.timezone!r}; it is a name such as Europe/Ljubljana"
        ) from error


def windows(settings: WorkersSettings) -> list[Window]:
    """The windows in which the nightly run rests: weekdays (0 is Monday), start, end. Raises SettingsError."""
    found = []
    for text in _joined(settings.blackout):
        match = _WINDOW.fullmatch(text.strip())
        days = (match["days"] or ",".join(DAYS)).lower().split(",") if match else []
        if match is None or any(day not in DAYS for day in days):
            raise SettingsError(
                f"workers.blackout holds {text!r}; a window is HH:MM-HH:MM, or mon,tue HH:MM-HH:MM"
            )
        try:
            start = time.fromisoformat(match["start"].zfill(5))
            end = time() if match["end"] == _MIDNIGHT else time.fromisoformat(match["end"].zfill(5))
        except ValueError as error:
            raise SettingsError(f"workers.blackout {text!r}: {error}") from error
        if start == end and match["end"] != _MIDNIGHT:
            raise SettingsError(
                f"workers.blackout holds {text!r}, which ends as it begins; a whole day is 00:00-24:00"
            )
        found.append((frozenset(DAYS.index(day) for day in days), start, end))
    return found


def _joined(texts: tuple[str, ...]) -> list[str]:
    """The windows, where the environment's commas have cut weekdays off theirs."""
    found: list[str] = []
    for text in texts:
        if found and not re.search(r"\d", found[-1]):
            found[-1] += "," + text
        else:
            found.append(text)
    return found


def resting(settings: WorkersSettings, moment: datetime) -> bool:
    """Whether the nightly run rests at this moment."""
    return rests_until(settings, moment) is not None


def rests_until(settings: WorkersSettings, moment: datetime) -> datetime | None:
    """Until when the nightly run rests (UTC), a week from now at most; None when it does not rest."""
    here, until = zone(settings), moment.astimezone(UTC)
    found = windows(settings)
    while until < moment + timedelta(days=7):
        ends = [end for window in found if (end := _end(window, until.astimezone(here))) is not None]
        if not ends:
            break
        until = max(ends).astimezone(UTC)
    return until if until > moment else None


def _end(window: Window, local: datetime) -> datetime | None:
    """When a window ends that holds this moment, None for one that does not hold it."""
    days, start, end = window
    clock, today = local.time(), local.date()
    overnight, began = start >= end, today.weekday() in days and clock >= start
    until = end.replace(fold=local.fold)  # of an hour that comes twice the same one
    if began and (overnight or clock < end):
        return datetime.combine(today + timedelta(days=overnight), until, local.tzinfo)
    if overnight and (today - timedelta(days=1)).weekday() in days and clock < end:
        return datetime.combine(today, until, local.tzinfo)
    return None
