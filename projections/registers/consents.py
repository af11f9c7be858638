"""Consents (GDPR Art. 7)."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from typing import ClassVar, Final

from ledger.domain.calendar import moment_of
from projections.page import Page
from projections.register import Ask, Log, Register, Row, micros, presented

_SAID: Final = {
    "pdl.consent.given.v1": "given",
    "pdl.consent.refused.v1": "refused",
    "pdl.consent.withdrawn.v1": "withdrawn",
}


class Consents(Register):
    """The state of every consent."""

    name = "consents"
    help = "Consent per person and purpose: given, refused, withdrawn or expired, with notice and proof."
    depends = ("context",)
    columns: ClassVar[tuple[str, ...]] = (
        "organisation", "person", "client", "activity", "purpose", "recipient", "state", "since", "given", "until", "channel", "notice",
        "notice_version", "method", "evidence", "words",
    )  # fmt: skip

    def fold(self, page: Page, db: sqlite3.Cursor, _log: Log) -> None:
        """Note every word on consent."""
        db.executemany(
            self.sql["add"],
            [
                (
                    position,
                    line.organisation,
                    line.person,
                    line.client or "",
                    line.activity or "",
                    line.purpose,
                    line.recipient or "",
                    _SAID[topic],
                    micros(line.time),
                    line.source,
                    line.channel or "",
                    line.notice or "",
                    line.notice_version or "",
                    line.method is not None,
                    line.evidence is not None,
                    None if (until := moment_of(line.until, ends=True)) is None else micros(until),
                )
                for position, topic, line in page.details(_SAID)
                if line.person is not None
            ],
        )

    def rows(self, ask: Ask) -> Iterator[Row]:
        """The last word per person, purpose and recipient."""
        yield from presented(
            ask.select(self.sql["list"]), times=("since", "given", "until"), truths=("method", "evidence")
        )
