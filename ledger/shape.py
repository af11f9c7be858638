"""What the header of an event shares with those of many others, worked out once.

Headers differ in id, source, time, sequence, person, reference and salt. What else they say follows from a few
fields of the event that take few values: its shape. It stands first in the header, and what is the event's own
from `id` on, so that readers of many facts decode each shape once (projections/page.py). An event with anything that takes many values (dates,
counts, sealed texts, other people) has no shape, and its header is built the plain way each time. Both ways
give the same bytes: tests/properties/test_sealing_alike.py.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from datetime import UTC
from operator import attrgetter
from typing import Any, Final, Literal, NamedTuple, get_args, get_origin, get_type_hints

import msgspec
from msgspec import Struct

from ledger.domain.envelope import Envelope
from ledger.domain.events import EVENT_TYPES, NO_SUBJECT, Country, Event
from ledger.domain.facts import Shown, sequence_number, shown

SHAPES_MAX: Final = 4_000
"""How many shapes of one organisation are remembered; when there are more, all are forgotten and it starts anew."""
_OWN: Final = frozenset({"id", "source", "time", "sequence", "person", "reference"})
"""What an event has of its own, in the order of a header: behind its shape."""
_encode: Final = msgspec.json.Encoder().encode

Kept = tuple[tuple[str, tuple[str, ...]], ...]
"""(dataset, the categories whose values go there)"""


class Shape(Struct, frozen=True, gc=False):
    """What a header says before `id`, from its opening brace on, and where the values of its event go.

    `type_length` is how much of it the canonical form says too. `client` is the client as shown ("" for none),
    `dropped` the categories, as shown, whose values are not kept.
    """

    shared: bytes
    type_length: int
    client: str
    kept: Kept
    dropped: tuple[str, ...]

    def front(self, envelope: Envelope, canonical: bytes, person: str, reference: str | None) -> bytes:
        """The header of an event up to what the ledger adds, without its closing brace."""
        return b"".join(
            (
                self.shared,
                _id_source_time(envelope, canonical, self.type_length),
                b"" if envelope.sequence is None else b',"sequence":%d' % int(envelope.sequence),
                b',"person":"',
                person.encode(),
                b'"' if reference is None else b'","reference":"%b"' % reference.encode(),
            )
        )


def _id_source_time(envelope: Envelope, canonical: bytes, type_length: int) -> bytes:
    """Id, source and time as members of an object. In UTC they stand so in the canonical form, behind the type."""
    if envelope.time.tzinfo is UTC:
        # The end of the time: inside of a JSON text, no quote stands without a backslash.
        return canonical[type_length : canonical.index(b'","specversion"') + 1]
    time = envelope.time.astimezone(UTC)
    return b"," + _encode({"id": envelope.id, "source": envelope.source, "time": time})[1:-1]


class _Traits(NamedTuple):
    """How to get every field of an event type beside subject, actor, reference and values, and which take many values."""

    get: Callable[[Any], Any]
    many: tuple[str, ...]


def _traits(event: type[Event]) -> _Traits | None:
    """None for a type that never has a shape."""
    hints = get_type_hints(event, include_extras=True)
    steps = [step for step in shown(event) if step.how != "values" and step.field != "reference"]
    many = tuple(step.field for step in steps if not _takes_few(step, hints[step.field]))
    required = {field.name for field in msgspec.structs.fields(event) if field.required}
    if event.SUBJECT == NO_SUBJECT or required.intersection(many):
        return None
    return _Traits(attrgetter(*(step.field for step in steps)), many)


def _takes_few(step: Shown, hint: Any) -> bool:
    if step.how != "plain":
        return step.how == "notice" or (step.how == "space" and step.space != "statute")
    kinds = (hint, *get_args(hint))
    return Country in kinds or bool in kinds or any(get_origin(kind) is Literal for kind in kinds)


_TRAITS: Final = {event: _traits(event) for event in EVENT_TYPES}


class Shapes:
    """The shapes of one organisation's events. `fields` builds a header the plain way, `places` says where values go."""

    def __init__(
        self,
        fields: Callable[[Envelope], dict[str, Any]],
        places: Callable[[Any, Collection[str]], tuple[Kept, tuple[str, ...]]],
    ) -> None:
        self._fields, self._places = fields, places
        self._shapes: dict[Any, Shape] = {}

    def of(self, envelope: Envelope, values: Mapping[str, Any] | None) -> Shape | None:
        """The shape of an event about a person who is known; None where it has none. `values` without nulls."""
        data: Any = envelope.data
        traits = _TRAITS[type(data)]
        sequence = envelope.sequence
        if traits is None or data.subject.also or (sequence is not None and sequence_number(sequence) is None):
            return None
        subject, actor = data.subject, data.actor
        key = (
            type(data),
            subject.scheme,
            subject.class_,
            subject.age,
            None if actor is None else actor.role,
            sequence is None,
            data.reference is None,
            None if values is None else tuple(values),
            traits.get(data),
        )
        try:
            found = self._shapes.get(key)
        except TypeError:  # A field that is an object cannot be part of a key, and takes many values.
            return None
        return self._remember(key, envelope, values, traits) if found is None else found

    def _remember(
        self, key: Any, envelope: Envelope, values: Mapping[str, Any] | None, traits: _Traits
    ) -> Shape | None:
        data: Any = envelope.data
        if any(getattr(data, name) not in _NOTHING for name in traits.many) or _dated(data):
            return None
        header = self._fields(envelope)
        shared = {name: value for name, value in header.items() if name not in _OWN}
        kept, dropped = self._places(data, values or ())
        if len(self._shapes) >= SHAPES_MAX:
            self._shapes.clear()
        shape = self._shapes[key] = Shape(
            _encode(shared)[:-1], len(b'{"type":""') + len(envelope.WIRE), header.get("client", ""), kept, dropped
        )
        return shape


_NOTHING: Final = (None, ())


def _dated(data: Any) -> bool:
    notice = getattr(data, "notice", None)
    return notice is not None and notice.at is not None
