"""Stories keep office hours, months and the clock of Amsterdam."""

from __future__ import annotations

from datetime import UTC, date, datetime
from random import Random
from zoneinfo import ZoneInfo

import pytest

from consumers.demo import times
from consumers.demo.times import later, midnight, on_day_of_month, text_of, wait

AMSTERDAM = ZoneInfo("Europe/Amsterdam")


def stamp(text: str) -> int:
    return int(datetime.fromisoformat(text).timestamp())


def chance(seed: int) -> Random:
    return Random(seed)


def local(moment: int) -> datetime:
    return datetime.fromtimestamp(moment, AMSTERDAM)


def test_a_wait_is_a_stretch_of_time_or_a_term_of_the_calendar() -> None:
    assert (wait("90m").low, wait("90m").high) == (5_400, 5_400)
    assert (wait("2d..9d").low, wait("2d..9d").high) == (172_800, 777_600)
    assert (wait("P7Y").months, wait("P1Y2M3D").months, wait("P1Y2M3D").days) == (84, 14, 3)


@pytest.mark.parametrize("text", ["", "soon", "3", "..2d", "P7W"])
def test_anything_else_is_no_wait(text: str) -> None:
    with pytest.raises(ValueError, match="not a wait"):
        wait(text)


def test_a_term_ends_on_the_same_day_of_the_month_or_its_last() -> None:
    ends = later(stamp("2024-02-29T12:00:00+01:00"), wait("P7Y"), "night", chance(1))

    assert local(ends).date() == date(2031, 2, 28)


def test_people_work_in_office_hours_and_not_on_sunday() -> None:
    rng = chance(7)
    moments = [local(later(stamp("2026-03-02T10:00:00+01:00"), wait("2d..90d"), "office", rng)) for _ in range(500)]

    assert {moment.weekday() for moment in moments} <= {0, 1, 2, 3, 4}
    assert all(9 <= moment.hour < 17 for moment in moments)


def test_nothing_happens_before_what_it_follows() -> None:
    rng, start = chance(3), stamp("2026-05-08T16:59:00+02:00")

    assert all(later(start, wait("12h..20h"), "office", rng) > start for _ in range(300))


@pytest.mark.parametrize("moment", ["2026-03-28T23:30:00+01:00", "2026-10-24T23:30:00+02:00"])
def test_a_month_with_a_change_of_the_clock_is_a_month(moment: str) -> None:
    reached = local(on_day_of_month(stamp(moment), 5, "night", chance(1)))

    assert reached.day == 5
    assert 1 <= reached.hour < 4


def test_a_day_begins_at_midnight_in_amsterdam() -> None:
    assert midnight(date(2026, 7, 1)) == stamp("2026-07-01T00:00:00+02:00")
    assert midnight(date(2026, 3, 29)) == stamp("2026-03-29T00:00:00+01:00")
    assert midnight(date(2026, 3, 30)) == stamp("2026-03-30T00:00:00+02:00")


def test_moments_are_written_in_utc_or_with_the_offset_of_amsterdam() -> None:
    moment = int(datetime(2026, 7, 1, 10, tzinfo=UTC).timestamp())

    assert text_of(moment) == "2026-07-01T10:00:00Z"
    assert text_of(moment, local=True) == "2026-07-01T12:00:00+02:00"
    assert times.local_day(stamp("2026-07-01T23:59:00Z")) == times.local_day(stamp("2026-07-02T12:00:00Z"))
