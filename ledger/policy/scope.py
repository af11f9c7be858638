"""Which facts put a rule to the test: so that "no findings" can be told apart from "nothing was judged".

A rule judges an act that passes the filter of one of its promises and has what the promise looks at; a clock
judges what starts it (a request, a collection, a breach). Most facts look alike to a filter, so each
shape is matched once, however many facts have it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from typing import Final, NamedTuple

from ledger.domain.facts import Fact
from ledger.policy.case import Setting
from ledger.policy.filters import Check, When, matcher, purposes_of, wire
from ledger.policy.model import Pack
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
)
from ledger.policy.promises.records import ACCOUNTABILITY
from ledger.policy.promises.statutory import USES_AFTER_ERASURE
from ledger.policy.references import promised_rules
from ledger.policy.timeline import COLLECTED, DELETED, RECTIFIED, REPORTED, RESTRICTED, SHARED, USED

_ACTS: Final = frozenset({COLLECTED, USED, SHARED})
_REQUEST: Final = "pdl.request.received.v1"
_REFUSED: Final = "pdl.request.refused.v1"
_INSTRUCTED: Final = "pdl.client.instructed.v1"
_ANNOUNCED_TO_READ: Final = {"class": "class_", "category": "categories"}


class _Test(NamedTuple):
    """Rules, and the facts that put them to the test; `always` also before the statement took effect."""

    rules: frozenset[str]
    check: Check
    law: bool = False
    always: bool = False


def judged(packs: Iterable[Pack], facts: Iterable[Fact]) -> dict[str, Counter[str]]:
    """How many of these facts put each rule of each organisation, and each article of the law, to the test.

    Facts of other organisations are passed over; retracted facts are the caller's to leave out.
    """
    scopes = {pack.organisation: Scope(pack) for pack in packs}
    shapes: dict[str, Counter[frozenset[str]]] = {organisation: Counter() for organisation in scopes}
    for fact in facts:
        scope = scopes.get(fact.organisation)
        if scope is not None:
            shapes[fact.organisation][scope.rules(fact)] += 1
    found: dict[str, Counter[str]] = {organisation: Counter() for organisation in scopes}
    for organisation, counts in shapes.items():
        for rules, count in counts.items():
            found[organisation].update(dict.fromkeys(rules, count))
    return found


class Scope:
    """The tests of one pack; remembers which rules each shape of fact puts to the test."""

    def __init__(self, pack: Pack) -> None:
        self._setting: Final = Setting(pack)
        self._tests: Final = tuple(_tests(pack, self._setting))
        self._shapes: Final[dict[object, frozenset[str]]] = {}

    def rules(self, fact: Fact) -> frozenset[str]:
        """The rules that this fact puts to the test."""
        shape = (fact.time >= self._setting.binds, fact.time >= self._setting.law_binds, *_shape(fact))
        found = self._shapes.get(shape)
        if found is None:
            found = self._shapes[shape] = frozenset(
                rule for test in self._tests if self._binds(test, fact.time) and test.check(fact) for rule in test.rules
            )
        return found

    def _binds(self, test: _Test, moment: datetime) -> bool:
        return test.always or moment >= (self._setting.law_binds if test.law else self._setting.binds)


def _shape(fact: Fact) -> tuple[object, ...]:
    """All that a test below looks at."""
    return (
        fact.type,
        fact.activity,
        fact.categories,
        fact.purpose,
        fact.purposes,
        fact.operation,
        fact.basis,
        fact.origin,
        fact.role,
        fact.system,
        fact.channel,
        fact.client is None,
        fact.class_,
        fact.age,
        fact.location is None,
        fact.country is None,
        fact.recipient,
        fact.kind,
        fact.control,
        fact.milestone,
        fact.instruction,
        tuple(fact.parameters or ()),
        fact.right,
        fact.sequence is None,
    )


def _on_record(fact: Fact) -> bool:
    """Whether the record itself is judged by a fact: its number, its counts, ids that a statement may not know."""
    return fact.sequence is not None or fact.type in _RECORDS


_RECORDS: Final = frozenset({REPORTED, COLLECTED, "pdl.milestone.reached.v1", "pdl.control.executed.v1"})


# --- the tests of each kind of promise ----------------------------------------------------------------------------------


def _tests(pack: Pack, setting: Setting) -> Iterator[_Test]:
    for promise in pack.promises:
        yield from _of(promise, pack, setting)
    for promise in pack.law.promises:
        for test in _of(promise, pack, setting):
            yield test._replace(law=True)
    yield _Test(frozenset({ACCOUNTABILITY.rule}), _on_record)


def _of(promise: Promise, pack: Pack, setting: Setting) -> Iterator[_Test]:
    """The tests of one promise: those of rows that name a rule of their own, and that of all its other rules."""
    apart = dict(_rows(promise, pack))
    others = promised_rules(promise) - apart.keys()
    check = _check(promise, pack, setting)
    always = isinstance(promise, Retention) or (isinstance(promise, Duty) and promise.effective)
    yield _Test(others | ({promise.rule} - apart.keys()), check, always=always)
    for rule, own in apart.items():
        yield _Test(frozenset({rule}), own, always=always)


def _rows(promise: Promise, pack: Pack) -> Iterator[tuple[str, Check]]:
    """Rules that a promise names for a part of what it judges."""
    match promise:
        case Matrix():
            match = matcher(promise.when)
            for rule in {row.rule for row in promise.rows.values()}:
                categories = frozenset(id_ for id_, row in promise.rows.items() if row.rule == rule)
                yield rule, _both(match, _has(categories))
        case Recipients():
            match = matcher(promise.when)
            for rule in {row.rule for row in promise.listed.values() if row.rule is not None} - {promise.rule}:
                named = frozenset(id_ for id_, row in promise.listed.items() if row.rule == rule)
                yield rule, _both(match, _is("recipient", named))
        case RequestClock():
            yield from _requests(promise, pack)
        case _:
            pass


def _requests(promise: RequestClock, pack: Pack) -> Iterator[tuple[str, Check]]:
    rights: dict[str, set[str]] = {}
    for right, row in promise.rights.items():
        for rule in {row.rule, row.promised or row.rule}:
            rights.setdefault(rule, set()).add(right)
    asked = _typed(_REQUEST)
    for rule, mine in rights.items():
        yield rule, _both(asked, _is("right", frozenset(mine)))
    for rule in {*promise.refusal_also, *([promise.refusal_rule] if promise.refusal_rule else [])} - rights.keys():
        yield rule, _typed(_REFUSED)
    if promise.erasure_rule:
        yield promise.erasure_rule, _both(asked, _is("right", frozenset({"erasure"})))
    if promise.forward_rule is not None and promise.forward_rule in pack.rules:
        yield promise.forward_rule, _both(asked, lambda fact: fact.client is not None)


def _check(promise: Promise, pack: Pack, setting: Setting) -> Check:  # noqa: C901, PLR0912  one line for each kind
    match promise:
        case AllowList():
            return _both(matcher(promise.when), _reads(promise))
        case Matrix():
            return _both(matcher(promise.when), _has(frozenset(promise.rows)))
        case Recipients() | ContractGate() | NoticeDuty() | Precondition():
            return matcher(promise.when)
        case Prohibition():
            return _both(matcher(promise.when), _has(frozenset(promise.categories)))
        case ConsentGate():
            return _gated(promise, setting)
        case Stop():
            return _stopped(promise)
        case Retention():
            return _kept(promise, pack)
        case Minimum():
            return _both(_typed(DELETED), _is("activity", frozenset(promise.activities)))
        case RequestClock():
            return lambda fact: fact.type == _REQUEST and fact.right != "complaint"
        case Cadence():
            return lambda fact: fact.type == "pdl.control.executed.v1" and fact.control == promise.control
        case ClientParameter():
            return lambda fact: fact.type == _INSTRUCTED and promise.name in (fact.parameters or {})
        case Duty():
            return _told(promise)
        case Triage():
            return _typed("pdl.unsolicited.received.v1")
        case AccessScope():
            return _typed("pdl.access.used.v1")
        case Statutory():
            return _ARTICLES[promise.article]


def _reads(promise: AllowList) -> Check:
    """Whether an act has what the list is about; a basis that is left out is the pack's."""
    match promise.field:
        case "transformation":
            return _has(frozenset(promise.categories))
        case "purpose":
            return lambda fact: bool(purposes_of(fact))
        case "basis":
            return lambda _: True
        case "client-country":
            return lambda fact: fact.client is not None or fact.country is not None
        case field:
            name = _ANNOUNCED_TO_READ.get(field, field)
            return lambda fact: bool(getattr(fact, name))


