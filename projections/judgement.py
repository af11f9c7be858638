"""The judge behind the log: for every page the people that it touches are judged again, and nobody else.

What decides is in `ledger.policy.judge`; here is only whose facts to read. A judgement notes what it asked
about the organisation (which contracts name a recipient, what a client instructed); a fact of the organisation
touches those who asked what it answers. Findings may lie in the future, so that time passing judges nobody again.
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
from operator import itemgetter, methodcaller
from types import MappingProxyType
from typing import ClassVar, Final, NamedTuple, TypeVar

import msgspec

from ledger.domain.facts import Fact
from ledger.policy.findings import Finding, order
from ledger.policy.judge import (
    Guarded,
    RetentionLine,
    guards,
    judge_erased,
    judge_organisation,
    judge_person,
    judge_sources,
    retention_status,
)
from ledger.policy.model import Pack
from ledger.policy.timeline import (
    REPORTED,
    RETRACTED,
    Change,
    Organisation,
    Topic,
    by_time,
    grouped,
    without_retracted,
)
from ledger.sealing import header_of
from projections.context import Context
from projections.page import COLLECTED, Bound
from projections.register import Ask, Log, Register, Row, ids, micros, moment, text
from projections.reports import ZONE, Report, Reports
from projections.runner import Progress, Tables, set_marks
from projections.trail import READ_AT_ONCE, Trail, key_of

T = TypeVar("T")
WINDOW: Final = 262_144
"""How many positions are judged in one go: who is touched in it is kept in memory, 8 bytes a person."""
PEOPLE_AT_ONCE: Final = 500
_encode: Final = msgspec.json.Encoder().encode
_finding: Final = msgspec.json.Decoder(Finding).decode
_line: Final = msgspec.json.Decoder(RetentionLine).decode
_SOURCES: Final = "sources"
"""Under this name stands what is found about an organisation's sources; under no name what is found about itself."""


class Kept(NamedTuple):
    """A dataset that is still held, and the pseudonyms (of one person) under which it was collected."""

    people: tuple[str, ...]
    line: RetentionLine


class Judged(NamedTuple):
    """What was judged of one person (or '' for the organisation): findings and, dataset by dataset, retention.

    `asked` is what the judgement asked about the organisation, with the last moment that each question was about.
    """

    organisation: str
    judged: str
    people: frozenset[bytes]
    findings: Sequence[Finding]
    retention: Sequence[Kept] = ()
    asked: Mapping[Topic, datetime] = MappingProxyType({})


