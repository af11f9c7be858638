"""A fact is the clear part of an event: everything that a rule reads, and nothing that names a person.

`pdl judge` builds facts from events in memory, where every id stays as it was sent. The ledger builds
the same facts with ids that no pack knows and all references replaced by keyed tokens; they are the
headers of its stored records. One judge reads both.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import cache
from operator import attrgetter
from typing import Annotated, Any, Final, NamedTuple, Protocol, get_args, get_origin, get_type_hints

import msgspec
from msgspec import Meta, Raw, Struct

from ledger.domain.envelope import Envelope
from ledger.domain.events import EVENT_TYPES, Event, Identifier

GIVEN: Final = "given"
"""What a fact shows of a text that is sealed: that there is one."""


class Fact(Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """What rules read of one event; a field that the event does not have keeps its default.

    `type` is the wire name, `time` when it happened (UTC), `recorded` when the ledger recorded it (None
    in `pdl judge`), `person` the pseudonym (None: no subject), `fenced` that it concerns a person whose
    keys were destroyed, so that no value of it was kept, `after_erasure` that it happened after that. Ids are those of the pack or contract, or a token
    `~...` (equal ids give equal tokens). Moments that may be a date alone stay as text (`until`, `from_`).
    """

    type: str
    id: str
    source: str
    time: datetime
    organisation: str
    recorded: datetime | None = None
    sequence: int | None = None
    # the person and the circumstances
    person: str | None = None
    scheme: str | None = None
    class_: str | None = msgspec.field(default=None, name="class")
    age: str | None = None
    also: tuple[str, ...] = ()
    fenced: bool = False
    after_erasure: bool = False
    activity: str | None = None
    client: str | None = None
    role: str | None = None
    system: str | None = None
    location: str | None = None
    reference: str | None = None
    channel: str | None = None
    # acts
    categories: tuple[str, ...] = ()
    with_values: tuple[str, ...] = ()
    purpose: str | None = None
    purposes: tuple[str, ...] = ()
    operation: str | None = None
    basis: str | None = None
    origin: str | None = None
    condition: str | None = None
    transformed: dict[str, str] | None = None
    attempts: int | None = None
    notice: str | None = None
    notice_version: str | None = None
    notice_at: str | None = None
    notice_language: str | None = None
    recipient: str | None = None
    recipients: tuple[str, ...] = ()
    service: str | None = None
    services: tuple[str, ...] = ()
    country: str | None = None
    contract: str | None = None
    transfer_tool: str | None = None
    informing_waived: str | None = None
    how: str | None = None
    reason: str | None = None
    order: str | None = None
    # consent, objection, request, duty
    method: str | None = None
    evidence: str | None = None
    until: str | None = None
    outcome: str | None = None
    grounds: str | None = None
    ground: str | None = None
    right: str | None = None
    informed_at: str | None = None
    remedy_named: bool | None = None
    to: str | None = None
    about: tuple[str, ...] = ()
    milestone: str | None = None
    datasets: tuple[str, ...] = ()
    statute: str | None = None
    decision: str | None = None
    # the organisation
    scope: str | None = None
    target: str | None = None
    party: str | None = None
    kind: str | None = None
    from_: str | None = msgspec.field(default=None, name="from")
    announced_at: str | None = None
    instruction: str | None = None
    parameters: dict[str, Any] | None = None
    public: bool | None = None
    parts: tuple[str, ...] = ()
    control: str | None = None
    found: int | None = None
    handled: int | None = None
    signed_by: str | None = None
    version: str | None = None
    aware_at: str | None = None
    phase: int | None = None
    delay_reason: str | None = None
    notification: str | None = None
    # links, retractions, reports
    other: str | None = None
    retracts_source: str | None = None
    retracts_id: str | None = None
    replaced_by: str | None = None
    counts: dict[str, int] | None = None
    holding: dict[str, int] | None = None


class Ids(Protocol):
    """How ids and persons of one organisation may appear in its facts."""

    def space(self, name: str) -> Mapping[str, str]:
        """Id as sent -> id as shown, for one space of ids; answers for every id."""
        ...

    @property
    def keyed(self) -> Mapping[str, str]:
        """Reference as sent -> reference as shown."""
        ...

    @property
    def people(self) -> Mapping[tuple[str, str, str], str | None]:
        """(organisation, scheme, value) -> person; None where the person was erased."""
        ...

    def parameters(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """Parameters of a client's instruction as shown."""
        ...


class _AsSent(dict[str, str]):
    def __missing__(self, text: str) -> str:
        return text


class _AsNamed(dict[tuple[str, str, str], "str | None"]):
    def __missing__(self, identifier: tuple[str, str, str]) -> str:
        return f"{identifier[1]}:{identifier[2]}"


