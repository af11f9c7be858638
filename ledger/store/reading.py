"""What a log answers, whichever database holds it: named statements in, rows of the contract out.

Each backend has the same statements, by the same names and with the same parameters, in a `.sql` file of its
own; many values go in as one JSON array.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from datetime import datetime
from itertools import starmap
from typing import Any, Final

from eventsourcing.persistence import ProcessRecorder

from ledger.domain.errors import BatchAlreadyRecorded, GenerationMoved
from ledger.sealing import Record
from ledger.sql import as_json
from ledger.store import Append, Beside, Known, NameRow, Quarantined, SourceState

LAYOUT: Final = "1"
KEYS_DESTROYED: Final = "ledger.keys.destroyed.v1"
"""The decision whose transaction moves the generation."""
Rows = list[Any]


class Conflict(Exception):
    """A unique row is there already."""


class Reading(ABC):
    """The questions of `ledger.store.EventLog`; a backend says how a statement is asked."""

    recorder: ProcessRecorder

    @abstractmethod
    def _rows(self, name: str, *parameters: object) -> Rows:
        """The rows of one statement, as tuples."""

    @abstractmethod
    def _at_one_moment(self) -> AbstractContextManager[None]:
        """While it lasts, every statement sees the same state."""

    @abstractmethod
    def _trouble(self) -> AbstractContextManager[None]:
        """Foreign errors stop here."""

    def known(self, ids: Sequence[tuple[str, str]]) -> Mapping[tuple[str, str], Known]:
        """Which (source, event id) were recorded before. One query."""
        rows = self._rows("known", as_json(event_id for _, event_id in ids))
        wanted = set(ids) if rows else set()
        return {(row[0], row[1]): Known(row[2], row[3]) for row in rows if (row[0], row[1]) in wanted}

    def position_of(self, event_id: str) -> list[tuple[str, int]]:
        """(source, position) of every recorded event with that id."""
        return [(row[0], row[1]) for row in self._rows("position_of", event_id)]

    def read(self, after: int, limit: int) -> list[Record]:
        """At most `limit` records behind position `after`, in order."""
        return list(starmap(Record, self._rows("read", after, limit)))

    def at(self, positions: Sequence[int]) -> list[Record]:
        """The records at these positions, in order; one that is not there is left out. One query."""
        return list(starmap(Record, self._rows("at", as_json(positions))))

    def size(self) -> int:
        """The position of the last record; 0 for an empty log."""
        return int(self._rows("size")[0][0])

    def tree_size(self) -> int:
        """How many leaves the tree says that it has."""
        rows = self._rows("tree_size")
        return int(rows[0][0]) if rows else 0

    def mark(self, stream: str) -> int | None:
        """The last offset of a stream that is recorded; None when it was never read."""
        with self._trouble():
            found: int | None = self.recorder.max_tracking_id(stream)
            return found

    def sources(self) -> Mapping[str, SourceState]:
        """Every stream and CloudEvents source that was heard."""
        marks = {name: mark for name, mark in self._rows("marks") if not name.startswith("__")}
        tallies: dict[str, dict[str, int]] = {name: {} for name in marks}
        heard: dict[str, str] = {}
        for name, kind, count, last_heard in self._rows("tallies"):
            tallies.setdefault(name, {})[kind] = count
            heard[name] = max(heard.get(name, ""), last_heard or "")
        return {name: SourceState(marks.get(name), heard.get(name) or None, kinds) for name, kinds in tallies.items()}

    def generation(self) -> int:
        """How often keys were destroyed."""
        return int(self._rows("generation")[0][0])

    def generation_time(self, number: int) -> datetime | None:
        """When a generation began; None for one that never was."""
        rows = self._rows("generation_time", number)
        return datetime.fromisoformat(rows[0][0]) if rows else None

    def decisions(self, topic: str | None = None, after: int = 0) -> list[Record]:
        """The ledger's own decisions behind position `after` in order, of one topic or all."""
        return list(starmap(Record, self._rows("decisions", after, topic, topic)))

    def last_decision(self, topic: str) -> Record | None:
        """The newest decision of a topic."""
        rows = self._rows("last_decision", topic)
        return Record(*rows[0]) if rows else None

    def quarantine(self, number: int | None = None) -> list[Quarantined]:
        """What waits in the quarantine or was there: all rows, or one."""
        return list(starmap(Quarantined, self._rows("quarantine", number, number)))

    def names(self) -> list[NameRow]:
        """Every sealed name behind a token."""
        return list(starmap(NameRow, self._rows("names")))

    def ids(self, after: int, upto: int) -> list[tuple[int, str, str]]:
        """(position, source, event id) of every known event behind `after`, up to and including `upto`."""
        return self._rows("ids", after, upto)

    def beside(self) -> Beside:
        """What stands beside the log, read at one moment, for comparing it."""
        with self._at_one_moment():
            return Beside(
                size=self.size(),
                decisions=[(at, stream, topic) for at, stream, topic in self._rows("where_decisions_stand")],
                generations=[time for (time,) in self._rows("generations")],
                marks=dict(self._rows("marks")),
                tallies={(name, kind): count for name, kind, count, _ in self._rows("tallies")},
                quarantined=dict(self._rows("quarantined_by_stream")),
            )

    def tile(self, level: int, number: int) -> bytes | None:
        """One hash tile of the evidence tree."""
        rows = self._rows("tile", level, number)
        return bytes(rows[0][0]) if rows else None

    def tiles(self) -> list[tuple[int, int]]:
        """(level, number) of every tile that is stored."""
        return [(row[0], row[1]) for row in self._rows("tiles")]

    def checkpoints(self) -> list[tuple[int, str]]:
        """Every signed head by size."""
        return [(row[0], row[1]) for row in self._rows("checkpoints")]

    @contextmanager
    def _committing(self, batch: Append) -> Iterator[None]:
        """What a batch meets when others write too: it is recorded already, or has to be sealed again."""
        try:
            with self._trouble():
                yield
        except Conflict as conflict:
            mark = self.mark(batch.stream)
            if mark is not None and mark >= batch.mark:
                raise BatchAlreadyRecorded(f"{batch.stream} is recorded up to offset {mark}") from conflict
            raise GenerationMoved("another writer recorded some of these events; seal the rest again") from conflict
