"""What the law asks whatever a statement says; a statement's own rule may stand in the article's place."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final, Literal

from ledger.domain.calendar import Duration, day_of, duration, late_from, moment_of
from ledger.domain.facts import Fact
from ledger.policy.case import Case, Setting
from ledger.policy.filters import wire
from ledger.policy.promises.base import Act, PromiseBase, Whole
from ledger.policy.timeline import DELETED, RECTIFIED, RESTRICTED, SHARED, by_time, same


class Statutory(PromiseBase, frozen=True, kw_only=True, tag="statutory"):
    """One article that needs no parameter beside a term; `rule` may name the statement's own rule."""

    article: Literal[
        "18(2)", "19", "28(2)", "33(1)", "33(2)", "34(1)", "44", "17(3)", "8(1)", "6(1)-public", "17(1)-erased"
    ]
    term: str | None = None


# --- acts ---------------------------------------------------------------------------------------------------------------


def restricted(promise: Statutory, setting: Setting) -> Act:
    """Art. 18(2): restricted data are only stored, except with consent."""

    def judge(fact: Fact, case: Case) -> None:
        if fact.operation == "store":
            return
        for span in case.person.restrictions:
            placed = span.placed
            if not (span.start <= fact.time < span.end and by_time(placed) < by_time(fact)):
                continue
            if not same(placed.client, fact.client) or not same(placed.activity, fact.activity):
                continue
            if setting.basis_of(fact) == "consent" and case.consented(fact, (fact.purpose or "",)):
                continue
            case.find_act(
                promise,
                "while-restricted",
                fact,
                "gebruikt tijdens een beperking",
                "used while restricted",
                besides=(placed,),
            )
            return

    return judge


def transfer(promise: Statutory, setting: Setting) -> Act:
    """Art. 44: outside the EEA only with adequacy or a tool (contract, Reading 21)."""
    law = setting.law

    def judge(fact: Fact, case: Case) -> None:
        country, day = fact.country or fact.location, day_of(fact.time)
        if country is None or law.in_eea(country, day):
            return
        decision = law.adequacy(country, day)
        tool = fact.transfer_tool
        if decision is not None and (decision.covers == "full" or tool is not None):
            return
        if decision is None and tool not in {None, "adequacy"}:
            return
        case.find_act(
            promise,
            "no-transfer-tool",
            fact,
            f"doorgifte naar {country} zonder waarborg",
            f"transfer to {country} without a safeguard",
        )

    return judge


def public_body(promise: Statutory, setting: Setting) -> Act:
    """Art. 6(1), last sentence: no legitimate interest for the tasks of a public body."""

    def judge(fact: Fact, case: Case) -> None:
        if (
            fact.client is not None
            and setting.basis_of(fact) == "legitimate-interest"
            and case.organisation.is_public(fact.client, fact.time)
        ):
            text = ("gerechtvaardigd belang voor een overheidsorgaan", "legitimate interest for a public body")
            case.find_act(promise, "not-listed", fact, *text)

    return judge


def child(promise: Statutory, _: Setting) -> Act:
    """Art. 8(1): consent of a person under 16 needs a parent, which an event cannot show."""

    def judge(fact: Fact, case: Case) -> None:
        if fact.age == "under-16":
            text = ("toestemming van iemand onder 16", "consent of a person under 16")
            case.find_act(promise, "consent-of-a-child", fact, *text, severity="risk")

    return judge


def announced(promise: Statutory, setting: Setting) -> Act:
    """Art. 28(2): clients of a processor hear of a new subprocessor before."""
    processor = any(row.acts_as == "processor" for row in setting.pack.activities.values())

    def judge(fact: Fact, case: Case) -> None:
        told = moment_of(fact.announced_at)
        if processor and (told is None or told > fact.time):
            nl, en = setting.shown("recipient", [fact.recipient or ""])
            text = (f"niet vooraf aangekondigd; verwerker: {nl}", f"not announced beforehand; processor: {en}")
            case.find_act(promise, "not-announced", fact, *text)

    return judge


# --- with a clock ---------------------------------------------------------------------------------------------------------


USES_AFTER_ERASURE: Final = frozenset(
    wire(name)
    for name in (
        "data.collected",
        "data.used",
        "data.shared",
        "data.rectified",
        "milestone.reached",
        "notice.given",
        "contract.signed",
        "subject.linked",
        "access.granted",
        "access.used",
    )
)
"""Facts that show somebody is still dealt with whose data were erased. What an erasure itself calls for is none of them:
deletions, answers, messages to recipients and to the person; nor what a person does or asks."""


def used_after_erasure(promise: Statutory) -> Act:
    """Art. 17(1): who was erased is not dealt with any more; the fact has no person, and names nobody."""

    def judge(fact: Fact, case: Case) -> None:
        if fact.after_erasure and fact.type in USES_AFTER_ERASURE and fact.time >= case.setting.law_binds:
            text = ("gebruik van gegevens van iemand die gewist is", "data used of somebody who was erased")
            case.find(
                promise, "use-after-erasure", (fact,), fact.time, *text, activity=fact.activity, client=fact.client
            )

    return judge


def recipients_told(promise: Statutory) -> Whole:
    """Art. 19: each recipient is told of a rectification, restriction or last deletion, and answers (Readings 11, 26)."""
    term = duration(promise.term or "P1M") or Duration(months=1)

    def judge(case: Case) -> None:
        shares = [fact for fact in case.person.types.get(SHARED, ()) if fact.recipient is not None]
        if not shares:
            return
        for type_ in (RECTIFIED, RESTRICTED, DELETED):
            for act in case.person.types.get(type_, ()):
                if case.setting.governs(act.time, law=True):
                    _each_recipient(promise, term, act, shares, case)

    return judge


