"""The judge behind the log: for every page the people that it touches are judged again, and nobody else.

What decides is in `ledger.policy.judge`; here is only whose facts to read. The people of an organisation
are judged again when a fact of the organisation itself arrives (of one client, where it names a client).
Findings may lie in the future, so that time passing judges nobody again.
"""

from __future__ import annotations

import hashlib
import sqlite3
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from functools import cached_property
from itertools import pairwise
from typing import ClassVar, Final, NamedTuple

import msgspec

from ledger.domain.facts import Fact
from ledger.policy.findings import Finding, order
from ledger.policy.judge import RetentionLine, judge_organisation, judge_person, judge_sources, retention_status
from ledger.policy.model import Pack
from ledger.policy.timeline import REPORTED, Organisation, grouped, without_retracted
from ledger.sealing import header_of
from projections.context import Context
from projections.page import COLLECTED
from projections.register import Ask, Log, Register, Row, ids, micros, text
from projections.reports import Report, Reports
from projections.runner import Progress, Tables, set_marks
from projections.trail import READ_AT_ONCE, Trail, key_of

WINDOW: Final = 262_144
"""How many positions are judged in one go: who is touched in it is kept in memory, 8 bytes a person."""
PEOPLE_AT_ONCE: Final = 500
_encode: Final = msgspec.json.Encoder().encode
_finding: Final = msgspec.json.Decoder(Finding).decode
_line: Final = msgspec.json.Decoder(RetentionLine).decode
_WHOLE: Final = frozenset({"pdl.access.granted.v1", "pdl.access.closed.v1", "pdl.access.used.v1", "pdl.control.executed.v1",
    "pdl.statement.announced.v1", "pdl.breach.detected.v1", "pdl.breach.notified.v1", "pdl.breach.closed.v1", "pdl.source.reported.v1"})  # fmt: skip
"""Facts of an organisation that change no person's findings."""


class Kept(NamedTuple):
    """A dataset that is still held, and the pseudonyms (of one person) under which it was collected."""

    people: tuple[str, ...]
    line: RetentionLine


class Judged(NamedTuple):
    """What was judged of one person (or '' for the organisation): findings and, dataset by dataset, retention."""

    organisation: str
    judged: str
    people: frozenset[bytes]
    clients: frozenset[str]
    findings: Sequence[Finding]
    retention: Sequence[Kept]


class Judgement(Register):
    """Findings and retention lines, kept for everyone."""

    name = "judgement"
    help = "Internal: findings and retention of each person."
    version = 2
    depends = ("trail", "context", "sources", "reports")
    package = "projections"
    columns: ClassVar[tuple[str, ...]] = ()

    def rows(self, _ask: Ask) -> Iterator[Row]:
        """Shown by the registers findings and retention."""
        yield from ()

    # --- reading

    def findings(self, ask: Ask) -> Iterator[tuple[str, Finding]]:
        """(judged, finding) of all that may be seen at the moment asked; apply `findings.at` to each."""
        for row in ask.select(self.sql["findings"]):
            yield row["judged"], _finding(row["body"])

    def retention(self, ask: Ask) -> Iterator[Kept]:
        """Everything that is kept of everyone, by due."""
        for row in ask.select(self.sql["retention"]):
            yield Kept(tuple(ids(row["people"])), _line(row["body"]))

    def retention_of(self, db: sqlite3.Connection, person: str) -> list[Kept]:
        """What is kept of one person, with everyone they are linked with."""
        found: list[Kept] = []
        for organisation, judged in db.execute(self.sql["judgements_of"], (key_of(person),)).fetchall():
            rows = db.execute(self.sql["retention_of"], (organisation, judged))
            found += [Kept(tuple(ids(people)), _line(body)) for people, body in rows]
        return found


