"""Collections by category (GDPR Art. 5(1)(c), 13, 14)."""

from __future__ import annotations

import sqlite3
from collections import defaultdict
from collections.abc import Iterator
from datetime import datetime
from typing import ClassVar

from projections.page import COLLECTED, Page
from projections.register import Ask, Key, Log, Register, Row, counted, presented, text


class Collections(Register):
    """Every category that was obtained."""

    name = "collections"
    help = "Which categories were collected, in which activity, from whom and on which basis."
    columns: ClassVar[tuple[str, ...]] = (
        "organisation", "activity", "client", "category", "class", "origin", "basis", "system", "listed", "events", "first", "last",
    )  # fmt: skip

    def fold(self, page: Page, db: sqlite3.Cursor, _log: Log) -> None:
        """Count a page's collections by everything but the person."""
        acts: dict[Key, list[datetime]] = defaultdict(list)
        for group in page.of(COLLECTED):
            line = group.line
            acts[
                line.organisation,
                line.activity,
                line.client,
                line.categories,
                line.class_,
                line.origin,
                line.basis,
                line.system,
            ] += group.times
        db.executemany(
            self.sql["add"], counted({(*key[:3], text(key[3]), *key[4:]): times for key, times in acts.items()})
        )

    def rows(self, ask: Ask) -> Iterator[Row]:
        """One row per category and circumstances; `listed`: the statement names the category for that activity."""
        for row in presented(ask.select(self.sql["list"]), times=("first", "last")):
            pack = ask.pack(row["organisation"])
            listed = pack is not None and pack.dataset_of(row["activity"] or "", row["category"]) is not None
            yield {name: listed if name == "listed" else row[name] for name in self.columns}