class Judgement(Register):
    """Findings and retention lines, kept for everyone."""

    name = "judgement"
    help = "Internal: findings and retention of each person."
    version = 4
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
    """Where people are judged: reads their facts through the trail, keeps each organisation's own facts at hand.

    `kept` are organisations' own facts by position that were read before: what is recorded does not change.
    """

    def __init__(
        self,
        db: sqlite3.Connection,
        log: Log,
        packs: Mapping[str, Pack],
        until: datetime | None = None,
        header: Callable[[bytes], Fact] = header_of,
        bound: Bound | None = None,
        kept: dict[int, Fact] | None = None,
    ) -> None:
        self._db, self._log, self._packs, self._until, self._header = db, log, packs, until, header
        self._bound, self._kept = bound or Bound(), {} if kept is None else kept
        self._trail, self._context = Trail(), Context()
        self._organisations: dict[str, Organisation] = {}
        self._own: dict[str, list[Fact]] = {}
        self._targets: dict[int, int] = dict(db.execute(self._context.sql["retractions"]).fetchall())
        self._retractions: dict[int, list[int]] = defaultdict(list)
        for said, target in self._targets.items():
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

    def guards(self, people: Iterable[str]) -> list[tuple[str, Guarded]]:
        """Every duty to keep what was collected of these people, who are one person, by organisation."""
        by_person, others = self._facts({key_of(person) for person in people})
        facts = without_retracted([*others, *(fact for own in by_person.values() for fact in own)])
        found: list[tuple[str, Guarded]] = []
        for organisation in sorted({fact.organisation for fact in facts} & self._packs.keys()):
            own = [fact for fact in facts if fact.organisation == organisation and fact.person is not None]
            found += [
                (organisation, row) for row in guards(self._packs[organisation], own, self._organisation(organisation))
            ]
        return found

    def organisation(self, organisation: str) -> Judged:
        """Judge an organisation's own facts."""
        pack = self._packs.get(organisation)
        if pack is None:
            return Judged(organisation, "", frozenset(), ())
        findings = judge_organisation(pack, self._organisation(organisation))
        findings += judge_erased(pack, self._after_erasure(organisation))
        return Judged(organisation, "", frozenset(), sorted(findings, key=order))

    def sources(self, organisation: str) -> Judged:
        """Judge what an organisation's sources sent: gaps in their numbers, and what they report against what came."""
        pack = self._packs.get(organisation)
        if pack is None:
            return Judged(organisation, _SOURCES, frozenset(), ())
        findings = judge_sources(pack, self._edges)
        for report, received in self._received:
            if report.organisation == organisation:
                findings += judge_sources(pack, self._received_of(report, received))
        return Judged(organisation, _SOURCES, frozenset(), sorted(findings, key=order))

    def _after_erasure(self, organisation: str) -> list[Fact]:
        """What was reported of people after they were erased; none of it says of whom."""
        sql = self._context.sql["after_erasure"]
        return self._read([row[0] for row in self._db.execute(sql, {"organisation": organisation})])

    def concerning_all(self, place: Mapping[str, int]) -> dict[str, list[Fact]]:
        """The facts without a person that arrived in a stretch, or were retracted in it, by organisation."""
        arrived = [row[0] for row in self._db.execute(self._context.sql["organisation_facts_between"], place)]
        found: dict[str, list[Fact]] = defaultdict(list)
        for fact in self._at(sorted({*arrived, *self._retracted(place)})):
            if fact.person is None:
                found[fact.organisation].append(fact)
        return found

    def retracted_people(self, place: Mapping[str, int]) -> set[bytes]:
        """Whose facts were retracted in a stretch."""
        return {key_of(fact.person) for fact in self._at(sorted(self._retracted(place))) if fact.person is not None}

    def _retracted(self, place: Mapping[str, int]) -> set[int]:
        """The facts whose standing changed in a stretch: retracted, or retracted by a fact that was itself retracted."""
        rows = self._db.execute(self._context.sql["retracted_between"], place)
        front = {position for pair in rows for position in pair}
        found: set[int] = set()
        while front:
            found |= front
            front = {self._targets[position] for position in front if position in self._targets} - found
        return found

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
                    asked: dict[Topic, datetime] = {}
                    timeline.asked = asked
                    findings = judge_person(pack, theirs, timeline)
                    kept = _kept(theirs, retention_status(pack, theirs, timeline))
                    timeline.asked = None
                    yield Judged(organisation, judged, people, findings, kept, asked)

    def _organisation(self, organisation: str) -> Organisation:
        if organisation not in self._organisations:
            facts = without_retracted(self._own_facts(organisation))
            own = (fact for fact in facts if fact.person is None)
            self._organisations[organisation] = Organisation(own, self._first(organisation))
        return self._organisations[organisation]

    def _first(self, organisation: str) -> Fact | None:
        """The first fact of an organisation that counts."""
        row = self._db.execute(self._context.sql["first"], {"organisation": organisation}).fetchone()
        if row is None:
            return None
        (first,) = self._at([row[0]])
        if row[0] not in self._retractions and (self._until is None or first.time <= self._until):
            return first
        return self._first_of_all(organisation)

    def _first_of_all(self, organisation: str) -> Fact | None:
        """The same where the first was retracted: looked for in the log, stretch by stretch in order of time."""
        first: Fact | None = None
        for number, starts, _ in sorted(self._db.execute(Reports().sql["zones"]), key=itemgetter(1)):
            if first is not None and moment(starts) > first.time:
                break
            here = self._read(range(number * ZONE + 1, (number + 1) * ZONE + 1))
            counting = [fact for fact in here if self._bound.admits(fact.time, fact.recorded or fact.time)]
            mine = [fact for fact in without_retracted(counting) if fact.organisation == organisation]
            first = min([*([] if first is None else [first]), *mine], key=by_time, default=None)
        return first

    def with_retracted(self, organisation: str) -> Organisation:
        """An organisation as if nothing had been retracted: what any fact of it may ever have stood beside."""
        facts = self._own_facts(organisation)
        if not any(fact.type == RETRACTED for fact in facts):
            return self._organisation(organisation)
        return Organisation(fact for fact in facts if fact.person is None)

    def _own_facts(self, organisation: str) -> list[Fact]:
        """The facts of an organisation that name no person, and what retracts them."""
        if organisation not in self._own:
            rows = self._db.execute(self._context.sql["organisation_facts"], {"organisation": organisation})
            wanted = sorted(self._with_retractions(row[0] for row in rows))
            fresh = [position for position in wanted if position not in self._kept]
            self._kept.update(zip(fresh, self._at(fresh), strict=True))
            self._own[organisation] = self._counting([self._kept[position] for position in wanted])
        return self._own[organisation]

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
        return self._counting(self._at(sorted(self._with_retractions(positions))))

    def _counting(self, facts: list[Fact]) -> list[Fact]:
        return facts if self._until is None else [fact for fact in facts if fact.time <= self._until]

    def _with_retractions(self, positions: Iterable[int]) -> set[int]:
        """These positions, and those of the facts that retract something there."""
        wanted = set(positions)
        front = wanted
        while self._retractions and front:
            front = {said for position in front for said in self._retractions.get(position, ())} - wanted
            wanted |= front
        return wanted

    def _at(self, positions: Sequence[int]) -> list[Fact]:
        chunks = (positions[start : start + READ_AT_ONCE] for start in range(0, len(positions), READ_AT_ONCE))
        return [self._header(record.state) for chunk in chunks for record in self._log.at(chunk)]


