"""Terms end as the law and dateutil say, on every date."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest
from dateutil.easter import easter
from dateutil.relativedelta import relativedelta
from hypothesis import given
from hypothesis import strategies as st

from ledger.domain import calendar
from ledger.domain.calendar import (
    AMSTERDAM,
    FOREVER,
    Duration,
    add,
    after,
    duration,
    late_from,
    local,
    moment_of,
    next_working_day,
    rolled,
    start_of,
)

days = st.dates(date(1900, 1, 1), date(2199, 12, 31))
moments = st.datetimes(datetime(1900, 1, 1), datetime(2199, 12, 31), timezones=st.just(UTC))  # noqa: DTZ001  hypothesis adds the zone
terms = st.builds(Duration, months=st.integers(0, 240), days=st.integers(0, 4000), hours=st.just(0))


@given(days, terms)
def test_a_term_ends_on_the_day_that_dateutil_says(day: date, term: Duration) -> None:
    assert add(day, term) == day + relativedelta(months=term.months) + timedelta(days=term.days)


@given(moments, terms.filter(lambda term: not term.is_zero))
def test_what_is_due_is_late_from_the_first_moment_of_the_day_after(moment: datetime, term: Duration) -> None:
    late = late_from(moment, term)
    assert local(late).time().isoformat() == "00:00:00"
    assert local(late).date() == add(moment.astimezone(AMSTERDAM).date(), term) + timedelta(days=1)
    assert late > moment


@given(days)
def test_as_soon_as_is_the_next_working_day(day: date) -> None:
    found = next_working_day(day)
    assert found > day
    assert calendar.is_working_day(found)
    assert not any(calendar.is_working_day(day + timedelta(days=at)) for at in range(1, (found - day).days))
    assert rolled(day) == (day if calendar.is_working_day(day) else found)


@given(st.integers(1900, 2199))
def test_easter_is_where_dateutil_finds_it(year: int) -> None:
    assert date(year, 12, 25) in calendar._holidays(year)
    assert easter(year) + timedelta(days=1) in calendar._holidays(year)
    assert easter(year) - timedelta(days=2) in calendar._holidays(year)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("P3Y", Duration(months=36)),
        ("P4W", Duration(days=28)),
        ("P0D", Duration()),
        ("PT72H", Duration(hours=72)),
        ("P1Y6M", Duration(months=18)),
    ],
)
def test_durations_are_read(text: str, expected: Duration) -> None:
    assert duration(text) == expected


@pytest.mark.parametrize("text", ["", "P", "PT", "3Y", "P-1D", "P1.5Y", "forever", "P" + "9" * 60 + "Y"])
def test_what_is_no_duration_is_none(text: str) -> None:
    assert duration(text) is None


@given(moments, st.from_regex(r"P[0-9]{1,9}[YMWD]", fullmatch=True))
def test_no_term_is_too_long(moment: datetime, text: str) -> None:
    term = duration(text)
    assert term is not None
    assert moment < late_from(moment, term) <= FOREVER


@pytest.mark.parametrize("day", [date(1, 1, 1), date(9999, 12, 31), date(1900, 1, 1)])
def test_no_date_is_too_far(day: date) -> None:
    assert start_of(day) <= after(day)
    assert add(day, Duration(months=1_000_000)) <= date(9999, 12, 31)
    assert next_working_day(day) <= date(9999, 12, 31)


@pytest.mark.parametrize("text", [None, "", "yesterday", "2026-02-30", "0001-01-01T00:00:00+14:00x"])
def test_what_is_no_moment_is_none(text: str | None) -> None:
    assert moment_of(text) is None


@pytest.mark.parametrize("text", ["0001-01-01", "0001-01-01T00:00:00+14:00", "9999-12-31", "9999-12-31T23:59:59-12:00"])
def test_extreme_dates_do_not_crash(text: str) -> None:
    moment_of(text)
    moment_of(text, ends=True)


def test_a_date_begins_and_ends_in_amsterdam() -> None:
    assert moment_of("2026-03-29") == datetime(2026, 3, 28, 23, tzinfo=UTC)
    assert moment_of("2026-03-29", ends=True) == datetime(
        2026, 3, 29, 22, tzinfo=UTC
    )  # the clocks went forward that night


def test_kings_day_moves_when_it_falls_on_a_sunday() -> None:
    assert not calendar.is_working_day(date(2026, 4, 27))
    assert date(2025, 4, 26) in calendar._holidays(2025)
    assert calendar.is_working_day(date(2013, 4, 29))
    assert not calendar.is_working_day(date(2013, 4, 30))


def test_good_friday_is_no_working_day() -> None:
    assert not calendar.is_working_day(date(2026, 4, 3))
    assert next_working_day(date(2026, 4, 2)) == date(2026, 4, 7)
