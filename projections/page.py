"""A page of the log, decoded once for every register: the clear part of each fact, and decisions as they are.

Only what registers fold is decoded; ids are those of the pack or keyed tokens, and no value is ever here.
Headers differ in id, time, person and nonces, and share the rest with many others: that rest, their shape,
is cut out and decoded once per page.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple

import msgspec
from msgspec import Struct

from ledger.domain.errors import Tampered
from ledger.sealing import MAGIC

Plain = tuple[int, str, str, bytes]
"""A record as the log gives it fastest: position, stream, topic, state."""
COLLECTED: Final = "pdl.data.collected.v1"
USED: Final = "pdl.data.used.v1"
SHARED: Final = "pdl.data.shared.v1"
_FACT: Final = MAGIC[0]
_QUOTE: Final = ord('"')
_length: Final = struct.Struct(">I").unpack_from


class Line(Struct, gc=False, kw_only=True):
    """What every register may read of a fact, beside its time and person; `gc=False`: a line never refers to itself."""

    source: str
    organisation: str
    recorded: datetime
    fenced: bool = False
    also: tuple[str, ...] = ()
    class_: str | None = msgspec.field(default=None, name="class")
    activity: str | None = None
    client: str | None = None
    role: str | None = None
    system: str | None = None
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


class Detail(Line, gc=False, kw_only=True):
    """A fact of the rarer types, with the fields that some register keeps of it."""

    time: datetime
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
        "access.used",
        "recipient.notified",
        "recipient.acknowledged",
    )
)
"""Types of which no register keeps single facts: their shape, times and people are all that is folded."""

_shape: Final = msgspec.json.Decoder(Line).decode
_details: Final = msgspec.json.Decoder(list[Detail]).decode
_times: Final = msgspec.json.Decoder(list[datetime]).decode
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


class Group(NamedTuple):
    """Facts of one type that share a line: their positions, times and (unless it is None) people, side by side."""

    topic: str
    line: Line
    positions: list[int]
    times: list[datetime]
    people: list[str] | None
    numbers: list[int]


class _Draft(NamedTuple):
    positions: list[int]
    times: list[bytes]
    people: list[bytes]
    numbers: list[int]


class Page:
    """The facts and decisions of a stretch of the log: everything behind `after`, up to and including `mark`."""

    def __init__(self, after: int, records: Sequence[Plain], bound: Bound | None = None) -> None:
        self.after: Final = after
        self.mark: Final = records[-1][0] if records else after
        self.bound: Final = bound if bound != Bound() else None
        self.groups: Final[list[Group]] = []
        """Every fact of the page."""
        self.decisions: list[Decision] = []
        self._details: Final[dict[str, list[tuple[int, Detail]]]] = {}
        self._read(records)
        if self.bound is not None:
            self.decisions = [decision for decision in self.decisions if self.bound.admits(decision.at, decision.at)]

    def _read(self, records: Sequence[Plain]) -> None:
        drafts: dict[str, dict[bytes, _Draft]] = {topic: {} for topic in SHAPED}
        whole: dict[str, list[tuple[int, bytes]]] = {}
        for position, stream, topic, state in records:
            if topic not in drafts or not _cut(drafts[topic], position, state):
                if state[0] == _FACT:
                    whole.setdefault(topic, []).append((position, state[5 : 5 + _length(state, 1)[0]]))
                else:
                    self.decisions.append(_read_decision(position, stream, topic, state))
        for topic, shapes in drafts.items():
            for shape, draft in shapes.items():
                self._add(topic, _decoded(b"{" + shape[1:] + b"}", draft.positions), draft)
        for topic, headers in whole.items():
            self._add_whole(topic, headers)

    def _add(self, topic: str, line: Line, draft: _Draft) -> None:
        positions, people, numbers = draft.positions, [person.decode() for person in draft.people], draft.numbers
        times = _times(b'["' + b'","'.join(draft.times) + b'"]')
        if self.bound is not None:
            kept = [index for index, time in enumerate(times) if self.bound.admits(time, line.recorded)]
            positions, times = [positions[index] for index in kept], [times[index] for index in kept]
            people = [people[index] for index in kept] if people else people
            numbers = [numbers[index] for index in kept] if numbers else numbers
        if positions:
            self.groups.append(Group(topic, line, positions, times, people or None, numbers))

    def _add_whole(self, topic: str, headers: list[tuple[int, bytes]]) -> None:
        try:
            # One call per type: a batch decoded as one JSON array costs less than its parts.
            lines = _details(b"[" + b",".join([header for _, header in headers]) + b"]")
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise _unreadable([position for position, _ in headers]) from error
        found = [(position, line) for (position, _), line in zip(headers, lines, strict=True)]
        if self.bound is not None:
            found = [(position, line) for position, line in found if self.bound.admits(line.time, line.recorded)]
        self._details[topic] = found
        for position, line in found:
            people = None if line.person is None else [line.person]
            numbers = [] if line.sequence is None else [line.sequence]
            self.groups.append(Group(topic, line, [position], [line.time], people, numbers))

    def of(self, topic: str) -> Iterator[Group]:
        """The facts of one type."""
        return (group for group in self.groups if group.topic == topic)

    def details(self, topics: Iterable[str]) -> Iterator[tuple[int, str, Detail]]:
        """(position, type, line) of facts of these types, which are none of SHAPED."""
        for topic in topics:
            for position, line in self._details.get(topic, ()):
                yield position, topic, line


def _cut(shapes: dict[bytes, _Draft], position: int, state: bytes) -> bool:
    """Take id, time, person and nonces out of a header, and sort it by what is left; False where that cannot be done.

    Quotes inside a JSON text are escaped, so what is looked for can only be the fields themselves.
    """
    source = state.find(b'","source":"', 20)
    time = state.find(b'","time":"', source)
    organisation = state.find(b'","organisation":"', time)
    salt = state.find(b',"salt":"', organisation)
    if source < 0 or time < 0 or organisation < 0 or salt < 0 or state[0] != _FACT:
        return False
    person = state.find(b',"person":"', organisation, salt)
    # A pseudonym is 32 hex digits; a reference is of one event, or of few: a keyed token of a tilde and 16 hex digits.
    rest = organisation + 1 if person < 0 else person + 44
    reference = state.find(b',"reference":"~', rest, salt)
    if reference >= 0 and not (state[reference + 15 : reference + 31].isalnum() and state[reference + 31] == _QUOTE):
        return False
    shape = state[source + 1 : time + 1]
    # The line feed keeps facts without a person apart from others of the same shape.
    shape += b"\n" if person < 0 else state[organisation + 1 : person]
    shape += state[rest:salt] if reference < 0 else state[rest:reference] + state[reference + 32 : salt]
    draft = shapes.get(shape)
    if draft is None:
        draft = _sorted_in(shapes, shape)
        if draft is None:
            return False
    draft.positions.append(position)
    draft.times.append(state[time + 10 : organisation])
    if person >= 0:
        draft.people.append(state[person + 11 : person + 43])
    return True


def _sorted_in(shapes: dict[bytes, _Draft], shape: bytes) -> _Draft | None:
    """The draft of a shape not met before, without its number, which is of one event too; None where that is odd."""
    if b"{" in shape:
        return None  # What was cut out may have stood inside an object of a producer's making.
    at = shape.find(b',"sequence":')
    if at < 0:
        return shapes.setdefault(shape, _Draft([], [], [], []))
    end = shape.find(b",", at + 12)
    digits = shape[at + 12 : end]
    if not digits.isdigit():
        return None
    # The space keeps numbered events apart in the same way.
    draft = shapes.setdefault(shape[:at] + shape[end:] + b" ", _Draft([], [], [], []))
    draft.numbers.append(int(digits))
    return draft


def _decoded(shape: bytes, positions: list[int]) -> Line:
    try:
        return _shape(shape)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise _unreadable(positions) from error


def _unreadable(positions: list[int]) -> Tampered:
    return Tampered(f"a header between positions {positions[0]} and {positions[-1]} cannot be read; run `pdl verify`")


def _read_decision(position: int, stream: str, topic: str, state: bytes) -> Decision:
    said = _decision(state)
    return Decision(position, stream, topic, datetime.fromisoformat(said["at"]), said)