def _kept(facts: Sequence[Fact], lines: Iterable[RetentionLine]) -> list[Kept]:
    """Each dataset with the pseudonyms under which what is still held of it was collected."""
    whose: dict[str, set[str]] = defaultdict(set)
    for fact in facts:
        if fact.person is not None and fact.type == COLLECTED:
            whose[fact.id].add(fact.person)
    return [Kept(tuple(sorted({person for id_ in line.collections for person in whose[id_]})), line) for line in lines]


def judge_behind(
    store: Tables,
    log: Log,
    packs: Mapping[str, Pack],
    *,
    window: int = WINDOW,
    progress: Progress | None = None,
    bound: Bound | None = None,
    kept: dict[int, Fact] | None = None,
) -> None:
    """Judge everyone touched between the judgement's mark and the trail's; repeating a stretch changes nothing."""
    register = Judgement()
    while True:
        marks = store.marks()
        after, known = marks[register.name], min(marks[name] for name in register.depends)
        if after >= known:
            return
        court = _Court(store, lambda: Bench(store.db, log, packs, bound=bound, kept=kept))
        _judge_window(store, log, court, after, min(known, after + window), progress)


class _Court:
    """Judges on a bench, and writes only what rests on everything that is folded by then.

    Judging takes long, so it is done before the transaction begins, and other processes write meanwhile. Where one of
    them folded facts, our judgement may lack them, and would be written over one that has them: then it is
    judged once more in the transaction, where nobody else folds.
    """

    def __init__(self, store: Tables, make: Callable[[], Bench]) -> None:
        self._store, self._make = store, make
        self._seen = self._folded()
        self.bench = make()

    @contextmanager
    def writing(self, judge: Callable[[Bench], T]) -> Iterator[tuple[sqlite3.Cursor, T]]:
        """What `judge` finds, and the open transaction in which to write it."""
        found = judge(self.bench)
        with self._store.transaction() as cursor:
            folded = self._folded(cursor)
            if folded != self._seen:
                self._seen, self.bench = folded, self._make()
                found = judge(self.bench)
            yield cursor, found

    def _folded(self, cursor: sqlite3.Cursor | None = None) -> list[int]:
        marks = self._store.marks(cursor)
        return [marks[name] for name in Judgement.depends]


