"""Promises about requests of people: answered in time, refused with the remedy named, erased when said so."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple

from msgspec import Struct, field

from ledger.domain.calendar import FOREVER, Duration, add, after, day_of, duration, late_from, moment_of, rolled
from ledger.domain.facts import Fact
from ledger.policy.case import Case
from ledger.policy.filters import Ids
from ledger.policy.findings import Severity
from ledger.policy.promises.base import PromiseBase, Whole
from ledger.policy.promises.duties import statutory_term
from ledger.policy.promises.retention import Minimum, kept_by_duty
from ledger.policy.timeline import CONTRACT_ENDED, Copy, by_time, same


class RightRow(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """What the statement says of one right: its rule, and the rule and term that it promises.

    `promised` is the rule of the promised `term` where that differs from the rule that names the right;
    `after_contract`: the right exists once the contract with the person has ended; `datasets` are those that may not be
    refused (none named: all).
    """

    rule: str
    term: str | None = None
    promised: str | None = None
    words: str = ""
    promised_words: str = ""
    after_contract: bool = False
    datasets: Ids = ()


class RequestClock(PromiseBase, frozen=True, kw_only=True, tag="request-clock"):
    """Requests are answered in time; with a client they are forwarded.

    In the statutory layer `rule`, `refusal_rule` and `erasure_rule` are the articles that are named where a
    statement has no rule for the right.
    """

    rights: dict[str, RightRow] = field(default_factory=dict)
    forward_rule: str | None = None
    forward_term: str = "P1M"
    refusal_also: Ids = ()
    refusal_rule: str = ""
    erasure_rule: str = ""


# --- judging ------------------------------------------------------------------------------------------------------------

MONTH: Final = Duration(months=1)
THREE_MONTHS: Final = Duration(months=3)


class _Request(NamedTuple):
    """A request with everything that answers it."""

    received: Fact
    right: str
    row: RightRow | None
    answered: list[Fact]
    refused: list[Fact]
    forwarded: list[Fact]
    extended: bool

    @property
    def done(self) -> datetime | None:
        """When the organisation's own clock stopped."""
        return min((fact.time for fact in (*self.answered, *self.refused, *self.forwarded)), default=None)


def requests(own: RequestClock | None, law: RequestClock, minimums: Sequence[Minimum]) -> Whole:
    """Judge every request of a person by the promise and by the law (contract, Readings 9, 17, 28)."""

    def judge(case: Case) -> None:
        for received in case.person.types.get("pdl.request.received.v1", ()):
            right = received.right or ""
            if right == "complaint" or not case.setting.governs(received.time):
                continue
            request = _gather(received, right, own, case)
            if received.client is not None and own is not None and own.forward_rule is not None:
                _forwarded(own, own.forward_rule, request, case)
            else:
                _clocks(own, law, request, case)
                for refused in request.refused:
                    _refusal(own, law, request, refused, case)
            if right == "erasure":
                told: set[int] = set()
                for answered in request.answered:
                    _erased(law, request, answered, minimums, told, case)
                for refused in request.refused:
                    _unerased(own, request, refused, minimums, case)

    return judge


def _gather(received: Fact, right: str, own: RequestClock | None, case: Case) -> _Request:
    def after_it(type_: str) -> list[Fact]:
        return [
            fact
            for fact in case.person.types.get(type_, ())
            if fact.reference == received.reference
            and fact.time >= received.time
            and same(fact.client, received.client)
        ]

    row = own.rights.get(right) if own is not None else None
    if (
        row is not None
        and row.after_contract
        and not any(mark.time <= received.time for mark in case.person.milestone(CONTRACT_ENDED))
    ):
        row = None
    forwarded = after_it("pdl.request.forwarded.v1")
    forwarded += [fact for fact in case.organisation.forwards_of(received.reference) if fact.time >= received.time]
    first = after(rolled(add(day_of(received.time), MONTH)))
    told = [moment_of(fact.informed_at) for fact in after_it("pdl.request.extended.v1")]
    return _Request(
        received,
        right,
        row,
        after_it("pdl.request.answered.v1"),
        after_it("pdl.request.refused.v1"),
        forwarded,
        any(moment is not None and moment < first for moment in told),
    )


def _forwarded(own: RequestClock, rule: str, request: _Request, case: Case) -> None:
    late = late_from(request.received.time, duration(own.forward_term) or MONTH)
    done = min((fact.time for fact in request.forwarded), default=None)
    client = request.received.client
    case.owe(
        own, "forward", (request.received,), request.received.time, late, done, rule=rule, law="28(3)(e)", client=client
    )
    if done is None or done >= late:
        text = ("niet doorgestuurd aan de opdrachtgever", "not forwarded to the client")
        case.find(
            own,
            "not-forwarded",
            (request.received,),
            late,
            *text,
            until=done,
            rule=rule,
            also=(),
            law="28(3)(e)",
            client=request.received.client,
        )


def _clocks(own: RequestClock | None, law: RequestClock, request: _Request, case: Case) -> None:
    received, row, done = request.received, request.row, request.done
    nl, en = _RIGHTS.get(request.right, (request.right, request.right))
    text = (f"verzoek om {nl} niet op tijd beantwoord", f"request for {en} not answered in time")
    where: dict[str, Any] = {"activity": received.activity, "client": received.client}
    legal = THREE_MONTHS if request.extended else MONTH
    promised = duration(row.term) if row is not None and row.term is not None else None
    if own is not None and row is not None and promised is not None:
        late = late_from(received.time, legal if promised == MONTH else promised)
        rule, words = row.promised or row.rule, row.promised_words or row.words
        case.owe(own, "answer", (received,), received.time, late, done, rule=rule, law="12(3)", words=words, **where)
        if done is None or done >= late:
            case.find(
                own,
                "not-answered",
                (received,),
                late,
                *text,
                until=done,
                rule=rule,
                also=(),
                law="12(3)",
                words=words,
                **where,
            )
        if promised == MONTH:
            return
    if received.time < case.setting.law_binds:
        return
    day = add(day_of(received.time), legal)
    rule = row.rule if row is not None else law.rule
    promise = own if own is not None and row is not None else law
    words = row.words if row is not None else ""
    statutory_term(
        promise,
        "not-answered",
        (received,),
        after(day),
        after(rolled(day)),
        done,
        text,
        case,
        duty="answer",
        rule=rule,
        also=(),
        law="12(3)",
        words=words,
        **where,
    )


