"""A page of the log, decoded once for every register: the clear part of each fact, and decisions as they are.

Only what registers fold is decoded; ids are those of the pack or keyed tokens, and no value is ever here.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple

import msgspec
from msgspec import Struct

from ledger.domain.errors import Tampered
from ledger.sealing import MAGIC, Record

COLLECTED: Final = "pdl.data.collected.v1"
USED: Final = "pdl.data.used.v1"
SHARED: Final = "pdl.data.shared.v1"
_FACT: Final = MAGIC[0]
_length: Final = struct.Struct(">I").unpack_from


class Line(Struct, gc=False, kw_only=True):
    """What every register may read of a fact; `gc=False` because a line never refers to itself."""

    source: str
    time: datetime
    organisation: str
    recorded: datetime
    sequence: int | None = None
    person: str | None = None
    class_: str | None = msgspec.field(default=None, name="class")
    also: tuple[str, ...] = ()
    fenced: bool = False
    activity: str | None = None
    client: str | None = None
    role: str | None = None
    system: str | None = None
    categories: tuple[str, ...] = ()
    purpose: str | None = None
    basis: str | None = None


class Collected(Line, gc=False, kw_only=True):
    """A collection."""

    origin: str | None = None
    notice: str | None = None
    notice_version: str | None = None


class Used(Line, gc=False, kw_only=True):
    """A use."""

    operation: str | None = None


class Shared(Line, gc=False, kw_only=True):
    """A disclosure."""

    recipient: str | None = None
    service: str | None = None
    country: str | None = None
    contract: str | None = None
    transfer_tool: str | None = None


class Detail(Line, gc=False, kw_only=True):
    """Any other fact, with the fields that some register keeps of it."""

    id: str = ""
    reference: str | None = None
    channel: str | None = None
    notice: str | None = None
    notice_version: str | None = None
    notice_at: str | None = None
    notice_language: str | None = None
    recipient: str | None = None
    recipients: tuple[str, ...] = ()
    services: tuple[str, ...] = ()
    country: str | None = None
    how: str | None = None
    reason: str | None = None
    method: str | None = None
    evidence: str | None = None
    until: str | None = None
    outcome: str | None = None
    ground: str | None = None
    right: str | None = None
    informed_at: str | None = None
    remedy_named: bool | None = None
    to: str | None = None
    about: tuple[str, ...] = ()
    milestone: str | None = None
    datasets: tuple[str, ...] = ()
    statute: str | None = None
    party: str | None = None
    kind: str | None = None
    from_: str | None = msgspec.field(default=None, name="from")
    announced_at: str | None = None
    instruction: str | None = None
    parameters: dict[str, Any] | None = None
    parts: tuple[str, ...] = ()
    control: str | None = None
    found: int | None = None
    handled: int | None = None
    signed_by: str | None = None
    aware_at: str | None = None
    phase: int | None = None
    other: str | None = None
    retracts_source: str | None = None
    retracts_id: str | None = None
    counts: dict[str, int] | None = None
    holding: dict[str, int] | None = None


_HOT: Final[dict[str, type[Line]]] = {COLLECTED: Collected, USED: Used, SHARED: Shared}
_decoders: Final = {topic: msgspec.json.Decoder(list[kind]).decode for topic, kind in _HOT.items()}  # type: ignore[valid-type]
_detail: Final = msgspec.json.Decoder(list[Detail]).decode
_decision: Final = msgspec.json.decode


class Bound(NamedTuple):
    """Which facts count: those that happened by `as_of` and were recorded by `known_at` (None: all)."""

    as_of: datetime | None = None
    known_at: datetime | None = None

    def admits(self, time: datetime, recorded: datetime) -> bool:
        """Whether a fact or decision of these two moments counts."""
        return (self.as_of is None or time <= self.as_of) and (self.known_at is None or recorded <= self.known_at)


class Decision(NamedTuple):
    """Something that the ledger decided: where it stands, its wire name, when, and what it says."""

    position: int
    stream: str
    topic: str
    at: datetime
    said: dict[str, Any]


class Page:
    """The facts and decisions of a stretch of the log: everything behind `after`, up to and including `mark`."""

    def __init__(self, after: int, records: Sequence[Record], bound: Bound | None = None) -> None:
        self.after: Final = after
        self.mark: Final = records[-1].position if records else after
        self._facts: dict[str, tuple[list[int], list[Any]]] = {}
        self.decisions: list[Decision] = []
        self._read(records)
        if bound is not None and bound != Bound():
            self._keep(bound)

    def _read(self, records: Sequence[Record]) -> None:
        found: dict[str, tuple[list[int], list[bytes]]] = {}
        for position, stream, _, topic, state in records:
            if state[0] != _FACT:
                self.decisions.append(_read_decision(position, stream, topic, state))
                continue
            if topic not in found:
                found[topic] = ([], [])
            positions, headers = found[topic]
            positions.append(position)
            headers.append(state[5 : 5 + _length(state, 1)[0]])
        for topic, (positions, headers) in found.items():
            try:
                # One call per type: a batch decoded as one JSON array costs less than its parts.
                lines = _decoders.get(topic, _detail)(b"[" + b",".join(headers) + b"]")
            except (msgspec.MsgspecError, UnicodeDecodeError) as error:
                raise Tampered(
                    f"a header between positions {positions[0]} and {positions[-1]} cannot be read; run `pdl verify`"
                ) from error
            self._facts[topic] = (positions, lines)

    def _keep(self, bound: Bound) -> None:
        for topic, (positions, lines) in self._facts.items():
            kept = [
                (at, line) for at, line in zip(positions, lines, strict=True) if bound.admits(line.time, line.recorded)
            ]
            self._facts[topic] = ([at for at, _ in kept], [line for _, line in kept])
        self.decisions = [decision for decision in self.decisions if bound.admits(decision.at, decision.at)]

    def collected(self) -> list[Collected]:
        """The collections of the page."""
        return self._facts.get(COLLECTED, _NONE)[1]

    def used(self) -> list[Used]:
        """The uses of the page."""
        return self._facts.get(USED, _NONE)[1]

    def shared(self) -> list[Shared]:
        """The disclosures of the page."""
        return self._facts.get(SHARED, _NONE)[1]

    def details(self, topics: Iterable[str]) -> Iterator[tuple[int, str, Detail]]:
        """(position, type, line) of facts of these (rarer) types."""
        for topic in topics:
            positions, lines = self._facts.get(topic, _NONE)
            for position, line in zip(positions, lines, strict=True):
                yield position, topic, line

    def by_type(self) -> Iterator[tuple[str, list[int], list[Line]]]:
        """Every fact: (type, positions, lines)."""
        for topic, (positions, lines) in self._facts.items():
            yield topic, positions, lines


_NONE: Final[tuple[list[int], list[Any]]] = ([], [])


def _read_decision(position: int, stream: str, topic: str, state: bytes) -> Decision:
    said = _decision(state)
    return Decision(position, stream, topic, datetime.fromisoformat(said["at"]), said)
