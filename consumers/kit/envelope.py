"""An event in its envelope: CloudEvents 1.0 in structured or binary mode, plain or sealed."""

from __future__ import annotations

import os
import re
import time as clock
from base64 import b64encode
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

import msgspec
from msgspec import Raw, Struct

from consumers.kit.events import DataCollected, Event
from consumers.kit.sealing import IngestKey, seal

JSON: Final = "application/json"
SEALED: Final = "application/vnd.pdl.sealed"
STRUCTURED: Final = "application/cloudevents+json"
ID_LENGTH_MAX: Final = 500
EARLIEST_YEAR, LATEST_YEAR = 1900, 2200
_encode: Final = msgspec.json.Encoder().encode


class Invalid(ValueError):
    """The event does not keep to the contract: which field, and why; never its value. Nothing was sent."""


class CloudEvent(Struct, frozen=True, kw_only=True):
    """One checked event, ready to be sent. Sent again with the same id and content it is a duplicate, and harmless.

    `time` is RFC 3339 text, `data` the JSON of the typed event, `sequence` consecutive per source if it is used.
    """

    id: str
    source: str
    type: str
    time: str
    data: bytes
    sequence: int | None = None

    def __repr__(self) -> str:
        return f"CloudEvent({self.type}, {self.id})"

    @property
    def aad(self) -> bytes:
        """What a seal covers beside the data."""
        return f"1.0|{self.id}|{self.source}|{self.type}|{self.time}".encode()


class Record(NamedTuple):
    """What goes to Kafka: the value, and the headers beside it."""

    value: bytes
    headers: list[tuple[str, bytes]]


def event(
    data: Event, *, source: str, event_id: str | None = None, time: datetime | None = None, sequence: int | None = None
) -> CloudEvent:
    """Check a typed event and put it in its envelope. Raises Invalid.

    `event_id` must be opaque and unique per source (default: a UUIDv7), `time` is when it happened (default: now) and
    has a zone, `source` is the name under which the service is registered.
    """
    moment = time or datetime.now(UTC)
    if moment.tzinfo is None:
        raise Invalid("time needs a zone: datetime.now(UTC), for example.")
    if not EARLIEST_YEAR <= moment.year < LATEST_YEAR:
        raise Invalid(f"time lies outside the years {EARLIEST_YEAR} to {LATEST_YEAR - 1}; check the clock.")
    made = event_id or uuid7()
    for name, text in (("id", made), ("source", source)):
        if not 0 < len(text) <= ID_LENGTH_MAX or not text.isprintable():
            raise Invalid(f"{name} must be printable text of 1 to {ID_LENGTH_MAX} characters.")
    return CloudEvent(
        id=made, source=source, type=data.TYPE, time=moment.isoformat(), data=_checked(data), sequence=sequence
    )


def structured(event: CloudEvent, key: IngestKey | None = None) -> Record:
    """One JSON document; sealed to an ingest key if one is given."""
    envelope = _attributes(event)
    if key is None:
        envelope |= {"datacontenttype": JSON, "data": Raw(event.data)}
    else:
        sealed = b64encode(_sealed(event, key)).decode()
        envelope |= {"datacontenttype": SEALED, "pdlkeyid": key.id, "data_base64": sealed}
    return Record(_encode(envelope), [("content-type", STRUCTURED.encode())])


def binary(event: CloudEvent, key: IngestKey | None = None) -> Record:
    """Attributes in `ce_*` headers, the data (or the bytes of the seal) as the value."""
    headers = [(f"ce_{name}", str(value).encode()) for name, value in _attributes(event).items()]
    if key is None:
        return Record(event.data, [*headers, ("content-type", JSON.encode())])
    sealed = [("ce_pdlkeyid", key.id.encode()), ("content-type", SEALED.encode())]
    return Record(_sealed(event, key), headers + sealed)


def _attributes(event: CloudEvent) -> dict[str, Any]:
    named = {"specversion": "1.0", "id": event.id, "source": event.source, "type": event.type, "time": event.time}
    return named if event.sequence is None else named | {"sequence": event.sequence}


def _sealed(event: CloudEvent, key: IngestKey) -> bytes:
    if "|" in event.id:
        raise Invalid("the id of a sealed event holds no '|': the seal covers id and source as one text.")
    return seal(key, event.data, event.aad)


def _checked(data: Event) -> bytes:
    """The JSON of an event that keeps to its own type: a struct takes what it is given, a decoder does not."""
    if isinstance(data, DataCollected) and data.values is None and data.categories is None:
        raise Invalid("values, or categories where the values are not passed on, must be given.")
    try:
        encoded = _encode(data)
        msgspec.json.decode(encoded, type=type(data))
    except (msgspec.MsgspecError, TypeError, UnicodeEncodeError) as error:
        said = re.sub(r"(Invalid enum value|Invalid value) .*?(?= - at|$)", r"\1", str(error), flags=re.DOTALL)
        said = re.sub(r"\[[^]]*\]", "", said)  # A key of an object may be anything.
        raise Invalid(f"{data.TYPE}: {said}.") from None
    return encoded


def uuid7() -> str:
    """A UUID of version 7 (RFC 9562): 48 bits of milliseconds, the rest random; ids that follow each other append."""
    number = (clock.time_ns() // 1_000_000 & (1 << 48) - 1) << 80 | int.from_bytes(os.urandom(10), "big")
    number = number & ~(0xF << 76) | 7 << 76
    number = number & ~(0b11 << 62) | 0b10 << 62
    text = f"{number:032x}"
    return "-".join((text[:8], text[8:12], text[12:16], text[16:20], text[20:]))