_RIGHTS: Final = {
    "access": ("inzage", "access"),
    "rectification": ("rectificatie", "rectification"),
    "erasure": ("wissing", "erasure"),
    "restriction": ("beperking", "restriction"),
    "portability": ("overdracht", "portability"),
    "objection": ("bezwaar", "objection"),
}


def _refusal(own: RequestClock | None, law: RequestClock, request: _Request, refused: Fact, case: Case) -> None:
    """Art. 12(4): in the first month, with complaint and court named."""
    if refused.time < case.setting.law_binds:
        return
    row = request.row
    promise = own if own is not None and row is not None else law
    rule = row.rule if row is not None else law.refusal_rule
    also = own.refusal_also if own is not None else ()
    where: dict[str, Any] = {"rule": rule, "law": "12(4)", "words": row.words if row is not None else ""}
    where |= {"activity": request.received.activity, "client": request.received.client}
    about = (request.received, refused)
    if refused.remedy_named is False:
        text = (
            "afgewezen zonder de weg naar toezichthouder en rechter te noemen",
            "refused without naming authority and court",
        )
        case.find(promise, "remedy-not-named", about, refused.time, *text, also=also, **where)
    day = add(day_of(request.received.time), MONTH)
    if request.extended and refused.time == request.done and refused.time >= after(day):
        text = ("afgewezen na de eerste maand", "refused after the first month")
        severity: Severity = "violation" if refused.time >= after(rolled(day)) else "risk"
        case.find(promise, "refused-late", about, refused.time, *text, also=(), severity=severity, **where)


def _unerased(
    own: RequestClock | None, request: _Request, refused: Fact, minimums: Sequence[Minimum], case: Case
) -> None:
    """A refusal to erase what the statement says is erased on request, though nothing demands that it is kept."""
    row = request.row
    if own is None or row is None or not row.after_contract:
        return
    held = _held(request.received, refused.time, refused.time, case)
    free = [
        copy
        for copy in held
        if _covers(row, copy, case) and not kept_by_duty(copy, _dataset(copy, case), refused.time, minimums, case)
    ]
    if free:
        nl, en = case.setting.shown("category", sorted({copy.category for copy in free}))
        case.find(
            own,
            "not-erased",
            (request.received, refused),
            refused.time,
            f"wissing op verzoek geweigerd: {nl}",
            f"erasure on request was refused: {en}",
            rule=row.rule,
            also=(),
            law="17(1)",
            words=row.words,
            client=request.received.client,
            **_place(free, case),
        )


def _covers(row: RightRow, copy: Copy, case: Case) -> bool:
    return not row.datasets or _dataset(copy, case) in row.datasets


def _held(received: Fact, collected_by: datetime, at: datetime, case: Case) -> list[Copy]:
    """The copies that a request reaches, collected by one moment and still there at another."""
    return [
        copy
        for copy in case.person.copies
        if copy.start <= collected_by
        and copy.end >= at
        and same(copy.collected.client, received.client)
        and same(received.activity, copy.collected.activity)
    ]


def _place(copies: Sequence[Copy], case: Case) -> dict[str, Any]:
    """The activity and the dataset of these copies, where it is one."""
    activities = {copy.collected.activity for copy in copies}
    activity = activities.pop() if len(activities) == 1 else None
    dataset = None if activity is None else case.setting.dataset_of(activity, (copy.category for copy in copies))
    return {"activity": activity, "dataset": dataset}


def _dataset(copy: Copy, case: Case) -> str:
    return case.setting.pack.dataset_of(copy.collected.activity or "", copy.category) or ""


def _erased(
    law: RequestClock, request: _Request, answered: Fact, minimums: Sequence[Minimum], told: set[int], case: Case
) -> None:
    """An erasure that was said to be done, with data still held at the end of the next working day.

    Answering again tells nothing anew of what was `told` before.
    """
    if answered.outcome not in {"fulfilled", "partly"}:
        return
    late = late_from(answered.time, Duration())
    received = request.received
    held = _held(received, answered.time, late, case)
    if answered.outcome == "partly":
        held = [copy for copy in held if not kept_by_duty(copy, _dataset(copy, case), late, minimums, case)]
    held = [copy for copy in held if id(copy) not in told]
    if not held:
        return
    told.update(id(copy) for copy in held)
    row = request.row
    until = max(copy.end for copy in held)
    collections = sorted({copy.collected.id: copy.collected for copy in held}.values(), key=by_time)
    nl, en = case.setting.shown("category", sorted({copy.category for copy in held}))
    case.find(
        law,
        "not-erased",
        (received, answered, *collections),
        late,
        f"wissing toegezegd, maar nog bewaard: {nl}",
        f"erasure was promised, but still held: {en}",
        until=None if until >= FOREVER else until,
        rule=row.rule if row is not None else law.erasure_rule,
        also=(),
        law="17(1)",
        words=row.words if row is not None else "",
        **_place(held, case),
        client=received.client,
    )
