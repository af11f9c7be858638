"""Promises to do something in time: controls, information, notices, unsolicited data."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal

from ledger.domain.calendar import (
    FOREVER,
    Duration,
    after,
    day_of,
    duration,
    last_day,
    late_from,
    moment_of,
    rolled,
    start_of,
)
from ledger.domain.facts import Fact
from ledger.policy.case import Case, Setting, same_day
from ledger.policy.filters import Ids, When, matcher, types_of
from ledger.policy.findings import Code
from ledger.policy.obligations import Duty as OwedDuty
from ledger.policy.promises.base import Act, PromiseBase, Whole
from ledger.policy.promises.retention import unheld
from ledger.policy.timeline import (
    COLLECTED,
    DELETED,
    INFORMED,
    NOTICE,
    SHARED,
    TRIAGED,
    UNSOLICITED,
    USED,
    by_time,
    same,
)

if TYPE_CHECKING:
    from ledger.policy.model import Pack


class Cadence(PromiseBase, frozen=True, kw_only=True, tag="cadence"):
    """A control is executed again before a period has passed."""

    control: str
    every: str


class Duty(PromiseBase, frozen=True, kw_only=True, tag="duty"):
    """The person is told something within a term of a trigger: an act (`when`), a `milestone`, or the effective date.

    `informed` are the ids that fulfil it; `attempt` accepts a try; `waiver` accepts a reason not to;
    `once` binds the first act of a procedure only; `early` accepts information before the trigger;
    `after_milestone` binds only once that was reached; `before` asks for it before the act.
    """

    informed: Ids
    term: str | None = None
    when: When | None = None
    milestone: str | None = None
    effective: bool = False
    activity: str | None = None
    attempt: bool = False
    waiver: bool = False
    once: bool = False
    early: bool = False
    before: bool = False
    after_milestone: str | None = None
    statutory: bool = False


class NoticeDuty(PromiseBase, frozen=True, kw_only=True, tag="notice"):
    """The person gets the privacy information: at the collection, or within a term and before first contact or share."""

    when: When
    at: Literal["collection", "within"]
    term: str | None = None
    statutory: bool = False


class Triage(PromiseBase, frozen=True, kw_only=True, tag="triage"):
    """Unsolicited data are looked at within a term and, when not needed, erased."""

    activity: str
    term: str


# --- judging ------------------------------------------------------------------------------------------------------------


def cadence(promise: Cadence) -> Whole:
    """Judge that a control comes round in time (contract, Reading 2)."""
    every = duration(promise.every) or Duration(months=1)

    def judge(case: Case) -> None:
        first = case.organisation.first
        if first is None:
            return
        done = [
            fact
            for fact in case.organisation.types.get("pdl.control.executed.v1", ())
            if fact.control == promise.control
        ]
        start, because = max(_cadence_from(promise, case.setting), first.time), first
        for fact in [*(fact for fact in done if fact.time >= start), None]:
            late = late_from(start, every)
            if case.setting.governs(late) and fact is not because:
                executed = None if fact is None else fact.time
                case.owe(promise, "execute-control", (because,), start, late, executed)
            if (fact is None or fact.time >= late) and case.setting.governs(late):
                nl, en = case.setting.shown("control", [promise.control])
                until = None if fact is None else fact.time
                case.find(
                    promise,
                    "control-missed",
                    (because,),
                    late,
                    f"niet uitgevoerd: {nl}",
                    f"not executed: {en}",
                    until=until,
                )
            if fact is not None:
                start, because = fact.time, fact

    return judge


def _cadence_from(promise: Cadence, setting: Setting) -> datetime:
    """From when a control has come round: an amended statement that keeps the cadence does not start it anew."""
    start = setting.binds
    for pack in reversed(setting.earlier):
        if not any(isinstance(row, Cadence) and row.control == promise.control for row in pack.promises):
            break
        start = start_of(pack.effective_from)
    return start


def duty(promise: Duty) -> Whole:
    """Judge that a person was told something in time."""
    term = duration(promise.term) if promise.term else None

    def judge(case: Case) -> None:
        told = [
            fact
            for fact in case.person.types.get(INFORMED, ())
            if set(promise.informed).intersection(fact.about) and (promise.attempt or fact.outcome == "delivered")
        ]
        for trigger in _triggers(promise, case):
            _told_in_time(promise, term, trigger, told, case)

    return judge


def _triggers(promise: Duty, case: Case) -> list[Fact]:
    """The acts or milestones that ask for information, bound by the statement's date and by what they must follow."""
    person, binds = case.person, case.setting.binds
    if promise.effective:
        if any(_asked_already(promise, pack) for pack in case.setting.earlier):
            return []
        held = [copy.collected for copy in case.copies(promise.activity or "") if copy.start < binds < copy.end]
        return sorted({fact.id: fact for fact in held}.values(), key=by_time)[:1]
    if promise.milestone is not None:
        reached = [mark.fact for mark in person.milestone(promise.milestone)]
        rows = [fact for at, fact in enumerate(reached) if not _repeats(fact, reached[:at], promise, case)]
        rows = [fact for fact in rows if case.setting.governs(fact.time)]
        return [fact for fact in rows if fact.person is not None or _had_before(promise, fact, case)]
    when = promise.when or When()
    rows = [
        fact
        for type_ in types_of(when)
        for fact in person.types.get(type_, ())
        if fact.time >= case.setting.began and matcher(when)(fact)
    ]
    if promise.once:
        rows = _first_of_each(rows, case, promise.after_milestone)
    elif promise.after_milestone is not None:
        marks = person.milestone(promise.after_milestone)
        rows = [
            fact
            for fact in rows
            if any(mark.time <= fact.time and same(mark.fact.reference, fact.reference) for mark in marks)
        ]
    return [fact for fact in rows if case.setting.governs(fact.time, law=promise.statutory)]


