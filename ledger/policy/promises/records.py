"""What the record itself shows: unknown ids, gaps in a sequence, counts that differ (contract, Reading 25)."""

from __future__ import annotations

import itertools
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Final

from ledger.domain.calendar import moment_of
from ledger.domain.facts import Fact
from ledger.policy.case import Case, Setting
from ledger.policy.filters import wire
from ledger.policy.findings import Code, Finding, Message
from ledger.policy.promises.acts import AllowList
from ledger.policy.promises.base import Act, PromiseBase
from ledger.policy.timeline import COLLECTED, REPORTED, by_time

if TYPE_CHECKING:
    from ledger.policy.promises import Promise

ACCOUNTABILITY: Final = PromiseBase(rule="GDPR-5(2)", law="5(2)")
"""What must be demonstrable: it is noted, and contradicts no sentence."""


def unknown_ids(promises: Sequence[Promise], setting: Setting) -> Act:
    """Note a milestone, control, class or activity that the statement does not know, unless a rule of it judges that."""
    listed = {promise.field for promise in promises if isinstance(promise, AllowList)}
    spaces = [
        (space, name)
        for space, name in (
            ("milestone", "milestone"),
            ("control", "control"),
            ("class", "class_"),
            ("activity", "activity"),
        )
        if space not in listed
    ]

    def judge(fact: Fact, case: Case) -> None:
        for space, name in spaces:
            id_ = getattr(fact, name)
            if (
                id_ is None
                or id_ in setting.pack.known(space)
                or (space in {"class", "activity"} and fact.type != COLLECTED)
            ):
                continue
            nl, en = _SPACES[space]
            text = (f"{nl} staat niet in de verklaring", f"{en} is not in the statement")
            _note(case, "unknown-id", fact, text)

    return judge


_SPACES: Final = {
    "milestone": ("mijlpaal", "milestone"),
    "control": ("controle", "control"),
    "class": ("soort betrokkene", "class of person"),
    "activity": ("verwerkingsactiviteit", "processing activity"),
}


def _note(case: Case, code: Code, fact: Fact, text: tuple[str, str]) -> None:
    case.find(
        ACCOUNTABILITY,
        code,
        (fact,),
        fact.time,
        *text,
        severity="note",
        activity=fact.activity,
        client=fact.client,
        person=fact.person,
    )


def sources(facts: Sequence[Fact], case: Case) -> None:
    """Note gaps in `sequence` per source, and reports of a source that differ from what it sent.

    A source may speak for several organisations: its gaps show only where all its facts are given.
    """
    _gaps(facts, case)
    mine = case.setting.organisation
    reports = [fact for fact in facts if fact.type == REPORTED and fact.organisation == mine]
    if not reports:
        return
    sent: dict[tuple[str, str], list[datetime]] = defaultdict(list)
    for fact in facts:
        if fact.organisation == mine:
            sent[fact.source, fact.type].append(fact.time)
    for times in sent.values():
        times.sort()
    for report in sorted(reports, key=by_time):
        _compare(report, sent, case)


def _gaps(facts: Sequence[Fact], case: Case) -> None:
    numbered: dict[str, dict[int, Fact]] = defaultdict(dict)
    for fact in facts:
        if fact.sequence is not None:
            rows = numbered[fact.source]
            before = rows.get(fact.sequence)
            if before is None or by_time(fact) < by_time(before):
                rows[fact.sequence] = fact
    for rows in numbered.values():
        numbers = sorted(rows)
        for last, number in itertools.pairwise(numbers):
            fact = rows[number]
            if number > last + 1 and fact.organisation == case.setting.organisation:
                lacking = number - last - 1
                nl = f"{lacking} gebeurtenis(sen) ontbreken hiervoor"
                _note(case, "sequence-gap", fact, (nl, f"{lacking} event(s) are missing before this one"))


def silent(organisation: str, source: str, every: str, since: datetime, until: datetime | None) -> Finding:
    """A registered source was not heard within its cadence: nobody can say that nothing happened meanwhile."""
    return Finding(
        rule=ACCOUNTABILITY.rule,
        also=(),
        law=ACCOUNTABILITY.law,
        code="source-silent",
        severity="note",
        organisation=organisation,
        activity=None,
        dataset=None,
        about=(),
        since=since,
        until=until,
        message=Message(
            nl=f"van bron {source} is langer dan {every} niets ontvangen",
            en=f"nothing was received from source {source} for longer than {every}",
        ),
    )


def _compare(report: Fact, sent: Mapping[tuple[str, str], list[datetime]], case: Case) -> None:
    start, end = moment_of(report.from_), moment_of(report.to, ends=True)
    if start is None or end is None:
        return

    def received(type_: str) -> int:
        times = sent.get((report.source, wire(type_.removeprefix("pdl.").removesuffix(".v1"))), [])
        return bisect_left(times, end) - bisect_left(times, start)

    differing = [type_ for type_, count in sorted((report.counts or {}).items()) if count != received(type_)]
    if differing:
        nl = f"de bron meldt andere aantallen dan ontvangen, bij {len(differing)} soort(en)"
        en = f"the source reports other counts than were received, for {len(differing)} type(s)"
        _note(case, "count-differs", report, (nl, en))
