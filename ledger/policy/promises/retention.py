"""Promises about how long data are kept, at most and at least, and who may set the term."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Final, Literal, NamedTuple

from msgspec import Struct, field

from ledger.domain.calendar import (
    FOREVER,
    Duration,
    add,
    after,
    day_of,
    duration,
    last_day,
    last_moment,
    late_from,
    next_working_day,
    start_of,
)
from ledger.domain.facts import Fact
from ledger.policy.case import Case
from ledger.policy.filters import Ids, When, matcher, types_of
from ledger.policy.findings import Severity
from ledger.policy.promises.base import Act, PromiseBase, Whole
from ledger.policy.promises.statutory import Statutory
from ledger.policy.timeline import (
    CONTRACT_ENDED,
    GIVEN,
    OBJECTION,
    REFUSED,
    WITHDRAWN,
    Copy,
    Moment,
    Person,
    Span,
    by_time,
    same,
)


class Parameter(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """A term that a client sets: within bounds, and what holds when it sets none (`default` absent: no term runs)."""

    name: str
    min: str | None = None
    max: str | None = None
    default: str | None = None
    also: Ids = ()


class Extension(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A longer term with consent, counted from the end of the ordinary one; it ends when consent does."""

    consent: str
    term: str
    rule: str


class Retention(PromiseBase, frozen=True, kw_only=True, tag="retention"):
    """Data are kept no longer than a term after a moment.

    `after` is a milestone, "collection", "stop:PURPOSE" or "instructed:destroy"; `derived` are acts that
    reach the milestone too; `whole_person` lets it count for every activity and reference. P0D is due at
    the end of the next working day. `equals_minimum`: the maximum is due on the working day after the last
    day. `unless_class` / `only_class` bind by class, `while_waiting` lists the milestone that starts and
    the one that ends a wait in which the promise does not bind; `until_milestone` ends it.
    """

    activity: str
    datasets: Ids = ()
    after: str
    term: str | None = None
    parameter: Parameter | None = None
    derived: tuple[When, ...] = ()
    whole_person: bool = False
    origin: Ids = ()
    unless_class: Ids = ()
    only_class: Ids = ()
    while_waiting: Ids = ()
    until_milestone: str | None = None
    equals_minimum: bool = False
    contract_holds: bool = False
    extend: Extension | None = None
    then: Literal["erase", "anonymise"] = "erase"
    anonymise_rule: str | None = None


class Minimum(PromiseBase, frozen=True, kw_only=True, tag="minimum"):
    """Data are kept at least a term after a milestone, and as long as a hold was placed on them.

    Without `term` only placed holds count (`holds`). `also_by_category` adds rules for single categories.
    """

    activities: Ids = ()
    datasets: Ids = ()
    after: str | None = None
    term: str | None = None
    also_by_category: dict[str, str] = field(default_factory=dict)
    holds: bool = True
    statute: str | None = None


class ClientParameter(PromiseBase, frozen=True, kw_only=True, tag="client-parameter"):
    """A parameter that a client may set only within bounds."""

    name: str
    min: str | None = None
    max: str | None = None


# --- when a term runs ---------------------------------------------------------------------------------------------------


class Term(NamedTuple):
    """How long data may be kept after a moment, and who says so."""

    length: Duration
    also: Ids = ()
    assumed: bool = False
    set_by: Fact | None = None


class Late(NamedTuple):
    """A stretch of time in which keeping a collection contradicts a promise."""

    start: datetime
    end: datetime
    rule: str
    also: Ids
    assumed: bool
    because: tuple[Fact, ...]
    trigger: datetime


class _Block(NamedTuple):
    """A stretch in which the promise does not bind; after some, the end of the next working day is due."""

    start: datetime
    end: datetime
    grace: datetime | None = None
    rule: str | None = None
    because: tuple[Fact, ...] = ()


P0D: Final = Duration()


