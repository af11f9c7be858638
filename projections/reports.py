"""What services say that they sent (`pdl.source.reported`), against what was received of that period."""

from __future__ import annotations

import sqlite3
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import ClassVar, Final, NamedTuple

from ledger.domain.calendar import moment_of
from ledger.policy.timeline import REPORTED
from projections.page import Group, Page
from projections.register import Ask, Log, Register, Row, micros, moment

ZONE: Final = 4096
"""How many positions make one stretch of which the first and last moment are known."""


class Report(NamedTuple):
    """A report and the period that it is about."""

    position: int
    source: str
    organisation: str
    starts: datetime
    ends: datetime


class Reports(Register):
    """Not a register for reading: counts that the judge compares with what services report."""

    name = "reports"
    help = "Internal: what was received of the periods that services report about."
    package = "projections"
    columns: ClassVar[tuple[str, ...]] = ()

    def fold(self, page: Page, db: sqlite3.Cursor, log: Log) -> None:
        """Count what the page adds to earlier reports; look back for what new ones are about."""
        db.executemany(self.sql["add_zone"], _zones(page.groups))
        known = self._all(db)
        fresh = list(_reports(page))
        rows = [(one.position, one.source, one.organisation, micros(one.starts), micros(one.ends)) for one in fresh]
        db.executemany(self.sql["add_report"], rows)
        found = _received(page.groups, known)
        if fresh:
            for earlier in self._zones_of(db, page, log, fresh):
                found += _received(earlier.groups, fresh)
        db.executemany(
            self.sql["add_received"], [(position, type_, count) for (position, type_), count in sorted(found.items())]
        )

    def _zones_of(self, db: sqlite3.Cursor, page: Page, log: Log, reports: Sequence[Report]) -> Iterator[Page]:
        """The stretches of the log, up to and including this page, that may hold facts of these periods."""
        for number, first, last in db.execute(self.sql["zones"]).fetchall():
            if any(micros(one.starts) <= last and first < micros(one.ends) for one in reports):
                after = number * ZONE
                yield Page(after, log.plain(after, min(ZONE, page.mark - after)), page.bound)

    def _all(self, db: sqlite3.Cursor | sqlite3.Connection) -> list[Report]:
        rows = db.execute(self.sql["reports"]).fetchall()
        return [
            Report(position, source, of, moment(starts), moment(ends)) for position, source, of, starts, ends in rows
        ]

    def rows(self, _ask: Ask) -> Iterator[Row]:
        """Nothing to show; the register sources counts reports, the register findings shows differences."""
        yield from ()

    def received(self, db: sqlite3.Connection) -> list[tuple[Report, dict[str, int]]]:
        """Each report with what was received of its period, by type."""
        reports = self._all(db)
        return [(one, dict(db.execute(self.sql["received"], {"position": one.position}).fetchall())) for one in reports]


def _reports(page: Page) -> Iterator[Report]:
    for position, _, line in page.details((REPORTED,)):
        starts, ends = moment_of(line.from_), moment_of(line.to, ends=True)
        if starts is not None and ends is not None:
            yield Report(position, line.source, line.organisation, starts, ends)


def _received(groups: Iterable[Group], reports: Sequence[Report]) -> Counter[tuple[int, str]]:
    found: Counter[tuple[int, str]] = Counter()
    if reports:
        for group in groups:
            for one in reports:
                if (one.source, one.organisation) == (group.source, group.line.organisation):
                    count = sum(one.starts <= time < one.ends for time in group.times)
                    if count:
                        found[one.position, group.topic] += count
    return found


def _zones(groups: Iterable[Group]) -> list[tuple[int, int, int]]:
    """(zone, first, last moment) of the facts of a page."""
    found: dict[int, tuple[datetime, datetime]] = {}
    for group in groups:
        start = 0
        for number in range((group.positions[0] - 1) // ZONE, (group.positions[-1] - 1) // ZONE + 1):
            end = bisect_left(group.positions, (number + 1) * ZONE + 1, lo=start)
            times = group.times[start:end]
            start = end
            if times:
                first, last = min(times), max(times)
                known = found.get(number)
                found[number] = (first, last) if known is None else (min(first, known[0]), max(last, known[1]))
    return [(number, micros(first), micros(last)) for number, (first, last) in sorted(found.items())]
