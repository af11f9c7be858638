"""The quarantine: inputs that could not be recorded, each with its reason; read from the log itself."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

from ledger.domain.calendar import local, moment_of
from projections.register import Ask, Register, Row


class Quarantine(Register):
    """Every input that waits, or waited, to be understood."""

    name = "quarantine"
    help = "Inputs that could not be recorded: where they came from, the reason, and what became of them."
    columns: ClassVar[tuple[str, ...]] = (
        "number", "stream", "place", "topic", "reason", "detail", "source", "id", "recorded", "size", "state",
    )  # fmt: skip

    @property
    def sql(self) -> dict[str, str]:
        """It has no tables of its own: a row commits in the log with the batch that it came in."""
        return {}

    def rows(self, ask: Ask) -> Iterator[Row]:
        """One row per input; whose organisation it is cannot be known."""
        for kept in ask.log.quarantine():
            recorded = moment_of(kept.recorded)
            if ask.known_at is not None and recorded is not None and recorded > ask.known_at:
                continue
            row = {name: getattr(kept, {"id": "event_id"}.get(name, name)) for name in self.columns}
            yield {**row, "recorded": None if recorded is None else local(recorded).isoformat()}