def lates(promise: Retention, collected: Fact, dataset: str, case: Case) -> list[Late]:
    """When keeping one collection in a dataset is too long, whether or not it was deleted by then.

    The term in force at the collection counts for good, and the term of each version of the statement in its time, so
    that the shorter of the two decides.
    """
    if collected.time >= case.setting.ends:
        return []
    reached = moments(promise, collected, case)
    if not reached:
        return []
    found: list[Late] = []
    blocks: list[_Block] | None = None
    for at, moment in enumerate(reached):
        term = _term(promise, collected, moment.time, case)
        if term is None:
            continue
        start = _late_from(promise, moment.time, term.length)
        end = reached[at + 1].time if at + 1 < len(reached) else FOREVER
        if start >= end:
            continue
        if blocks is None:
            blocks = _blocks(promise, collected, dataset, case)
        extended = (
            _extension(promise, promise.extend, moment, start, collected, case) if promise.extend is not None else []
        )
        found += _stretches(promise, moment, term, start, end, [*blocks, *extended])
    return found


def lapsed(promise: Retention, late: Late) -> datetime:
    """When the term is over before a late stretch.

    Where a promise says "as soon as" that is at once, although it is late only after the next working day.
    """
    term = duration(promise.term) if promise.term else None
    ends = [late.trigger] if term is not None and term.is_zero else []
    ends += [fact.time for fact in late.because if fact.type in {WITHDRAWN, OBJECTION}]
    return next((end for end in ends if late_from(end, P0D) == late.start), late.start)


def ground_of(promise: Retention) -> str:
    """On which ground of the contract the ledger erases what is past this term."""
    named = {"stop": "withdrawal", "instructed": "instruction"}
    return named.get(promise.after.partition(":")[0], "retention")


def _shared_lates(
    promise: Retention, collected: Fact, dataset: str, case: Case, known: dict[tuple[str, str | None], list[Late]]
) -> list[Late]:
    """The same, worked out once for all collections of a client that carry no reference: the first one knows all."""
    if collected.reference is not None or _own_clock(promise) or case.setting.ends < FOREVER:
        return lates(promise, collected, dataset, case)
    key = (dataset, collected.client)
    found = known.get(key)
    if found is None:
        found = known[key] = lates(promise, collected, dataset, case)
    return [late for late in found if late.trigger >= collected.time]


def _own_clock(promise: Retention) -> bool:
    """Whether what came before one collection, but not before another, decides when a term or a wait begins."""
    counted = promise.after.startswith(("collection", "stop:", "instructed:")) or promise.after == CONTRACT_ENDED
    return counted or bool(promise.while_waiting) or promise.until_milestone is not None


def _late_from(promise: Retention, moment: datetime, length: Duration) -> datetime:
    if not promise.equals_minimum:
        return late_from(moment, length)
    return after(next_working_day(last_day(day_of(moment), length)))


def _stretches(
    promise: Retention, moment: Moment, term: Term, start: datetime, end: datetime, blocks: list[_Block]
) -> Iterator[Late]:
    """The stretch from `start` to `end`, less the blocks (each late again on the working day after a grace)."""
    first = (moment.fact, *((term.set_by,) if term.set_by is not None else ()))
    for since, stop, passed in _unblocked(start, end, blocks):
        because = (*first, *(fact for block in passed for fact in block.because))
        rule = next((block.rule for block in reversed(passed) if block.rule is not None), promise.rule)
        also = (*promise.also, *term.also, *((promise.rule,) if rule != promise.rule else ()))
        yield Late(since, stop, rule, also, term.assumed, because, moment.time)


