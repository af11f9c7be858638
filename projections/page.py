"""A page of the log, decoded once for every register: the clear part of each fact, and decisions as they are.

Only what registers fold is decoded; ids are those of the pack or keyed tokens, and no value is ever here.
A header says first what it shares with many others (its shape), and from `id` on what is its own. Of the
frequent types, registers fold no single facts: a shape is decoded once per page, and what its events have of
their own in one call.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from itertools import compress
from typing import Any, Final, NamedTuple, TypeVar

import msgspec
from msgspec import Struct

from ledger.domain.errors import Tampered
from ledger.sealing import MAGIC

_Read = TypeVar("_Read")
Plain = tuple[int, str, str, bytes]
"""A record as the log gives it fastest: position, stream, topic, state."""
COLLECTED: Final = "pdl.data.collected.v1"
USED: Final = "pdl.data.used.v1"
SHARED: Final = "pdl.data.shared.v1"
_FACT: Final = MAGIC[0]
_OWN: Final = b',"id":"'
"""Where the shape of a header ends. A quote inside a JSON text is escaped, so this can only be a field."""
_REST: Final = b',"salt":"'
"""Where what registers read of a header ends."""
_length: Final = struct.Struct(">I").unpack_from


class Line(Struct, gc=False, kw_only=True):
    """What every register may read of a fact, beside its time and person; `gc=False`: a line never refers to itself."""

    organisation: str
    fenced: bool = False
    after_erasure: bool = False
    also: tuple[str, ...] = ()
    class_: str | None = msgspec.field(default=None, name="class")
    activity: str | None = None
    client: str | None = None
    role: str | None = None
    system: str | None = None
    location: str | None = None
    categories: tuple[str, ...] = ()
    purpose: str | None = None
    basis: str | None = None
    # a collection
    origin: str | None = None
    notice: str | None = None
    notice_version: str | None = None
    notice_language: str | None = None
    # a use
    operation: str | None = None
    # a disclosure
    recipient: str | None = None
    service: str | None = None
    country: str | None = None
    contract: str | None = None
    transfer_tool: str | None = None
    # an answer
    order: str | None = None
    notification: str | None = None
    outcome: str | None = None


class Own(Struct, gc=False, kw_only=True):
    """What is one event's own, and is read of every fact."""

    source: str
    time: datetime
    recorded: str
    person: str | None = None
    sequence: int | None = None


class Detail(Line, gc=False, kw_only=True):
    """A fact of the rarer types, with the fields that some register keeps of it."""

    source: str
    time: datetime
    recorded: datetime
    person: str | None = None
    sequence: int | None = None
    reference: str | None = None
    channel: str | None = None
    notice_at: str | None = None
    recipients: tuple[str, ...] = ()
    services: tuple[str, ...] = ()
    how: str | None = None
    reason: str | None = None
    method: str | None = None
    evidence: str | None = None
    until: str | None = None
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
    scope: str | None = None
    target: str | None = None
    decision: str | None = None
    version: str | None = None
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


SHAPED: Final = frozenset(
    f"pdl.{name}.v1"
    for name in (
        "data.collected",
        "data.used",
        "data.shared",
        "data.rectified",
        "data.deleted",
        "milestone.reached",
        "subject.informed",
        "recipient.notified",
        "recipient.acknowledged",
    )
)
"""Types of which no register keeps single facts: their shape and what is `Own` are all that is folded."""

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICRO: Final = timedelta(microseconds=1)
_shape: Final = msgspec.json.Decoder(Line).decode
_details: Final = msgspec.json.Decoder(list[Detail]).decode
_owns: Final = msgspec.json.Decoder(list[Own]).decode
_decision: Final = msgspec.json.decode
_moment: Final = datetime.fromisoformat


def micros(moment: datetime) -> int:
    """A moment as microseconds since 1970: as tables hold it, so that SQL can compare."""
    return (moment - _EPOCH) // _MICRO


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


class Group(NamedTuple):
    """Facts of one type and source that share a line and were recorded together: positions, times ... side by side.

    `people` is None where they name nobody; `numbers` are those that their source gave them, where it did.
    """

    topic: str
    source: str
    line: Line
    recorded: datetime
    positions: list[int]
    times: list[datetime]
    people: list[str] | None
    numbers: list[int | None]


class _Draft(NamedTuple):
    """Facts of one shape: their positions, and what each of them has of its own, undecoded."""

    topic: str
    line: Line
    positions: list[int]
    owns: list[bytes]


