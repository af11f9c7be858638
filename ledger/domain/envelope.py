"""From the bytes of a message to a typed event, or to the reason why it cannot be recorded.

CloudEvents 1.0, structured mode (the message is the JSON envelope) and binary mode (`ce_*` headers, the
message is `data`). The fast path is one decode; anything it refuses, and anything that could hide a
repeated key, is looked at once more by the careful path, which finds the reason.
"""

from __future__ import annotations

import json
import re
from base64 import b64decode
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from functools import cache, lru_cache
from operator import attrgetter
from typing import Annotated, Any, ClassVar, Final, Literal, NamedTuple, cast, get_type_hints

import msgspec
from msgspec import Meta, Raw, Struct

from ledger.domain.events import BY_WIRE, COUNTRIES, EVENT_TYPES, LANGUAGE, Country, Date, Event, Notice

BODY_BYTES_MAX: Final = 1_048_576
"""Kafka's own default for one record; a larger one is quarantined as too-large."""
EARLIEST_YEAR: Final = 1900
LATEST_YEAR: Final = 2200
"""Times outside these years are refused: no term of a statement can be calculated from them."""

Reason = Literal[
    "undecodable",
    "not-an-event",
    "unknown-type",
    "schema",
    "unknown-organisation",
    "source-not-allowed",
    "conflicting-duplicate",
    "too-large",
    "sealed-unreadable",
]
REASONS: Final[tuple[Reason, ...]] = Reason.__args__  # type: ignore[attr-defined]
Headers = Sequence[tuple[str, bytes]]
_NO_DATE: Final = "a date in data does not exist or lies outside the years 1900 to 2199; send RFC 3339."
_NO_NOTICE: Final = "the notice needs a date that exists, from 1900 to 2199, and a language tag such as nl or nl-BE."
_NO_COUNTRY: Final = "a country is two capital letters (ISO 3166-1)."
_BACKSLASH, _DEL, _OPEN_BRACE, _OPEN_BRACKET = b"\\\x7f{["
"""As numbers: to look for a byte by its number takes a tenth of the time of looking for it as bytes."""
_ZERO_OFFSET: Final = b'+00:00"'
_OFFSET_WITHOUT_COLON: Final = re.compile(rb':\d\d(\.\d+)?[+-]\d{4}"')

NOT_SENT: Final = "(unknown fields)"
"""The one field of Envelope that is not read from a message: which unknown fields the careful path left out."""
_Id = Annotated[str, Meta(min_length=1, max_length=500)]
_UNDER_SEAL: Final = ("specversion", "id", "source", "type", "time")
SEALED_CONTENT: Final = "application/vnd.pdl.sealed"


