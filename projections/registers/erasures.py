"""Erasures that the ledger carried out or refused (GDPR Art. 17)."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from typing import Any, ClassVar, Final

import orjson

from ledger.decisions import (
    APPROVED,
    CERTIFIED,
    CLOSED,
    DESTROYED,
    FORGOTTEN,
    OBJECTED,
    ORDERED,
    PREPARED,
    REFUSED,
    REMOVED,
)
from projections.page import Decision, Page
from projections.register import Ask, Log, Register, Row, ids, micros, shown, text

_STEPS: Final = {
    APPROVED: "approved",
    OBJECTED: "objected",
    PREPARED: "prepared",
    CLOSED: "closed",
    FORGOTTEN: "forgotten",
    REMOVED: "removed",
    CERTIFIED: "certified",
}
"""What becomes of a case, and the statement that notes it."""


class Erasures(Register):
    """Every case of erasure."""

    name = "erasures"
    version = 2
    help = "Erasures by the ledger: ordered, destroyed, closed or refused; which datasets went, which stayed and on which statute."
    columns: ClassVar[tuple[str, ...]] = (
        "case", "organisation", "person", "state", "reason", "approval", "approved_by", "objected_by", "alone", "ordered", "prepared", "destroyed",
        "closed", "certified", "case_key_destroyed", "ciphertext_removed", "keys", "datasets", "kept",
    )  # fmt: skip

    def fold(self, page: Page, db: sqlite3.Cursor, _log: Log) -> None:
        """Follow each case; in the order of the log, which is the order of its steps."""
        for decision in page.decisions:
            place: dict[str, Any] = {"case": decision.stream, "at": micros(decision.at)}
            if decision.topic in {ORDERED, REFUSED}:
                self._begin(db, decision, place)
            elif decision.topic == DESTROYED:
                db.execute(self.sql["destroyed"], place)
                self._erase(db, decision)
            elif decision.topic in _STEPS:
                said = decision.said
                more = {"approver": said.get("approver"), "keys": len(said.get("scopes", ()))}
                db.execute(self.sql[_STEPS[decision.topic]], place | more | {"kept": text(said.get("kept", ()))})

    def _begin(self, db: sqlite3.Cursor, decision: Decision, place: dict[str, Any]) -> None:
        said = decision.said
        place |= {name: said[name] for name in ("organisation", "person", "reason")}
        place["kept"] = text(said["kept"])
        if decision.topic == ORDERED:
            place |= {"approval": said["approval"], "alone": said["alone"], "keys": len(said["scopes"])}
        db.execute(self.sql["order" if decision.topic == ORDERED else "refuse"], place)

    def _erase(self, db: sqlite3.Cursor, decision: Decision) -> None:
        said = decision.said
        rows = [
            (said["organisation"], said["person"], client, dataset, decision.stream, micros(decision.at))
            for client, dataset in said["datasets"]
        ]
        db.executemany(self.sql["erased"], rows)

    def rows(self, ask: Ask) -> Iterator[Row]:
        """One row per case."""
        for row in list(ask.select(self.sql["list"])):
            gone = ask.select(self.sql["datasets"], case=row["case"])
            row["datasets"] = [{"dataset": one["dataset"], "client": one["client"] or None} for one in gone]
            row["kept"] = [
                {"dataset": dataset, "client": client or None, "outcome": outcome, "statute": statute or None}
                for dataset, client, outcome, statute in orjson.loads(row["kept"])
            ]
            row["alone"], row["approved_by"] = bool(row["alone"]), ids(row["approved_by"])
            row["case_key_destroyed"], row["ciphertext_removed"] = row["forgotten"], row["removed"]
            for name in (
                "ordered",
                "prepared",
                "destroyed",
                "closed",
                "certified",
                "case_key_destroyed",
                "ciphertext_removed",
            ):
                row[name] = shown(row[name])
            yield {name: row[name] for name in self.columns}

    def erased(self, db: sqlite3.Connection, person: str) -> dict[tuple[str, str], tuple[int, str]]:
        """(client, dataset) -> (when, case), of everything of a person that was erased."""
        return {
            (client, dataset): (at, case)
            for client, dataset, at, case in db.execute(self.sql["of_person"], {"person": person})
        }
