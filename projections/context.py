"""What a judgement needs beside a person's own facts: possible links, the organisation's facts, retractions."""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import ClassVar, Final

from ledger.policy.timeline import LINKED, RETRACTED, UNLINKED
from ledger.sealing import Record, header_of
from projections.page import Group, Page
from projections.register import Ask, Log, Register, Row, micros
from projections.trail import key_of

_AT_ONCE: Final = 500


class Context(Register):
    """Not a register for reading: the tables that trail and judgement stand on."""

    name = "context"
    help = "Internal: possible links, facts of organisations, retractions."
    version = 4
    package = "projections"
    columns: ClassVar[tuple[str, ...]] = ()

    def fold(self, page: Page, db: sqlite3.Cursor, log: Log) -> None:
        """Take in what concerns more than one person."""
        self._firsts(db, page, log)
        for group in page.groups:
            line = group.line
            if line.also and group.people is not None:
                db.executemany(self.sql["add_pair"], _pairs(group.people, line.also))
            if group.people is None:
                fenced = int(line.fenced) + int(line.after_erasure)
                rows = [(at, line.organisation, group.topic, line.client or "", fenced) for at in group.positions]
                db.executemany(self.sql["add_organisation_fact"], rows)
            if max(group.times) > group.recorded:
                db.executemany(self.sql["add_ahead"], _ahead(group))
        self._links(db, page)
        self._retractions(db, page, log)

    def _firsts(self, db: sqlite3.Cursor, page: Page, log: Log) -> None:
        """The earliest fact of each organisation by (time, source, id); only of those that may be it is the id read."""
        earliest: dict[str, tuple[int, str]] = {}
        tied: dict[str, list[int]] = {}
        for group in page.groups:
            name, time = group.line.organisation, min(group.times)
            place = (micros(time), group.source)
            if name not in earliest or place < earliest[name]:
                earliest[name], tied[name] = place, []
            if place == earliest[name]:
                tied[name] += [at for at, other in zip(group.positions, group.times, strict=True) if other == time]
        known = {name: (time, source) for name, time, source in db.execute(self.sql["firsts"])}
        for name, place in earliest.items():
            if name not in known or place <= known[name]:
                first = min((header_of(record.state).id, record.position) for record in _each(log, tied[name]))
                db.execute(self.sql["add_first"], (name, *place, *first))

    def _links(self, db: sqlite3.Cursor, page: Page) -> None:
        for _, _, line in page.details((LINKED, UNLINKED)):
            if line.person is not None and line.other is not None:
                one, other = key_of(line.person), key_of(line.other)
                db.executemany(self.sql["add_pair"], [(one, other), (other, one)])

    def _retractions(self, db: sqlite3.Cursor, page: Page, log: Log) -> None:
        """Note retractions, and find the facts that they and earlier ones take back."""
        said = [(at, line.retracts_source, line.retracts_id) for at, _, line in page.details((RETRACTED,))]
        db.executemany(self.sql["add_retraction"], said)
        for position, source, event_id in db.execute(self.sql["open_retractions"]).fetchall():
            for found, target in log.position_of(event_id):
                if found == source and target <= page.mark:
                    db.execute(self.sql["settle"], (target, position))

    # --- asking

    def companions(self, db: sqlite3.Connection, people: Collection[bytes]) -> dict[bytes, frozenset[bytes]]:
        """Each of these people with everyone who may be the same person, themselves included."""
        if not db.execute(self.sql["any_pair"]).fetchone()[0]:
            return {person: frozenset((person,)) for person in people}
        known: dict[bytes, set[bytes]] = {}
        front = set(people)
        while front:
            near = _neighbours(db, front)
            known.update({person: near.get(person, set()) for person in front})
            front = {other for others in near.values() for other in others} - known.keys()
        return {person: _reach(person, known) for person in people}

    def rows(self, _ask: Ask) -> Iterator[Row]:
        """Nothing to show."""
        yield from ()


def _each(log: Log, positions: list[int]) -> Iterator[Record]:
    for start in range(0, len(positions), _AT_ONCE):
        yield from log.at(positions[start : start + _AT_ONCE])


def _neighbours(db: sqlite3.Connection, people: Iterable[bytes]) -> dict[bytes, set[bytes]]:
    wanted = sorted(people)
    near: dict[bytes, set[bytes]] = {}
    for start in range(0, len(wanted), _AT_ONCE):
        chunk = wanted[start : start + _AT_ONCE]
        marks = ",".join("?" * len(chunk))
        for person, other in db.execute(f"SELECT person, other FROM pair WHERE person IN ({marks})", chunk):
            near.setdefault(person, set()).add(other)
    return near


def _reach(person: bytes, known: dict[bytes, set[bytes]]) -> frozenset[bytes]:
    """Everyone that a chain of pairs leads to."""
    group, front = {person}, [person]
    while front:
        fresh = known[front.pop()] - group
        group |= fresh
        front += fresh
    return frozenset(group)


def _pairs(people: Iterable[str], also: Iterable[str]) -> Iterator[tuple[bytes, bytes]]:
    others = [key_of(other) for other in also]
    for person in map(key_of, people):
        for other in others:
            yield person, other
            yield other, person


def _ahead(group: Group) -> list[tuple[int, int, bool, str | None]]:
    people: Sequence[str | None] = group.people or [None] * len(group.times)
    rows = zip(group.positions, group.times, group.numbers, people, strict=True)
    return [
        (at, micros(time), number is not None, person) for at, time, number, person in rows if time > group.recorded
    ]