def _asked_already(promise: Duty, earlier: Pack) -> bool:
    """Whether an earlier version of the statement promised the same to those who were there when it took effect."""
    return any(isinstance(row, Duty) and row.effective and row.informed == promise.informed for row in earlier.promises)


def _repeats(fact: Fact, before: Sequence[Fact], promise: Duty, case: Case) -> bool:
    """Whether a milestone was reached before with that reference, and nothing was collected in between."""
    return any(
        other.reference == fact.reference
        and other.client == fact.client
        and not any(
            other.time < copy.start <= fact.time and same(copy.collected.reference, fact.reference)
            for copy in case.copies(promise.activity or fact.activity or "")
        )
        for other in before
    )


def _had_before(promise: Duty, mark: Fact, case: Case) -> bool:
    """Whether a milestone for everyone reaches this person: data with that client and reference were collected before."""
    return any(
        copy.start <= mark.time
        and same(copy.collected.client, mark.client)
        and same(copy.collected.reference, mark.reference)
        for copy in case.copies(promise.activity or mark.activity or "")
    )


def _first_of_each(rows: Sequence[Fact], case: Case, ends: str | None) -> list[Fact]:
    """The first act of each procedure: by reference, anew once a procedure was closed."""
    marks = [] if ends is None else case.person.milestone(ends)
    kept: list[Fact] = []
    for fact in rows:
        before = next(
            (
                other
                for other in reversed(kept)
                if same(other.reference, fact.reference) and same(other.client, fact.client)
            ),
            None,
        )
        if before is None or any(
            before.time < mark.time <= fact.time and same(mark.fact.reference, fact.reference) for mark in marks
        ):
            kept.append(fact)
    return kept


