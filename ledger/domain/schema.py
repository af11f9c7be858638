"""The contract as JSON Schema (Draft 2020-12), one document per event type, generated from the typed events."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from ledger.domain.envelope import NOT_SENT, typed_envelope
from ledger.domain.events import BY_WIRE, NO_SUBJECT, SUBJECT_OPTIONAL

DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"


def schema(wire: str) -> dict[str, Any]:
    """The schema of one event type: the whole CloudEvent. Raises KeyError for a type that the contract does not have."""
    envelope = typed_envelope(wire)
    (root,), parts = msgspec.json.schema_components([envelope], ref_template="#/$defs/{name}")
    parts = {name: _open(_clean(part)) for name, part in parts.items()}
    body = parts.pop(root["$ref"].rpartition("/")[2])
    body["properties"].pop(NOT_SENT, None)
    body["properties"]["type"] = {"const": wire}
    event = BY_WIRE[wire]
    return {
        "$schema": DIALECT,
        "$id": f"urn:pdl:{wire}",
        "title": wire,
        "description": _sentence(event.__doc__) + _who(event.SUBJECT),
        **_rest(body, wire),
        "$defs": parts,
    }


def _rest(body: dict[str, Any], wire: str) -> dict[str, Any]:
    rest = {key: value for key, value in body.items() if key not in {"title", "description"}}
    if wire == "pdl.data.collected.v1":
        has = [{"properties": {"data": {"required": [name]}}} for name in ("values", "categories")]
        rest["anyOf"] = has
    return rest


def _who(subject: str) -> str:
    if subject == NO_SUBJECT:
        return " Concerns no person: it has no subject."
    return (
        " The subject is optional." if subject == SUBJECT_OPTIONAL else " Concerns one person: the subject is required."
    )


def _sentence(text: str | None) -> str:
    return " ".join((text or "").split())


def _open(part: dict[str, Any]) -> dict[str, Any]:
    """Further properties are allowed: the ledger ignores and counts them (contract, "What becomes of an input")."""
    if part.get("type") == "object" and "properties" in part:
        part.pop("additionalProperties", None)
    return part


def _clean(part: Any) -> Any:
    """Without the notes that only the code reads, and docstrings as one line."""
    if isinstance(part, dict):
        cleaned = {key: _clean(value) for key, value in part.items() if key not in {"space", "veil"}}
        if isinstance(cleaned.get("description"), str):
            cleaned["description"] = _sentence(cleaned["description"])
        return cleaned
    return [_clean(item) for item in part] if isinstance(part, list) else part