class Envelope(Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """A CloudEvent whose `data` is a typed event; extension attributes beside these are ignored."""

    WIRE: ClassVar[str] = ""

    # The first three stand first in the canonical form and in the header, so that they are written once.
    id: _Id
    source: _Id
    time: Annotated[datetime, Meta(tz=True)]
    specversion: Literal["1.0"]
    datacontenttype: str | None = None
    sequence: int | str | None = None
    subject: Any = None
    dataschema: Any = None
    data: Event
    unknown_fields: tuple[str, ...] = msgspec.field(default=(), name=NOT_SENT)

    @property
    def type(self) -> str:
        """The wire name of the event type."""
        return self.WIRE


class Unrecordable(Struct, frozen=True, kw_only=True):
    """Why an input cannot be recorded: a reason of the contract, and what to do about it, without personal values."""

    reason: Reason
    detail: str
    source: str | None = None
    id: str | None = None


class Sealed(Unrecordable, frozen=True, kw_only=True):
    """An event whose `data` a producer sealed to an ingest key: unreadable, unless the ledger has that key.

    `attributes` are those of the event, as text; `content` the encapsulated key and the ciphertext.
    """

    key: str
    content: bytes
    attributes: dict[str, Any]

    @property
    def aad(self) -> bytes:
        """What the seal covers beside the data: specversion|id|source|type|time, as they were sent."""
        return "|".join(self.attributes[name] for name in _UNDER_SEAL).encode()

    def closed(self, detail: str) -> Unrecordable:
        """Why it stays closed."""
        return Unrecordable(reason=self.reason, detail=detail, source=self.source, id=self.id)


def _typed(event: type[Event]) -> type[Envelope]:
    fields: list[tuple[str, Any]] = [("data", event)]
    made = msgspec.defstruct(
        f"{event.__name__}Envelope",
        fields,
        bases=(Envelope,),
        tag=event.WIRE,
        tag_field="type",
        frozen=True,
        kw_only=True,
        omit_defaults=True,
        gc=False,
        namespace={"WIRE": event.WIRE},
    )
    return cast("type[Envelope]", made)


_ENVELOPES: Final = tuple(_typed(event) for event in EVENT_TYPES)
_BY_WIRE: Final = {envelope.WIRE: envelope for envelope in _ENVELOPES}


def typed_envelope(wire: str) -> type[Envelope]:
    """The envelope struct of one event type; KeyError for a type that the contract does not have."""
    return _BY_WIRE[wire]


_union: Any = _ENVELOPES[0]
for _envelope in _ENVELOPES[1:]:
    _union = _union | _envelope
_fast: Final[msgspec.json.Decoder[Envelope]] = msgspec.json.Decoder(_union)
_encode: Final = msgspec.json.Encoder().encode


def canonical(envelope: Envelope) -> bytes:
    """The content of an event as bytes that do not depend on key order, white space or unknown fields."""
    return _encode(envelope)


class Read(Struct, frozen=True, gc=False):
    """An event and its canonical form: its content as bytes that do not depend on key order or white space."""

    envelope: Envelope
    canonical: bytes


def decode(body: bytes, headers: Headers = ()) -> Envelope | Unrecordable:
    """Read one message; never raises for what a producer sends."""
    found = read(body, headers)
    return found if isinstance(found, Unrecordable) else found.envelope


def read(body: bytes, headers: Headers = ()) -> Read | Unrecordable:
    """Read one message and keep its canonical form, which the reading needs anyway."""
    if headers and any(name == "ce_type" for name, _ in headers):
        return _binary(body, headers)
    try:
        envelope = _fast.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return _carefully(body)
    canonical = _encode(envelope)
    colons = body.count(b":") - canonical.count(b":")
    if colons and envelope.time.tzinfo is UTC:
        # Written as +00:00, the time has a colon more than as Z. What is left out brings its key's colon beside its own.
        colons -= body.count(_ZERO_OFFSET) - canonical.count(_ZERO_OFFSET)
    # Each JSON key brings one colon. A message with as many colons as its canonical form therefore repeats none,
    # unless a colon is written as an escape; so any backslash takes the careful path too.
    # Values are kept as they came, so that repeated keys, or bytes that are no UTF-8, could hide in them; and an
    # offset without a colon (+0100) gets one. The one control character that JSON lets through is DEL.
    if (
        _BACKSLASH in body
        or _DEL in body
        or colons
        or len(body) > BODY_BYTES_MAX
        or not (body.isascii() or _is_utf8(body))
        or (envelope.time.tzinfo is not UTC and _OFFSET_WITHOUT_COLON.search(body) is not None)
        or _odd(envelope)
    ):
        return _carefully(body)
    return Read(envelope, canonical)


def _is_utf8(body: bytes) -> bool:
    try:
        body.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def _carefully(body: bytes) -> Read | Unrecordable:
    found = _careful(body)
    return found if isinstance(found, Unrecordable) else Read(found, _encode(found))


def _odd(envelope: Envelope) -> bool:
    """Whether anything calls for the careful path that types alone do not tell."""
    content, data = envelope.datacontenttype, envelope.data
    return (
        not EARLIEST_YEAR <= envelope.time.year < LATEST_YEAR
        or (content is not None and content != "application/json" and content.startswith(SEALED_CONTENT))
        or bool(envelope.unknown_fields)
        or _out_of_form(data) is not None
        or (type(data) in _WITH_VALUES and _nested_or_nothing(data))
    )


def _nested_or_nothing(data: Any) -> bool:
    """Whether a value may be more than a text or a number, or there is neither a value nor a category."""
    if data.values is None:
        return _says_nothing(data)
    together = b"".join(data.values.values())
    return _OPEN_BRACE in together or _OPEN_BRACKET in together


def _says_nothing(data: Event) -> bool:
    return getattr(data, "values", None) is None and getattr(data, "categories", None) is None


class _Form(NamedTuple):
    """A field whose text must have a form that its type does not tell: how to get it, what is good, what to say if not."""

    get: Callable[[Any], Any]
    good: Callable[[Any], bool]
    detail: str


def _out_of_form(data: Event) -> str | None:
    if data.location is not None and data.location not in COUNTRIES:
        return _NO_COUNTRY
    for get, good, detail in _FORMS[type(data)]:
        value = get(data)
        if value is not None and not good(value):
            return detail
    return None


def _forms(event: type[Event]) -> Iterator[_Form]:
    """The forms of an event type beside its location, which every type has."""
    for name, hint in get_type_hints(event, include_extras=True).items():
        if hint in (Date, Date | None):
            yield _Form(attrgetter(name), _is_date, _NO_DATE)
        elif name == "notice":
            yield _Form(attrgetter(name), _is_notice, _NO_NOTICE)
        elif hint in (Country, Country | None) and name != "location":
            yield _Form(attrgetter(name), COUNTRIES.__contains__, _NO_COUNTRY)


def _is_date(text: str) -> bool:
    """Whether a date exists (30 February does not), and lies where it can be calculated with."""
    try:
        return EARLIEST_YEAR <= datetime.fromisoformat(text).year < LATEST_YEAR
    except ValueError:
        return False


def _is_notice(notice: Notice) -> bool:
    return (notice.at is None or _is_date(notice.at)) and (notice.language is None or _is_language(notice.language))


@lru_cache(maxsize=1_000)
def _is_language(tag: str) -> bool:
    return LANGUAGE.fullmatch(tag) is not None


class _RepeatedKeyError(ValueError):
    pass


def _no_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        names = [name for name, _ in pairs]
        raise _RepeatedKeyError(next(name for name in names if names.count(name) > 1))
    return found


def _refuse_constant(_: str) -> Any:
    raise ValueError("not a JSON number")


def _careful(body: bytes) -> Envelope | Unrecordable:
    if len(body) > BODY_BYTES_MAX:
        return Unrecordable(
            reason="too-large",
            detail=f"{len(body)} bytes; at most {BODY_BYTES_MAX} are read. Publish a reference instead of the document.",
        )
    try:
        attributes = json.loads(body.decode("utf-8"), object_pairs_hook=_no_repeats, parse_constant=_refuse_constant)
    except _RepeatedKeyError as error:
        return Unrecordable(
            reason="undecodable", detail=f"JSON key {_name(str(error))} stands twice in one object; send it once."
        )
    except UnicodeDecodeError as error:
        return Unrecordable(reason="undecodable", detail=f"not UTF-8 at byte {error.start}; encode JSON as UTF-8.")
    except json.JSONDecodeError as error:
        what = error.msg.removesuffix(" at")
        return Unrecordable(reason="undecodable", detail=f"not JSON: {what} at byte {error.pos}.")
    except (ValueError, RecursionError):
        return Unrecordable(
            reason="undecodable", detail="JSON that cannot be read (nested too deep, or a number out of range)."
        )
    return _checked(attributes, body)


def _name(key: str) -> str:
    """A key as it may stand in a message: names of the contract as they are, anything else withheld."""
    return f"'{key}'" if key in _KNOWN_KEYS else "(a name that the contract does not know)"


def _checked(attributes: Any, body: bytes) -> Envelope | Unrecordable:
    if not isinstance(attributes, dict):
        return Unrecordable(reason="not-an-event", detail="a CloudEvent is a JSON object.")
    where = _origin(attributes.get("source"), attributes.get("id"))
    lacking = [
        name for name in ("specversion", "id", "source", "type", "time") if not isinstance(attributes.get(name), str)
    ]
    if lacking or attributes["specversion"] != "1.0":
        detail = f"needs {', '.join(lacking)} as text." if lacking else "specversion must be 1.0."
        return Unrecordable(reason="not-an-event", detail=detail, **where)
    content = attributes.get("datacontenttype")
    if isinstance(content, str) and content.startswith(SEALED_CONTENT):
        return _sealed(attributes, attributes.get("data_base64", attributes.get("data")), where)
    if attributes["type"] not in BY_WIRE:
        return Unrecordable(reason="unknown-type", detail="see `pdl schema` for the types of the contract.", **where)
    return _typed_or_schema(attributes, body, where)


def _sealed(attributes: dict[str, Any], content: Any, where: dict[str, Any]) -> Unrecordable:
    """Sealed data as they came, for whoever has the key; or what is wrong with the way they came."""
    key = attributes.get("pdlkeyid")
    try:
        found = b64decode(content, validate=True) if isinstance(content, str) else b""
    except ValueError:
        found = b""
    if not found or not isinstance(key, str) or "|" in attributes["id"]:
        detail = "sealed data need the attribute pdlkeyid, base64 in data_base64 (binary mode: the bytes themselves), and an id without '|'."
        return Unrecordable(reason="sealed-unreadable", detail=detail, **where)
    detail = "sealed data: no ingest key is at hand here."
    return Sealed(reason="sealed-unreadable", detail=detail, key=key, content=found, attributes=attributes, **where)


def opened(sealed: Sealed, plaintext: bytes) -> Read | Unrecordable:
    """The event whose sealed `data` are this plaintext: the same event as if it had been sent in the clear."""
    left_out = {"data", "data_base64", "datacontenttype", "pdlkeyid"}
    attributes = {name: value for name, value in sealed.attributes.items() if name not in left_out}
    try:
        data = msgspec.json.decode(plaintext, type=Raw)
    except (msgspec.MsgspecError, RecursionError):
        return Unrecordable(
            reason="undecodable", detail="the sealed data are not JSON.", source=sealed.source, id=sealed.id
        )
    return read(_encode({**attributes, "datacontenttype": "application/json", "data": data}))


def _typed_or_schema(attributes: dict[str, Any], body: bytes, where: dict[str, Any]) -> Envelope | Unrecordable:
    if not isinstance(attributes.get("data"), dict):
        return Unrecordable(reason="schema", detail="data must be a JSON object.", **where)
    unknown: list[str] = []
    try:
        outer = msgspec.json.decode(body, type=dict[str, Raw])
        outer.pop(NOT_SENT, None)
        outer["data"] = _only_known(outer["data"], BY_WIRE[attributes["type"]], "", unknown)
        envelope = _fast.decode(_encode(outer))
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        return Unrecordable(reason="schema", detail=_without_values(str(error)), **where)
    problem = _beyond_types(envelope)
    if problem:
        return Unrecordable(reason="schema", detail=problem, **where)
    if not unknown:
        return envelope
    return msgspec.structs.replace(envelope, unknown_fields=tuple(sorted(unknown)))


def _only_known(raw: Raw, struct: type[Struct], path: str, unknown: list[str]) -> Raw:
    """The same JSON without the fields that the contract does not have; what stays is kept byte for byte."""
    if not bytes(raw).lstrip().startswith(b"{"):
        return raw
    found = msgspec.json.decode(raw, type=dict[str, Raw])
    kinds = _kinds(struct)
    unknown += [f"{path}{_label(name)}" for name in found if name not in kinds]
    kept: dict[str, Any] = {}
    for name, value in found.items():
        if name not in kinds:
            continue
        inner = kinds[name]
        if inner is not None and bytes(value).lstrip().startswith(b"["):
            items = msgspec.json.decode(value, type=list[Raw])
            kept[name] = [_only_known(item, inner, f"{path}{name}.", unknown) for item in items]
        else:
            kept[name] = value if inner is None else _only_known(value, inner, f"{path}{name}.", unknown)
    return Raw(_encode(kept))


def _label(name: str) -> str:
    """A producer's own field name, bounded; names that do not look like names may carry values and are withheld."""
    return name if re.fullmatch(r"[A-Za-z_][A-Za-z0-9_-]{0,40}", name) else "(unnamed)"


@cache
def _kinds(struct: type[Struct]) -> Mapping[str, type[Struct] | None]:
    """The fields of a struct by their names in JSON, and the struct within each that has one."""
    return {field.encode_name: _struct_in(field.type) for field in msgspec.structs.fields(struct)}


def _struct_in(kind: Any) -> type[Struct] | None:
    if isinstance(kind, type):
        return kind if issubclass(kind, Struct) else None
    inner = [_struct_in(part) for part in getattr(kind, "__args__", ()) or ()]
    return next((found for found in inner if found), None)


def _beyond_types(envelope: Envelope) -> str | None:
    if not EARLIEST_YEAR <= envelope.time.year < LATEST_YEAR:
        return f"time lies in the year {envelope.time.year}; from {EARLIEST_YEAR} to {LATEST_YEAR - 1} is understood. Check the clock."
    if envelope.WIRE == "pdl.data.collected.v1" and _says_nothing(envelope.data):
        return "needs `values`, or `categories` where the values are not passed on."
    out_of_form = _out_of_form(envelope.data)
    if out_of_form is not None:
        return out_of_form
    if any(_unprintable(text) for text in _names(envelope)):
        return "an identifier holds control characters or lone surrogates; send printable text."
    return None


def _unprintable(text: str) -> bool:
    return any(ch < " " or ch == "\x7f" or "\ud800" <= ch <= "\udfff" for ch in text)


def _names(envelope: Envelope) -> list[str]:
    found = [envelope.id, envelope.source]
    _texts(msgspec.to_builtins(envelope.data, builtin_types=(Raw,)), found)
    return found


def _texts(value: Any, found: list[str]) -> None:
    if isinstance(value, str):
        found.append(value)
    elif isinstance(value, dict):
        for key, item in value.items():
            _texts(key, found)
            _texts(item, found)
    elif isinstance(value, list | tuple):
        for item in value:
            _texts(item, found)


def _without_values(message: str) -> str:
    """The decoder's message: it names the field and the type, but quotes bad codes and keys, which may be personal."""
    message = re.sub(
        r"(Invalid enum value|Invalid value) .*?(?= - at|$)",
        r"\1 (see `pdl schema` for the codes)",
        message,
        flags=re.DOTALL,
    )
    return re.sub(r"\[(\.\.\.|'[^']*')\]|`key` in", "", message)


def _origin(source: Any, event_id: Any) -> dict[str, Any]:
    """Source and id for a report, where they are texts that can be shown."""
    return {
        name: text[:500] if isinstance(text, str) and text and not _unprintable(text) else None
        for name, text in (("source", source), ("id", event_id))
    }


def _binary(body: bytes, headers: Headers) -> Read | Unrecordable:
    """Binary mode: attributes in `ce_*` headers, `data` in the body; read as the same event in structured mode."""
    if len(body) > BODY_BYTES_MAX:
        return _carefully(body)
    attributes: dict[str, str] = {}
    try:
        for name, value in headers:
            if name.startswith("ce_"):
                attributes[name[3:]] = value.decode("utf-8")
            elif name.lower() == "content-type":
                attributes["datacontenttype"] = value.decode("utf-8")
    except UnicodeDecodeError:
        return Unrecordable(reason="not-an-event", detail="a ce_ header is not UTF-8.")
    if attributes.get("datacontenttype", "").startswith(SEALED_CONTENT):
        # As in structured mode, where bytes that are no JSON stand as base64.
        return _carefully(_encode({**attributes, "data_base64": body}))
    try:
        # The body goes in as it came: a value in it must not be re-written on the way to the seal.
        data = msgspec.json.decode(body, type=Raw)
    except (msgspec.MsgspecError, RecursionError):
        where = _origin(attributes.get("source"), attributes.get("id"))
        return Unrecordable(
            reason="undecodable", detail="the message body (CloudEvents binary mode) is not JSON.", **where
        )
    return read(_encode({**attributes, "data": data}))


_FORMS: Final = {event: tuple(_forms(event)) for event in EVENT_TYPES}
_WITH_VALUES: Final = frozenset(event for event in EVENT_TYPES if "values" in event.__struct_fields__)
_KNOWN_KEYS: Final = frozenset(
    {"specversion", "id", "source", "type", "time", "data", "datacontenttype", "sequence", "subject"}
    | {field.encode_name for event in EVENT_TYPES for field in msgspec.structs.fields(event)}
    | {"scheme", "value", "class", "age", "also", "role", "at", "version", "language"}
)
