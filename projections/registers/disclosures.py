"""Disclosures per recipient (GDPR Art. 13(1)(e), 28, 30(1)(d), 44)."""

from __future__ import annotations

import sqlite3
from collections import defaultdict
from collections.abc import Iterator
from datetime import datetime
from typing import ClassVar

from projections.page import SHARED, Page
from projections.register import Ask, Key, Log, Register, Row, counted, presented, text


class Disclosures(Register):
    """Everyone that data were shared with."""

    name = "disclosures"
    version = 2
    help = "Who personal data were shared with: recipient, service, country, purpose, contract, transfer tool."
    columns: ClassVar[tuple[str, ...]] = (
        "organisation", "activity", "client", "recipient", "listed", "service", "purpose", "basis", "country", "transfer_tool", "contract",
        "categories", "events", "first", "last",
    )  # fmt: skip

    def fold(self, page: Page, db: sqlite3.Cursor, _log: Log) -> None:
        """Count a page's disclosures by everything but the person."""
        acts: dict[Key, list[datetime]] = defaultdict(list)
        for group in page.of(SHARED):
            line = group.line
            acts[
                line.organisation,
                line.activity,
                line.client,
                line.recipient,
                line.service,
                line.purpose,
                line.basis,
                line.country or line.location,
                line.transfer_tool,
                line.contract,
                line.categories,
            ] += group.times
        db.executemany(self.sql["add"], counted({(*key[:-1], text(key[-1])): times for key, times in acts.items()}))

    def rows(self, ask: Ask) -> Iterator[Row]:
        """One row per recipient and circumstances; `listed`: the statement names the recipient."""
        for row in presented(ask.select(self.sql["list"]), times=("first", "last"), lists=("categories",)):
            pack = ask.pack(row["organisation"])
            listed = pack is not None and row["recipient"] in pack.known("recipient")
            yield {name: listed if name == "listed" else row[name] for name in self.columns}