def _unblocked(
    start: datetime, end: datetime, blocks: Sequence[_Block]
) -> Iterator[tuple[datetime, datetime, list[_Block]]]:
    """The parts of a stretch in which no block binds, each with the blocks that put it off.

    Where several bind in turn or at once, the grace of the last to end counts.
    """
    blocks = [block for block in blocks if block.start < block.end]  # A hold that ended before it was placed is none.
    cursor, due, passed = start, start, list[_Block]()
    while cursor < end:
        block = next((block for block in blocks if block.start <= cursor < block.end), None)
        stop = min([end, *(block.start for block in blocks if block.start > cursor)])
        if block is not None:
            passed.append(block)
            cursor = block.end
            if block.grace is not None and block.end < FOREVER:
                due = late_from(block.grace, P0D)
        elif cursor < due:
            cursor = min(due, stop)
        else:
            yield cursor, stop, list(passed)
            cursor = stop


def unheld(start: datetime, collected: Fact, dataset: str, case: Case) -> Iterator[tuple[datetime, datetime]]:
    """The stretches from a moment on in which no hold keeps a collection; after each hold the next working day is due."""
    blocks = [_Block(span.start, span.end, grace=span.last) for span in holds_on(case.person, collected, dataset)]
    for since, stop, _ in _unblocked(start, FOREVER, blocks):
        yield since, stop


def moments(promise: Retention, collected: Fact, case: Case) -> list[Moment]:
    """The moments that the term counts from, for one collection, in order (contract, Reading 16)."""
    if promise.after == "collection":
        return [Moment(collected.time, collected)]
    if promise.after == "instructed:destroy":
        rows = case.organisation.destructions(collected.client, collected.reference)
        said = [fact for fact in rows if fact.time >= collected.time or _same_reference(fact, collected)]
        return [Moment(fact.time, fact) for fact in said[:1]]  # Asking again moves nothing.
    if promise.after.startswith("stop:"):
        return _stops(promise.after[5:], collected, case.person)
    signs = [moment for moment in case.person.signs(promise.after) if _counts(promise, moment, collected)]
    found = case.person.once(promise.after, signs)
    if promise.derived:
        found += [
            Moment(fact.time, fact)
            for fact in _derived(promise, case)
            if same(fact.client, collected.client) and (fact.time >= collected.time or _same_reference(fact, collected))
        ]
        found.sort(key=lambda moment: (moment.time, moment.fact.source, moment.fact.id))
    return found


def _stops(purpose: str, collected: Fact, person: Person) -> list[Moment]:
    """Each withdrawal or objection after a collection, but for one that repeats another: it moves nothing."""
    found: list[Moment] = []
    stopped = False
    for fact in person.consents.get(purpose, ()):
        if fact.time < collected.time or fact.type == REFUSED or not same(fact.client, collected.client):
            continue
        if fact.type in {WITHDRAWN, OBJECTION} and not stopped:
            found.append(Moment(fact.time, fact))
        stopped = fact.type in {WITHDRAWN, OBJECTION}
    return found


def _derived(promise: Retention, case: Case) -> list[Fact]:
    """Acts that reach the milestone too."""
    return [
        fact
        for when in promise.derived
        for type_ in types_of(when)
        for fact in case.person.types.get(type_, ())
        if matcher(when)(fact)
    ]


def _counts(promise: Retention, moment: Moment, collected: Fact) -> bool:
    fact = moment.fact
    if not (same(fact.client, collected.client) if promise.whole_person else _reaches(fact, collected)):
        return False
    return moment.time >= collected.time or _same_reference(fact, collected)


def _reaches(fact: Fact, collected: Fact) -> bool:
    return (
        same(fact.client, collected.client)
        and same(fact.activity, collected.activity)
        and same(fact.reference, collected.reference)
    )


def _same_reference(fact: Fact, collected: Fact) -> bool:
    return fact.reference is not None and fact.reference == collected.reference


def _term(promise: Retention, collected: Fact, at: datetime, case: Case) -> Term | None:
    """The term in force for a moment: fixed, or as the client set it (contract, Reading 7)."""
    fixed = duration(promise.term) if promise.term else None
    parameter = promise.parameter
    if parameter is None:
        return None if fixed is None else Term(fixed)
    said = case.organisation.parameter(parameter.name, collected.client, collected.reference, at)
    length = duration(said[0]) if said is not None else None
    if said is None or length is None:
        if fixed is not None:
            return Term(fixed)
        default = duration(parameter.default) if parameter.default else None
        return None if default is None else Term(default, assumed=True)
    return Term(_bounded(length, parameter.min, parameter.max, said[1].time), parameter.also, set_by=said[1])


