"""A log in memory for tests of projections: the same records as the real one, without seals, batches or a database."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from hashlib import blake2b
from typing import Any

import msgspec

from ledger.domain.envelope import Envelope, decode
from ledger.domain.facts import FactBuilder, PlainIds
from ledger.keys import IDENTITY
from ledger.sealing import MAGIC, Header, Record, Section, header_of
from ledger.store import Known, Quarantined, SourceState

RECORDED = datetime(2026, 6, 1, 12, 0, tzinfo=UTC)


class _Pseudonyms(dict[tuple[str, str, str], "str | None"]):
    def __missing__(self, identifier: tuple[str, str, str]) -> str:
        return blake2b("|".join(identifier).encode(), digest_size=16).hexdigest()


class Ids(PlainIds):
    """Ids as sent, people under pseudonyms; who is in `erased` is fenced."""

    def __init__(self) -> None:
        super().__init__()
        self.people = _Pseudonyms()


class MemoryLog:
    """What projections read of a log; `record` and `decide` append to it."""

    def __init__(self) -> None:
        self.records: list[Record] = []
        self.waiting: list[Quarantined] = []
        self.heard: dict[str, SourceState] = {}
        self.ids = Ids()
        self._builder = FactBuilder(self.ids)
        self._places: dict[str, list[tuple[str, int]]] = {}

    def person(self, organisation: str, scheme: str, value: str) -> str:
        """The pseudonym behind an identifier."""
        return str(self.ids.people[organisation, scheme, value])

    def record(self, *events: Mapping[str, Any], recorded: datetime = RECORDED) -> None:
        """Append facts; an event that is there already is passed over."""
        for event in events:
            envelope = decode(json.dumps(event).encode())
            assert isinstance(envelope, Envelope), envelope
            if any(source == envelope.source for source, _ in self._places.get(envelope.id, ())):
                continue
            header = Header(
                **self._builder.fields(envelope),
                recorded=recorded,
                salt="00",
                sections=(Section(IDENTITY, "00"),),
            )
            clear = msgspec.json.encode(header)
            state = MAGIC + len(clear).to_bytes(4, "big") + clear
            self._append("test", envelope.WIRE, state)
            self._places.setdefault(envelope.id, []).append((envelope.source, len(self.records)))

    def decide(self, stream: str, topic: str, **said: Any) -> None:
        """Append a decision of the ledger."""
        self._append(stream, topic, json.dumps({"originator_topic": "test", **said}).encode())

    def _append(self, stream: str, topic: str, state: bytes) -> None:
        position = len(self.records) + 1
        self.records.append(Record(position, stream, position, topic, state))

    def facts(self) -> list[Header]:
        """Every fact, as the judge reads it."""
        return [header_of(record.state) for record in self.records if record.state.startswith(MAGIC)]

    # --- what projections ask

    shareable = True

    def reader(self) -> MemoryLog:
        """A fork has all of it."""
        return self

    def plain(self, after: int, limit: int) -> list[tuple[int, str, str, bytes]]:
        return [
            (record.position, record.stream, record.topic, record.state)
            for record in self.records[after : after + limit]
        ]

    def at(self, positions: Sequence[int]) -> list[Record]:
        return [self.records[position - 1] for position in sorted(set(positions)) if 0 < position <= len(self.records)]

    def size(self) -> int:
        return len(self.records)

    def position_of(self, event_id: str) -> list[tuple[str, int]]:
        return self._places.get(event_id, [])

    def known(self, ids: Sequence[tuple[str, str]]) -> Mapping[tuple[str, str], Known]:
        return {
            (source, event): Known(b"", position)
            for source, event in ids
            for its, position in self._places.get(event, ())
            if its == source
        }

    def sources(self) -> Mapping[str, SourceState]:
        return self.heard

    def quarantine(self, number: int | None = None) -> list[Quarantined]:
        return [row for row in self.waiting if number is None or row.number == number]
