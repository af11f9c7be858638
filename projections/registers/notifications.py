"""What each erasure asked of systems and recipients, and their answers (GDPR Art. 17(1), 19)."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from datetime import datetime
from typing import Any, ClassVar, Final

from ledger.decisions import ESCALATED, ORDERED, PREPARED, SENT
from projections.judgement import Judgement
from projections.page import Decision, Page
from projections.register import Ask, Log, Register, Row, ids, micros, presented, text

_DELETED: Final = "pdl.data.deleted.v1"
_ACKNOWLEDGED: Final = "pdl.recipient.acknowledged.v1"


class Notifications(Register):
    """Every task of every case."""

    name = "notifications"
    help = "What erasures asked of systems and recipients (Art. 19), and what they answered: sent, done, impossible or silent."
    depends = ("judgement",)
    columns: ClassVar[tuple[str, ...]] = (
        "organisation", "person", "case", "task", "kind", "target", "activity", "client", "datasets", "prepared", "sent", "due", "escalated",
        "answered", "outcome", "state",
    )  # fmt: skip

    def fold(self, page: Page, db: sqlite3.Cursor, _log: Log) -> None:
        """Take in the tasks first, then who answered them: an answer counts only behind its task."""
        for decision in page.decisions:
            self._decide(db, decision)
        if db.execute(self.sql["any"]).fetchone() is not None:
            self._answers(page, db)

    def _decide(self, db: sqlite3.Cursor, decision: Decision) -> None:
        said, at = decision.said, micros(decision.at)
        if decision.topic == ORDERED:
            db.execute(self.sql["ordered"], (decision.stream, said["organisation"], said["person"]))
        elif decision.topic == PREPARED:
            db.execute(self.sql["drop"], (decision.stream,))
            for task, kind, target, activity, client, due, *datasets in said["tasks"]:
                late = None if not due else micros(datetime.fromisoformat(due))
                row = (task, kind, target, activity, client, text(datasets), late, decision.position, at)
                db.execute(self.sql["add"], (*row, decision.stream))
        elif decision.topic in {SENT, ESCALATED}:
            sql = self.sql["sent" if decision.topic == SENT else "escalated"]
            db.executemany(sql, [(at, task) for task in said["tasks"]])

    def _answers(self, page: Page, db: sqlite3.Cursor) -> None:
        for group in page.of(_DELETED):
            line = group.line
            for index, (position, time) in enumerate(zip(group.positions, group.times, strict=True)):
                place: dict[str, Any] = {
                    "position": position,
                    "at": micros(time),
                    "order": line.order or "",
                    "system": line.system or "",
                    "activity": line.activity or "",
                    "client": line.client or "",
                    "person": "" if group.people is None else group.people[index],
                    "all": "*" in line.categories,
                }
                db.execute(self.sql["ordered_deletion" if line.order else "deletion"], place)
        for group in page.of(_ACKNOWLEDGED):
            line = group.line
            for position, time in zip(group.positions, group.times, strict=True):
                place = {
                    "position": position,
                    "at": micros(time),
                    "notification": line.notification,
                    "recipient": line.recipient or "",
                    "outcome": line.outcome or "done",
                }
                db.execute(self.sql["acknowledged"], place)

    def rows(self, ask: Ask) -> Iterator[Row]:
        """One row per task."""
        yield from self._shown(list(ask.select(self.sql["list"])), ask)

    def of_case(self, ask: Ask, case: str) -> list[Row]:
        """The tasks of one case."""
        return list(self._shown(list(ask.select(self.sql["of_case"], case=case)), ask))

    def _shown(self, rows: list[Row], ask: Ask) -> Iterator[Row]:
        for row in rows:
            if row["answered"] is None and row["touched"] is not None and not _still_there(ask, row):
                row["answered"], row["outcome"] = row["touched"], "done"
            state = _state(row, micros(ask.now))
            shown = next(
                presented([row], times=("prepared", "sent", "due", "escalated", "answered"), lists=("datasets",))
            )
            yield {name: state if name == "state" else shown.get(name) for name in self.columns}


def _still_there(ask: Ask, row: Row) -> bool:
    """Whether the system still has something of what was ordered, deleted bit by bit."""
    wanted = set(ids(row["datasets"]))
    return any(
        (kept.line.activity, kept.line.client or "") == (row["activity"], row["client"])
        and kept.line.dataset in wanted
        and (row["target"] or None) in kept.line.systems
        for kept in Judgement().retention_of(ask.db, row["person"])
    )


def _state(row: Row, now: int) -> str:
    if row["answered"] is not None:
        return str(row["outcome"])
    if row["kind"] != "confirmation" and (
        row["escalated"] is not None or (row["due"] is not None and row["due"] <= now)
    ):
        return "silent"
    return "sent" if row["sent"] is not None else "prepared"
