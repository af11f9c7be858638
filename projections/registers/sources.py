"""Sources: who speaks, how far they were read, when they were last heard, and what is missing or odd."""

from __future__ import annotations

import sqlite3
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, ClassVar, Final

import orjson

from ledger.decisions import SOURCE_ADDED, SOURCE_REMOVED
from ledger.domain.calendar import Duration, duration, late_from, local, moment_of
from ledger.domain.sources import ANY
from ledger.policy.filters import wire
from ledger.policy.findings import Finding
from ledger.policy.promises.records import silent
from ledger.policy.timeline import REPORTED
from projections.page import Group, Page
from projections.register import Ask, Log, Register, Row, ids, micros, moment, shown, text
from projections.reports import Report, Reports

_QUARANTINED: Final = "quarantined:"
_UNKNOWN: Final = "unknown-field:"
SHORTEST_CADENCE: Final = 3_600_000_000
"""An hour, in microseconds: shorter pauses are not kept."""


class Sources(Register):
    """Every stream that was read and every service that spoke."""

    name = "sources"
    version = 3
    help = "Services and streams: who may speak, mark, last heard, complete up to, counts by type, gaps, quarantined, unknown fields, odd times."
    depends = ("reports",)
    columns: ClassVar[tuple[str, ...]] = (
        "source", "organisation", "registered", "every", "mark", "last_heard", "complete_up_to", "events", "types", "first", "last", "gaps", "missing", "highest", "reports", "recorded",
        "duplicate", "quarantined", "unknown_fields", "implausible_times",
    )  # fmt: skip

    def fold(self, page: Page, db: sqlite3.Cursor, _log: Log) -> None:
        """Count by source and type; join consecutive numbers."""
        groups: dict[tuple[str, str, str], list[Group]] = defaultdict(list)
        for group in page.groups:
            groups[group.source, group.line.organisation, group.topic].append(group)
        db.executemany(self.sql["add"], [(*place, *_counted(found)) for place, found in groups.items()])
        numbers: dict[str, dict[int, tuple[int, int]]] = defaultdict(dict)
        for group in page.groups:
            for number, time, position in zip(group.numbers, group.times, group.positions, strict=True):
                if number is None:
                    continue
                mine, place = numbers[group.source], (micros(time), position)
                mine[number] = min(place, mine.get(number, place))
        for source, places in numbers.items():
            self._join(db, source, places)
        self._reports(db, page)
        self._register(db, page)
        self._listen(db, page)

    def _register(self, db: sqlite3.Cursor, page: Page) -> None:
        """Who may speak, by the decisions of the ledger."""
        for decision in page.decisions:
            said = decision.said
            if decision.topic == SOURCE_ADDED:
                place = (said["source"], said["organisation"], text(said["activities"]), text(said["types"]))
                db.execute(self.sql["grant"], (*place, said["every"], micros(decision.at), decision.position))
            elif decision.topic == SOURCE_REMOVED:
                db.execute(self.sql["withdraw"], {name: said[name] for name in ("source", "organisation")})

    def _listen(self, db: sqlite3.Cursor, page: Page) -> None:
        """Keep every pause between two moments at which a source was heard, if it is longer than the shortest cadence."""
        ordered: dict[str, list[int]] = defaultdict(list)
        for group in sorted(page.groups, key=lambda group: group.positions[0]):
            ordered[group.source].append(micros(group.recorded))
        for source, moments in ordered.items():
            found = db.execute(self.sql["heard"], (source,)).fetchone()
            heard = moments[0] if found is None else found[0]
            for moment_ in moments:
                if moment_ - heard > SHORTEST_CADENCE:
                    db.execute(self.sql["add_pause"], (source, heard, moment_))
                heard = max(heard, moment_)
            db.execute(self.sql["hear"], (source, heard))

    def _join(self, db: sqlite3.Cursor, source: str, places: Mapping[int, tuple[int, int]]) -> None:
        """Join new numbers with the stretches that they touch; `places` says when and where each number stands."""
        for first, last in _stretches(places):
            near = db.execute(self.sql["near"], {"source": source, "first": first, "last": last}).fetchall()
            db.executemany(self.sql["drop_stretch"], [(source, start) for start, *_ in near])
            starts = [(first, *places[first]), *((start, time, position) for start, _, time, position, _ in near)]
            start, time, position = min(starts)
            ends = [(-last, places[last][0]), *((-end, ended) for _, end, _, _, ended in near)]
            end, ended = min(ends)
            db.execute(self.sql["add_stretch"], (source, start, -end, time, position, ended))

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
        grants, every = self.grants(ask), {source: every for source, every, _ in self.cadences(ask)}
        received = Reports().received(ask.db)
        for name in sorted(tallies.keys() | spoken.keys() | grants.keys()):
            if not spoken[name] and ask.organisation is not None:
                continue
            standing = {
                "registered": [row["organisation"] for row in grants.get(name, ())],
                "every": every.get(name),
                "complete_up_to": shown(self.complete_up_to(ask.db, name, received)),
            }
            for row in spoken[name] or [{"source": name}]:
                yield self._row(ask, row | standing, tallies.get(name))

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

    def grants(self, ask: Ask) -> dict[str, list[Row]]:
        """What each registered source may say, by organisation; no activities or types: all."""
        found: dict[str, list[Row]] = defaultdict(list)
        for row in ask.select(self.sql["grants"]):
            limits = {name: ids(row[name]) for name in ("activities", "types")}
            found[row["source"]].append({"organisation": row["organisation"], **limits, "every": row["every"]})
        return found

    # --- silence and completeness

    def cadences(self, ask: Ask) -> list[tuple[str, str, int]]:
        """(source, how often it is heard at least, since when that was agreed) of each source with a cadence."""
        return [
            (source, every, since)
            for source, every, _, since in ask.db.execute(self.sql["cadences"])
            if every is not None
        ]

    def silences(self, ask: Ask) -> Iterator[Finding]:
        """Findings about sources that were not heard within their cadence, one for each organisation that they speak for."""
        for source, every, agreed in self.cadences(ask):
            organisations = [one for one in self._organisations(ask, source) if ask.organisation in {None, one}]
            for since, until in self._missed(ask, source, every, agreed) if organisations else ():
                yield from (silent(organisation, source, every, since, until) for organisation in organisations)

    def silent_now(self, ask: Ask) -> dict[str, datetime]:
        """Sources that are later than their cadence at the moment asked, and since when."""
        found = {}
        for source, every, agreed in self.cadences(ask):
            for since, until in self._missed(ask, source, every, agreed):
                if since <= ask.now and until is None:
                    found[source] = since
        return found

    def _missed(self, ask: Ask, source: str, every: str, agreed: int) -> Iterator[tuple[datetime, datetime | None]]:
        """From when until when (None: still) a source was later than its cadence allows."""
        term = duration(every)
        found = ask.db.execute(self.sql["heard"], (source,)).fetchone()
        pauses: list[tuple[int, int | None]] = list(ask.db.execute(self.sql["pauses"], (source, agreed)))
        pauses.append((max(found[0] if found else agreed, agreed), None))
        for starts, ends in pauses:
            late = late_from(moment(max(starts, agreed)), term or Duration())
            if ends is None or late < moment(ends):
                yield late, None if ends is None else moment(ends)

    def _organisations(self, ask: Ask, source: str) -> list[str]:
        granted = [row["organisation"] for row in self.grants(ask).get(source, ())]
        if ANY not in granted:
            return granted
        spoken = [row[0] for row in ask.db.execute(self.sql["organisations_of"], (source,))]
        return sorted({*granted, *(spoken or ask.packs)} - {ANY})

    def complete_up_to(
        self, db: sqlite3.Connection, source: str, received: Sequence[tuple[Report, Mapping[str, int]]]
    ) -> int | None:
        """Up to which moment nothing is known to be missing of a source; None where nobody can say.

        By its numbers: the time of the last one before the first gap. By its reports: the end of the last period
        whose counts are those received, if none before differs. A gap or a difference outweighs what agrees.
        """
        numbers = db.execute(self.sql["numbered_to"], (source,)).fetchone()
        gaps = db.execute(self.sql["gaps"], {"source": source}).fetchone()
        agreed, differs = None, None
        for report in self.reported(db, source, received):
            if report["differing"]:
                differs = min(report["starts"], differs if differs is not None else report["starts"])
            elif report["counted"]:
                agreed = max(report["ends"], agreed or 0)
        limits = [
            limit for limit in (differs, numbers[0] if gaps is not None and gaps[0] else None) if limit is not None
        ]
        known = [one for one in (agreed, numbers and numbers[0]) if one is not None]
        return min([max(known), *limits]) if known else min(limits, default=None)

    def spoken_for(self, db: sqlite3.Connection, organisation: str | None) -> list[str]:
        """The services that spoke for an organisation, or for any."""
        return [row[0] for row in db.execute(self.sql["spoken_for"], {"organisation": organisation})]

    def reported(
        self, db: sqlite3.Connection, source: str, received: Sequence[tuple[Report, Mapping[str, int]]]
    ) -> list[Row]:
        """What a source said that it sent, beside what was received; newest last. Periods in microseconds."""
        periods = {report.position: (report, counts) for report, counts in received if report.source == source}
        found = []
        for position, _, organisation, said in db.execute(self.sql["said"], (source,)):
            if position not in periods:
                continue  # Its period cannot be read.
            report, counts = periods[position]
            stated = orjson.loads(said)
            pairs = {
                type_: {"said": count, "received": counts.get(type_) or counts.get(wire(type_), 0)}
                for type_, count in (stated["counts"] or {}).items()
            }
            found.append(
                {
                    "organisation": organisation,
                    "starts": micros(report.starts),
                    "ends": micros(report.ends),
                    "counted": bool(pairs),
                    "differing": {type_: pair for type_, pair in pairs.items() if pair["said"] != pair["received"]},
                    "holding": stated["holding"] or {},
                }
            )
        return found


def _counted(groups: list[Group]) -> tuple[int, int, int, int]:
    """How many, the first and the last moment, and when it was last heard."""
    first = min([min(group.times) for group in groups])
    last = max([max(group.times) for group in groups])
    heard = max([group.recorded for group in groups])
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
