"""Uses by purpose (GDPR Art. 5(1)(b))."""

from __future__ import annotations

import sqlite3
from collections import defaultdict
from collections.abc import Iterator
from datetime import datetime
from typing import ClassVar

from projections.page import USED, Page
from projections.register import Ask, Key, Log, Register, Row, counted, presented, text


class Uses(Register):
    """Every purpose that data were used for."""

    name = "uses"
    help = "What personal data were used for: purpose, operation, role, basis, categories."
    columns: ClassVar[tuple[str, ...]] = (
        "organisation", "activity", "client", "purpose", "operation", "basis", "role", "system", "categories", "events", "first", "last",
    )  # fmt: skip

    def fold(self, page: Page, db: sqlite3.Cursor, _log: Log) -> None:
        """Count a page's uses by everything but the person."""
        acts: dict[Key, list[datetime]] = defaultdict(list)
        for group in page.of(USED):
            line = group.line
            acts[
                line.organisation,
                line.activity,
                line.client,
                line.purpose,
                line.operation,
                line.basis,
                line.role,
                line.system,
                line.categories,
            ] += group.times
        db.executemany(self.sql["add"], counted({(*key[:-1], text(key[-1])): times for key, times in acts.items()}))

    def rows(self, ask: Ask) -> Iterator[Row]:
        """One row per purpose and circumstances."""
        yield from presented(ask.select(self.sql["list"]), times=("first", "last"), lists=("categories",))