def _gated(promise: ConsentGate, setting: Setting) -> Check:
    match = matcher(promise.when)
    if promise.statutory:
        return lambda fact: match(fact) and setting.basis_of(fact) == "consent"
    return match


def _stopped(promise: Stop) -> Check:
    """Acts for a purpose that can be stopped: each is looked up among withdrawals and objections."""
    wanted = frozenset(promise.purposes)
    return lambda fact: fact.type in _ACTS and fact.purpose is not None and (not wanted or fact.purpose in wanted)


def _kept(promise: Retention, pack: Pack) -> Check:
    """Collections of the datasets that must end; the class that decides may change after the collection."""
    categories = frozenset(
        category
        for id_, row in pack.datasets.items()
        if row.activity == promise.activity and (not promise.datasets or id_ in promise.datasets)
        for category in row.categories
    )
    origins = frozenset(promise.origin)

    def check(fact: Fact) -> bool:
        return (
            fact.type == COLLECTED
            and fact.activity == promise.activity
            and not categories.isdisjoint(fact.categories)
            and (not origins or fact.origin in origins)
        )

    return check


def _told(promise: Duty) -> Check:
    if promise.milestone is not None:
        return lambda fact: fact.type == "pdl.milestone.reached.v1" and fact.milestone == promise.milestone
    if promise.effective:
        return lambda fact: fact.type == COLLECTED and fact.activity == (promise.activity or fact.activity)
    return matcher(promise.when or When())


