"""The contract as one AsyncAPI 3 document, generated from the typed events: what may be published, plain or sealed."""

from __future__ import annotations

from typing import Any, Final

from ledger.domain.envelope import SEALED_CONTENT
from ledger.domain.events import BY_WIRE
from ledger.domain.schema import schema

VERSION: Final = "3.0.0"
TOPIC: Final = "personal-data"
_STRUCTURED: Final = "application/cloudevents+json"
_HEADERS: Final = {
    "type": "object",
    "description": "Structured mode: content-type, or nothing. Binary mode: the attributes as ce_ headers, data as the value.",
    "properties": {"content-type": {"type": "string", "examples": [_STRUCTURED]}},
}


def asyncapi(topic: str = TOPIC) -> dict[str, Any]:
    """The document for one topic."""
    schemas: dict[str, Any] = {"Sealed": _sealed()}
    messages: dict[str, Any] = {}
    for wire in BY_WIRE:
        messages[wire] = _message(wire, schemas)
    messages["sealed"] = {
        "name": "sealed",
        "title": "Any event with its data sealed to the ingest key",
        "contentType": _STRUCTURED,
        "headers": _HEADERS,
        "payload": {"$ref": "#/components/schemas/Sealed"},
    }
    known = {name: {"$ref": f"#/components/messages/{name}"} for name in messages}
    return {
        "asyncapi": VERSION,
        "info": {
            "title": "Personal-data ledger: events",
            "version": "1.0.0",
            "description": "What services publish about the personal data that they handle. CloudEvents 1.0; one event, one person.",
            "license": {"name": "Apache-2.0"},
        },
        "defaultContentType": _STRUCTURED,
        "channels": {
            "events": {
                "address": topic,
                "description": "One topic for every type; plain and sealed may mix. Message keys are not read and must say nothing about a person.",
                "messages": known,
            }
        },
        "operations": {
            "record": {
                "action": "receive",
                "channel": {"$ref": "#/channels/events"},
                "summary": "The ledger records each event once; services send them.",
                "messages": [{"$ref": f"#/channels/events/messages/{name}"} for name in messages],
            }
        },
        "components": {"messages": messages, "schemas": schemas},
    }


def _message(wire: str, schemas: dict[str, Any]) -> dict[str, Any]:
    """One message; its schema and those that it refers to are added to `schemas`, under names of their own."""
    document = schema(wire)
    parts = document.pop("$defs")
    for name in ("$schema", "$id"):
        document.pop(name)
    for name, part in parts.items():
        found = _referring(part)
        if schemas.setdefault(name, found) != found:
            raise AssertionError(f"two types mean different things by {name}")
    schemas[wire] = _referring(document)
    return {
        "name": wire,
        "title": wire,
        "summary": document["description"],
        "contentType": _STRUCTURED,
        "headers": _HEADERS,
        "payload": {"$ref": f"#/components/schemas/{wire}"},
    }


def _referring(part: Any) -> Any:
    """A schema whose references lead to the components of this document."""
    if isinstance(part, dict):
        return {
            name: value.replace("#/$defs/", "#/components/schemas/") if name == "$ref" else _referring(value)
            for name, value in part.items()
        }
    return [_referring(item) for item in part] if isinstance(part, list) else part


def _sealed() -> dict[str, Any]:
    text = {"type": "string", "minLength": 1}
    return {
        "type": "object",
        "description": "HPKE (RFC 9180) base mode, X25519, HKDF-SHA256, AES-256-GCM, no info; AAD is specversion|id|source|type|time as sent.",
        "required": ["specversion", "id", "source", "type", "time", "datacontenttype", "pdlkeyid", "data_base64"],
        "properties": {
            "specversion": {"const": "1.0"},
            "id": text | {"maxLength": 500, "pattern": "^[^|]*$"},
            "source": text | {"maxLength": 500},
            "type": {"enum": list(BY_WIRE)},
            "time": {"type": "string", "format": "date-time"},
            "datacontenttype": {"const": SEALED_CONTENT},
            "pdlkeyid": text | {"description": "The id of the published ingest key."},
            "data_base64": text | {"description": "Encapsulated key (32 bytes), then ciphertext and tag, in base64."},
        },
    }