class PlainIds:
    """Every id as it was sent, a person as "scheme:value": for judging in memory, never for storing."""

    def __init__(self) -> None:
        self.keyed: Mapping[str, str] = _AsSent()
        self.people: Mapping[tuple[str, str, str], str | None] = _AsNamed()

    def space(self, _name: str) -> Mapping[str, str]:
        """Ids as they were sent."""
        return self.keyed

    def parameters(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """Parameters as they were sent."""
        return dict(given)


class Shown(NamedTuple):
    """One field of an event and how its fact shows it."""

    field: str
    """Name in the event struct."""
    fact: str
    """Name in the fact."""
    how: str
    """plain, space, keyed, sealed, values, by-id, notice, other or parameters."""
    space: str = ""
    many: bool = False


_RENAMED: Final = {
    ("pdl.fact.retracted.v1", "source"): "retracts_source",
    ("pdl.fact.retracted.v1", "id"): "retracts_id",
}
_OWN_WAY: Final = {"notice": "notice", "other": "other", "transformed": "by-id", "parameters": "parameters"}
_CIRCUMSTANCES: Final = frozenset({"organisation", "subject", "actor"})


@cache
def shown(event: type[Event]) -> tuple[Shown, ...]:
    """Every field of an event type beside organisation, subject and actor, and how its fact shows it."""
    hints = get_type_hints(event, include_extras=True)
    return tuple(_shown(event, name, hints[name]) for name in event.__struct_fields__ if name not in _CIRCUMSTANCES)


def _shown(event: type[Event], name: str, hint: Any) -> Shown:
    fact = _RENAMED.get((event.WIRE, name), name)
    if name == "values":
        return Shown(name, "categories", "values", "category")
    if name in _OWN_WAY:
        return Shown(name, fact, _OWN_WAY[name], "category")
    if name in {"counts", "holding"}:
        return Shown(name, fact, "by-id", "type" if name == "counts" else "activity")
    extra, many = _extra(hint), _is_many(hint)
    if "space" in extra:
        return Shown(name, fact, "space", extra["space"], many or fact == "about")
    return Shown(name, fact, extra.get("veil", "plain"), "", many)


def _extra(hint: Any) -> dict[str, str]:
    """The `extra` of the first Meta in a type, however deep in optionals and tuples."""
    if get_origin(hint) is Annotated:
        for meta in get_args(hint)[1:]:
            if isinstance(meta, Meta) and meta.extra:
                return meta.extra
    for part in get_args(hint):
        found = _extra(part)
        if found:
            return found
    return {}


def _is_many(hint: Any) -> bool:
    return get_origin(hint) is tuple or any(get_origin(part) is tuple for part in get_args(hint))


_Step = tuple[str, str, Mapping[str, str]]
"""Name in the fact, how it is shown, and the ids by which."""
_Plan = tuple[Callable[[Any], tuple[Any, ...]], tuple[_Step, ...]]


_NONE_GIVEN: Final = ()  # CPython has one empty tuple; an empty list of JSON becomes it too.


class FactBuilder:
    """Builds the facts of one organisation; its plan per event type is made once.

    `wire`: fields are named as in stored JSON ("class", "from") and not as in `Fact` ("class_", "from_").
    """

    def __init__(self, ids: Ids, *, wire: bool = False) -> None:
        self._ids = ids
        self._wire = wire
        self._class_name = "class" if wire else "class_"
        self._plans: dict[type[Event], _Plan] = {event: self._plan(event) for event in EVENT_TYPES}
        self._class, self._scheme, self._role = ids.space("class"), ids.space("scheme"), ids.space("role")
        self._notice, self._version = ids.space("notice"), ids.space("version")
        self._ways: dict[str, Callable[[str, Any, Mapping[str, str], dict[str, Any]], None]] = {
            "several": self._several,
            "values": self._values,
            "by-id": self._by_id,
            "sealed": self._given,
            "notice": self._shown_notice,
            "parameters": self._parameters,
            "other": self._other,
        }

    def _plan(self, event: type[Event]) -> _Plan:
        steps = [step for step in shown(event) if step.field != "reference"]
        return attrgetter(*(step.field for step in steps)), tuple(self._step(step) for step in steps)

    def _step(self, step: Shown) -> _Step:
        names = self._ids.space(step.space) if step.space else self._ids.keyed
        how = step.how
        if how in {"space", "keyed"}:
            how = "several" if step.many else "one"
        fact = step.fact.removesuffix("_") if self._wire else step.fact
        return fact, how, names

    def fact(self, envelope: Envelope) -> Fact:
        """The fact of one event."""
        return Fact(**self.fields(envelope))

    def fields(self, envelope: Envelope) -> dict[str, Any]:
        """The fields of a fact that one event has, by name.

        First what it shares with many others, then (from `id` on) what is its own: readers of many facts decode
        the first part once (projections/page.py).
        """
        data = envelope.data
        made: dict[str, Any] = {
            "type": envelope.WIRE,
            "organisation": data.organisation,
        }
        if data.actor is not None:
            made["role"] = self._role[data.actor.role]
        subject = getattr(data, "subject", None)
        person = None if subject is None else self._about_person(subject, data.organisation, made)
        values_in_order, steps = self._plans[type(data)]
        for value, step in zip(values_in_order(data), steps, strict=True):
            if value is None or value is _NONE_GIVEN:
                continue
            name, how, names = step
            if how == "plain":
                made[name] = value
            elif how == "one":
                made[name] = names[value]
            else:
                self._ways[how](name, value, names, made)
        made["id"] = envelope.id
        made["source"] = envelope.source
        made["time"] = envelope.time if envelope.time.tzinfo is UTC else envelope.time.astimezone(UTC)
        if envelope.sequence is not None:
            made["sequence"] = sequence_number(envelope.sequence)
        if person is not None:
            made["person"] = person
        if data.reference is not None:
            made["reference"] = self._ids.keyed[data.reference]
        return made

    def _about_person(self, subject: Any, organisation: str, made: dict[str, Any]) -> str | None:
        person = self._ids.people[(organisation, subject.scheme, subject.value)]
        made["scheme"] = self._scheme[subject.scheme]
        if person is None:
            made["fenced"] = True
        if subject.class_ is not None:
            made[self._class_name] = self._class[subject.class_]
        if subject.age is not None:
            made["age"] = subject.age
        if subject.also:
            others = [self._ids.people[(organisation, other.scheme, other.value)] for other in subject.also]
            made["also"] = tuple(other for other in others if other is not None)
        return person

    @staticmethod
    def _several(name: str, value: Any, names: Mapping[str, str], made: dict[str, Any]) -> None:
        given = tuple([names[item] for item in value]) if type(value) is tuple else (names[value],)
        made[name] = given if name not in made else tuple(dict.fromkeys(made[name] + given))

    @staticmethod
    def _values(name: str, value: Any, names: Mapping[str, str], made: dict[str, Any]) -> None:
        made[name] = tuple([names[category] for category in value])
        made["with_values"] = tuple([names[category] for category, raw in value.items() if bytes(raw) != b"null"])

    @staticmethod
    def _by_id(name: str, value: Any, names: Mapping[str, str], made: dict[str, Any]) -> None:
        made[name] = {names[key]: item for key, item in value.items()}

    @staticmethod
    def _given(name: str, _value: Any, _names: Mapping[str, str], made: dict[str, Any]) -> None:
        made[name] = GIVEN

    def _shown_notice(self, name: str, value: Any, _names: Mapping[str, str], made: dict[str, Any]) -> None:
        made[name] = self._notice[value.id]
        if value.at is not None:
            made["notice_at"] = value.at
        if value.language is not None:
            made["notice_language"] = value.language
        if value.version is not None:
            made["notice_version"] = self._version[value.version]

    def _parameters(self, name: str, value: Any, _names: Mapping[str, str], made: dict[str, Any]) -> None:
        made[name] = self._ids.parameters(value)

    def _other(self, name: str, value: Identifier, _names: Mapping[str, str], made: dict[str, Any]) -> None:
        other = self._ids.people[(made["organisation"], value.scheme, value.value)]
        if other is not None:
            made[name] = other


_NUMBER_MAX: Final = 10**18
"""Beyond it a number does not fit the 64 bits of a register."""


def sequence_number(sequence: int | str) -> int | None:
    """CloudEvents gives `sequence` as text; services also send a number. Anything else is no sequence: None."""
    if isinstance(sequence, int):
        return sequence if abs(sequence) < _NUMBER_MAX else None
    return int(sequence) if sequence.isascii() and sequence.isdigit() and len(sequence) < 19 else None  # noqa: PLR2004 - below _NUMBER_MAX


_plain: Final = FactBuilder(PlainIds())


def fact_of(envelope: Envelope) -> Fact:
    """The fact of an event with every id as it was sent: for judging in memory."""
    return _plain.fact(envelope)


def values_of(event: Event) -> dict[str, Raw]:
    """The values of personal data that an event carries, by category; a null is no value."""
    values: dict[str, Raw] | None = getattr(event, "values", None)
    return {category: raw for category, raw in values.items() if bytes(raw) != b"null"} if values else {}