class Bench:
    """Where people are judged: reads their facts through the trail, keeps each organisation's own facts at hand."""

    def __init__(
        self,
        db: sqlite3.Connection,
        log: Log,
        packs: Mapping[str, Pack],
        until: datetime | None = None,
        header: Callable[[bytes], Fact] = header_of,
    ) -> None:
        self._db, self._log, self._packs, self._until, self._header = db, log, packs, until, header
        self._trail, self._context = Trail(), Context()
        self._organisations: dict[str, Organisation] = {}
        sql = self._context.sql
        self._retractions: dict[int, list[int]] = defaultdict(list)
        for said, target in db.execute(sql["retractions"]):
            self._retractions[target].append(said)

    def people(self, people: Iterable[bytes]) -> tuple[set[bytes], list[Judged]]:
        """Judge everyone who may be one of these; says who that was."""
        groups = sorted({tuple(sorted(group)) for group in self._context.companions(self._db, set(people)).values()})
        everyone = {person for group in groups for person in group}
        facts, retractions = self._facts(everyone)
        results: list[Judged] = []
        for group in groups:
            results += self._group(
                frozenset(group), [*retractions, *(fact for person in group for fact in facts.get(person, ()))]
            )
        return everyone, results

    def linked(self, people: Iterable[str]) -> frozenset[str]:
        """Everyone who is the same person as one of these, by the facts themselves; themselves included."""
        wanted = set(people)
        groups = self._context.companions(self._db, {key_of(person) for person in wanted})
        by_person, facts = self._facts({key for group in groups.values() for key in group})
        facts += [fact for own in by_person.values() for fact in own]
        found = set(wanted)
        for theirs in grouped(without_retracted(facts)).values():
            together = {fact.person for fact in theirs if fact.person is not None}
            if together & wanted:
                found |= together
        return frozenset(found)

    def organisation(self, organisation: str) -> Judged:
        """Judge an organisation's own facts, and what its sources sent."""
        pack = self._packs.get(organisation)
        if pack is None:
            return Judged(organisation, "", frozenset(), frozenset(), (), ())
        findings = [*judge_organisation(pack, self._organisation(organisation)), *judge_sources(pack, self._edges)]
        for report, received in self._received:
            if report.organisation == organisation:
                findings += judge_sources(pack, self._received_of(report, received))
        return Judged(organisation, "", frozenset(), frozenset(), sorted(findings, key=order), ())

    @cached_property
    def _edges(self) -> list[Fact]:
        """For each gap in the numbers of a source the fact after it, and one that stands for the last before it."""
        rows = self._db.execute(Judgement().sql["edges"]).fetchall()
        facts = {record.position: self._header(record.state) for record in self._log.at([row[3] for row in rows])}
        found: list[Fact] = []
        for (source, _, last, at), (next_source, first, _, next_at) in pairwise(rows):
            if source == next_source:
                # Each gap as if of a source of its own: what lies between gaps is not here.
                name = f"{source} before {first}"
                found.append(msgspec.structs.replace(facts[at], type="", source=name, sequence=last))
                found.append(msgspec.structs.replace(facts[next_at], type="", source=name))
        return found

    @cached_property
    def _received(self) -> list[tuple[Report, dict[str, int]]]:
        return Reports().received(self._db)

    def _received_of(self, report: Report, received: Mapping[str, int]) -> list[Fact]:
        """A report, and as many facts as were received of its period."""
        said = [
            msgspec.structs.replace(fact, sequence=None)
            for fact in self._read([report.position])
            if fact.type == REPORTED
        ]
        sent = Fact(type="", id="", source=report.source, time=report.starts, organisation=report.organisation)
        return [
            *said,
            *(
                fact
                for type_, count in received.items()
                for fact in [msgspec.structs.replace(sent, type=type_)] * count
            ),
        ]

    def _group(self, group: frozenset[bytes], facts: list[Fact]) -> Iterator[Judged]:
        """Judge people who may be one: the facts themselves say who is linked."""
        by_organisation: dict[str, list[Fact]] = defaultdict(list)
        for fact in facts:
            by_organisation[fact.organisation].append(fact)
        for organisation, own in sorted(by_organisation.items()):
            pack = self._packs.get(organisation)
            if pack is None:
                continue
            timeline = self._organisation(organisation)
            for judged, theirs in grouped(without_retracted(own)).items():
                people = frozenset(key_of(fact.person) for fact in theirs if fact.person is not None)
                if people & group:
                    clients = frozenset(fact.client or "" for fact in theirs)
                    yield Judged(
                        organisation,
                        judged,
                        people,
                        clients,
                        judge_person(pack, theirs, timeline),
                        _kept(theirs, retention_status(pack, theirs, timeline)),
                    )

    def _organisation(self, organisation: str) -> Organisation:
        if organisation not in self._organisations:
            sql = self._context.sql
            place = {"organisation": organisation}
            positions = [row[0] for row in self._db.execute(sql["organisation_facts"], place)]
            facts = without_retracted(self._read(positions))
            own = [fact for fact in facts if fact.person is None]
            firsts = [row[0] for row in self._db.execute(sql["first"], place)]
            first = next(iter(self._read(firsts)), None)
            self._organisations[organisation] = Organisation(own, first)
        return self._organisations[organisation]

    def _facts(self, people: set[bytes]) -> tuple[dict[bytes, list[Fact]], list[Fact]]:
        """The facts of each of these people, and what others said to retract some of them."""
        found: dict[bytes, list[Fact]] = defaultdict(list)
        retractions = []
        for fact in self._read(self._trail.positions(self._db, people)):
            if fact.person is not None and (key := key_of(fact.person)) in people:
                found[key].append(fact)
            else:
                retractions.append(fact)
        return found, retractions

    def _read(self, positions: Sequence[int]) -> list[Fact]:
        """The facts at these positions and what retracts them; those after `until` do not count yet."""
        wanted = set(positions)
        front = wanted
        while self._retractions and front:
            front = {said for position in front for said in self._retractions.get(position, ())} - wanted
            wanted |= front
        ordered = sorted(wanted)
        chunks = (ordered[start : start + READ_AT_ONCE] for start in range(0, len(ordered), READ_AT_ONCE))
        facts: list[Fact] = [self._header(record.state) for chunk in chunks for record in self._log.at(chunk)]
        return facts if self._until is None else [fact for fact in facts if fact.time <= self._until]