def _told_in_time(promise: Duty, term: Duration | None, trigger: Fact, told: Sequence[Fact], case: Case) -> None:
    start = case.setting.binds if promise.effective else trigger.time
    late = late_from(start, term or Duration())
    activity = trigger.activity if promise.milestone is None else promise.activity or trigger.activity
    where: dict[str, Any] = {"activity": activity, "client": trigger.client}
    if promise.waiver and trigger.informing_waived is not None:
        case.owe(promise, "inform", (trigger,), start, late, None, waived=trigger.informing_waived, **where)
        return
    fitting = [fact for fact in told if same(fact.client, trigger.client) and same(fact.reference, trigger.reference)]
    nl, en = case.setting.shown("duty", promise.informed)
    if promise.before:
        placed = max((span.start for span in case.person.restrictions if span.lifted is trigger), default=None)
        if placed is not None and not any(placed <= fact.time <= trigger.time for fact in fitting):
            case.find_act(
                promise, "not-informed", trigger, f"vooraf niet ingelicht over {nl}", f"not told beforehand about {en}"
            )
        return
    if promise.early or promise.effective:
        fitting = [fact for fact in fitting if fact.time >= _since(promise, trigger, case)]
    else:
        fitting = [fact for fact in fitting if fact.time >= trigger.time]
    done = min((fact.time for fact in fitting), default=None)
    if promise.effective:
        done = _noticed(case, done)
    about = _existing(case, promise) if promise.effective else [trigger]
    case.owe(promise, "inform", about, start, late, done, **where)
    if done is not None and done < late:
        return
    text = (f"niet op tijd ingelicht over {nl}", f"not told in time about {en}")
    dataset = case.setting.dataset_of(trigger.activity, trigger.categories)
    case.find(
        promise,
        "not-informed",
        about,
        late,
        *text,
        until=done,
        dataset=dataset,
        **where,
    )


def _since(promise: Duty, trigger: Fact, case: Case) -> datetime:
    """From when early information counts: after the same trigger came before, if it did."""
    if promise.milestone is None:
        return datetime.min.replace(tzinfo=UTC)
    before = [
        mark.time
        for mark in case.person.milestone(promise.milestone)
        if mark.time < trigger.time and same(mark.fact.reference, trigger.reference)
    ]
    return max(before, default=datetime.min.replace(tzinfo=UTC))


def _noticed(case: Case, done: datetime | None) -> datetime | None:
    """A privacy notice tells of the storage as well."""
    times = [fact.time for fact in case.person.types.get(NOTICE, ())]
    times += [fact.time for fact in case.person.types.get(COLLECTED, ()) if fact.notice is not None]
    return min([*times, *([] if done is None else [done])], default=None)


def _existing(case: Case, promise: Duty) -> list[Fact]:
    held = [
        copy.collected for copy in case.copies(promise.activity or "") if copy.start < case.setting.binds < copy.end
    ]
    return sorted({fact.id: fact for fact in held}.values(), key=by_time)


def notices(own: Sequence[NoticeDuty], statutory: Sequence[NoticeDuty], setting: Setting) -> Act:
    """Judge a collection by the information that the person got; the statement's own promise stands for the article."""
    stated = tuple((promise, matcher(promise.when)) for promise in own)
    legal = tuple((promise, matcher(promise.when)) for promise in statutory)

    def judge(fact: Fact, case: Case) -> None:
        kinds = set()
        for promise, covers in stated:
            if covers(fact):
                kinds.add(promise.at)
                _noticed_in_time(promise, fact, case)
        if fact.time < setting.law_binds:
            return
        for promise, covers in legal:
            if promise.at not in kinds and covers(fact):
                _noticed_in_time(promise, fact, case)

    return judge


def _noticed_in_time(promise: NoticeDuty, fact: Fact, case: Case) -> None:
    if promise.at == "collection":
        if not _told_at(fact, case):
            nl, en = case.setting.shown("category", fact.categories)
            case.find_act(
                promise,
                "no-notice",
                fact,
                f"niet ingelicht bij het vastleggen van {nl}" if nl else "niet ingelicht bij het vastleggen",
                f"not informed when this was recorded: {en}" if en else "not informed when this was recorded",
            )
    else:
        _told_within(promise, fact, case)


def _told_at(fact: Fact, case: Case) -> bool:
    """Whether the person was informed at that time: on the collection, or told of the storage that day (Reading 8)."""
    if fact.notice is not None:
        at = moment_of(fact.notice_at)
        if at is None or at <= fact.time or same_day(at, fact.time):
            return True
    rows = [*case.person.types.get(INFORMED, ()), *case.person.types.get(NOTICE, ())]
    return any(
        same_day(row.time, fact.time)
        and (row.type == NOTICE or "storage" in row.about)
        and same(row.client, fact.client)
        for row in rows
    )


