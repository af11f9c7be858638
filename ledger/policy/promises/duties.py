"""Promises to do something in time: controls, information, notices, unsolicited data."""

from __future__ import annotations

from typing import Literal

from ledger.policy.filters import Ids, When
from ledger.policy.promises.base import PromiseBase


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
