"""What arrives broken: each fault takes a good event and spoils it as a real producer would.

The good event follows after it, as a producer sends again what was refused, so that only the broken message is lost.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, NamedTuple

import orjson

from ledger.domain.envelope import BODY_BYTES_MAX, Reason


class Fault(NamedTuple):
    """The name of a fault, the reason that it must be quarantined for, and how it comes about."""

    name: str
    reason: Reason
    spoil: Callable[[dict[str, Any]], bytes]


def _cut_off(event: dict[str, Any]) -> bytes:
    body = orjson.dumps(event)
    return body[: len(body) * 3 // 4]


def _wrong_encoding(event: dict[str, Any]) -> bytes:
    return orjson.dumps(event | {"source": event["source"] + "é"}).decode().encode("latin-1", errors="replace")


def _key_twice(event: dict[str, Any]) -> bytes:
    return orjson.dumps(event).replace(b'"type":', b'"type":"pdl.data.used.v1","type":', 1)


def _log_line(event: dict[str, Any]) -> bytes:
    return orjson.dumps([event["time"], "INFO", "published", event["id"]])


def _without_time(event: dict[str, Any]) -> bytes:
    return orjson.dumps({key: value for key, value in event.items() if key != "time"})


def _unknown_type(event: dict[str, Any]) -> bytes:
    return orjson.dumps(event | {"type": event["type"].replace(".v1", ".v7")})


def _unknown_organisation(event: dict[str, Any]) -> bytes:
    return orjson.dumps(event | {"data": event["data"] | {"organisation": event["data"]["organisation"] + "-test"}})


def _without_organisation(event: dict[str, Any]) -> bytes:
    return orjson.dumps(event | {"data": {key: value for key, value in event["data"].items() if key != "organisation"}})


def _wrong_type(event: dict[str, Any]) -> bytes:
    return orjson.dumps(event | {"data": event["data"] | {"activity": 7, "reference": ["a", "b"]}})


def _subject_as_text(event: dict[str, Any]) -> bytes:
    return orjson.dumps(
        event | {"data": event["data"] | {"subject": event["data"].get("subject", {}).get("value", "unknown")}}
    )


def _far_future(event: dict[str, Any]) -> bytes:
    return orjson.dumps(event | {"time": "9026" + event["time"][4:]})


def _sealed_for_nobody(event: dict[str, Any]) -> bytes:
    return orjson.dumps(event | {"datacontenttype": "application/vnd.pdl.sealed", "data": "AAECAwQFBgcICQ=="})


def _attachment(event: dict[str, Any]) -> bytes:
    return orjson.dumps(event | {"data": event["data"] | {"attachment": "JVBERi0x" * (BODY_BYTES_MAX // 8 + 1)}})


FAULTS: Final = (
    Fault("cut off", "undecodable", _cut_off),
    Fault("a field is lacking", "schema", _without_organisation),
    Fault("unknown type", "unknown-type", _unknown_type),
    Fault("not UTF-8", "undecodable", _wrong_encoding),
    Fault("text where a number belongs", "schema", _wrong_type),
    Fault("a log line", "not-an-event", _log_line),
    Fault("unknown organisation", "unknown-organisation", _unknown_organisation),
    Fault("without a time", "not-an-event", _without_time),
    Fault("a person as bare text", "schema", _subject_as_text),
    Fault("a key twice", "undecodable", _key_twice),
    Fault("a clock gone wrong", "schema", _far_future),
    Fault("sealed for another ledger", "sealed-unreadable", _sealed_for_nobody),
    Fault("an attachment inside", "too-large", _attachment),
)


def changed(event: dict[str, Any]) -> bytes:
    """The same source and id with other content: a conflicting duplicate of a use."""
    return orjson.dumps(event | {"data": event["data"] | {"channel": "chat", "operation": "select"}})
