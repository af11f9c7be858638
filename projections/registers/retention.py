"""Retention: every dataset of every person, until when it may be kept, by which sentence, and what is overdue."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

from projections.judgement import Judgement
from projections.register import Ask, Register, Row
from projections.standing import retention_row


class RetentionRegister(Register):
    """What is kept, until when, and why."""

    name = "retention"
    help = "Retention per person and dataset: due, overdue, held (by which statute), not started; and the sentence that says so."
    depends = ("judgement", "erasures")
    columns: ClassVar[tuple[str, ...]] = (
        "organisation", "person", "activity", "dataset", "client", "state", "systems", "clock_started", "due", "overdue_since", "held_until",
        "hold_statute", "hold_reference", "rule", "words", "ledger_copy",
    )  # fmt: skip

    @property
    def sql(self) -> dict[str, str]:
        """Its rows stand in the tables of the judgement."""
        return {}

    def rows(self, ask: Ask) -> Iterator[Row]:
        """Ordered by due; what has no due date comes last."""
        for kept in Judgement().retention(ask):
            row = retention_row(ask.db, kept, ask.now)
            yield {name: row.get(name) for name in self.columns}