def _told_within(promise: NoticeDuty, fact: Fact, case: Case) -> None:
    """Art. 14(3): within the term, and at the latest at the first contact or share."""
    done = _first_notice(fact, case)
    first = _first_contact(fact, case)
    day = last_day(day_of(fact.time), duration(promise.term or "P1M") or Duration(months=1))
    unrolled, late = after(day), after(rolled(day))
    nl, en = case.setting.shown("category", fact.categories)
    text = (f"niet ingelicht over gegevens van een ander: {nl}", f"not informed about data obtained elsewhere: {en}")
    dataset = case.setting.dataset_of(fact.activity, fact.categories)
    where: dict[str, Any] = {"activity": fact.activity, "dataset": dataset, "client": fact.client}
    if first is not None and first.time < unrolled:
        owed = {name: where[name] for name in ("activity", "client")}
        case.owe(promise, "give-notice", (fact, first), fact.time, first.time, done, **owed)
        if done is None or done > first.time:
            case.find(promise, "no-notice", (fact, first), first.time, *text, until=done, **where)
        return
    statutory_term(promise, "no-notice", (fact,), unrolled, late, done, text, case, duty="give-notice", **where)


def statutory_term(
    promise: PromiseBase,
    code: Code,
    about: Sequence[Fact],
    unrolled: datetime,
    late: datetime,
    done: datetime | None,
    text: tuple[str, str],
    case: Case,
    *,
    duty: OwedDuty,
    activity: str | None = None,
    dataset: str | None = None,
    client: str | None = None,
    rule: str | None = None,
    also: tuple[str, ...] | None = None,
    law: str | None = None,
    words: str = "",
) -> None:
    """A statutory term as one finding: a risk once its end passed, a violation once the rolled end did (Reading 17)."""
    where: dict[str, Any] = {
        "activity": activity,
        "dataset": dataset,
        "client": client,
        "rule": rule,
        "also": also,
        "law": law,
        "words": words,
    }
    owed = {name: where[name] for name in ("activity", "client", "rule", "law", "words")}
    case.owe(promise, duty, about, about[0].time, late, done, unrolled=unrolled, **owed)
    if done is not None and done < unrolled:
        return
    if unrolled < late:
        rolls = done is None or done >= late
        window: dict[str, Any] = {"visible_from": unrolled, "visible_to": late if rolls else None}
        end = None if rolls else done
        case.find(promise, code, about, unrolled, text[0], text[1], until=end, severity="risk", **window, **where)
    if done is None or done >= late:
        case.find(promise, code, about, late, *text, until=done, **where)


def _first_notice(fact: Fact, case: Case) -> datetime | None:
    """When notices at or after a collection had named all of its categories, or one named none (contract, Reading 8)."""
    person, whole = case.person, []
    named: dict[str, datetime] = {}
    for row in person.types.get(NOTICE, ()):
        if row.time >= fact.time and same(row.client, fact.client):
            if row.about:
                named = dict.fromkeys(row.about, row.time) | named
            else:
                whole.append(row.time)
    whole += [
        row.time
        for row in person.types.get(INFORMED, ())
        if row.time >= fact.time and "storage" in row.about and same(row.client, fact.client)
    ]
    if fact.notice is not None:
        at = moment_of(fact.notice_at) or fact.time
        if at >= fact.time or same_day(at, fact.time):
            whole.append(max(at, fact.time))
    if fact.categories and named.keys() >= set(fact.categories):
        whole.append(max(named[category] for category in fact.categories))
    return min(whole, default=None)


def _first_contact(fact: Fact, case: Case) -> Fact | None:
    """The first contact with the person, or share of these data, after a collection."""
    rows = [
        row
        for row in case.person.types.get(USED, ())
        if row.operation == "contact"
        and row.time >= fact.time
        and same(row.client, fact.client)
        and row.activity == fact.activity
    ]
    rows += [
        row
        for row in case.person.types.get(SHARED, ())
        if row.time >= fact.time
        and row.activity == fact.activity
        and same(row.client, fact.client)
        and not set(fact.categories).isdisjoint(row.categories)
    ]
    return min(rows, key=by_time, default=None)