class Page:
    """The facts and decisions of a stretch of the log: everything behind `after`, up to and including `mark`."""

    def __init__(self, after: int, records: Iterable[Plain] = (), bound: Bound | None = None) -> None:
        self.after: Final = after
        self.mark = after
        self.bound: Final = bound if bound != Bound() else None
        self.groups: list[Group] = []
        """Every fact of the page."""
        self.decisions: list[Decision] = []
        self._details: dict[str, list[tuple[int, Detail]]] = {}
        self._read(records)
        if self.bound is not None:
            self.decisions = [decision for decision in self.decisions if self.bound.admits(decision.at, decision.at)]

    def packed(self) -> bytes:
        """The page as bytes, for another process."""
        return _pack((self.mark, self.groups, self.decisions, self._details))

    @classmethod
    def unpacked(cls, after: int, packed: bytes) -> Page:
        """The page that was packed."""
        page = cls(after)
        page.mark, page.groups, page.decisions, page._details = _unpack(packed)
        return page

    def _read(self, records: Iterable[Plain]) -> None:
        """Sort the records by shape; what has none is decoded whole, or is a decision."""
        drafts: dict[bytes, _Draft | None] = {}
        whole: dict[str, list[tuple[int, bytes]]] = {}
        position = self.mark
        for position, stream, topic, state in records:
            at = state.find(_OWN)
            shape = state[5:at]
            draft = drafts.get(shape)
            if draft is None and topic in SHAPED and shape not in drafts:
                draft = drafts[shape] = _drafted(topic, shape)
            if draft is not None:
                draft.positions.append(position)
                draft.owns.append(state[at + 1 : state.find(_REST, at)])
            elif state[0] == _FACT:
                whole.setdefault(topic, []).append((position, state[5 : 5 + _length(state, 1)[0]]))
            else:
                self.decisions.append(_read_decision(position, stream, topic, state))
        self.mark = position
        for draft in drafts.values():
            if draft is not None:
                self._add_shaped(draft)
        for topic, headers in whole.items():
            self._add_whole(topic, headers)

    def _add_shaped(self, draft: _Draft) -> None:
        owns = _several(_owns, b"[{" + b"},{".join(draft.owns) + b"}]", draft.positions)
        together: dict[tuple[str, str, bool], tuple[list[int], list[Own]]] = {}
        for position, own in zip(draft.positions, owns, strict=True):
            place = (own.source, own.recorded, own.person is None)
            if place not in together:
                together[place] = ([], [])
            positions, mine = together[place]
            positions.append(position)
            mine.append(own)
        for (source, recorded, _), (positions, mine) in together.items():
            self._add(draft.topic, draft.line, source, _moment(recorded), positions, mine)

    def _add(
        self,
        topic: str,
        line: Line,
        source: str,
        recorded: datetime,
        positions: list[int],
        facts: Sequence[Own | Detail],
    ) -> None:
        if self.bound is not None:
            admitted = [self.bound.admits(fact.time, recorded) for fact in facts]
            positions, facts = list(compress(positions, admitted)), list(compress(facts, admitted))
        if facts:
            people = None if facts[0].person is None else [fact.person or "" for fact in facts]
            times, numbers = [fact.time for fact in facts], [fact.sequence for fact in facts]
            self.groups.append(Group(topic, source, line, recorded, positions, times, people, numbers))

    def _add_whole(self, topic: str, headers: list[tuple[int, bytes]]) -> None:
        # One call per type: a batch decoded as one JSON array costs less than its parts.
        positions = [position for position, _ in headers]
        lines = _several(_details, b"[" + b",".join([header for _, header in headers]) + b"]", positions)
        found = list(zip(positions, lines, strict=True))
        if self.bound is not None:
            found = [(position, line) for position, line in found if self.bound.admits(line.time, line.recorded)]
        self._details[topic] = found
        for position, line in found:
            self._add(topic, line, line.source, line.recorded, [position], [line])

    def of(self, topic: str) -> Iterator[Group]:
        """The facts of one type."""
        return (group for group in self.groups if group.topic == topic)

    def details(self, topics: Iterable[str]) -> Iterator[tuple[int, str, Detail]]:
        """(position, type, line) of facts of these types, which are none of SHAPED."""
        for topic in topics:
            for position, line in self._details.get(topic, ()):
                yield position, topic, line


_pack: Final = msgspec.msgpack.Encoder().encode
_unpack: Final = msgspec.msgpack.Decoder(
    tuple[int, list[Group], list[Decision], dict[str, list[tuple[int, Detail]]]]
).decode


def _drafted(topic: str, shape: bytes) -> _Draft | None:
    """A draft for a shape not met before; None where headers have to be decoded whole (an object in it, another order)."""
    if b"{" in shape[1:]:
        return None  # What looked like a field may stand inside the object.
    try:
        return _Draft(topic, _shape(shape + b"}"), [], [])
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return None


def _several(decode: Callable[[bytes], list[_Read]], array: bytes, positions: Sequence[int]) -> list[_Read]:
    try:
        return decode(array)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise Tampered(
            f"a header between positions {positions[0]} and {positions[-1]} cannot be read; run `pdl verify`"
        ) from error


def _read_decision(position: int, stream: str, topic: str, state: bytes) -> Decision:
    said = _decision(state)
    return Decision(position, stream, topic, datetime.fromisoformat(said["at"]), said)
