"""What the rest of the program asks: registers with the clock applied, as of a date, as known at a date; one person.

Without a bound the stored tables answer. With one the same registers are folded anew, in a private database,
over the facts that happened by then and were recorded by then: one mechanism, the same code.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Final, NamedTuple, Self

from ledger.domain.calendar import local
from ledger.domain.errors import Unreadable
from ledger.domain.facts import Fact
from ledger.policy.findings import Finding, at
from ledger.policy.model import Pack
from ledger.sealing import Header, Record, header_of
from projections.context import Context
from projections.judgement import WINDOW, Bench, Judgement, judge_behind, rejudged, version_of
from projections.page import Bound
from projections.person import Dossier, dossier_of
from projections.register import Ask, Log, Register, Row, micros, moment
from projections.registers import ALL, BY_NAME
from projections.registers.notifications import Notifications
from projections.registers.requests import open_requests
from projections.registers.sources import Sources
from projections.reports import Reports
from projections.resolve import Resolved, resolve
from projections.runner import PAGE_RECORDS, Progress, Tables, fold, restart
from projections.standing import Guard, Standing, guards_of, standing_of
from projections.trail import READ_AT_ONCE, Trail, key_of
from projections.trial import live_facts, tried

_INTERNAL: Final[tuple[Register, ...]] = (Context(), Reports(), Judgement())
_JUDGED: Final = "judgement"


class Lag(NamedTuple):
    """How far a register was folded, and how many records it is behind the log."""

    mark: int
    lag: int


class Projections:
    """The registers of one ledger: kept in `path` (None: in a private database) or another `store`, folded from the log.

    `page` and `window` bound what is in memory at once, `helpers` are processes that read beside this one (None: as
    many as a long stretch is worth); none of these changes what the registers hold.
    """

    def __init__(
        self,
        path: Path | None,
        log: Log,
        packs: Mapping[str, Pack],
        *,
        page: int = PAGE_RECORDS,
        window: int = WINDOW,
        helpers: int | None = None,
        store: Tables | None = None,
    ) -> None:
        self._path, self._log, self._packs = path, log, packs
        self._page, self._window, self._helpers = page, window, helpers
        self._kept: Final[dict[int, Fact]] = {}
        self._registers: Final = {register.name: register for register in (*ALL, *_INTERNAL)}
        self._store: Final = Tables(path) if store is None else store
        self._store.prepare(
            self._registers.values(), {name: self._version(register) for name, register in self._registers.items()}
        )

    def _version(self, register: Register) -> str:
        return version_of(self._packs, register.version) if register.name == _JUDGED else str(register.version)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the database."""
        self._store.close()

    # --- keeping up

    def catch_up(
        self, progress: Progress | None = None, *, judge: bool = True, only: Iterable[str] | None = None
    ) -> None:
        """Fold everything that the log has and the registers have not; then judge whom it touches.

        `progress` is told (records folded, records in all) page by page; `judge=False` leaves the findings
        behind. Safe to run in several processes, and to stop at any point.
        """
        names = self._with_dependencies(only)
        registers = [register for name, register in self._registers.items() if name in names and name != _JUDGED]
        with self._store.trouble():
            fold(self._store, self._log, registers, size=self._page, progress=progress, helpers=self._helpers)
            if not judge or _JUDGED not in names:
                return
            judge_behind(self._store, self._log, self._packs, window=self._window, progress=progress, kept=self._kept)

    def rebuild(self, name: str | None = None, progress: Progress | None = None) -> None:
        """Empty a register (or all) and fold the log anew; the result is identical. Raises Unreadable for an unknown name."""
        names = list(self._registers) if name is None else [name, *self._needs(self._known(name))]
        with self._store.transaction() as cursor:
            for each in dict.fromkeys(names):
                register = self._registers[each]
                restart(cursor, register, self._version(register))
        self.catch_up(progress)

    def lag(self) -> dict[str, Lag]:
        """Mark and lag of every register that can be asked for; one without tables has those of what it reads."""
        size, marks = self._log.size(), self._store.marks()
        found = {}
        for register in ALL:
            mark = min(marks[name] for name in self._with_dependencies([register.name]))
            found[register.name] = Lag(mark, size - mark) if register.name != "quarantine" else Lag(size, 0)
        return found

    def _with_dependencies(self, only: Iterable[str] | None) -> set[str]:
        if only is None:
            return set(self._registers)
        return {name for wanted in only for name in (wanted, *self._needs(self._known(wanted)))}

    def _needs(self, register: Register) -> list[str]:
        return [found for name in register.depends for found in (name, *self._needs(self._registers[name]))]

    def _known(self, name: str) -> Register:
        if name not in self._registers:
            raise Unreadable(f"there is no register {name!r}; name one of {', '.join(BY_NAME)}.")
        return self._registers[name]

    # --- registers

    def rows(
        self,
        name: str,
        *,
        now: datetime,
        organisation: str | None = None,
        as_of: datetime | None = None,
        known_at: datetime | None = None,
    ) -> Iterator[Row]:
        """The rows of a register, columns in the order of `columns(name)`, values ready for JSON.

        No bound: what the tables hold, by the clock `now`. `as_of`: what was true at that moment (of the future: what
        will be, if nothing more happens). `known_at`: only what was recorded by then, and by the clock of then.
        """
        register = self._known(name)
        clock = as_of if as_of is not None else min(now, known_at) if known_at is not None else now
        with self._store.trouble():
            if known_at is not None or (as_of is not None and as_of < now) or self._is_before_the_log(clock):
                yield from self._folded(register, Bound(clock, known_at), clock, organisation)
                return
            ahead = self._ahead(clock) if _JUDGED in self._with_dependencies([name]) else []
            ask = self._ask(self._store, clock, organisation)
            if any(person is None for person in ahead):
                yield from self._folded(register, Bound(clock, None), clock, organisation)
            elif ahead:
                bench = Bench(self._store.db, self._log, self._packs, until=clock)
                with rejudged(self._store.db, bench, {key_of(person) for person in ahead if person is not None}):
                    found = list(register.rows(ask))
                yield from found
            else:
                yield from register.rows(ask)

    def columns(self, name: str) -> tuple[str, ...]:
        """The columns of a register, in order; raises Unreadable for an unknown name."""
        return self._known(name).columns

    def complete_up_to(self, organisation: str | None = None) -> dict[str, datetime | None]:
        """Up to when nothing is known to be missing, by service that spoke for an organisation; None where nobody can say."""
        with self._store.trouble():
            db, register, received = self._store.db, Sources(), Reports().received(self._store.db)
            found = {
                source: register.complete_up_to(db, source, received)
                for source in register.spoken_for(db, organisation)
            }
        return {source: None if until is None else moment(until) for source, until in found.items()}

    def reported(self, source: str) -> list[Row]:
        """What a service said that it sent, beside what was received; newest last (see `Sources.reported`)."""
        with self._store.trouble():
            return Sources().reported(self._store.db, source, Reports().received(self._store.db))

    def silent(self, now: datetime) -> dict[str, datetime]:
        """Registered sources that are later than their cadence at this moment, and since when."""
        with self._store.trouble():
            return Sources().silent_now(self._ask(self._store, now, None))

    def held_by(self, source: str, organisation: str, activities: Iterable[str], as_of: datetime) -> dict[str, int]:
        """How many people still had data on a moment that a source reported, by activity."""
        wanted = set(activities)
        people: dict[str, set[str | None]] = {activity: set() for activity in wanted}
        with self.folded(Bound(as_of, None), [_JUDGED]) as store:
            lines = [
                kept.line
                for kept in Judgement().retention(self._ask(store, as_of, organisation, Bound(as_of, None)))
                if kept.line.activity in wanted
            ]
        events = sorted({event for line in lines for event in line.collections})
        known = self._log.known([(source, event) for event in events])
        for line in lines:
            if any((source, event) in known for event in line.collections):
                people[line.activity].add(line.person)
        return {activity: len(found) for activity, found in sorted(people.items())}

    def _ask(self, store: Tables, now: datetime, organisation: str | None, bound: Bound | None = None) -> Ask:
        known_at = None if bound is None else bound.known_at or bound.as_of
        return Ask(
            db=store.db,
            log=self._log,
            packs=self._packs,
            now=now,
            organisation=organisation,
            known_at=known_at,
            live=bound is None,
        )

    def _is_before_the_log(self, clock: datetime) -> bool:
        """Whether facts that were recorded in time happened after the moment asked: then the tables know too much."""
        found = self._store.db.execute("SELECT max(heard), max(last) FROM source_events").fetchone()
        return found[0] is not None and micros(clock) < found[0] and micros(clock) < found[1]

    def _ahead(self, clock: datetime) -> list[str | None]:
        """Whose facts lie ahead of the clock (a service's clock is wrong): they do not count yet. None: everyone's."""
        return [row[0] for row in self._store.db.execute(Context().sql["ahead_of"], {"now": micros(clock)})]

    def _folded(self, register: Register, bound: Bound, clock: datetime, organisation: str | None) -> Iterator[Row]:
        with self.folded(bound, [register.name]) as store:
            yield from register.rows(self._ask(store, clock, organisation, bound))

    @contextmanager
    def folded(self, bound: Bound, names: Sequence[str]) -> Iterator[Tables]:
        """A private database with these registers over the facts within the bound."""
        wanted = self._with_dependencies(names)
        registers = [register for name, register in self._registers.items() if name in wanted]
        store = Tables(None)
        try:
            store.prepare(
                self._registers.values(), {name: self._version(register) for name, register in self._registers.items()}
            )
            fold(
                store,
                self._log,
                [register for register in registers if register.name != _JUDGED],
                bound=bound,
                size=self._page,
                helpers=self._helpers,
            )
            if _JUDGED in wanted:
                judge_behind(store, self._log, self._packs, window=self._window, bound=bound)
            yield store
        finally:
            store.close()

    # --- statements put to the test

    def facts(self, progress: Progress | None = None) -> Iterator[Fact]:
        """Every fact that was not retracted and is not about someone erased, in the order of the log."""
        return live_facts(self._store.db, self._log, progress)

    def findings(self, now: datetime, organisation: str | None = None) -> Iterator[Finding]:
        """The findings as they stand at a moment, as the register of that name shows them."""
        for _, found in Judgement().findings(self._ask(self._store, now, organisation)):
            yield from at([found], now)

    def tried(
        self, pack: Pack, names: Mapping[str, str], now: datetime, progress: Progress | None = None
    ) -> Iterator[Finding]:
        """What another pack would find in the same facts at a moment; `names` are tokens of ids that it lists anew."""
        return iter(at(tried(self._store.db, self._log, pack, names, now, progress), now))

    # --- one person

    def person_facts(self, people: Iterable[str]) -> list[tuple[int, Header]]:
        """(position, header) of every fact about these pseudonyms, in the order of the log."""
        wanted = set(people)
        positions = Trail().positions(self._store.db, {key_of(person) for person in wanted})
        chunks = (positions[start : start + READ_AT_ONCE] for start in range(0, len(positions), READ_AT_ONCE))
        found = ((record.position, header_of(record.state)) for chunk in chunks for record in self._log.at(chunk))
        return [(position, header) for position, header in found if header.person in wanted]

    def person_records(self, people: Iterable[str]) -> list[Record]:
        """Every record about these pseudonyms, in the order of the log."""
        return self._log.at([position for position, _ in self.person_facts(people)])

    def resolved(self, people: Iterable[str]) -> Resolved:
        """Who is surely the same person as one of these, and who only shares a weak identifier with them."""
        start = set(people)
        return resolve([fact for _, fact in self.person_facts(self.linked(start))], self._packs, start)

    def identities(self, people: Iterable[str]) -> dict[str, Row]:
        """By pseudonym: its organisation, the schemes of the identifier behind it, and when it was first and last met."""
        found: dict[str, Row] = {}
        for _, fact in self.person_facts(people):
            person, time = fact.person or "", local(fact.time).isoformat()
            row = found.setdefault(
                person,
                {"person": person, "organisation": fact.organisation, "schemes": [], "first": time, "last": time},
            )
            row["schemes"] = sorted({*row["schemes"], *([fact.scheme] if fact.scheme else [])})
            row["first"], row["last"] = (
                min(row["first"], time, key=datetime.fromisoformat),
                max(row["last"], time, key=datetime.fromisoformat),
            )
        return found

    def linked(self, people: Iterable[str]) -> frozenset[str]:
        """Everyone who is the same person as one of these, by the facts that link them; themselves included."""
        return Bench(self._store.db, self._log, self._packs).linked(people)

    def dossier(self, people: Sequence[str], now: datetime) -> Dossier:
        """What is kept of these pseudonyms (live, held or erased, until when) and their trail."""
        return dossier_of(self._store.db, self.person_facts(people), self.standings(people, now), self._packs)

    def standings(self, people: Iterable[str], now: datetime) -> list[Standing]:
        """Where each dataset of these pseudonyms (and of whom they are linked with) stands."""
        wanted = list(people)
        found = self._standings(wanted, now)
        known = {*wanted, *(one for standing in found for one in standing.people)}
        if not known & set(self._ahead(now)):
            return found
        # A service's clock is wrong: what lies ahead does not count yet, here as in the registers.
        bench = Bench(self._store.db, self._log, self._packs, until=now)
        with rejudged(self._store.db, bench, {key_of(person) for person in known}):
            return self._standings(wanted, now)

    def _standings(self, people: Iterable[str], now: datetime) -> list[Standing]:
        found: dict[tuple[str, str | None, str, str, str | None], Standing] = {}
        for person in people:
            for kept in Judgement().retention_of(self._store.db, person):
                line = kept.line
                place = (line.organisation, line.person, line.activity, line.dataset, line.client)
                found[place] = standing_of(self._store.db, kept, now)
        return list(found.values())

    def guards(self, people: Iterable[str], now: datetime) -> list[Guard]:
        """What keeps data of these pseudonyms, and of whoever is surely the same person, from being erased at a moment."""
        everyone = sorted(self.resolved(people).people)
        found = Bench(self._store.db, self._log, self._packs).guards(everyone)
        return list(guards_of(found, open_requests(self._store.db, everyone, now), now))

    def tasks(self, case: str, now: datetime) -> list[Row]:
        """What a case asked of systems and recipients, and their answers, as the register of notifications has it."""
        return Notifications().of_case(self._ask(self._store, now, None), case)

    def retention(self, now: datetime, organisation: str | None = None) -> Iterator[Standing]:
        """Where every dataset of everyone stands, by due."""
        for kept in Judgement().retention(self._ask(self._store, now, organisation)):
            yield standing_of(self._store.db, kept, now)

    def systems_of(self, people: Iterable[str], now: datetime) -> list[str]:
        """The systems that reported holding data of these pseudonyms and have not reported deleting them."""
        return sorted(
            {
                system
                for standing in self.standings(people, now)
                for system in standing.line.systems
                if system is not None
            }
        )

    def recipients_of(self, people: Iterable[str]) -> list[Row]:
        """Whom data of these pseudonyms were shared with: recipient, categories, first and last time."""
        found: dict[str, dict[str, Any]] = {}
        for _, fact in self.person_facts(people):
            if fact.recipient is not None and fact.type == "pdl.data.shared.v1":
                _add_share(found, fact)
        return [found[recipient] for recipient in sorted(found)]


def _add_share(found: dict[str, dict[str, Any]], fact: Fact) -> None:
    row = found.setdefault(
        fact.recipient or "",
        {
            "recipient": fact.recipient,
            "organisation": fact.organisation,
            "categories": [],
            "first": fact.time,
            "last": fact.time,
        },
    )
    row["categories"] = sorted({*row["categories"], *fact.categories})
    row["first"], row["last"] = min(row["first"], fact.time), max(row["last"], fact.time)
