"""Holds (GDPR Art. 17(3))."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from typing import ClassVar, Final

from ledger.domain.calendar import moment_of
from projections.page import Page
from projections.register import Ask, Log, Register, Row, micros, presented, text

_PLACED: Final = "pdl.hold.placed.v1"
_RELEASED: Final = "pdl.hold.released.v1"


class Holds(Register):
    """Every duty to keep."""

    name = "holds"
    help = "Holds that keep data from being erased: statute, datasets, until when, released or not."
    depends = ("context",)
    columns: ClassVar[tuple[str, ...]] = (
        "organisation", "person", "client", "statute", "datasets", "reference", "placed", "until", "released", "state",
    )  # fmt: skip

    def fold(self, page: Page, db: sqlite3.Cursor, _log: Log) -> None:
        """Note holds and releases."""
        db.executemany(
            self.sql["add"],
            [
                (
                    position,
                    line.organisation,
                    line.person,
                    line.client or "",
                    line.reference or "",
                    topic == _RELEASED,
                    text(line.datasets),
                    line.statute or "",
                    micros(line.time),
                    None if (until := moment_of(line.until, ends=True)) is None else micros(until),
                )
                for position, topic, line in page.details((_PLACED, _RELEASED))
                if not line.fenced
            ],
        )

    def rows(self, ask: Ask) -> Iterator[Row]:
        """Every hold with its state; a person of None is everyone in the datasets."""
        yield from presented(ask.select(self.sql["list"]), times=("placed", "until", "released"), lists=("datasets",))
