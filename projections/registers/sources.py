"""Sources: who speaks, how far they were read, when they were last heard, and what is missing or odd."""

from __future__ import annotations

import sqlite3
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, ClassVar, Final

import orjson

from ledger.domain.calendar import local, moment_of
from ledger.policy.timeline import REPORTED
from projections.page import Group, Page
from projections.register import Ask, Log, Register, Row, micros, shown

_QUARANTINED: Final = "quarantined:"
_UNKNOWN: Final = "unknown-field:"


class Sources(Register):
    """Every stream that was read and every service that spoke."""

    name = "sources"
    version = 2
    help = "Services and streams: mark, last heard, counts by type, gaps in numbering, quarantined, unknown fields, odd times."
    columns: ClassVar[tuple[str, ...]] = (
        "source", "organisation", "mark", "last_heard", "events", "types", "first", "last", "gaps", "missing", "highest", "reports", "recorded",
        "duplicate", "quarantined", "unknown_fields", "implausible_times",
    )  # fmt: skip

    def fold(self, page: Page, db: sqlite3.Cursor, _log: Log) -> None:
        """Count by source and type; join consecutive numbers."""
        groups: dict[tuple[str, str, str], list[Group]] = defaultdict(list)
        for group in page.groups:
            groups[group.line.source, group.line.organisation, group.topic].append(group)
        db.executemany(self.sql["add"], [(*place, *_counted(found)) for place, found in groups.items()])
        numbers: dict[str, dict[int, tuple[int, int]]] = defaultdict(dict)
        for group in page.groups:
            for number, time, position in zip(group.numbers, group.times, group.positions, strict=False):
                mine, place = numbers[group.line.source], (micros(time), position)
                mine[number] = min(place, mine.get(number, place))
        for source, places in numbers.items():
            self._join(db, source, places)
        self._reports(db, page)

    def _join(self, db: sqlite3.Cursor, source: str, places: Mapping[int, tuple[int, int]]) -> None:
        """Join new numbers with the stretches that they touch; `places` says when and where each number stands."""
        for first, last in _stretches(places):
            near = db.execute(self.sql["near"], {"source": source, "first": first, "last": last}).fetchall()
            db.executemany(self.sql["drop_stretch"], [(source, start) for start, *_ in near])
            starts = [(first, *places[first]), *((start, time, position) for start, _, time, position in near)]
            start, time, position = min(starts)
            db.execute(
                self.sql["add_stretch"], (source, start, max([last, *(end for _, end, *_ in near)]), time, position)
            )

    def _reports(self, db: sqlite3.Cursor, page: Page) -> None:
        rows = [
            (
                position,
                line.source,
                line.organisation,
                micros(line.time),
                orjson.dumps({"counts": line.counts, "holding": line.holding}).decode(),
            )
            for position, _, line in page.details((REPORTED,))
        ]
        db.executemany(self.sql["add_report"], rows)

    def rows(self, ask: Ask) -> Iterator[Row]:
        """Streams with their marks first, then services; the tallies of inputs are those of the present."""
        tallies = ask.log.sources() if ask.live else {}
        spoken: dict[str, list[Row]] = defaultdict(list)
        for row in ask.select(self.sql["list"]):
            spoken[row["source"]].append(row)
        for name in sorted(tallies.keys() | spoken.keys()):
            if not spoken[name] and ask.organisation is not None:
                continue
            for row in spoken[name] or [{"source": name}]:
                yield self._row(ask, row, tallies.get(name))

    def _row(self, ask: Ask, row: Row, heard: Any) -> Row:
        name = row["source"]
        kinds: Mapping[str, int] = {} if heard is None else heard.tallies
        gaps: Row = next(ask.select(self.sql["gaps"], source=name), {"gaps": None, "missing": None, "highest": None})
        reports = next(ask.select(self.sql["reports"], source=name, of=row.get("organisation")))
        last_heard = None if heard is None else moment_of(heard.last_heard)
        made = {
            **row,
            **gaps,
            "mark": None if heard is None else heard.mark,
            "last_heard": shown(row.get("heard")) if last_heard is None else local(last_heard).isoformat(),
            "types": {} if "types" not in row else orjson.loads(row["types"]),
            "first": shown(row.get("first")),
            "last": shown(row.get("last")),
            "reports": reports["reports"],
            "recorded": kinds.get("recorded"),
            "duplicate": kinds.get("duplicate"),
            "quarantined": _within(kinds, _QUARANTINED),
            "unknown_fields": _within(kinds, _UNKNOWN),
            "implausible_times": kinds.get("implausible-time", 0) if heard is not None else None,
        }
        return {column: made.get(column) for column in self.columns}


def _counted(groups: list[Group]) -> tuple[int, int, int, int]:
    """How many, the first and the last moment, and when it was last heard."""
    first = min([min(group.times) for group in groups])
    last = max([max(group.times) for group in groups])
    heard = max([group.line.recorded for group in groups])
    return sum([len(group.times) for group in groups]), micros(first), micros(last), micros(heard)


def _within(kinds: Mapping[str, int], prefix: str) -> dict[str, int]:
    return {kind.removeprefix(prefix): count for kind, count in sorted(kinds.items()) if kind.startswith(prefix)}


def _stretches(numbers: Iterable[int]) -> Iterator[tuple[int, int]]:
    """Runs of consecutive numbers."""
    ordered = sorted(set(numbers))
    start = 0
    for at in range(1, len(ordered) + 1):
        if at == len(ordered) or ordered[at] != ordered[at - 1] + 1:
            yield ordered[start], ordered[at - 1]
            start = at