def _bounded(length: Duration, least: str | None, most: str | None, at: datetime) -> Duration:
    """The term, or the bound that it passes."""
    low, high = duration(least) if least else None, duration(most) if most else None
    day = day_of(at)
    if low is not None and add(day, length) < add(day, low):
        return low
    if high is not None and add(day, length) > add(day, high):
        return high
    return length


def _blocks(promise: Retention, collected: Fact, dataset: str, case: Case) -> list[_Block]:
    """What keeps the promise from binding: class, an awaited answer, holds, restrictions, a running contract."""
    person = case.person
    blocks = [
        _Block(span.start, span.end, grace=span.last, because=(span.placed,))
        for span in holds_on(person, collected, dataset)
    ]
    blocks += [_Block(case.setting.binds - _AGE, case.setting.binds)]
    if not case.setting.took(collected.time):
        blocks += [_Block(case.setting.ends, FOREVER)]
    if promise.unless_class or promise.only_class:
        blocks += _by_class(promise, collected, person)
    if promise.while_waiting:
        blocks += _waiting(promise, collected, person)
    if promise.until_milestone is not None:
        ends = [moment for moment in person.milestone(promise.until_milestone) if _counts(promise, moment, collected)]
        blocks += [_Block(moment.time, FOREVER) for moment in ends[:1]]
    if promise.contract_holds:
        own = promise.after == CONTRACT_ENDED
        blocks += [
            _Block(contract.start, contract.end if own else FOREVER, grace=contract.last if own else None)
            for contract in person.contracts
            if collected.reference is None or collected.reference == contract.signed.reference
        ]
    if promise.after.startswith("stop:"):
        blocks += _reopened(promise.after[5:], collected, person)
    return blocks


_AGE: Final = timedelta(days=365 * 100)


def holds_on(person: Person, collected: Fact, dataset: str) -> list[Span]:
    """Holds, and restrictions that keep data (Art. 18(1)(b), (c)), on a collection in a dataset."""
    found = [
        span for span in person.holds_on(dataset, collected.client) if same(span.placed.activity, collected.activity)
    ]
    found += [
        span
        for span in person.restrictions
        if span.placed.ground in {"unlawful", "claims"}
        and same(span.placed.client, collected.client)
        and same(span.placed.activity, collected.activity)
    ]
    return found


def _by_class(promise: Retention, collected: Fact, person: Person) -> list[_Block]:
    """The stretches in which the class of the person is outside the promise."""
    changes = [fact.time for fact in person.classed]
    times = sorted({collected.time, *(time for time in changes if time >= collected.time)})
    blocks = []
    for at, time in enumerate(times):
        class_ = person.class_at(time, collected.client)
        outside = class_ in promise.unless_class or (promise.only_class and class_ not in promise.only_class)
        if outside:
            blocks.append(_Block(time, times[at + 1] if at + 1 < len(times) else FOREVER))
    return blocks


def _waiting(promise: Retention, collected: Fact, person: Person) -> list[_Block]:
    """From the milestone that starts a wait to the one that ends it."""
    starts, ends = (
        [moment.time for moment in person.milestone(name) if _counts(promise, moment, collected)]
        for name in promise.while_waiting[:2]
    )
    return [_Block(start, FOREVER) for start in starts[:1] if not ends] + [
        _Block(start, min(ends)) for start in starts[:1] if ends and start < min(ends)
    ]


