"""Where a person stands: what is kept of them, until when, what holds it, what is erased, who else has it."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any, Final, NamedTuple

from ledger.domain.calendar import local
from ledger.policy.judge import EVERYTHING, Guarded, HoldLine, RetentionLine
from projections.judgement import Kept
from projections.register import Row, shown
from projections.registers.erasures import Erasures
from projections.registers.requests import OpenRequest

_OURS: Final = "erased"


class Standing(NamedTuple):
    """One dataset of a person, as the registers know it at a moment.

    `person` is the pseudonym under which the person is shown, `people` those under which the data were collected;
    `erased_at` (microseconds since 1970) is when the ledger's copy under the last of these was erased.
    """

    organisation: str
    person: str
    people: tuple[str, ...]
    line: RetentionLine
    hold: HoldLine | None
    overdue: bool
    erased_at: int | None

    @property
    def place(self) -> str:
        """The dataset as keys are scoped: activity/dataset."""
        return f"{self.line.activity}/{self.line.dataset}"


class Guard(NamedTuple):
    """What keeps a dataset of a person from being erased: a hold, a minimum term, a restriction, an open request.

    The dataset is EVERYTHING where it binds whatever is kept of the person.
    """

    organisation: str
    dataset: str
    client: str
    hold: HoldLine

    def binds(self, dataset: str, client: str) -> bool:
        """Whether it binds a dataset that is kept for a client ("" for none)."""
        if self.dataset == EVERYTHING:
            return not self.client or not client or self.client == client
        return (self.dataset, self.client) == (dataset, client)


WAITED_FOR: Final = {"access": "GDPR-15", "portability": "GDPR-20", "restriction": "GDPR-18"}
"""Requests that an erasure would make impossible to answer, and their article."""


def guards_of(found: Iterable[tuple[str, Guarded]], requests: Iterable[OpenRequest], now: datetime) -> Iterator[Guard]:
    """What binds at a moment."""
    for organisation, row in found:
        if row.hold.start <= now and (row.hold.end is None or now < row.hold.end):
            yield Guard(organisation, row.dataset, row.client, row.hold)
    for request in requests:
        if request.right in WAITED_FOR:
            hold = HoldLine(
                kind="request",
                statute=WAITED_FOR[request.right],
                reference=request.reference,
                start=now,
                end=None,
            )
            yield Guard(request.organisation, EVERYTHING, request.client, hold)


def standing_of(db: sqlite3.Connection, kept: Kept, now: datetime) -> Standing:
    """What is kept, with the hold that binds at a moment, and whether the ledger's own copy is erased."""
    line = kept.line
    place = (line.client or "", f"{line.activity}/{line.dataset}")
    gone = [Erasures().erased(db, person).get(place) for person in kept.people]
    erased = [found[0] for found in gone if found is not None]
    return Standing(
        organisation=line.organisation,
        person=line.person or "",
        people=kept.people,
        line=line,
        hold=line.held_at(now),
        overdue=line.overdue_since is not None and line.overdue_since <= now,
        erased_at=max(erased) if erased and len(erased) == len(gone) else None,
    )


def retention_row(db: sqlite3.Connection, kept: Kept, now: datetime) -> Row:
    """A line of the register of retention; what systems hold can be overdue after the ledger's own copy is gone."""
    standing, line = standing_of(db, kept, now), kept.line
    hold = standing.hold
    return {
        "organisation": line.organisation,
        "person": line.person,
        "activity": line.activity,
        "dataset": line.dataset,
        "client": line.client,
        "state": _state(standing),
        "systems": list(line.systems),
        "since": _moment(line.since),
        "clock_started": _moment(line.clock_started),
        "due": _moment(line.due),
        "overdue_since": _moment(line.overdue_since) if standing.overdue else None,
        "held_until": None if hold is None else _moment(hold.end),
        "hold_kind": None if hold is None else hold.kind,
        "hold_statute": None if hold is None else hold.statute,
        "hold_reference": None if hold is None else hold.reference,
        "hold_rule": None if hold is None else hold.rule,
        "rule": line.rule,
        "also": list(line.also),
        "then": line.then,
        "words": line.words or None,
        "assumed": line.assumed or None,
        "ledger_copy": "kept" if standing.erased_at is None else _OURS,
        "erased": shown(standing.erased_at),
    }


def _state(standing: Standing) -> str:
    if standing.hold is not None:
        return "held"
    if standing.overdue:
        return "overdue"
    return "clock-not-started" if standing.line.due is None else "running"


def _moment(moment: datetime | None) -> Any:
    return None if moment is None else local(moment).isoformat()