def _kept(facts: Sequence[Fact], lines: Iterable[RetentionLine]) -> list[Kept]:
    """Each dataset with the pseudonyms under which what is still held of it was collected."""
    whose: dict[str, set[str]] = defaultdict(set)
    for fact in facts:
        if fact.person is not None and fact.type == COLLECTED:
            whose[fact.id].add(fact.person)
    return [Kept(tuple(sorted({person for id_ in line.collections for person in whose[id_]})), line) for line in lines]


def judge_behind(
    store: Tables, log: Log, packs: Mapping[str, Pack], *, window: int = WINDOW, progress: Progress | None = None
) -> None:
    """Judge everyone touched between the judgement's mark and the trail's; repeating a stretch changes nothing."""
    register = Judgement()
    while True:
        marks = store.marks()
        after, known = marks[register.name], min(marks[name] for name in register.depends)
        if after >= known:
            return
        last = min(known, after + window)
        _judge_window(store, log, packs, after, last, progress)


def _judge_window(
    store: Tables, log: Log, packs: Mapping[str, Pack], after: int, last: int, progress: Progress | None
) -> None:
    register = Judgement()
    touched = _touched(store.db, register, log, after, last)
    bench = Bench(store.db, log, packs)
    order = sorted(touched)
    for start in range(0, len(order), PEOPLE_AT_ONCE):
        if progress is not None:
            progress(after + (last - after) * start // len(order), log.size())
        # Judged before the transaction begins: other processes may write meanwhile. Replacing is idempotent,
        # so a crash between two chunks only means that this stretch is judged once more.
        chunk = order[start : start + PEOPLE_AT_ONCE]
        everyone, results = bench.people(chunk)
        with store.transaction() as cursor:
            _clear(cursor, register, everyone)
            for judged in results:
                _write(cursor, register, judged)
    whole = [bench.organisation(row[0]) for row in store.db.execute(register.sql["organisations"]).fetchall()]
    with store.transaction() as cursor:
        for judged in whole:
            _write(cursor, register, judged)
        # Another process may have judged meanwhile: what both touched is judged once more.
        now = store.marks(cursor)[register.name]
        set_marks(cursor, [register.name], last if now == after else min(now, last))


def _touched(db: sqlite3.Connection, register: Judgement, log: Log, after: int, last: int) -> set[bytes]:
    """Whom the facts of a stretch concern: by themselves, or through a fact of the organisation that knows them."""
    trail, context = Trail(), Context()
    place = {"after": after, "last": last}
    people = trail.people(db, after, last)
    for organisation, type_, client in db.execute(context.sql["touched_organisations"], place).fetchall():
        if type_ not in _WHOLE:
            people |= _known_to(db, register, organisation, client)
    targets = _retracted(db, context, place)
    for record in log.at(targets) if targets else ():
        fact = header_of(record.state)
        if fact.person is not None:
            people.add(key_of(fact.person))
        else:
            people |= _known_to(db, register, fact.organisation, "")
    return people


def _retracted(db: sqlite3.Connection, context: Context, place: Mapping[str, int]) -> list[int]:
    """The facts whose standing changed in a stretch: retracted, or retracted by a fact that was itself retracted."""
    targets = dict(db.execute(context.sql["retractions"]).fetchall())
    front = {position for pair in db.execute(context.sql["retracted_between"], place) for position in pair}
    found: set[int] = set()
    while front:
        found |= front
        front = {targets[position] for position in front if position in targets} - found
    return sorted(found)


def _known_to(db: sqlite3.Connection, register: Judgement, organisation: str, client: str) -> set[bytes]:
    name = "of_client" if client else "everyone"
    return {row[0] for row in db.execute(register.sql[name], {"organisation": organisation, "client": client})}


@contextmanager
def rejudged(db: sqlite3.Connection, bench: Bench, people: Iterable[bytes]) -> Iterator[None]:
    """While it lasts, these people are shown as that bench judges them; the stored tables stay as they are."""
    tables = ("finding", "retention", "judged_person")
    for table in tables:
        # A temporary table stands before the stored one of the same name, on this connection only.
        db.execute(f"CREATE TEMP TABLE {table} AS SELECT * FROM main.{table}")
    try:
        everyone, results = bench.people(people)
        cursor = db.cursor()
        _clear(cursor, Judgement(), everyone)
        for judged in results:
            _write(cursor, Judgement(), judged)
        yield
    finally:
        for table in tables:
            db.execute(f"DROP TABLE temp.{table}")


def _clear(cursor: sqlite3.Cursor, register: Judgement, people: Iterable[bytes]) -> None:
    """Forget the judgements that these people were part of; whoever they were linked with is judged again too."""
    for person in people:
        for organisation, judged in cursor.execute(register.sql["judgements_of"], (person,)).fetchall():
            cursor.execute(register.sql["drop_finding"], (organisation, judged))
            cursor.execute(register.sql["drop_retention"], (organisation, judged))
    cursor.executemany(register.sql["drop_judged"], [(person,) for person in people])


def _write(cursor: sqlite3.Cursor, register: Judgement, judged: Judged) -> None:
    place = (judged.organisation, judged.judged)
    cursor.execute(register.sql["drop_finding"], place)
    cursor.execute(register.sql["drop_retention"], place)
    cursor.executemany(
        register.sql["add_finding"],
        [
            (
                *place,
                number,
                micros(finding.since),
                micros(finding.visible_from) if finding.visible_from is not None else micros(finding.since),
                None if finding.visible_to is None else micros(finding.visible_to),
                finding.rule,
                _encode(finding).decode(),
            )
            for number, finding in enumerate(judged.findings)
        ],
    )
    cursor.executemany(
        register.sql["add_retention"],
        [
            (*place, number, None if line.due is None else micros(line.due), text(people), _encode(line).decode())
            for number, (people, line) in enumerate(judged.retention)
        ],
    )
    cursor.executemany(
        register.sql["add_judged"], [(person, *place, client) for person in judged.people for client in judged.clients]
    )


def version_of(packs: Mapping[str, Pack], version: int) -> str:
    """A version that changes with the statements: another reading is another judgement of everything."""
    digest = hashlib.sha256()
    for organisation in sorted(packs):
        pack = packs[organisation]
        digest.update(_encode([pack.file, list(pack.promises), pack.law.file]))
    return f"{version}:{digest.hexdigest()[:16]}"
