"""The event log over eventsourcing's recorders: one sequence of positions for facts and decisions."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple, Protocol

from eventsourcing.persistence import ProcessRecorder
from msgspec import Struct

from ledger.sealing import Record

__all__ = [
    "Append",
    "Beside",
    "EventLog",
    "EventRow",
    "Known",
    "NameRow",
    "QuarantineRow",
    "Quarantined",
    "SourceState",
]


class EventRow(Struct, frozen=True, gc=False):
    """A finished record and what recognises it when it comes again."""

    version: int
    topic: str
    state: bytes
    leaf_hash: bytes
    source: str
    event_id: str
    content: bytes


class QuarantineRow(NamedTuple):
    """An input that cannot be recorded, sealed, with its place in the stream and its reason."""

    place: int
    topic: str | None
    reason: str
    detail: str
    source: str | None
    event_id: str | None
    size: int
    content: bytes
    nonce: bytes
    sealed: bytes
    key: str


class Quarantined(NamedTuple):
    """One row of the quarantine as it is listed; `sealed` opens with the key of that id, and is empty once it is settled."""

    number: int
    stream: str
    place: int
    topic: str | None
    reason: str
    detail: str
    source: str | None
    event_id: str | None
    recorded: str
    size: int
    nonce: bytes
    sealed: bytes
    key: str
    state: str


class NameRow(NamedTuple):
    """The sealed text behind a token of an organisation's client, recipient or system."""

    organisation: str
    token: str
    key: str
    nonce: bytes
    sealed: bytes


class Append(NamedTuple):
    """One batch of a stream, committed whole or not at all.

    `mark` is the last offset that the batch covers; `generation` the one that its keys were read under;
    `tallies` are (name, kind) -> count; `released` are quarantine numbers that this batch recorded after all.
    """

    stream: str
    mark: int
    generation: int
    recorded: datetime
    events: Sequence[EventRow]
    quarantined: Sequence[QuarantineRow]
    names: Sequence[NameRow]
    tallies: Mapping[tuple[str, str], int]
    released: Sequence[int] = ()


class Known(NamedTuple):
    """An event id that was recorded before: its content MAC and its position."""

    content: bytes
    position: int


class SourceState(NamedTuple):
    """How far a stream was read, when it was last heard (ISO 8601, UTC) and what became of its inputs."""

    mark: int | None
    last_heard: str | None
    tallies: Mapping[str, int]


class Beside(NamedTuple):
    """What stood beside the log when it had `size` records: decisions, generations (times), marks, tallies, quarantine by stream."""

    size: int
    decisions: list[tuple[int, str, str]]
    generations: list[str]
    marks: Mapping[str, int]
    tallies: Mapping[tuple[str, str], int]
    quarantined: Mapping[str, int]


class PlainReader(Protocol):
    """Who reads the log from one end to the other."""

    def plain(self, after: int, limit: int) -> list[tuple[int, str, str, bytes]]:
        """(position, stream, topic, state) of at most `limit` records behind `after`."""
        ...


class EventLog(Protocol):
    """The log of facts and decisions; each backend passes tests/contracts/test_event_log.py."""

    ledger_id: str

    @property
    def recorder(self) -> ProcessRecorder:
        """The library's recorder under the log."""
        ...

    def append(self, batch: Append) -> int:
        """Commit a batch and return the position of its last record (or of the log); raises GenerationMoved, BatchAlreadyRecorded."""
        ...

    def tally(self, counts: Mapping[tuple[str, str], int], at: datetime) -> None:
        """Add to what became of the inputs of a stream or source, outside a batch."""
        ...

    def settle_quarantine(self, number: int, state: str) -> None:
        """Say what became of a quarantined input, and let go of what was sealed of it; so does `released` of a batch."""
        ...

    def known(self, ids: Sequence[tuple[str, str]]) -> Mapping[tuple[str, str], Known]:
        """Which (source, event id) were recorded before. One query."""
        ...

    def quarantined_before(self, contents: Sequence[bytes]) -> frozenset[bytes]:
        """Which content MACs wait in the quarantine already. One query."""
        ...

    def read(self, after: int, limit: int) -> list[Record]:
        """At most `limit` records behind position `after`, in order."""
        ...

    @property
    def shareable(self) -> bool:
        """Whether a forked process may read the log too, through `reader`."""
        ...

    def reader(self) -> PlainReader:
        """Reads the same log through a connection of its own."""
        ...

    def plain(self, after: int, limit: int) -> list[tuple[int, str, str, bytes]]:
        """(position, stream, topic, state) of at most `limit` records behind `after`: the fastest way to read them all."""
        ...

    def at(self, positions: Sequence[int]) -> list[Record]:
        """The records at these positions, in order; one that is not there is left out. One query."""
        ...

    def position_of(self, event_id: str) -> list[tuple[str, int]]:
        """(source, position) of every recorded event with that id."""
        ...

    def size(self) -> int:
        """The position of the last record; 0 for an empty log."""
        ...

    def mark(self, stream: str) -> int | None:
        """The last offset of a stream that is recorded; None when it was never read."""
        ...

    def sources(self) -> Mapping[str, SourceState]:
        """Every stream and CloudEvents source that was heard."""
        ...

    def generation(self) -> int:
        """How often keys were destroyed."""
        ...

    def generation_time(self, number: int) -> datetime | None:
        """When a generation began; None for one that never was."""
        ...

    def decisions(self, topic: str | None = None, after: int = 0) -> list[Record]:
        """The ledger's own decisions behind position `after` in order, of one topic or all."""
        ...

    def remove_ciphertexts(self, positions: Sequence[int], keys: Collection[str]) -> int:
        """Take away the ciphertext of sections under these (destroyed) keys from the records at these positions.

        What goes is overwritten as far as the database can; header, proofs and leaf stay. Says how many records
        changed; repeating it changes nothing. The caller has made sure that the keys are gone.
        """
        ...

    def quarantine(self, number: int | None = None) -> list[Quarantined]:
        """What waits in the quarantine or was there: all rows, or one."""
        ...

    def names(self) -> list[NameRow]:
        """Every sealed name behind a token."""
        ...

    def ids(self, after: int, upto: int) -> list[tuple[int, str, str]]:
        """(position, source, event id) of every known event behind `after`, up to and including `upto`."""
        ...

    def beside(self) -> Beside:
        """What stands beside the log, read in one transaction, for comparing it."""
        ...

    def tile(self, level: int, number: int) -> bytes | None:
        """One hash tile of the evidence tree."""
        ...

    def add_checkpoint(self, size: int, note: str, signed: datetime) -> str:
        """Store a signed head and return the one that counts: the first ever signed for that size."""
        ...

    def checkpoints(self) -> list[tuple[int, str]]:
        """Every signed head by size."""
        ...

    def close(self) -> None:
        """Let go of the database."""
        ...