def triage(promise: Triage) -> Whole:
    """Judge that unsolicited data are looked at, and erased when nobody needs them (contract, Reading 11)."""
    term = duration(promise.term) or Duration(months=1)

    def judge(case: Case) -> None:
        unsolicited = case.person.types.get(UNSOLICITED, ())
        received = [fact for fact in unsolicited if case.setting.governs(fact.time)]
        references = {fact.reference for fact in unsolicited}
        references |= {copy.collected.reference for copy in case.copies(promise.activity)}
        triaged = [*case.person.types.get(TRIAGED, ())]
        triaged += [fact for reference in references for fact in case.organisation.triages_of(reference)]
        for fact in received:
            if fact.decision is None:
                _looked_at(promise, term, fact, triaged, case)
        rows = [*triaged, *(fact for fact in unsolicited if fact.decision is not None)]
        last: dict[str | None, Fact] = {}
        for row in sorted(rows, key=by_time):
            before = last.get(row.reference)
            if before is None or before.decision != row.decision:  # deciding the same again starts no new term
                last[row.reference] = row
        for row in last.values():
            if row.decision == "not-needed" and case.setting.took(row.time):
                _erased_after(promise, row, case)

    return judge


def _looked_at(promise: Triage, term: Duration, fact: Fact, triaged: Sequence[Fact], case: Case) -> None:
    done = min((row.time for row in triaged if row.reference == fact.reference and row.time >= fact.time), default=None)
    late = late_from(fact.time, term)
    case.owe(promise, "assess", (fact,), fact.time, late, done, activity=promise.activity, client=fact.client)
    if done is None or done >= late:
        text = ("ongevraagde gegevens niet beoordeeld", "unsolicited data were not looked at")
        case.find(
            promise,
            "not-triaged",
            (fact,),
            late,
            *text,
            until=done,
            severity="risk",
            activity=promise.activity,
            dataset=_dataset_of(promise, (), case),
            client=fact.client,
        )


def _erased_after(promise: Triage, decided: Fact, case: Case) -> None:
    """Data of the triage are gone by the end of the next working day, but for what a hold keeps."""
    late = max(late_from(decided.time, Duration()), case.setting.binds)
    found: dict[datetime, list[tuple[Fact, datetime]]] = {}
    for kept, end in _received_and_kept(promise, decided, case).values():
        dataset = case.setting.dataset_of(promise.activity, kept.categories) or ""
        for since, stop in unheld(max(late, kept.time), kept, dataset, case):
            if end > since:
                found.setdefault(since, []).append((kept, min(end, stop)))
    text = ("niet nodig, en niet verwijderd", "not needed, and not erased")
    for since, rows in found.items():
        until = max(end for _, end in rows)
        collections = sorted((kept for kept, _ in rows), key=by_time)
        case.find(
            promise,
            "overdue",
            (*collections, decided),
            since,
            *text,
            until=None if until >= FOREVER else until,
            severity="violation",
            law="5(1)(e)",
            activity=promise.activity,
            dataset=_dataset_of(promise, [row for kept in collections for row in kept.categories], case),
            client=decided.client,
        )


def _dataset_of(promise: Triage, categories: Sequence[str], case: Case) -> str | None:
    """Where unsolicited data are; of what was received and never taken in, all that the activity has."""
    return case.setting.dataset_of(promise.activity, categories or ("*",))


def _received_and_kept(promise: Triage, decided: Fact, case: Case) -> dict[str, tuple[Fact, datetime]]:
    """The collections that a triage is about, or else what was received itself, each with the moment of its end."""
    found: dict[str, tuple[Fact, datetime]] = {}
    for copy in case.copies(promise.activity):
        if copy.collected.reference == decided.reference:
            _, end = found.get(copy.collected.id, (copy.collected, copy.end))
            found[copy.collected.id] = (copy.collected, max(end, copy.end))
    if not found:
        rows = [fact for fact in case.person.types.get(UNSOLICITED, ()) if fact.reference == decided.reference]
        gone = [fact.time for fact in case.person.types.get(DELETED, ()) if _deletes(promise, fact, decided)]
        found = {fact.id: (fact, min(gone, default=FOREVER)) for fact in rows[:1] if fact.person is not None}
    return found


def _deletes(promise: Triage, deleted: Fact, decided: Fact) -> bool:
    return (
        deleted.activity == promise.activity
        and same(deleted.reference, decided.reference)
        and deleted.time >= decided.time
    )
