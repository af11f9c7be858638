"""The trail of each person: sorted tiles of (person, position), written one after the other and merged as they fill.

A table keyed by person would be written all over the place for every page; tiles are written in order,
and a person is found in each by bisection. What a fact says stays in the log; here is only where.
"""

from __future__ import annotations

import sqlite3
import struct
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator
from typing import Any, ClassVar, Final

from ledger.domain.calendar import local
from ledger.domain.facts import Fact
from ledger.sealing import header_of
from projections.page import Page
from projections.register import Ask, Log, Register, Row

PERSON_BYTES: Final = 8
"""How much of a pseudonym an entry holds; facts are compared in full when they are read."""
_ENTRY: Final = 16
_TILE: Final = 4096
_LEVELS: Final = 2
_FACTOR_BITS: Final = 4
_NEAR: Final = 50
"""How many entries per person wanted are still walked through; with more, each is looked for by itself."""
READ_AT_ONCE: Final = 1000
"""How many facts are read from the log in one query."""


def key_of(person: str) -> bytes:
    """The part of a pseudonym (hex) by which its trail is found."""
    return bytes.fromhex(person[: 2 * PERSON_BYTES])


class Trail(Register):
    """Every fact of every person, in the order of the log."""

    name = "trail"
    help = "Every fact about a person, in order: when, what, by whom, and where it stands in the log."
    version = 1
    package = "projections"
    columns: ClassVar[tuple[str, ...]] = (
        "position", "time", "recorded", "type", "organisation", "person", "activity", "client", "categories", "purpose", "operation", "basis",
        "recipient", "role", "system", "source", "id",
    )  # fmt: skip

    def fold(self, page: Page, db: sqlite3.Cursor, _log: Log) -> None:
        """Add the page's entries; merge the tiles that are full now."""
        by_tile: dict[int, list[bytes]] = {}
        for number, entries in _tiled(page):
            by_tile.setdefault(number, []).extend(entries)
        for number, entries in sorted(by_tile.items()):
            self._put(db, 0, number, _entries(self._tile(db, 0, number)) + entries)
        self._merge(db, page.after, page.mark)

    def _tile(self, db: sqlite3.Cursor, level: int, number: int) -> bytes:
        found = db.execute(self.sql["tile"], {"level": level, "number": number}).fetchone()
        return bytes(found[0]) if found else b""

    def _put(self, db: sqlite3.Cursor, level: int, number: int, entries: list[bytes]) -> None:
        entries.sort()
        tile = (number << (_FACTOR_BITS * level)) * (_LEVELS + 1) + level
        db.execute(self.sql["put"], {"tile": tile, "level": level, "number": number, "entries": b"".join(entries)})

    def _merge(self, db: sqlite3.Cursor, after: int, mark: int) -> None:
        """Replace sixteen full tiles by one, for every stretch that ends in this page."""
        for level in range(_LEVELS):
            size = _TILE << (_FACTOR_BITS * (level + 1))
            for number in range(after // size, mark // size):
                place = {"level": level, "first": number << _FACTOR_BITS}
                entries = [
                    entry for (part,) in db.execute(self.sql["parts"], place).fetchall() for entry in _entries(part)
                ]
                db.execute(self.sql["drop_parts"], place)
                if entries:
                    self._put(db, level + 1, number, entries)

    # --- asking

    def positions(self, db: sqlite3.Connection, people: Iterable[bytes]) -> list[int]:
        """Where the facts of these people (by `key_of`) stand, in order."""
        wanted = sorted(set(people))
        if not wanted:
            return []
        found: list[int] = []
        for tile, size in db.execute(self.sql["tiles"]).fetchall():
            with db.blobopen("trail", "entries", tile, readonly=True) as blob:
                found += _found(blob, size // _ENTRY, wanted)
        return sorted(found)

    def people(self, db: sqlite3.Connection, after: int, last: int) -> set[bytes]:
        """Who has a fact behind position `after`, up to and including `last` (by `key_of`)."""
        low, high = after.to_bytes(8, "big"), last.to_bytes(8, "big")
        found: set[bytes] = set()
        for (entries,) in db.execute(self.sql["stretch"], {"after": after, "last": last}):
            found.update(entry[:PERSON_BYTES] for entry in _entries(entries) if low < entry[PERSON_BYTES:] <= high)
        return found

    def rows(self, ask: Ask) -> Iterator[Row]:
        """The trails of an organisation's people, in the order of the log."""
        for (entries,) in ask.db.execute(self.sql["all"]):
            positions = sorted(int.from_bytes(entry[PERSON_BYTES:], "big") for entry in _entries(entries))
            for start in range(0, len(positions), READ_AT_ONCE):
                yield from trail_rows(ask.log, positions[start : start + READ_AT_ONCE], ask.organisation)


def trail_rows(log: Log, positions: list[int], organisation: str | None = None) -> Iterator[Row]:
    """What stands at these positions, as the trail shows it."""
    for record in log.at(positions):
        fact = header_of(record.state)
        if organisation is None or fact.organisation == organisation:
            yield trail_row(record.position, fact)


def trail_row(position: int, fact: Fact) -> Row:
    """One fact as the trail shows it."""
    row: Row = {"position": position}
    for name in Trail.columns[1:]:
        value = getattr(fact, name)
        row[name] = list(value) if isinstance(value, tuple) else value
    row["time"] = local(fact.time).isoformat()
    row["recorded"] = None if fact.recorded is None else local(fact.recorded).isoformat()
    return row


def _tiled(page: Page) -> Iterator[tuple[int, list[bytes]]]:
    """The entries of a page by tile of level 0."""
    for group in page.groups:
        if group.people is None:
            continue
        people = bytes.fromhex("".join([person[: 2 * PERSON_BYTES] for person in group.people]))
        places = struct.pack(f">{len(group.positions)}Q", *group.positions)
        first, last = (group.positions[0] - 1) // _TILE, (group.positions[-1] - 1) // _TILE
        entries = [people[at : at + 8] + places[at : at + 8] for at in range(0, len(people), 8)]
        start = 0
        for number in range(first, last + 1):
            end = bisect_left(group.positions, (number + 1) * _TILE + 1)
            yield number, entries[start:end]
            start = end


def _entries(tile: bytes) -> list[bytes]:
    return [tile[at : at + _ENTRY] for at in range(0, len(tile), _ENTRY)]


def _found(blob: Any, count: int, wanted: list[bytes]) -> Iterator[int]:
    """The positions of these people in one tile, found by bisection on disk."""

    def person(index: int) -> bytes:
        return bytes(blob[index * _ENTRY : index * _ENTRY + PERSON_BYTES])

    start = bisect_left(range(count), wanted[0], key=person)
    end = bisect_right(range(count), wanted[-1], lo=start, key=person)
    if end - start <= _NEAR * len(wanted):
        # They lie close together: one walk from the first to the last.
        yield from _walk(bytes(blob[start * _ENTRY : end * _ENTRY]), frozenset(wanted))
        return
    for key in wanted:
        start = bisect_left(range(count), key, lo=start, hi=end, key=person)
        last = bisect_right(range(count), key, lo=start, hi=end, key=person)
        yield from _walk(bytes(blob[start * _ENTRY : last * _ENTRY]), frozenset((key,)))


def _walk(entries: bytes, people: frozenset[bytes]) -> Iterator[int]:
    for at in range(0, len(entries), _ENTRY):
        if entries[at : at + PERSON_BYTES] in people:
            yield int.from_bytes(entries[at + PERSON_BYTES : at + _ENTRY], "big")
