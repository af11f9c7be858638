"""Seeing personal data is an act that somebody answers for: it stands in the log before a value is shown."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from datetime import datetime
from typing import Any

from ledger.decisions import Access, Decisions
from ledger.erasure import Erasures
from ledger.keys import Erased, KeyStore
from ledger.sealing import Chance, Record, opened
from ledger.service import Input, Ledger
from ledger.store import EventLog, Quarantined


class Accesses:
    """Opens sealed values, and says so first."""

    def __init__(self, log: EventLog, keys: KeyStore, erasures: Erasures, clock: Callable[[], datetime]) -> None:
        self._keys, self._erasures, self._clock = keys, erasures, clock
        self._decisions = Decisions(log.recorder)

    def reveal(
        self, organisations: Iterable[str], people: Collection[str], reason: str, records: Collection[Record]
    ) -> dict[int, dict[str, Any | Erased]]:
        """The sections of these facts by position and dataset: content, or Erased. One decision per organisation.

        Raises KeyMissing or Tampered where a section cannot be opened that should.
        """
        for organisation in organisations:
            self._say(organisation, sorted(people), reason)
        contents = opened([record.state for record in records], self._keys)
        return {record.position: content for record, content in zip(records, contents, strict=True)}

    def reveal_quarantined(self, ledger: Ledger, row: Quarantined, reason: str) -> Input:
        """What waits in the quarantine under a number, as it came. Whom it concerns, nobody knows yet."""
        self._say("", [f"quarantine:{row.number}"], reason)
        return ledger.quarantined_input(row)

    def _say(self, organisation: str, people: list[str], reason: str) -> None:
        self._decisions.save(
            Access.reveal(
                f"access-{Chance(8).take(8)}",
                organisation=organisation,
                people=people,
                reason=self._erasures.sealed_reason(organisation, reason),
                at=self._clock().isoformat(),
            )
        )
