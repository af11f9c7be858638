"""Certificates of erasure: which were given, for which case, and their digest."""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Iterator
from typing import ClassVar

from ledger.decisions import CERTIFIED, ORDERED
from projections.page import Page
from projections.register import Ask, Log, Register, Row, micros, presented


class Certificates(Register):
    """Every certificate and supplement."""

    name = "certificates"
    help = "Certificates of erasure and their supplements: case, number, when issued, SHA-256 of the file, position in the log."
    columns: ClassVar[tuple[str, ...]] = (
        "organisation", "person", "case", "number", "issued", "sha256", "position",
    )  # fmt: skip

    def fold(self, page: Page, db: sqlite3.Cursor, _log: Log) -> None:
        """Note each as it was issued."""
        for decision in page.decisions:
            said = decision.said
            if decision.topic == ORDERED:
                db.execute(self.sql["ordered"], (decision.stream, said["organisation"], said["person"]))
            elif decision.topic == CERTIFIED:
                digest = hashlib.sha256(said["text"].encode()).hexdigest()
                row = (decision.stream, said["number"], micros(decision.at), digest, decision.position)
                db.execute(self.sql["add"], row)

    def rows(self, ask: Ask) -> Iterator[Row]:
        """One row per file."""
        yield from presented(ask.select(self.sql["list"]), times=("issued",))
