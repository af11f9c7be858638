"""Every event type of the contract: its example, its fact and its schema stay as they were released."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import msgspec
import pytest

from ledger.domain.envelope import Envelope, canonical, decode
from ledger.domain.events import BY_WIRE
from ledger.domain.facts import fact_of
from ledger.domain.schema import schema
from tests.golden.golden import HERE, same_as_golden

WIRES = sorted(BY_WIRE)


def _example(wire: str) -> dict[str, object]:
    return json.loads((HERE / "events" / f"{wire}.json").read_text("utf-8"))["event"]


def test_every_type_of_the_contract_has_an_example_and_no_other() -> None:
    assert sorted(path.stem for path in Path(HERE / "events").iterdir()) == WIRES
    assert len(WIRES) == 44


@pytest.mark.parametrize("wire", WIRES)
def test_the_fact_of_an_event_is_as_it_was_released(wire: str) -> None:
    event = _example(wire)
    envelope = decode(json.dumps(event).encode())
    assert isinstance(envelope, Envelope)
    fact = msgspec.to_builtins(fact_of(envelope))
    same_as_golden(
        f"events/{wire}.json", json.dumps({"event": event, "fact": fact}, indent=1, ensure_ascii=False) + "\n"
    )


@pytest.mark.parametrize("wire", WIRES)
def test_the_schema_of_an_event_is_as_it_was_released(wire: str) -> None:
    same_as_golden(f"schemas/{wire}.json", json.dumps(schema(wire), indent=1, ensure_ascii=False) + "\n")


@pytest.mark.parametrize("wire", WIRES)
def test_an_example_is_valid_by_its_schema_and_survives_the_canonical_form(wire: str) -> None:
    event = _example(wire)
    jsonschema.Draft202012Validator(schema(wire)).validate(event)
    envelope = decode(json.dumps(event).encode())
    assert isinstance(envelope, Envelope)
    assert decode(canonical(envelope)) == envelope


@pytest.mark.parametrize("wire", WIRES)
def test_a_frozen_event_cannot_be_changed(wire: str) -> None:
    envelope = decode(json.dumps(_example(wire)).encode())
    assert isinstance(envelope, Envelope)
    with pytest.raises(AttributeError):
        envelope.data.organisation = "other"  # type: ignore[misc]


@pytest.mark.parametrize("wire", WIRES)
def test_both_modes_of_cloudevents_are_the_same_event(wire: str) -> None:
    event = _example(wire)
    attributes = {name: value for name, value in event.items() if name not in {"data", "datacontenttype"}}
    headers = [(f"ce_{name}", str(value).encode()) for name, value in attributes.items()]
    headers.append(("content-type", b"application/json"))
    assert decode(json.dumps(event["data"]).encode(), headers) == decode(json.dumps(event).encode())
