"""The judge: facts and packs in, findings out; a pure function of the set of facts, without a clock.

A finding may lie in the future, so that time passing judges nobody anew: `at` (in findings) applies a
clock when somebody reads. `judge` takes a whole history in memory; `judge_person` and `judge_organisation`
are its parts, for a register that keeps up with a log. Sources: the contract and its Readings.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Final

import msgspec
from msgspec import Struct

from ledger.domain.calendar import FOREVER, start_of
from ledger.domain.facts import Fact
from ledger.policy.case import Case, Setting
from ledger.policy.filters import Check, When, compiled, concerns, matcher, types_of
from ledger.policy.findings import Finding, at, order
from ledger.policy.model import UNDECLARED, UNLISTED
from ledger.policy.obligations import Obligation
from ledger.policy.promises import (
    AccessScope,
    AllowList,
    Cadence,
    ClientParameter,
    ConsentGate,
    ContractGate,
    Duty,
    Matrix,
    Minimum,
    NoticeDuty,
    Precondition,
    Prohibition,
    Promise,
    Recipients,
    RequestClock,
    Retention,
    Statutory,
    Stop,
    Triage,
    acts,
    consents,
    contracts,
    duties,
    records,
    requests,
    retention,
    statutory,
)
from ledger.policy.promises.base import Act, Whole
from ledger.policy.timeline import (
    COLLECTED,
    Copy,
    Organisation,
    Person,
    Span,
    grouped,
    without_retracted,
)

if TYPE_CHECKING:
    from ledger.policy.model import Pack

__all__ = [
    "EVERYTHING",
    "Guarded",
    "HoldLine",
    "RetentionLine",
    "at",
    "guards",
    "judge",
    "judge_erased",
    "judge_organisation",
    "judge_person",
    "judge_sources",
    "obligations",
    "retention_status",
]

_Step = tuple[Check | None, Act, datetime]


# --- what callers use -----------------------------------------------------------------------------------------------------


def judge(pack: Pack, facts: Iterable[Fact]) -> list[Finding]:
    """Judge the history of one organisation, whatever the order of its facts; facts of others are passed over.

    Facts after the moment of interest are the caller's to leave out; findings may lie in the future (see `at`).
    """
    given = list(facts)
    live = without_retracted(fact for fact in given if fact.organisation == pack.organisation)
    organisation = Organisation((fact for fact in live if fact.person is None), first=live[0] if live else None)
    people = grouped(live)
    found = judge_organisation(pack, organisation)
    for mine in people.values():
        found += judge_person(pack, mine, organisation)
    found += judge_sources(pack, given)
    return sorted(found, key=order)


def judge_person(pack: Pack, facts: Sequence[Fact], organisation: Organisation) -> list[Finding]:
    """Judge one person: their facts in order (by time, source, id), under all linked pseudonyms, none retracted."""
    return _machine(pack).person(Person(facts, organisation), organisation)


def judge_organisation(pack: Pack, organisation: Organisation) -> list[Finding]:
    """Judge what concerns the organisation itself: instructions, controls, access, processors, breaches."""
    return _machine(pack).whole(organisation)


def obligations(pack: Pack, facts: Iterable[Fact]) -> list[Obligation]:
    """Every duty with a deadline in the history of one organisation, kept or not; facts of others are passed over."""
    live = without_retracted(fact for fact in facts if fact.organisation == pack.organisation)
    organisation = Organisation((fact for fact in live if fact.person is None), first=live[0] if live else None)
    machine, owed = _machine(pack), list[Obligation]()
    machine.whole(organisation, owed)
    for mine in grouped(live).values():
        machine.person(Person(mine, organisation), organisation, owed)
    return owed


def judge_sources(pack: Pack, facts: Iterable[Fact]) -> list[Finding]:
    """Note gaps in the sequence of a source, and what it reports against what it sent (contract, Reading 25)."""
    machine = _machine(pack)
    case = Case(machine.setting, Person((), Organisation()), Organisation())
    records.sources(list(facts), case)
    return case.found


def judge_erased(pack: Pack, facts: Iterable[Fact]) -> list[Finding]:
    """Judge facts about people who were erased before: they have no person, and only that they happened counts."""
    return _machine(pack).erased(facts)


class HoldLine(Struct, frozen=True, kw_only=True):
    """Why a dataset may not be erased from `start` up to `end`: a placed hold, a minimum term, a restriction."""

    kind: str
    statute: str | None
    reference: str | None
    start: datetime
    end: datetime | None
    rule: str | None = None


class RetentionLine(Struct, frozen=True, kw_only=True):
    """What one dataset of a person is held for, and until when; moments are in UTC.

    `due` is the first moment at which keeping some of it is late, and `overdue_since` the start of the finding
    about that, which may lie ahead (None: no clock runs); `all_due` is when keeping any of it is late, so that all
    of it may go (None: some has no clock); `all_lapsed` when the terms of all of it are over, which is earlier where a
    promise says "as soon as". `ground` is the ground on which the ledger erases it. `clock_started` is the milestone that counts, if one was reached.
    `systems` still hold a copy; None among them is a copy that no system was named for. `holds` say what
    stands in the way of erasing it, and when.
    """

    organisation: str
    person: str | None
    activity: str
    dataset: str
    client: str | None
    collections: tuple[str, ...]
    systems: tuple[str | None, ...]
    since: datetime
    clock_started: datetime | None
    due: datetime | None
    overdue_since: datetime | None
    all_due: datetime | None
    rule: str | None
    also: tuple[str, ...]
    then: str
    words: str
    assumed: str
    holds: tuple[HoldLine, ...] = ()
    all_lapsed: datetime | None = None
    ground: str = "retention"

    def held_at(self, now: datetime) -> HoldLine | None:
        """The hold that binds at a moment: the one that lasts longest."""
        binding = [hold for hold in self.holds if hold.start <= now and (hold.end is None or now < hold.end)]
        return max(binding, key=lambda hold: hold.end or FOREVER, default=None)

    @property
    def hold_statute(self) -> str | None:
        """The statute of the hold that lasts longest, if there is one."""
        last = max(self.holds, key=lambda hold: hold.end or FOREVER, default=None)
        return None if last is None else last.statute

    @property
    def held_until(self) -> datetime | None:
        """When the last hold ends; None without a hold, or for a hold without end."""
        return max((hold.end for hold in self.holds if hold.end is not None), default=None)


def retention_status(pack: Pack, facts: Sequence[Fact], organisation: Organisation) -> list[RetentionLine]:
    """What is still held of one person after these facts, by dataset and client: clock, due moment and holds."""
    return _machine(pack).status(Person(facts, organisation), organisation)


class Guarded(Struct, frozen=True, kw_only=True):
    """A duty to keep or to wait, on one dataset of a person as keys are scoped: activity/dataset, and client ("" for none).

    The dataset is EVERYTHING for what binds the whole person, and so also what is known of them beside their data.
    """

    dataset: str
    client: str
    hold: HoldLine


EVERYTHING: Final = "*"
"""The dataset of a duty that binds the whole person."""


def guards(pack: Pack, facts: Sequence[Fact], organisation: Organisation) -> list[Guarded]:
    """Every hold, minimum term and restriction on what was ever collected of one person, whoever still has a copy."""
    return _machine(pack).guards(Person(facts, organisation), organisation)


# --- a pack made ready ----------------------------------------------------------------------------------------------------


class _Machine:
    """A pack compiled once: the acts that each type and activity must pass, and what is judged as a whole."""

    def __init__(self, pack: Pack, ends: datetime = FOREVER, earlier: Sequence[Pack] = ()) -> None:
        self.setting: Final = Setting(pack, ends, earlier)
        self.pack: Final = pack
        own: tuple[Promise, ...] = tuple(pack.promises)
        law: tuple[Promise, ...] = tuple(pack.law.promises)
        self.own: Final = own
        self.all: Final = (*own, *law)
        self.retentions: Final = [promise for promise in own if isinstance(promise, Retention)]
        self.minimums: Final = [promise for promise in own if isinstance(promise, Minimum)]
        self.articles: Final[dict[str, Statutory]] = {
            promise.article: promise for promise in (*law, *own) if isinstance(promise, Statutory)
        }
        self._acts: Final[dict[str, list[tuple[When, Act, datetime]]]] = defaultdict(list)
        self._table: Final[dict[tuple[str, str | None], tuple[_Step, ...]]] = {}
        self._person: Final[list[Whole]] = []
        self._whole: Final[list[Whole]] = []
        self._compile_acts()
        self._compile_joint()
        self._compile_articles()
        self._compile_wholes()

    def person(self, person: Person, organisation: Organisation, owed: list[Obligation] | None = None) -> list[Finding]:
        case = Case(self.setting, person, organisation, owed)
        self._judge_acts(person.facts, case)
        for whole in self._person:
            whole(case)
        return case.found

    def whole(self, organisation: Organisation, owed: list[Obligation] | None = None) -> list[Finding]:
        case = Case(self.setting, Person(organisation.facts, Organisation()), organisation, owed)
        self._judge_acts(organisation.facts, case)
        for whole in self._whole:
            whole(case)
        return case.found

    def erased(self, facts: Iterable[Fact]) -> list[Finding]:
        promise = self.articles.get("17(1)-erased")
        case = Case(self.setting, Person((), Organisation()), Organisation())
        if promise is not None:
            judge = statutory.used_after_erasure(promise)
            for fact in without_retracted(facts):
                judge(fact, case)
        return case.found

    def _judge_acts(self, facts: Iterable[Fact], case: Case) -> None:
        table, activities, ends = self._table, self.pack.activities, self.setting.ends
        for fact in facts:
            if fact.time >= ends:
                break  # Facts come in order: the rest is for the next version.
            activity = fact.activity
            key = (fact.type, activity if activity in activities else None)
            steps = table.get(key)
            if steps is None:
                steps = table[key] = self._steps(*key)
            for check, act, binds in steps:
                if fact.time >= binds and (check is None or check(fact)):
                    act(fact, case)

    def _steps(self, type_: str, activity: str | None) -> tuple[_Step, ...]:
        return tuple((compiled(when), act, binds) for when, act, binds in self._acts[type_] if concerns(when, activity))

    # --- compiling ----------------------------------------------------------------------------------------------------------

    def _add(self, when: When, act: Act, *, law: bool = False) -> None:
        binds = self.setting.law_binds if law else self.setting.binds
        for type_ in types_of(when):
            self._acts[type_].append((when, act, binds))

    def _compile_acts(self) -> None:
        """One step for each promise about a single act."""
        gates = [promise for promise in self.own if isinstance(promise, ContractGate) and promise.party == "recipient"]
        for promise in self.all:
            match promise:
                case AllowList():
                    self._add(promise.when, acts.allow_list(promise, self.setting))
                case Matrix():
                    self._add(promise.when, acts.matrix(promise, self.setting))
                case Recipients():
                    self._add(promise.when, acts.recipients(promise, self.setting))
                case Prohibition():
                    self._add(promise.when, acts.prohibition(promise, self.setting))
                case Precondition():
                    self._add(promise.when, acts.precondition(promise, self.setting))
                case AccessScope():
                    self._add(When(type=("access.used",)), acts.access_scope(promise, self.setting))
                case ClientParameter():
                    self._add(When(type=("client.instructed",)), retention.client_parameter(promise))
                case ContractGate():
                    judged = contracts.contract_gate(promise, self.setting)
                    self._add(
                        promise.when, _unless(gates, judged) if promise.statutory else judged, law=promise.statutory
                    )
                case _:
                    pass

    def _compile_joint(self) -> None:
        """Steps that take several promises together, so that one contradiction stays one finding."""
        consent = [promise for promise in self.all if isinstance(promise, ConsentGate)]
        stops = [promise for promise in self.all if isinstance(promise, Stop)]
        covering = {
            promise.rule for promise in self.own if isinstance(promise, AllowList | Matrix) and promise.unless_consent
        }
        covering |= {
            row.rule
            for promise in self.own
            if isinstance(promise, Matrix) and promise.unless_consent
            for row in promise.rows.values()
        }
        covering |= {promise.rule for promise in self.own if isinstance(promise, Precondition) and promise.warranty}
        self._add(When(), consents.consents(consent, stops, self.setting, covering))
        notices = [promise for promise in self.all if isinstance(promise, NoticeDuty)]
        own, law = [row for row in notices if not row.statutory], [row for row in notices if row.statutory]
        self._add(When(type=("data.collected",)), duties.notices(own, law, self.setting))
        deleted = When(type=("data.deleted",))
        self._add(deleted, retention.minimums(self.minimums, self.articles.get("17(3)")))
        for promise in self.retentions:
            if promise.then == "anonymise":
                self._add(deleted, retention.anonymisation(promise))
        self._add(
            When(type=("milestone.reached", "control.executed", "data.collected")),
            records.unknown_ids(self.own, self.setting),
        )

    def _compile_articles(self) -> None:
        used = ("data.used", "data.shared")
        rows: list[tuple[str, When, Callable[[Statutory, Setting], Act]]] = [
            ("18(2)", When(type=used), statutory.restricted),
            ("44", When(type=("data.shared",)), statutory.transfer),
            ("6(1)-public", When(), statutory.public_body),
            ("8(1)", When(type=("consent.given",)), statutory.child),
            ("28(2)", When(type=("processor.engaged",)), statutory.announced),
        ]
        for article, when, made in rows:
            if article in self.articles:
                self._add(when, made(self.articles[article], self.setting), law=True)

    def _compile_wholes(self) -> None:
        for promise in self.all:
            match promise:
                case Retention():
                    self._person.append(retention.retention(promise))
                case Duty():
                    self._person.append(duties.duty(promise))
                case Triage():
                    self._person.append(duties.triage(promise))
                    self._whole.append(duties.triage(promise))
                case Cadence():
                    self._whole.append(duties.cadence(promise))
                case _:
                    pass
        clocks = [promise for promise in self.pack.law.promises if isinstance(promise, RequestClock)]
        own = next((promise for promise in self.own if isinstance(promise, RequestClock)), None)
        if clocks:
            self._person.append(requests.requests(own, clocks[0], self.minimums))
        if "19" in self.articles:
            self._person.append(statutory.recipients_told(self.articles["19"]))
        self._whole.append(statutory.breaches(self.articles))

    # --- retention ------------------------------------------------------------------------------------------------------------

    def status(self, person: Person, organisation: Organisation) -> list[RetentionLine]:
        case = Case(self.setting, person, organisation)
        groups: dict[tuple[str, str, str | None], list[Copy]] = defaultdict(list)
        for copy in person.copies:
            if copy.end is FOREVER:
                activity = copy.collected.activity or ""
                dataset = self.pack.dataset_of(activity, copy.category) or "unlisted"
                groups[activity, dataset, copy.collected.client].append(copy)
        ordered = sorted(groups.items(), key=lambda group: (group[0][0], group[0][1], group[0][2] or ""))
        return [self._line(case, *key, copies) for key, copies in ordered]

    def _line(
        self, case: Case, activity: str, dataset: str, client: str | None, copies: Sequence[Copy]
    ) -> RetentionLine:
        collections = {f"{copy.collected.source} {copy.collected.id}": copy.collected for copy in copies}
        bound = [
            row for row in self.retentions if row.activity == activity and (not row.datasets or dataset in row.datasets)
        ]
        firsts = [_first_late(bound, collected, dataset, case) for collected in collections.values()]
        known = [first for first in firsts if first is not None]
        best = min(known, key=lambda first: first[0].start, default=None)
        late, promise = best if best is not None else (None, bound[0] if bound else None)
        rule = late.rule if late is not None else promise.rule if promise is not None else None
        started = [
            moment.time
            for row in bound
            for collected in collections.values()
            for moment in retention.moments(row, collected, case)
        ]
        return RetentionLine(
            organisation=self.pack.organisation,
            person=case.person.name,
            activity=activity,
            dataset=dataset,
            client=client,
            collections=tuple(sorted(collected.id for collected in collections.values())),
            systems=tuple(sorted({copy.system for copy in copies}, key=lambda system: system or "")),
            since=min(collected.time for collected in collections.values()),
            clock_started=late.trigger if late is not None else max(started, default=None),
            due=late.start if late is not None else None,
            overdue_since=late.start if late is not None else None,
            all_due=max(first[0].start for first in known) if known and len(known) == len(firsts) else None,
            rule=rule,
            also=late.also if late is not None else promise.also if promise is not None else (),
            then=promise.then if promise is not None else "erase",
            words="" if rule is None else self.setting.words(rule)[0],
            assumed=promise.assumed if promise is not None else "",
            holds=tuple(dict.fromkeys(hold for copy in copies for hold in self._holds(case, copy, dataset))),
            all_lapsed=max(retention.lapsed(row, first) for first, row in known)
            if known and len(known) == len(firsts)
            else None,
            ground="retention" if promise is None else retention.ground_of(promise),
        )

    def guards(self, person: Person, organisation: Organisation) -> list[Guarded]:
        case = Case(self.setting, person, organisation)
        found: dict[Guarded, None] = {}
        for copy in person.copies:
            activity, client = copy.collected.activity or "", copy.collected.client or ""
            dataset = self.pack.dataset_of(activity, copy.category)
            known = activity if activity in self.pack.activities else UNDECLARED
            place = f"{known}/{dataset or UNLISTED}"
            for hold in self._holds(case, copy, dataset or UNLISTED):
                found[Guarded(dataset=place, client=client, hold=hold)] = None
        for span in (*person.holds, *person.restrictions):
            placed = span.placed
            binds = placed.statute is not None or placed.ground in _KEEPING
            if binds and not placed.datasets and placed.activity is None:
                found[Guarded(dataset=EVERYTHING, client=placed.client or "", hold=_hold_line(span))] = None
        return list(found)

    def _holds(self, case: Case, copy: Copy, dataset: str) -> Iterable[HoldLine]:
        for span in retention.holds_on(case.person, copy.collected, dataset):
            yield _hold_line(span)
        for promise in self.minimums:
            for start, end in retention.minimum_spans(promise, copy, dataset, case):
                yield HoldLine(
                    kind="minimum",
                    statute=promise.statute,
                    reference=None,
                    start=start,
                    end=None if end >= FOREVER else end,
                    rule=promise.rule,
                )


_KEEPING: Final = {"unlawful": "GDPR-18(1)(b)", "claims": "GDPR-18(1)(c)"}
"""Grounds of a restriction that keep data from being erased, and where the law says so."""


def _hold_line(span: Span) -> HoldLine:
    placed = span.placed
    return HoldLine(
        kind="hold" if placed.statute is not None else "restriction",
        statute=placed.statute or _KEEPING.get(placed.ground or ""),
        reference=placed.reference,
        start=span.start,
        end=None if span.end >= FOREVER else span.end,
    )


def _first_late(
    promises: Sequence[Retention], collected: Fact, dataset: str, case: Case
) -> tuple[retention.Late, Retention] | None:
    """The first stretch without end in which keeping a collection is too long, and the promise that says so."""
    found = [
        (late, promise)
        for promise in promises
        if not promise.origin or collected.origin in promise.origin
        for late in retention.lates(promise, collected, dataset, case)
        if late.end >= FOREVER
    ]
    return min(found, key=lambda row: row[0].start, default=None)


def _unless(gates: Sequence[ContractGate], judged: Act) -> Act:
    """The article steps aside where a rule of the statement covers the act."""
    covering = tuple(matcher(gate.when) for gate in gates)

    def act(fact: Fact, case: Case) -> None:
        if not any(covers(fact) for covers in covering):
            judged(fact, case)

    return act


class _Versions:
    """The versions of one statement, oldest first, each compiled: every one judges what falls in its time."""

    def __init__(self, pack: Pack) -> None:
        self.pack: Final = pack
        packs = (*pack.earlier, pack)
        ends = (*(start_of(later.effective_from) for later in packs[1:]), FOREVER)
        self.machines: Final = tuple(
            _Machine(version, end, packs[:at]) for at, (version, end) in enumerate(zip(packs, ends, strict=True))
        )

    @property
    def setting(self) -> Setting:
        return self.machines[0].setting

    def person(self, person: Person, organisation: Organisation, owed: list[Obligation] | None = None) -> list[Finding]:
        told: list[Finding] = []
        collected = {fact.id: at for at, fact in enumerate(person.types.get(COLLECTED, ()))}
        for machine in self.machines:
            fresh: list[Finding] = []
            for finding in machine.person(person, organisation, owed):
                if finding.code == "overdue":
                    told, kept = _overdue_beside(told, finding, machine.setting.binds, collected)
                    fresh += kept
                else:
                    fresh.append(finding)
            told = [*told, *fresh]
        return told

    def whole(self, organisation: Organisation, owed: list[Obligation] | None = None) -> list[Finding]:
        return [found for machine in self.machines for found in machine.whole(organisation, owed)]

    def status(self, person: Person, organisation: Organisation) -> list[RetentionLine]:
        lines = {_place(line): line for line in self.machines[-1].status(person, organisation)}
        for machine in self.machines[:-1]:
            for earlier in machine.status(person, organisation):
                line = lines.get(_place(earlier))
                if line is not None and earlier.due is not None and (line.due is None or earlier.due < line.due):
                    lines[_place(earlier)] = _sooner(line, earlier)
        return list(lines.values())

    def guards(self, person: Person, organisation: Organisation) -> list[Guarded]:
        return self.machines[-1].guards(person, organisation)

    def erased(self, facts: Iterable[Fact]) -> list[Finding]:
        return self.machines[-1].erased(facts)


def _place(line: RetentionLine) -> tuple[str, str, str | None]:
    return (line.activity, line.dataset, line.client)


def _sooner(line: RetentionLine, earlier: RetentionLine) -> RetentionLine:
    """A line with the clock of an earlier version of the statement, which the data were collected under."""
    ends = [at for at in (line.all_due, earlier.all_due) if at is not None]
    return msgspec.structs.replace(
        line,
        clock_started=earlier.clock_started,
        due=earlier.due,
        overdue_since=earlier.overdue_since,
        all_due=min(ends, default=None),
        rule=earlier.rule,
        also=earlier.also,
        then=earlier.then,
        words=earlier.words,
        assumed=earlier.assumed,
    )


def _overdue_beside(
    told: Sequence[Finding], finding: Finding, binds: datetime, collected: Mapping[str, int]
) -> tuple[list[Finding], list[Finding]]:
    """What earlier versions told, and what is left of a finding of the next: the earlier moment tells of a collection.

    `binds` is when the next version took effect, where an earlier one may have stopped; `collected` has the place of each
    collection of the person in time.
    """
    left = mine = {id_ for id_ in finding.about if id_ in collected}
    rows: list[Finding] = []
    for row in told:
        common = left.intersection(row.about) if _same_overdue(row, finding) else set[str]()
        if row == msgspec.structs.replace(finding, about=row.about):
            left = left.union(id_ for id_ in row.about if id_ in collected)  # One finding about them all.
        elif common and row.since <= finding.since:
            rows.append(msgspec.structs.replace(row, until=finding.until) if row.until == binds else row)
            left = left - common
        elif common:
            rows += _about(row, {id_ for id_ in row.about if id_ in collected} - common, collected)
        else:
            rows.append(row)
    return rows, _about(finding, left, collected) if mine else [finding]


def _about(finding: Finding, kept: set[str], collected: Mapping[str, int]) -> list[Finding]:
    """The finding about these collections, in their order, and what else it rests on; none where none are left."""
    if not kept:
        return []
    rest = [id_ for id_ in finding.about if id_ not in collected]
    return [msgspec.structs.replace(finding, about=(*sorted(kept, key=collected.__getitem__), *rest))]


def _same_overdue(before: Finding, finding: Finding) -> bool:
    return (
        before.code == finding.code == "overdue"
        and (before.rule, before.dataset, before.client) == (finding.rule, finding.dataset, finding.client)
        and (before.until is None or finding.since <= before.until)
        and (finding.until is None or before.since <= finding.until)
    )


_MACHINES: Final[dict[int, _Machine | _Versions]] = {}


def _machine(pack: Pack) -> _Machine | _Versions:
    machine = _MACHINES.get(id(pack))
    if machine is None or machine.pack is not pack:
        machine = _MACHINES[id(pack)] = _Versions(pack) if pack.earlier else _Machine(pack)
    return machine