def _each_recipient(promise: Statutory, term: Duration, act: Fact, shares: Sequence[Fact], case: Case) -> None:
    concerned = _categories_of(act, case)
    told: dict[str, set[str]] = {}
    for share in shares:
        if share.time > act.time or not same(share.client, act.client) or not same(act.activity, share.activity):
            continue
        if concerned is None or not concerned.isdisjoint(share.categories):
            told.setdefault(share.recipient or "", set()).update(
                (concerned or frozenset()).intersection(share.categories)
            )
    for recipient, heard in sorted(told.items()):
        late = late_from(act.time, term)
        done = _answered(act, recipient, case)
        case.owe(promise, "acknowledge", (act,), act.time, late, done, activity=act.activity, client=act.client)
        if done is not None and done < late:
            continue
        nl, en = case.setting.shown("recipient", [recipient])
        text = (f"geen bevestiging van ontvanger: {nl}", f"no acknowledgement by recipient: {en}")
        dataset = case.setting.dataset_of(act.activity, heard)
        case.find(
            promise,
            "recipient-silent",
            (act,),
            late,
            *text,
            until=done,
            severity="risk",
            activity=act.activity,
            dataset=dataset,
            client=act.client,
        )


def _categories_of(act: Fact, case: Case) -> frozenset[str] | None:
    """The categories that recipients hear of; None means all."""
    if act.type == RESTRICTED:
        return None
    if act.type == RECTIFIED:
        return frozenset(act.categories)
    ended = {copy.category for copy in case.person.copies if copy.ended_by is act}
    left = {
        copy.category
        for copy in case.copies(act.activity or "")
        if copy.category in ended and copy.start <= act.time < copy.end and same(copy.collected.client, act.client)
    }
    return frozenset(ended - left)


def _answered(act: Fact, recipient: str, case: Case) -> datetime | None:
    """When a recipient acknowledged: under the act's own id, or that of a notification sent for it."""
    operation = {RECTIFIED: "rectification", RESTRICTED: "restriction"}.get(act.type, "erasure")
    ids = {act.id}
    for sent in case.person.types.get("pdl.recipient.notified.v1", ()):
        if (
            sent.recipient == recipient
            and sent.operation == operation
            and sent.time >= act.time
            and sent.notification is not None
        ):
            ids |= {sent.notification, sent.id}
    rows = [fact for fact in case.person.types.get("pdl.recipient.acknowledged.v1", ()) if fact.notification in ids]
    rows += [fact for id_ in ids for fact in case.organisation.acknowledgements_of(id_)]
    times = [fact.time for fact in rows if fact.recipient in {None, recipient} and fact.time >= act.time]
    return min(times, default=None)


def breaches(articles: Mapping[str, Statutory]) -> Whole:
    """Art. 33 and 34: the authority within 72 hours, the controller without delay, the people where it was closed."""

    def judge(case: Case) -> None:
        types = case.organisation.types
        notified = types.get("pdl.breach.notified.v1", [])
        for detected in types.get("pdl.breach.detected.v1", ()):
            if not case.setting.governs(detected.time, law=True):
                continue
            aware = moment_of(detected.aware_at) or detected.time
            if _as_processor(detected, case):
                _notified(articles.get("33(2)"), detected, late_from(aware, Duration()), "controller", notified, case)
            else:
                term = duration(articles["33(1)"].term or "PT72H") if "33(1)" in articles else None
                _notified(
                    articles.get("33(1)"),
                    detected,
                    late_from(aware, term or Duration(hours=72)),
                    "authority",
                    notified,
                    case,
                )
        if "34(1)" in articles:
            for closed in types.get("pdl.breach.closed.v1", ()):
                _people_told(articles["34(1)"], closed, notified, case)

    return judge


def _as_processor(detected: Fact, case: Case) -> bool:
    if detected.client is not None:
        return True
    pack = case.setting.pack
    rows = [pack.datasets[id_].activity for id_ in detected.datasets if id_ in pack.datasets]
    return bool(rows) and all(pack.activities[row].acts_as == "processor" for row in rows)


def _notified(
    promise: Statutory | None, detected: Fact, late: datetime, to: str, notified: Sequence[Fact], case: Case
) -> None:
    if promise is None:
        return
    done = min((row.time for row in notified if row.reference == detected.reference and row.to == to), default=None)
    case.owe(promise, "notify-breach", (detected,), detected.time, late, done, client=detected.client)
    in_time = done is not None and (done <= late if to == "authority" else done < late)  # 72 hours end on a moment
    if not in_time:
        text = {
            "authority": ("niet op tijd gemeld aan de toezichthouder", "not reported to the authority in time"),
            "controller": (
                "niet op tijd gemeld aan de verwerkingsverantwoordelijke",
                "not reported to the controller in time",
            ),
        }[to]
        case.find(promise, "breach-not-notified", (detected,), late, *text, until=done, client=detected.client)


def _people_told(promise: Statutory, closed: Fact, notified: Sequence[Fact], case: Case) -> None:
    if not case.setting.governs(closed.time, law=True):
        return
    rows = [row for row in notified if row.reference == closed.reference and row.to == "subjects"]
    if any(row.time <= closed.time for row in rows):
        return
    found = [
        row
        for row in case.organisation.types.get("pdl.breach.detected.v1", ())
        if row.reference == closed.reference and row.time <= closed.time
    ]
    text = ("afgesloten zonder dat betrokkenen zijn ingelicht", "closed without the people being told")
    until = min((row.time for row in rows), default=None)
    case.find(
        promise,
        "breach-not-notified",
        (*found[:1], closed),
        closed.time,
        *text,
        until=until,
        severity="risk",
        client=closed.client,
    )