def _both(first: Check, second: Check) -> Check:
    return lambda fact: first(fact) and second(fact)


def _has(categories: frozenset[str]) -> Check:
    return lambda fact: not categories or not categories.isdisjoint(fact.categories)


def _is(name: str, ids: frozenset[str]) -> Check:
    return lambda fact: not ids or getattr(fact, name) in ids


def _typed(*types: str) -> Check:
    wanted = frozenset(types)
    return lambda fact: fact.type in wanted


_ARTICLES: Final[dict[str, Callable[[Fact], bool]]] = {
    "18(2)": _typed(USED, SHARED),
    "19": _typed(RECTIFIED, DELETED, RESTRICTED),
    "17(3)": _typed(DELETED),
    "17(1)-erased": lambda fact: fact.after_erasure and fact.type in USES_AFTER_ERASURE,
    "28(2)": _typed("pdl.processor.engaged.v1"),
    "33(1)": _typed("pdl.breach.detected.v1"),
    "33(2)": _typed("pdl.breach.detected.v1"),
    "34(1)": _typed("pdl.breach.detected.v1"),
    "44": lambda fact: fact.type == SHARED and (fact.country is not None or fact.location is not None),
    "8(1)": lambda fact: fact.type == wire("consent.given") and fact.age is not None,
    "6(1)-public": lambda fact: fact.type in _ACTS and fact.client is not None,
}
"""What each article looks at."""
