"""When things happen in a story: waits as people say them, and the working day in Amsterdam.

Moments are whole seconds since 1970 in UTC; days are whole days since 1970 in local time.
"""

from __future__ import annotations

import re
from calendar import monthrange
from datetime import UTC, date, datetime
from functools import cache
from random import Random
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

DAY: Final = 86_400
_ZONE: Final = ZoneInfo("Europe/Amsterdam")
_UNITS: Final = {"s": 1, "m": 60, "h": 3_600, "d": DAY, "w": 7 * DAY}
_EPOCH: Final = date(1970, 1, 1).toordinal()
_SETTLES_FROM: Final = DAY // 2
_SATURDAY: Final = 5
HOURS: Final = {"office": (32_400, 61_200), "night": (3_600, 14_400), "any": (25_200, 82_800)}
"""Part of the local day in which a person (office), a nightly job or anyone (any) acts, in seconds after midnight."""


class Wait(NamedTuple):
    """Between `low` and `high` seconds, or exactly so many calendar months and days."""

    low: int
    high: int
    months: int = 0
    days: int = 0

    @property
    def calendar(self) -> bool:
        """Whether this is a term of the calendar rather than a stretch of time."""
        return bool(self.months or self.days)


@cache
def wait(text: str) -> Wait:
    """Read "90m", "2d..9d" or "P7Y"; raises ValueError for anything else."""
    term = re.fullmatch(r"P(?:(\d+)Y)?(?:(\d+)M)?(?:(\d+)D)?", text)
    if term:
        years, months, days = (int(part or 0) for part in term.groups())
        return Wait(0, 0, 12 * years + months, days)
    low, _, high = text.partition("..")
    return Wait(_seconds(low), _seconds(high or low))


def _seconds(text: str) -> int:
    found = re.fullmatch(r"(-?\d+)([smhdw])", text)
    if not found:
        raise ValueError(f"not a wait: {text}")
    return int(found[1]) * _UNITS[found[2]]


def later(moment: int, how: Wait, hours: str, rng: Random) -> int:
    """The moment that lies one wait further on, at a likely hour if it is another day."""
    if how.calendar:
        return at_hour(_months_on(local_day(moment), how.months) + how.days, hours or "night", rng)
    reached = moment + how.low + int(rng.random() * (how.high - how.low))
    if how.low < _SETTLES_FROM or not hours:
        return reached
    settled = at_hour(_workday(local_day(reached)) if hours == "office" else local_day(reached), hours, rng)
    return settled if settled > moment else reached


def at_hour(day: int, hours: str, rng: Random) -> int:
    """A moment of a local day within those hours."""
    first, last = HOURS[hours]
    return day * DAY - offset(day) + first + int(rng.random() * (last - first))


@cache
def offset(day: int) -> int:
    """Seconds that local time is ahead of UTC at noon of that day."""
    noon = datetime.fromtimestamp(day * DAY + DAY // 2, UTC).astimezone(_ZONE)
    ahead = noon.utcoffset()
    return int(ahead.total_seconds()) if ahead else 0


def local_day(moment: int) -> int:
    """The local day that a moment falls on."""
    guess = moment // DAY
    return (moment + offset(guess)) // DAY


def midnight(day: date) -> int:
    """The first moment of a local day."""
    number = day.toordinal() - _EPOCH
    return number * DAY - offset(number - 1)


def day_of(number: int) -> date:
    """The date of a day number."""
    return date.fromordinal(number + _EPOCH)


def on_day_of_month(moment: int, day: int, hours: str, rng: Random) -> int:
    """The next moment that falls on that day of a month (1 to 28)."""
    today = day_of(local_day(moment))
    month = today.replace(day=day) if today.day < day else day_of(_months_on(local_day(moment), 1)).replace(day=day)
    return at_hour(month.toordinal() - _EPOCH, hours or "office", rng)


def text_of(moment: int, *, local: bool = False) -> str:
    """RFC 3339, in UTC or with the Amsterdam offset."""
    if local:
        return datetime.fromtimestamp(moment, _ZONE).isoformat()
    minutes, seconds = divmod(moment % DAY, 60)
    return f"{_date_of(moment // DAY)}T{minutes // 60:02d}:{minutes % 60:02d}:{seconds:02d}Z"


@cache
def _date_of(number: int) -> str:
    return day_of(number).isoformat()


def _months_on(number: int, months: int) -> int:
    start = day_of(number)
    year, month = divmod(start.year * 12 + start.month - 1 + months, 12)
    return date(year, month + 1, min(start.day, monthrange(year, month + 1)[1])).toordinal() - _EPOCH


def _workday(number: int) -> int:
    """That day, or the Friday before it."""
    return number - max(0, (number + 3) % 7 - _SATURDAY + 1)
