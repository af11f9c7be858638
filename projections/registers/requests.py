"""Requests of people with their clocks (GDPR Art. 12(3), 12(4)): what the law gives and what the statement promises."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from datetime import date, datetime, timedelta
from typing import Any, ClassVar, Final, NamedTuple

from ledger.domain.calendar import Duration, add, after, day_of, duration, last_day, moment_of, rolled
from ledger.policy.model import Pack
from ledger.policy.promises import RequestClock
from projections.page import Page
from projections.register import Ask, Log, Register, Row, micros, moment, presented, text

_WHAT: Final = {f"pdl.request.{what}.v1": what for what in ("received", "extended", "answered", "refused", "forwarded")}
_ENDS: Final = ("answered", "refused", "forwarded")


class Requests(Register):
    """Every request, open or done."""

    name = "requests"
    help = "Requests of people (access, erasure ...): due by law and by promise, extended, answered, late or open."
    depends = ("context",)
    version = 2
    columns: ClassVar[tuple[str, ...]] = (
        "organisation", "person", "client", "reference", "right", "channel", "received", "promised_due", "due", "due_rolled", "extended", "informed",
        "answered", "outcome", "refused", "remedy_named", "forwarded", "forwarded_to", "state", "late",
    )  # fmt: skip

    def fold(self, page: Page, db: sqlite3.Cursor, _log: Log) -> None:
        """Note every fact about a request."""
        db.executemany(
            self.sql["add"],
            [
                (
                    position,
                    line.organisation,
                    line.person,
                    line.client or "",
                    line.reference or "",
                    _WHAT[topic],
                    line.right or "",
                    micros(line.time),
                    line.channel or "",
                    None if (informed := moment_of(line.informed_at)) is None else micros(informed),
                    line.outcome or "",
                    line.remedy_named,
                    line.to or "",
                )
                for position, topic, line in page.details(_WHAT)
            ],
        )

    def rows(self, ask: Ask) -> Iterator[Row]:
        """One row per request; `due` is the last day of the law's term, `promised_due` of the statement's."""
        for raw in ask.select(self.sql["list"]):
            due = _dues(raw, ask.pack(raw["organisation"]))
            ended = min(
                (raw[name] for name in _ENDS if raw[name] is not None and raw[name] <= micros(ask.now)), default=None
            )
            end = ask.now if ended is None else moment(ended)
            last = min((day for day in (due["promised_due"], due["due_rolled"]) if day is not None), default=None)
            late = last is not None and end >= after(last)
            state = _state(raw, ended)
            times = ("received", "extended", "informed", *_ENDS)
            row = next(presented([raw], times=times, truths=("remedy_named",)))
            row |= {name: None if day is None else day.isoformat() for name, day in due.items()}
            yield {name: {"state": state, "late": late}.get(name, row.get(name)) for name in self.columns}


class OpenRequest(NamedTuple):
    """A request that waits for its answer."""

    organisation: str
    person: str
    client: str
    reference: str
    right: str


def open_requests(db: sqlite3.Connection, people: Iterable[str], now: datetime) -> list[OpenRequest]:
    """What these people asked for and nobody answered, refused or forwarded by that moment."""
    place = {"people": text(list(people)), "now": micros(now)}
    return [OpenRequest(*row) for row in db.execute(Requests().sql["open"], place)]


def _state(raw: dict[str, Any], ended: int | None) -> str:
    if ended is None:
        return "open"
    return next(name for name in _ENDS if raw[name] == ended)


def _dues(raw: dict[str, Any], pack: Pack | None) -> dict[str, date | None]:
    """The last days of the terms: promised, by law, and by law rolled to a working day."""
    received = moment(raw["received"])
    dues: dict[str, date | None] = {"promised_due": None, "due": None, "due_rolled": None}
    if pack is None:
        return dues
    if raw["client"]:
        # On behalf of a client the duty is to pass the request on (contract, Reading 9).
        term = next((duration(clock.forward_term) for clock in _clocks(pack) if clock.forward_rule), None)
        return dues if term is None else {**dues, "promised_due": last_day(day_of(received), term)}
    right = pack.law.file.rights.get(raw["right"])
    if right is not None and right.term is not None and (lawful := duration(right.term)) is not None:
        due = _lawful_due(raw, received, lawful, duration(right.extension or ""))
        dues |= {"due": due, "due_rolled": rolled(due) if right.rolls else due}
    promised = _promised(pack, raw["right"])
    if promised is not None:
        dues["promised_due"] = last_day(day_of(received), promised)
    return dues


def _lawful_due(raw: dict[str, Any], received: datetime, term: Duration, extension: Duration | None) -> date:
    """The term of the law; two further months where the person was told in the first."""
    first = add(day_of(received), term)
    told = raw["informed"] if raw["extended"] is not None else None
    if extension is None or told is None or moment(told) >= after(rolled(first)):
        return first
    return add(day_of(received), Duration(term.months + extension.months, term.days + extension.days))


def _clocks(pack: Pack) -> Iterator[RequestClock]:
    return (promise for promise in pack.promises if isinstance(promise, RequestClock))


def _promised(pack: Pack, right: str) -> Duration | None:
    terms = [row.term for clock in _clocks(pack) if (row := clock.rights.get(right)) is not None and row.term]
    found = [term for term in map(duration, terms) if term is not None]
    return min(
        found,
        key=lambda term: add(date(2000, 1, 1), term) - date(2000, 1, 1) + timedelta(hours=term.hours),
        default=None,
    )