def _judge_window(store: Tables, log: Log, court: _Court, after: int, last: int, progress: Progress | None) -> None:
    register = Judgement()
    touched, organisations = _touched(store.db, register, court.bench, after, last)
    order = sorted(touched)
    for start in range(0, len(order), PEOPLE_AT_ONCE):
        if progress is not None:
            progress(after + (last - after) * start // len(order), log.size())
        # Replacing is idempotent, so a crash between two chunks only means that this stretch is judged once more.
        chunk = order[start : start + PEOPLE_AT_ONCE]
        with court.writing(methodcaller("people", chunk)) as (cursor, (everyone, results)):
            _clear(cursor, register, everyone, results)
            for judged in results:
                _write(cursor, register, judged)

    def whole(bench: Bench) -> list[Judged]:
        found = [bench.organisation(name) for name in sorted(organisations)]
        return found + [bench.sources(row[0]) for row in store.db.execute(register.sql["organisations"]).fetchall()]

    with court.writing(whole) as (cursor, results):
        for judged in results:
            _write(cursor, register, judged)
        # Another process may have judged meanwhile: what both touched is judged once more.
        now = store.marks(cursor)[register.name]
        set_marks(cursor, [register.name], last if now == after else min(now, last))


def _touched(
    db: sqlite3.Connection, register: Judgement, bench: Bench, after: int, last: int
) -> tuple[set[bytes], set[str]]:
    """Whom the facts of a stretch concern: people, by themselves or because they asked what a fact answers; organisations."""
    place = {"after": after, "last": last}
    people = Trail().people(db, after, last)
    organisations = {row[0] for row in db.execute(register.sql["first_moved"], place)}
    organisations |= {row[0] for row in db.execute(Context().sql["after_erasure_between"], place)}
    for organisation, facts in bench.concerning_all(place).items():
        organisations.add(organisation)
        whole = bench.with_retracted(organisation)
        for change in {change for fact in facts for change in whole.changes(fact)}:
            people.update(key_of(judged) for judged in _askers(db, register, organisation, change))
    return people | bench.retracted_people(place), organisations


def _askers(db: sqlite3.Connection, register: Judgement, organisation: str, change: Change) -> Iterator[str]:
    """Who asked what a change answers: one look in the index for each of them (`Change.touches` says the same)."""
    place = {"organisation": organisation, "kind": change.kind, "since": micros(change.since)}
    names = change.names
    if names is None:
        names = tuple(row[0] for row in db.execute(register.sql["asked_names"], place) if row[0] is not None)
    asked = "asked_about" if change.parts is None else "asked_part"
    for name in names:
        for part in change.parts or ("",):
            for (judged,) in db.execute(register.sql[asked], place | {"name": name, "part": part}).fetchall():
                if (
                    change.milestone is None
                    or db.execute(
                        register.sql["asks"], (organisation, judged, "milestone", change.milestone)
                    ).fetchone()
                ):
                    yield judged


@contextmanager
def rejudged(db: sqlite3.Connection, bench: Bench, people: Iterable[bytes]) -> Iterator[None]:
    """While it lasts, these people are shown as that bench judges them; the stored tables stay as they are."""
    tables = ("finding", "retention", "judged_person", "asked")
    for table in tables:
        # A temporary table stands before the stored one of the same name, on this connection only. What was asked is
        # of no use to a reader, and stays empty.
        where = "WHERE false" if table == "asked" else ""
        db.execute(f"CREATE TEMP TABLE {table} AS SELECT * FROM main.{table} {where}")
    try:
        everyone, results = bench.people(people)
        cursor = db.cursor()
        _clear(cursor, Judgement(), everyone, results)
        for judged in results:
            _write(cursor, Judgement(), judged)
        yield
    finally:
        for table in tables:
            db.execute(f"DROP TABLE temp.{table}")


def _clear(cursor: sqlite3.Cursor, register: Judgement, people: Iterable[bytes], results: Iterable[Judged]) -> None:
    """Forget the judgements that these people were part of; whoever they were linked with is judged again too."""
    again = {(judged.organisation, judged.judged) for judged in results}
    for person in people:
        for place in cursor.execute(register.sql["judgements_of"], (person,)).fetchall():
            cursor.execute(register.sql["drop_finding"], place)
            cursor.execute(register.sql["drop_retention"], place)
            if place not in again:
                cursor.execute(register.sql["drop_asked_by"], place)
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
    cursor.executemany(register.sql["add_judged"], [(person, *place) for person in judged.people])
    if judged.people:
        _write_asked(cursor, register, place, judged.asked)


def _write_asked(
    cursor: sqlite3.Cursor, register: Judgement, place: tuple[str, str], asked: Mapping[Topic, datetime]
) -> None:
    """Note what a judgement asked; most of it was asked before, and stays."""
    known = set(cursor.execute(register.sql["asked_by"], place).fetchall())
    wanted = {(*topic, micros(last)) for topic, last in asked.items()}
    cursor.executemany(register.sql["drop_asked"], [(*place, *row) for row in known - wanted])
    cursor.executemany(register.sql["add_asked"], [(*place, *row) for row in wanted - known])


def version_of(packs: Mapping[str, Pack], version: int) -> str:
    """A version that changes with the statements: another reading is another judgement of everything."""
    digest = hashlib.sha256()
    for organisation in sorted(packs):
        pack = packs[organisation]
        for each in (*pack.earlier, pack):
            digest.update(_encode([each.file, list(each.promises), each.law.file]))
    return f"{version}:{digest.hexdigest()[:16]}"
