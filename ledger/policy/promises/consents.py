"""Promises about consent and objection: what needs consent first, and what ends a use."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Literal, NamedTuple

from ledger.domain.facts import Fact
from ledger.policy.case import Case, Setting
from ledger.policy.filters import Check, Ids, When, compiled, concerns, purposes_of, types_of
from ledger.policy.promises.base import Act, PromiseBase
from ledger.policy.timeline import COLLECTED, GIVEN, REFUSED, WITHDRAWN


class ConsentGate(PromiseBase, frozen=True, kw_only=True, tag="consent-gate"):
    """The acts that match need consent that is in force: for `purpose`, or for the act's own purposes.

    `evidence` asks that consent for a collection was given with evidence; with `recipient` it must be for
    that recipient or for any; `also_after_stop` are broken too when consent was withdrawn; a `statutory`
    gate asks it of acts on the basis of consent, yields to any gate of the statement, and takes a client's
    warranty for consent.
    """

    when: When
    purpose: str | None = None
    recipient: bool = False
    evidence: bool = False
    also_after_stop: Ids = ()
    statutory: bool = False


class Stop(PromiseBase, frozen=True, kw_only=True, tag="stop"):
    """A withdrawal or objection ends use for its purpose, whatever the basis; only new consent reopens it."""

    on: tuple[Literal["withdrawn", "objection"], ...]
    purposes: Ids = ()
    statutory: bool = False


class _Gate(NamedTuple):
    promise: ConsentGate
    check: Check | None

    def covers(self, fact: Fact) -> bool:
        when = self.promise.when
        return (
            fact.type in types_of(when) and concerns(when, fact.activity) and (self.check is None or self.check(fact))
        )


def consents(
    gates: Sequence[ConsentGate], stops: Sequence[Stop], setting: Setting, covering_rules: Collection[str] = ()
) -> Act:
    """Judge an act by consent, withdrawal and objection, so that one contradiction is one finding.

    `covering_rules` are the other rules that ask for consent; the article yields to what they found before.
    """
    own = tuple(_Gate(gate, compiled(gate.when)) for gate in gates if not gate.statutory)
    statutory = tuple(gate for gate in gates if gate.statutory)
    reach: dict[tuple[str, str | None], tuple[_Gate, ...]] = {}

    def gates_for(fact: Fact) -> tuple[_Gate, ...]:
        key = (fact.type, fact.activity if fact.activity in setting.pack.activities else None)
        near = reach.get(key)
        if near is None:
            near = tuple(
                gate for gate in own if key[0] in types_of(gate.promise.when) and concerns(gate.promise.when, key[1])
            )
            reach[key] = near
        return tuple(gate for gate in near if gate.check is None or gate.check(fact))

    def judge(fact: Fact, case: Case) -> None:
        covering = gates_for(fact) if own else ()
        stopped = None
        if case.person.consents and fact.purpose is not None:
            stopped = case.person.stop(fact.purpose, fact.time, fact.client, fact.recipient)
        if stopped is not None:
            _after_stop(fact, stopped, covering, stops, case)
        for gate in covering:
            if stopped is None or gate.promise.purpose not in {None, fact.purpose}:
                _gate(fact, gate.promise, case)
        if (
            not covering
            and stopped is None
            and fact.time >= setting.law_binds
            and statutory
            and setting.basis_of(fact) == "consent"
            and not any(found.about[:1] == (fact.id,) and found.rule in covering_rules for found in case.found)
        ):
            _basis(fact, statutory[0], case)

    return judge


def _after_stop(fact: Fact, stopped: Fact, covering: Sequence[_Gate], stops: Sequence[Stop], case: Case) -> None:
    """An act after consent for its purpose was withdrawn, or after an objection to it."""
    kind: Literal["withdrawn", "objection"] = "withdrawn" if stopped.type == WITHDRAWN else "objection"
    fitting = [stop for stop in stops if kind in stop.on and (not stop.purposes or fact.purpose in stop.purposes)]
    rows: list[tuple[ConsentGate | Stop, Ids]] = [(stop, stop.also) for stop in fitting if stop.purposes]
    rows += [
        (gate.promise, (*gate.promise.also, *gate.promise.also_after_stop))
        for gate in covering
        if gate.promise.purpose in {None, fact.purpose}
    ]
    rows += [(stop, stop.also) for stop in fitting if not stop.purposes and not stop.statutory]
    rows = rows or [(stop, stop.also) for stop in fitting if stop.statutory and fact.time >= case.setting.law_binds]
    if not rows:
        return
    first = rows[0][0]
    also = tuple(rule for promise, others in rows for rule in (promise.rule, *others))
    nl = "gebruikt na intrekking van de toestemming" if kind == "withdrawn" else "gebruikt na bezwaar"
    en = "used after consent was withdrawn" if kind == "withdrawn" else "used after an objection"
    law = "7(3)" if kind == "withdrawn" else "21(3)"
    case.find_act(first, "after-stop", fact, nl, en, besides=(stopped,), also=also, law=law)


def _gate(fact: Fact, promise: ConsentGate, case: Case) -> None:
    recipient = fact.recipient if promise.recipient else None
    gated = promise.when.purpose
    named = [purpose for purpose in purposes_of(fact) if not gated or purpose in gated]
    for purpose in (promise.purpose,) if promise.purpose is not None else named:
        given = case.person.consent(purpose, fact.time, fact.client, recipient)
        if given is None:
            word = case.person.last_word(purpose, fact.time, fact.client, recipient)
            ended = word is not None and word.type not in {GIVEN, REFUSED}
            also = (*promise.also, *promise.also_after_stop) if ended else promise.also
            nl, en = case.setting.shown("purpose", [purpose])
            besides = () if word is None else (word,)
            case.find_act(
                promise,
                "no-consent",
                fact,
                f"zonder toestemming voor: {nl}",
                f"without consent for: {en}",
                besides=besides,
                also=also,
            )
            return
        if promise.evidence and fact.type == COLLECTED and given.evidence is None:
            case.find_act(
                promise, "no-consent", fact, "toestemming zonder bewijs", "consent without evidence", besides=(given,)
            )
            return


def _basis(fact: Fact, promise: ConsentGate, case: Case) -> None:
    """An act on the basis of consent that the statement itself does not gate (Art. 6(1)(a))."""
    purposes = purposes_of(fact)
    if purposes:
        held = all(
            case.person.consent(purpose, fact.time, fact.client, fact.recipient) is not None for purpose in purposes
        )
    else:
        held = any(
            case.person.consent(purpose, fact.time, fact.client, fact.recipient) is not None
            for purpose in case.person.consents
        )
    if held:
        return
    if fact.client is not None and "consent-given" in case.organisation.warranted(
        fact.client, fact.reference, fact.time
    ):
        return
    nl, en = case.setting.shown("purpose", purposes)
    case.find_act(
        promise,
        "no-consent",
        fact,
        f"toestemming ontbreekt; doel: {nl or '-'}",
        f"consent is missing; purpose: {en or '-'}",
    )
