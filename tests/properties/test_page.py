"""Cutting headers by their shape reads the same as decoding each of them."""

from __future__ import annotations

from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.sealing import MAGIC, header_of
from projections.page import SHAPED, Page

_hex = st.binary(min_size=16, max_size=16).map(bytes.hex)
_text = st.text(min_size=1, max_size=8)
_trick = st.sampled_from(
    [
        '","time":"',
        ',"id":"',
        ',"person":"',
        ',"reference":"~',
        ',"salt":"',
        ',"sequence":',
        '","organisation":"',
        "é",
        "\\",
    ]
)
_odd = st.one_of(_text, _trick, st.tuples(_text, _trick).map("".join))


@st.composite
def _headers(draw: st.DrawFn) -> dict[str, Any]:
    header: dict[str, Any] = {"type": draw(st.sampled_from(sorted(SHAPED))), "id": draw(_odd), "source": draw(_odd)}
    header["time"] = draw(
        st.sampled_from(["2026-01-01T00:00:00Z", "2026-01-01T00:00:00.25Z", "2025-12-31T23:59:59+00:00"])
    )
    header["organisation"] = draw(_odd)
    optional: list[tuple[str, Any]] = [
        ("sequence", st.integers(-3, 10)),
        ("role", _odd),
        ("scheme", _odd),
        ("person", _hex),
        ("class", _odd),
        ("also", st.lists(_hex, min_size=1, max_size=2)),
        ("activity", _odd),
        ("client", _odd),
        ("reference", st.one_of(_odd, _hex.map(lambda text: f"~{text[:16]}"))),
        ("categories", st.lists(_odd, min_size=1, max_size=3)),
        (
            "transformed",
            st.dictionaries(
                st.one_of(_odd, st.sampled_from(["person", "sequence", "salt", "reference"])), _hex, max_size=3
            ),
        ),
        ("recipient", _odd),
        ("fenced", st.sampled_from([True])),
    ]
    for name, values in optional:
        if draw(st.booleans()):
            header[name] = draw(values)
    header["recorded"] = "2026-01-02T00:00:00+00:00"
    header["salt"] = draw(_hex)
    if draw(st.booleans()):
        header["sections"] = [["identity", draw(_hex), "00"]]
    return header if draw(st.booleans()) else _as_written(header)


_OWN = ("id", "source", "time", "sequence", "person", "reference", "recorded", "salt", "sections")


def _as_written(header: dict[str, Any]) -> dict[str, Any]:
    """First what a header shares with others; older ones came in another order."""
    shared = {name: value for name, value in header.items() if name not in _OWN}
    return shared | {name: header[name] for name in _OWN if name in header}


@settings(deadline=None)
@given(st.lists(_headers(), max_size=6), st.binary(max_size=30))
def test_a_page_says_what_its_headers_say(headers: list[dict[str, Any]], sealed: bytes) -> None:
    records = []
    for position, header in enumerate(headers, 1):
        clear = msgspec.json.encode(header)
        records.append((position, "s", str(header["type"]), MAGIC + len(clear).to_bytes(4, "big") + clear + sealed))
    told = {}
    for group in Page(0, records).groups:
        for index, position in enumerate(group.positions):
            person = None if group.people is None else group.people[index]
            number = group.numbers[index]
            line = group.line
            told[position] = (
                group.topic,
                group.source,
                line.organisation,
                group.times[index],
                person,
                number,
                line.also,
                line.class_,
                line.client,
            )
            told[position] += (line.categories, line.recipient, line.activity, line.role, line.fenced, group.recorded)
    expected = {}
    for position, _, _, state in records:
        fact = header_of(state)
        expected[position] = (
            fact.type,
            fact.source,
            fact.organisation,
            fact.time,
            fact.person,
            fact.sequence,
            fact.also,
            fact.class_,
            fact.client,
        )
        expected[position] += (
            fact.categories,
            fact.recipient,
            fact.activity,
            fact.role,
            fact.fenced,
            fact.recorded,
        )
    assert told == expected