def _reopened(purpose: str, collected: Fact, person: Person) -> list[_Block]:
    """From new consent on, until it is taken back again."""
    words = [
        fact
        for fact in person.consents.get(purpose, ())
        if same(fact.client, collected.client) and fact.type != REFUSED
    ]
    blocks = []
    for at, fact in enumerate(words):
        if fact.type == GIVEN:
            end = next((later.time for later in words[at + 1 :] if later.type != GIVEN), FOREVER)
            blocks.append(_Block(fact.time, end))
    return blocks


def _extension(
    promise: Retention, extend: Extension, moment: Moment, late: datetime, collected: Fact, case: Case
) -> list[_Block]:
    """Consent that was in force at the end of the ordinary term or later lengthens it (contract, Reading 18)."""
    term, length = duration(promise.term or "P0D"), duration(extend.term)
    if term is None or length is None:
        return []
    limit = after(add(last_day(day_of(moment.time), term), length))
    words = [
        fact
        for fact in case.person.consents.get(extend.consent, ())
        if same(fact.client, collected.client) and fact.type != REFUSED
    ]
    blocks = []
    for at, given in enumerate(words):
        if given.type != GIVEN:
            continue
        ended = words[at + 1] if at + 1 < len(words) else None  # The last word counts, be it new consent.
        until = last_moment(given.until) or FOREVER
        end = min(until, FOREVER if ended is None else ended.time)
        if end < late:
            continue
        because = (given,) if ended is None or ended.type == GIVEN or ended.time > until else (given, ended)
        blocks.append(_Block(given.time, min(limit, late_from(end, P0D)), rule=extend.rule, because=because))
    return blocks


# --- judging ------------------------------------------------------------------------------------------------------------


class _Overdue(NamedTuple):
    """What collections have in common that are told in one finding."""

    since: datetime
    rule: str
    also: Ids
    assumed: bool
    because: tuple[str, ...]
    dataset: str
    client: str | None


def held_by_collection(promise: Retention, case: Case) -> dict[tuple[str, str], tuple[Fact, list[Copy]]]:
    """The copies that a promise is about, by collection and dataset."""
    found: dict[tuple[str, str], tuple[Fact, list[Copy]]] = {}
    datasets = case.setting.pack.datasets_of(promise.activity)
    for copy in case.copies(promise.activity):
        dataset = datasets.get(copy.category)
        if dataset is None or (promise.datasets and dataset not in promise.datasets):
            continue
        collected = copy.collected
        if promise.origin and collected.origin not in promise.origin:
            continue
        key = (f"{collected.source} {collected.id}", dataset)
        row = found.get(key)
        if row is None:
            found[key] = (collected, [copy])
        else:
            row[1].append(copy)
    return found


def retention(promise: Retention) -> Whole:
    """Judge how long each dataset of a person is kept."""

    def judge(case: Case) -> None:
        if not case.copies(promise.activity):
            return
        groups: dict[_Overdue, list[tuple[Fact, datetime]]] = {}
        own = promise.after == "collection"
        known: dict[tuple[str, str | None], list[Late]] = {}
        for (_, dataset), (collected, copies) in held_by_collection(promise, case).items():
            for late in _shared_lates(promise, collected, dataset, case, known):
                for start, end in _held_while(copies, late):
                    because = tuple(fact.id for fact in late.because if not (own and fact is collected))
                    key = _Overdue(start, late.rule, late.also, late.assumed, because, dataset, collected.client)
                    groups.setdefault(key, []).append((collected, end))
        for overdue, rows in groups.items():
            _tell(promise, overdue, rows, case)

    return judge


def _held_while(copies: Sequence[Copy], late: Late) -> list[tuple[datetime, datetime]]:
    """The parts of a late stretch in which some copy was there."""
    spans = sorted(
        (max(copy.start, late.start), min(copy.end, late.end))
        for copy in copies
        if copy.start < late.end and copy.end > late.start
    )
    joined: list[tuple[datetime, datetime]] = []
    for start, end in spans:
        if joined and start <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(joined[-1][1], end))
        elif start < end:
            joined.append((start, end))
    return joined


