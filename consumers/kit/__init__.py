"""The producers' kit: typed events, sealed to the ledger's ingest key, published to Kafka. It knows nothing of the ledger.

    from consumers.kit import Publisher, events, read_key

    with Publisher(["127.0.0.1:9092"], "personal-data", source="https://crm.example/events", key=read_key("ingest-key.json")) as publish:
        publish(events.DataUsed(organisation=..., activity=..., subject=events.Subject(scheme=..., value=...), ...))

Importing it loads msgspec and the standard library; `cryptography` is loaded when something is sealed, `kafka` when
something is published.
"""

from __future__ import annotations

from consumers.kit import events
from consumers.kit.envelope import CloudEvent, Invalid, Record, binary, event, structured
from consumers.kit.publishing import Publisher, Unpublished
from consumers.kit.sealing import IngestKey, read_key

__all__ = [
    "CloudEvent",
    "IngestKey",
    "Invalid",
    "Publisher",
    "Record",
    "Unpublished",
    "binary",
    "event",
    "events",
    "read_key",
    "structured",
]
