"""What becomes of a message before anything is recorded: every bad one gets a reason, a mend and no personal value."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.domain.envelope import BODY_BYTES_MAX, Envelope, Unrecordable, canonical, decode
from ledger.domain.facts import fact_of, values_of

NAME = "Wouter Zandstra"


def event(**changes: Any) -> dict[str, Any]:
    data = {
        "organisation": "klantinfocus",
        "activity": "forms",
        "subject": {"scheme": "email", "value": "w.zandstra@example.org"},
        "values": {"name": NAME},
        "origin": "subject",
    }
    data.update(changes.pop("data", {}))
    base = {
        "specversion": "1.0",
        "id": "e-1",
        "source": "/forms",
        "type": "pdl.data.collected.v1",
        "time": "2026-03-02T08:00:00Z",
    }
    return {**base, **changes, "data": data}


def read(message: dict[str, Any] | bytes) -> Envelope | Unrecordable:
    return decode(message if isinstance(message, bytes) else json.dumps(message).encode())


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        (b'{"specversion": "1.0", "id"', "undecodable"),
        (b"", "undecodable"),
        (b"\x00\x00\x00", "undecodable"),
        (b'\xff\xfe{"id": 1}', "undecodable"),
        (b"[" * 10_000, "undecodable"),
        (b'{"data":' * 10_000 + b"1" + b"}" * 10_000, "undecodable"),
        (b'{"id": "a", "id": "b"}', "undecodable"),
        (b'{"time": NaN}', "undecodable"),
        (b"[1, 2]", "not-an-event"),
        (b'"text"', "not-an-event"),
        (b"{}", "not-an-event"),
        (event(specversion="0.3"), "not-an-event"),
        (event(id=7), "not-an-event"),
        (event(type="pdl.data.sold.v1"), "unknown-type"),
        (event(data={"organisation": 5}), "schema"),
        (event(data={"origin": "thin-air"}), "schema"),
        (event(data={"values": None}), "schema"),
        (event(data={"location": "nl"}), "schema"),
        (event(time="yesterday"), "schema"),
        (event(time="2026-03-02T08:00:00"), "schema"),
        (event(time="0001-01-01T00:00:00Z"), "schema"),
        (event(time="9999-12-31T23:59:59Z"), "schema"),
        (event(id=""), "schema"),
        (event(id="a\x00b"), "schema"),
        (event(data={"reference": "line\nbreak"}), "schema"),
        (event(data={"notice": {"id": "statement", "at": "2026-02-30"}}), "schema"),
        (event(data={"subject": "w.zandstra@example.org"}), "schema"),
        ({**event(), "data": "text"}, "schema"),
        (event(datacontenttype="application/vnd.pdl.sealed"), "sealed-unreadable"),
        (b'"' + b"x" * BODY_BYTES_MAX + b'"', "too-large"),
    ],
)
def test_a_message_that_cannot_be_recorded_has_one_reason_and_says_no_personal_value(message: Any, reason: str) -> None:
    found = read(message)
    assert isinstance(found, Unrecordable)
    assert found.reason == reason
    assert found.detail
    assert "zandstra" not in found.detail.lower()


def test_a_wrong_code_is_refused_without_repeating_it() -> None:
    found = read(event(data={"origin": NAME}))
    assert isinstance(found, Unrecordable)
    assert NAME not in found.detail
    assert "$.data.origin" in found.detail


def test_what_can_be_said_of_its_origin_is_said() -> None:
    found = read(event(type="nothing"))
    assert isinstance(found, Unrecordable)
    assert (found.source, found.id) == ("/forms", "e-1")


def test_a_repeated_key_deep_inside_is_found() -> None:
    body = json.dumps(event()).encode().replace(b'"scheme": "email"', b'"scheme": "phone", "scheme": "email"')
    found = read(body)
    assert isinstance(found, Unrecordable)
    assert found.reason == "undecodable"


def test_a_repeated_key_hidden_behind_an_escaped_colon_is_found() -> None:
    body = (
        json.dumps(event(source="/a:b"))
        .encode()
        .replace(b"/a:b", b"/a\\u003ab")
        .replace(b'"id": "e-1"', b'"id": "e-0", "id": "e-1"')
    )
    assert isinstance(read(body), Unrecordable)


def test_unknown_fields_are_left_out_and_named() -> None:
    found = read(event(data={"colour": "red", "subject": {"scheme": "email", "value": "x@example.org", "nick": "W"}}))
    assert isinstance(found, Envelope)
    assert found.unknown_fields == ("colour", "subject.nick")
    assert b"red" not in canonical(found)


def test_a_producer_cannot_claim_unknown_fields() -> None:
    found = read({**event(), "(unknown fields)": [NAME]})
    assert isinstance(found, Envelope)
    assert found.unknown_fields == ()


def test_values_are_kept_byte_for_byte() -> None:
    body = (
        json.dumps(event(data={"colour": "red"}))
        .encode()
        .replace(b'"Wouter Zandstra"', b'{"n": 12345678901234567890123, "x": 1.50}')
    )
    found = read(body)
    assert isinstance(found, Envelope)
    assert bytes(values_of(found.data)["name"]) == b'{"n": 12345678901234567890123, "x": 1.50}'


def test_a_null_is_a_collection_without_a_value() -> None:
    found = read(event(data={"values": {"name": None, "email": "x@example.org"}}))
    assert isinstance(found, Envelope)
    fact = fact_of(found)
    assert fact.categories == ("name", "email")
    assert fact.with_values == ("email",)


def test_values_and_categories_together_are_one_collection() -> None:
    found = read(event(data={"categories": ["phone", "name"]}))
    assert isinstance(found, Envelope)
    assert fact_of(found).categories == ("name", "phone")


def test_a_time_keeps_its_moment_whatever_its_offset() -> None:
    one, two = read(event(time="2026-03-02T09:00:00+01:00")), read(event(time="2026-03-02T08:00:00Z"))
    assert isinstance(one, Envelope)
    assert isinstance(two, Envelope)
    assert fact_of(one).time == fact_of(two).time


def test_a_binary_message_cannot_smuggle_attributes_in_its_body() -> None:
    headers = [(f"ce_{name}", str(event()[name]).encode()) for name in ("specversion", "id", "source", "type", "time")]
    found = decode(json.dumps(event()["data"]).encode() + b', "sequence": 9', headers)
    assert isinstance(found, Unrecordable)
    assert (found.reason, found.id) == ("undecodable", "e-1")


@given(st.binary(max_size=300))
def test_no_bytes_at_all_make_it_raise(body: bytes) -> None:
    assert isinstance(decode(body), Unrecordable)


@given(
    st.recursive(
        st.none() | st.booleans() | st.floats(allow_nan=False) | st.text(),
        lambda x: st.lists(x) | st.dictionaries(st.text(), x),
        max_leaves=8,
    )
)
def test_no_json_value_in_any_field_makes_it_raise(value: Any) -> None:
    for field in event():
        decode(json.dumps({**event(), field: value}).encode())
    for field in event()["data"]:
        decode(json.dumps(event(data={field: value})).encode())