def _tell(promise: Retention, overdue: _Overdue, rows: list[tuple[Fact, datetime]], case: Case) -> None:
    until = max(end for _, end in rows)
    kept = [
        collected for collected, end in rows if end == until or until < FOREVER
    ]  # of an open one: what is still held
    collections = sorted({collected.id: collected for collected in kept}.values(), key=by_time)
    nl, en = case.setting.shown("dataset", [overdue.dataset])
    risk: Severity | None = "risk" if overdue.assumed else None
    set_by_client = (
        promise.parameter is not None and set(promise.parameter.also).issubset(overdue.also) and not overdue.assumed
    )
    case.find(
        promise,
        "overdue",
        (*collections, *overdue.because),
        overdue.since,
        f"{nl}: langer bewaard dan beloofd",
        f"{en}: kept longer than promised",
        until=None if until >= FOREVER else until,
        rule=overdue.rule,
        also=overdue.also,
        severity=risk,
        activity=promise.activity,
        dataset=overdue.dataset,
        client=overdue.client,
        assumed=not set_by_client,
    )


def minimums(promises: Sequence[Minimum], fallback: Statutory | None) -> Act:
    """Judge a deletion by the holds and minimum terms on what it ended."""

    def judge(fact: Fact, case: Case) -> None:
        ended = [copy for copy in case.person.copies if copy.ended_by is fact]
        if not ended:
            return
        datasets: dict[str, list[Copy]] = {}
        for copy in ended:
            dataset = case.setting.pack.dataset_of(fact.activity or "", copy.category)
            datasets.setdefault(dataset or "", []).append(copy)
        for dataset, copies in datasets.items():
            _deleted_too_early(fact, dataset, copies, promises, fallback, case)

    return judge


def _deleted_too_early(
    fact: Fact,
    dataset: str,
    copies: Sequence[Copy],
    promises: Sequence[Minimum],
    fallback: Statutory | None,
    case: Case,
) -> None:
    categories = list(dict.fromkeys(copy.category for copy in copies))
    hold = next(
        (
            s
            for copy in copies
            for s in holds_on(case.person, copy.collected, dataset)
            if s.start <= fact.time < s.end and s.placed.statute
        ),
        None,
    )
    mine = [
        promise
        for promise in promises
        if fact.activity in promise.activities and (not promise.datasets or dataset in promise.datasets)
    ]
    for promise in mine:
        short = [
            (copy.category, why)
            for copy in copies
            if (why := _too_short(promise, fact.time, copy.collected, case)) is not None
        ]
        if short:
            categories = list(dict.fromkeys(category for category, _ in short))
            also = tuple(rule for category, rule in promise.also_by_category.items() if category in categories)
            nl, en = case.setting.shown("category", categories)
            case.find_act(
                promise,
                "kept-too-short",
                fact,
                f"{nl}: korter bewaard dan verplicht",
                f"{en}: kept shorter than required",
                besides=(short[0][1],),
                also=(*promise.also, *also),
                categories=categories,
            )
            return
    if hold is None:
        return
    nl, en = case.setting.shown("category", categories)
    holding = next((promise for promise in mine if promise.holds), None)
    chosen = holding if holding is not None else fallback
    if chosen is None or (holding is None and fact.time < case.setting.law_binds):
        return
    text_nl, text_en = f"{nl}: verwijderd onder een bewaarplicht", f"{en}: deleted under a duty to keep"
    case.find_act(
        chosen, "deleted-under-hold", fact, text_nl, text_en, besides=(hold.placed,), categories=categories, also=()
    )


def _too_short(promise: Minimum, at: datetime, collected: Fact, case: Case) -> Fact | None:
    """The fact from which a minimum term still runs at a deletion, if one does."""
    length = duration(promise.term) if promise.term else None
    if length is None or promise.after is None:
        return None
    for contract in case.person.contracts:
        if contract.valid(at) and same(contract.signed.reference, collected.reference):
            return contract.signed
    for moment in _minimum_moments(promise.after, collected, case):
        if moment.time <= at < start_of(add(day_of(moment.time), length)):
            return moment.fact
    return None


