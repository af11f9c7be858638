"""When a term ends: ISO 8601 durations on the calendar of Europe/Amsterdam.

A term of days, weeks, months or years that starts on day D ends at the end of the corresponding day; a
month clips to its end; a term in hours runs on. A statutory term that ends on a weekend or public holiday
rolls to the next working day. Every function answers for every date: what would lie beyond the last
representable day is that day. Sources: the contract (Obligations by clock; Readings 11, 18), Reg. 1182/71
art. 3, Algemene termijnenwet art. 3.
"""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

AMSTERDAM: Final = ZoneInfo("Europe/Amsterdam")
FOREVER: Final = datetime(9999, 12, 31, tzinfo=UTC)
"""A moment that never comes."""
_LAST_DAY: Final = date(9999, 12, 30)
_FIRST_DAY: Final = date(1, 1, 2)
_SATURDAY: Final = 5
_MONTHS: Final = 12
_PATTERN: Final = re.compile(r"^P(?:(\d+)Y)?(?:(\d+)M)?(?:(\d+)W)?(?:(\d+)D)?(?:T(?:(\d+)H)?)?$")
_NUMBER_MAX: Final = 1_000_000


class Duration(NamedTuple):
    """A length of time: calendar months and days, or hours."""

    months: int = 0
    days: int = 0
    hours: int = 0

    @property
    def is_zero(self) -> bool:
        """Whether it means "as soon as"."""
        return not (self.months or self.days or self.hours)


@lru_cache(maxsize=1024)
def duration(text: str) -> Duration | None:
    """Read P3Y, P1Y6M, P4W, P7D, P0D or PT72H; None for anything else."""
    found = _PATTERN.match(text) if len(text) <= 40 else None  # noqa: PLR2004  a longer text is no duration
    if found is None or not any(found.groups()):
        return None
    years, months, weeks, days, hours = (min(int(part or 0), _NUMBER_MAX) for part in found.groups())
    return Duration(years * _MONTHS + months, weeks * 7 + days, hours)


def add(day: date, term: Duration) -> date:
    """The corresponding day after a term, a month clipped to its end; hours count for nothing here."""
    if term.months:
        count = day.year * _MONTHS + day.month - 1 + term.months
        year, month = divmod(count, _MONTHS)
        if year > _LAST_DAY.year:
            return _LAST_DAY
        day = date(year, month + 1, min(day.day, _month_length(year, month + 1)))
    if not term.days:
        return min(day, _LAST_DAY)
    return date.fromordinal(min(day.toordinal() + term.days, _LAST_DAY.toordinal()))


def _month_length(year: int, month: int) -> int:
    if month == 2:  # noqa: PLR2004  February
        return 29 if year % 4 == 0 and (year % 100 != 0 or year % 400 == 0) else 28
    return 30 if month in {4, 6, 9, 11} else 31


@lru_cache(maxsize=65536)
def day_of(moment: datetime) -> date:
    """The day in Amsterdam on which a moment falls."""
    try:
        return moment.astimezone(AMSTERDAM).date()
    except (OverflowError, ValueError):
        return _LAST_DAY if moment.year > 1 else _FIRST_DAY


@lru_cache(maxsize=65536)
def start_of(day: date) -> datetime:
    """The first moment of a day in Amsterdam, as UTC."""
    if day >= _LAST_DAY:
        return FOREVER
    return datetime.combine(max(day, _FIRST_DAY), time(), AMSTERDAM).astimezone(UTC)


@lru_cache(maxsize=65536)
def after(day: date) -> datetime:
    """The first moment after a day: when what was due on it is late."""
    return start_of(day if day >= _LAST_DAY else day + timedelta(days=1))


def local(moment: datetime) -> datetime:
    """The same moment with the Amsterdam offset, as findings show it."""
    try:
        return moment.astimezone(AMSTERDAM)
    except (OverflowError, ValueError):
        return moment


@lru_cache(maxsize=512)
def _holidays(year: int) -> frozenset[date]:
    """The days of Algemene termijnenwet art. 3(1), and Good Friday (3(2))."""
    easter = _easter(year)
    king = date(year, 4, 27) if year >= 2014 else date(year, 4, 30)  # noqa: PLR2004  Queen's Day until 2013
    if king.weekday() == 6:  # noqa: PLR2004  on a Sunday it is kept the day before, or until 1979 the day after
        king += timedelta(days=-1 if year >= 1980 else 1)  # noqa: PLR2004
    moving = {easter + timedelta(days=days) for days in (-2, 1, 39, 50)}
    return frozenset(moving | {date(year, 1, 1), king, date(year, 5, 5), date(year, 12, 25), date(year, 12, 26)})


def _easter(year: int) -> date:
    """Easter Sunday of the Gregorian calendar (Meeus, Jones, Butcher)."""
    a, b, c = year % 19, year // 100, year % 100
    d, e = divmod(b, 4)
    g = (8 * b + 13) // 25
    h = (19 * a + b - d - g + 15) % 30
    i, k = divmod(c, 4)
    m = (32 + 2 * e + 2 * i - h - k) % 7
    n = (a + 11 * h + 22 * m) // 451
    month, day = divmod(h + m - 7 * n + 114, 31)
    return date(year, month, day + 1)


def is_working_day(day: date) -> bool:
    """Monday to Friday, and no holiday."""
    return day.weekday() < _SATURDAY and day not in _holidays(day.year)


@lru_cache(maxsize=65536)
def next_working_day(day: date) -> date:
    """The first working day after a day."""
    while day < _LAST_DAY:
        day += timedelta(days=1)
        if is_working_day(day):
            break
    return min(day, _LAST_DAY)


def rolled(day: date) -> date:
    """The day itself, or the next working day where it is none."""
    return day if day >= _LAST_DAY or is_working_day(day) else next_working_day(day)


@lru_cache(maxsize=65536)
def last_day(start: date, term: Duration) -> date:
    """The last day of a term; P0D ("as soon as") ends with the next working day."""
    return next_working_day(start) if term.is_zero else add(start, term)


def late_from(moment: datetime, term: Duration) -> datetime:
    """The first moment at which a duty that started at `moment` is late; a term in hours to the exact moment."""
    if term.hours and not (term.months or term.days):
        try:
            return moment + timedelta(hours=term.hours)
        except OverflowError:
            return FOREVER
    return after(last_day(day_of(moment), term))


def last_moment(text: str | None) -> datetime | None:
    """The last moment of a day, or the moment itself: what a term counts from that starts when something ends."""
    moment = moment_of(text, ends=True)
    return moment - timedelta(microseconds=1) if moment is not None and text is not None and len(text) == 10 else moment  # noqa: PLR2004  YYYY-MM-DD


@lru_cache(maxsize=4096)
def moment_of(text: str | None, *, ends: bool = False) -> datetime | None:
    """Read an RFC 3339 time or a date; a date means its first moment, or with `ends` the first moment after it.

    None where there is no text or it is no date.
    """
    if text is None:
        return None
    try:
        if len(text) == 10:  # noqa: PLR2004  YYYY-MM-DD
            day = date.fromisoformat(text)
            return after(day) if ends else start_of(day)
        moment = datetime.fromisoformat(text.replace("z", "Z"))
        return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=AMSTERDAM).astimezone(UTC)
    except (ValueError, OverflowError):
        return None
