"""Duties with a deadline, each with what became of it: due, fulfilled, overdue, or waived for a reason.

A finding tells of a duty that was missed; an obligation is there from the moment that it began, so that an office
can see what it owes next week. Keeping data too long is no obligation here: `retention_status` tells when each
dataset is due.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any, Literal

from msgspec import Struct

from ledger.domain.calendar import local

State = Literal["due", "fulfilled", "overdue", "waived"]
Duty = Literal[
    "answer", "forward", "inform", "give-notice", "notify-breach", "acknowledge", "assess", "execute-control"
]


class Obligation(Struct, frozen=True, kw_only=True):
    """One duty; moments are in UTC.

    It began at `began` and is overdue from `due`, the first moment after its term; a statutory term that ended on a
    weekend or holiday ended at `unrolled` already (a risk until `due`). `fulfilled` is when it was done, in time
    or late; `waived` says that a reason was given why it need not be (free text, which stays in the event).
    """

    rule: str
    law: str
    duty: Duty
    organisation: str
    activity: str | None
    about: tuple[str, ...]
    began: datetime
    due: datetime
    unrolled: datetime | None = None
    fulfilled: datetime | None = None
    waived: str | None = None
    words: str = ""
    person: str | None = None
    client: str | None = None

    def state(self, now: datetime) -> State:
        """What became of it by a moment."""
        if self.waived is not None:
            return "waived"
        if self.fulfilled is not None and self.fulfilled <= now:
            return "fulfilled"
        return "overdue" if self.due <= now else "due"


def begun(obligations: Iterable[Obligation], now: datetime) -> list[Obligation]:
    """The obligations that there are at a moment, the most urgent first."""
    return sorted(
        (row for row in obligations if row.began <= now), key=lambda row: (row.due, row.rule, row.about, row.duty)
    )


def row(obligation: Obligation, now: datetime) -> dict[str, Any]:
    """An obligation as it is printed; times carry the Amsterdam offset."""
    done = obligation.fulfilled if obligation.fulfilled is not None and obligation.fulfilled <= now else None
    return {
        "rule": obligation.rule,
        "law": obligation.law or None,
        "duty": obligation.duty,
        "state": obligation.state(now),
        "organisation": obligation.organisation,
        "activity": obligation.activity,
        "about": list(obligation.about),
        "began": local(obligation.began).isoformat(),
        "due": local(obligation.due).isoformat(),
        "unrolled": None if obligation.unrolled is None else local(obligation.unrolled).isoformat(),
        "fulfilled": None if done is None else local(done).isoformat(),
        "waived": obligation.waived,
        "words": obligation.words,
    }