def _minimum_moments(after: str, collected: Fact, case: Case) -> list[Moment]:
    """The moments that a minimum term counts from, for one collection (contract, Reading 16)."""
    signs = [
        moment
        for moment in case.person.signs(after)
        if _reaches(moment.fact, collected)
        and (moment.time >= collected.time or _same_reference(moment.fact, collected))
    ]
    return case.person.once(after, signs)


def kept_by_duty(copy: Copy, dataset: str, at: datetime, promises: Sequence[Minimum], case: Case) -> bool:
    """Whether a hold, or a minimum term, keeps a copy at a moment."""
    if any(span.start <= at < span.end for span in holds_on(case.person, copy.collected, dataset)):
        return True
    return any(_keeps(promise, copy, dataset, at, case) for promise in promises)


def _keeps(promise: Minimum, copy: Copy, dataset: str, at: datetime, case: Case) -> bool:
    if copy.collected.activity not in promise.activities or (promise.datasets and dataset not in promise.datasets):
        return False
    return _too_short(promise, at, copy.collected, case) is not None


def minimum_spans(promise: Minimum, copy: Copy, dataset: str, case: Case) -> Iterator[tuple[datetime, datetime]]:
    """When a minimum term forbids erasing a copy: while the contract runs, and up to the last day of the term."""
    collected = copy.collected
    if collected.activity not in promise.activities or (promise.datasets and dataset not in promise.datasets):
        return
    length = duration(promise.term) if promise.term else None
    if length is None or promise.after is None:
        return
    for contract in case.person.contracts:
        if same(contract.signed.reference, collected.reference):
            yield contract.start, contract.end
    for moment in _minimum_moments(promise.after, collected, case):
        yield moment.time, start_of(add(day_of(moment.time), length))


def client_parameter(promise: ClientParameter) -> Act:
    """Judge the parameter that a client set by its bounds."""

    def judge(fact: Fact, case: Case) -> None:
        said = (fact.parameters or {}).get(promise.name)
        if said is None or fact.instruction != "configure":
            return
        length = duration(str(said))
        if length is None or _bounded(length, promise.min, promise.max, fact.time) != length:
            bounds = f"{promise.min or '-'} … {promise.max or '-'}"
            case.find_act(
                promise, "parameter-out-of-bounds", fact, f"termijn buiten {bounds}", f"term outside {bounds}"
            )

    return judge


def anonymisation(promise: Retention) -> Act:
    """Note a deletion where the statement promises anonymisation."""

    def judge(fact: Fact, case: Case) -> None:
        if fact.how == "anonymised" or fact.reason not in {None, "retention"} or fact.activity != promise.activity:
            return
        ended = [copy for copy in case.person.copies if copy.ended_by is fact]
        due = [copy for copy in ended if any(_binds(promise, copy, fact, case))]
        if due:
            rule = promise.anonymise_rule or promise.rule
            case.find_act(
                promise,
                "not-anonymised",
                fact,
                "verwijderd in plaats van geanonimiseerd",
                "deleted instead of anonymised",
                rule=rule,
                also=(),
                severity="note",
            )

    return judge


def _binds(promise: Retention, copy: Copy, deleted: Fact, case: Case) -> Iterator[bool]:
    """Whether the promise was about a copy when it was deleted, and nothing else asked for its deletion (Reading 5)."""
    dataset = case.setting.pack.dataset_of(promise.activity, copy.category) or ""
    blocked = any(block.start <= deleted.time < block.end for block in _blocks(promise, copy.collected, dataset, case))
    destroyed = any(
        row.time <= deleted.time
        for row in case.organisation.destructions(copy.collected.client, copy.collected.reference)
    )
    yield not blocked and not destroyed
