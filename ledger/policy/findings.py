"""A finding: a fact, or its absence, that contradicts a rule; in the words of the statement, in Dutch and English.

Judging makes findings that know their own future: `since` may lie ahead, and `visible_from` and
`visible_to` bound the time in which one finding stands in for another. `at` applies a clock.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any, Final, Literal

import msgspec
from msgspec import Struct

from ledger.domain.calendar import local

Severity = Literal["violation", "risk", "note"]
Code = Literal[
    "not-listed",
    "not-for-this-class",
    "not-for-this-purpose",
    "not-transformed",
    "not-a-recipient",
    "wrong-service",
    "prohibited",
    "precondition-missing",
    "warranty-missing",
    "outside-access",
    "no-consent",
    "after-stop",
    "no-contract",
    "contract-not-cited",
    "overdue",
    "kept-too-short",
    "deleted-under-hold",
    "not-anonymised",
    "parameter-out-of-bounds",
    "control-missed",
    "not-informed",
    "no-notice",
    "not-answered",
    "not-forwarded",
    "refused-late",
    "remedy-not-named",
    "not-erased",
    "use-after-erasure",
    "not-triaged",
    "while-restricted",
    "recipient-silent",
    "no-transfer-tool",
    "not-announced",
    "breach-not-notified",
    "consent-of-a-child",
    "sequence-gap",
    "count-differs",
    "source-silent",
    "unknown-id",
]
CODES: Final[tuple[str, ...]] = Code.__args__  # type: ignore[attr-defined]
"""The closed list of codes that the project publishes."""


class Message(Struct, frozen=True):
    """What a person reads, in Dutch and in English; never a personal value."""

    nl: str
    en: str


class Finding(Struct, frozen=True, kw_only=True):
    """One contradiction; `since`, `until` and the window are moments in UTC.

    `person` is the pseudonym that the register shows; it and the window are no part of the printed row.
    """

    rule: str
    also: tuple[str, ...]
    law: str
    code: Code
    severity: Severity
    organisation: str
    activity: str | None
    dataset: str | None
    about: tuple[str, ...]
    since: datetime
    until: datetime | None
    message: Message
    words: str = ""
    person: str | None = None
    client: str | None = None
    visible_from: datetime | None = None
    visible_to: datetime | None = None


def at(findings: Iterable[Finding], now: datetime) -> list[Finding]:
    """The findings as they stand at a moment, ordered by since, then rule: those begun by then, `until` if passed."""
    seen = []
    for finding in findings:
        if finding.since > now or (finding.visible_from is not None and finding.visible_from > now):
            continue
        if finding.visible_to is not None and finding.visible_to <= now:
            continue
        hidden = finding.until is not None and finding.until > now
        seen.append(msgspec.structs.replace(finding, until=None) if hidden else finding)
    return sorted(seen, key=order)


def order(finding: Finding) -> tuple[datetime, str, tuple[str, ...], str, str, str]:
    """The order in which findings are shown; the same for any order of arrival."""
    return (finding.since, finding.rule, finding.about, finding.code, finding.dataset or "", finding.severity)


def row(finding: Finding) -> dict[str, Any]:
    """A finding as the contract prints it; times carry the Amsterdam offset."""
    return {
        "rule": finding.rule,
        "also": list(finding.also),
        "law": finding.law or None,
        "code": finding.code,
        "severity": finding.severity,
        "organisation": finding.organisation,
        "activity": finding.activity,
        "dataset": finding.dataset,
        "about": list(finding.about),
        "since": local(finding.since).isoformat(),
        "until": None if finding.until is None else local(finding.until).isoformat(),
        "message": {"nl": finding.message.nl, "en": finding.message.en},
    }
