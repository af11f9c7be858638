"""Seeing personal data is an act that somebody answers for: it stands in the log before a value is shown."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from datetime import datetime

import orjson

from ledger.decisions import DISCARDED, Access, Decisions, Discard
from ledger.domain.errors import Unreadable
from ledger.erasure import Erasures
from ledger.keys import KeyStore
from ledger.outcomes import Sections, outcomes
from ledger.sealing import Chance, Record, header_of, opened
from ledger.service import WAITING, Input, Ledger
from ledger.store import EventLog, Quarantined


class Accesses:
    """Opens sealed values, and says so first."""

    def __init__(self, log: EventLog, keys: KeyStore, erasures: Erasures, clock: Callable[[], datetime]) -> None:
        self._log, self._keys, self._erasures, self._clock = log, keys, erasures, clock
        self._decisions = Decisions(log.recorder)

    def reveal(
        self, organisations: Iterable[str], people: Collection[str], reason: str, records: Collection[Record]
    ) -> dict[int, Sections]:
        """What can be seen of one person's facts, by position: the outcome of each value. One decision per organisation.

        Raises KeyMissing or Tampered where a section cannot be opened that should.
        """
        for organisation in organisations:
            self.say(organisation, sorted(people), reason)
        states = [record.state for record in records]
        facts = list(zip(map(header_of, states), opened(states, self._keys), strict=True))
        return dict(zip([record.position for record in records], outcomes(facts), strict=True))

    def reveal_quarantined(self, ledger: Ledger, row: Quarantined, reason: str) -> Input:
        """What waits in the quarantine under a number, as it came. Whom it concerns, nobody knows yet."""
        if row.state == WAITING:
            self.say("", [f"quarantine:{row.number}"], reason)
        return ledger.quarantined_input(row)

    def discard(self, row: Quarantined, reason: str) -> None:
        """Give up what waits in the quarantine under a number: the decision first, then what was sealed goes.

        Safe to repeat after a crash in between. Raises Unreadable where nothing waits under that number any more.
        """
        if row.state != WAITING:
            raise Unreadable(f"number {row.number} does not wait any more: {row.state}.")
        if not any(orjson.loads(record.state)["number"] == row.number for record in self._log.decisions(DISCARDED)):
            self._decisions.save(
                Discard.discard(
                    f"discard-{Chance(8).take(8)}",
                    number=row.number,
                    stream=row.stream,
                    place=row.place,
                    waited_for=row.reason,
                    reason=self._erasures.sealed_reason("", reason),
                    at=self._clock().isoformat(),
                )
            )
        self._log.settle_quarantine(row.number, "discarded")

    def say(self, organisation: str, people: list[str], reason: str) -> None:
        """Record that somebody is about to see values of these people, and why."""
        self._decisions.save(
            Access.reveal(
                f"access-{Chance(8).take(8)}",
                organisation=organisation,
                people=people,
                reason=self._erasures.sealed_reason(organisation, reason),
                at=self._clock().isoformat(),
            )
        )
