"""The fast path of decoding says what the careful path says, of whatever a producer sends."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ledger.domain import envelope

_EXAMPLES: Final = [
    json.loads(path.read_text("utf-8"))["event"]
    for path in sorted((Path(__file__).parents[1] / "golden" / "events").glob("*.json"))
]
_TEXTS: Final = (
    *("", "x", "é", "a:b", '"', "\\", "{", "[", "\x00", "\x7f", "\ud800", "\n"),
    *("NL", "nl", "NLD", "N1", "nl-BE", "nl_BE", "nl\n", "consent", "pdl.data.collected.v1", "1.0"),
    *("2026-02-30", "2026-02-28", "1800-01-01", "2026-01-01T00:00:00Z", "2026-01-01T00:00:00.5Z"),
    *("2026-01-01T00:00:00+00:00", "2026-01-01T00:00:00-00:00", "+00:00"),
    *("2026-01-01T00:00:00+01:00", "2026-01-01T00:00:00+0100", "2026-01-01T00:00:00", "9999-12-31T23:59:59Z"),
)
_SMALL: Final = st.one_of(
    st.sampled_from(_TEXTS), st.text(max_size=3), st.integers(), st.sampled_from([None, True, 0.5, 1e300, {}, []])
)
_ANY: Final = st.recursive(
    _SMALL,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=2), inner, max_size=2),
    max_leaves=4,
)
_seldom: Final = st.integers(0, 5).map(lambda die: die == 0)
_NAMES: Final = st.sampled_from(
    ["id", "source", "time", "type", "sequence", "subject", "dataschema", "datacontenttype", "extension"]
)


def _places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The way to every member of every object and list."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [place for key, item in items for place in [(*path, key), *_places(item, (*path, key))]]


def _copy_with(value: Any, place: tuple[Any, ...], new: Any) -> Any:
    if not place:
        return new
    copy = dict(value) if isinstance(value, dict) else list(value)
    copy[place[0]] = _copy_with(copy[place[0]], place[1:], new)
    return copy


@st.composite
def _messages(draw: st.DrawFn) -> bytes:
    """An event of the contract with a few things about it changed, written in one of several ways."""
    event = draw(st.sampled_from(_EXAMPLES))
    places = _places(event)
    for place in draw(st.lists(st.sampled_from(places), max_size=1)):
        event = _copy_with(event, place, draw(_ANY))
    for name in draw(st.lists(_NAMES, max_size=1)) if draw(_seldom) else ():
        event = {**event, name: draw(_ANY)}
    items = draw(st.permutations(list(event.items())))
    spaced, escaped = draw(st.booleans()), draw(_seldom)
    members = [
        f"{json.dumps(name)}:{json.dumps(value, ensure_ascii=escaped, separators=None if spaced else (',', ':'))}"
        for name, value in items + draw(st.lists(st.sampled_from(items), max_size=int(draw(_seldom))))
    ]
    return f"{{{','.join(members)}}}".encode("utf-8", "surrogatepass")


@settings(deadline=None, max_examples=400)
@given(_messages())
@example(json.dumps(_EXAMPLES[0]).replace('"id": "', '"id": "\x7f').encode())
@example(json.dumps(_EXAMPLES[0]).replace('"id"', '"id": "twice", "id"').encode())
@example(json.dumps(_EXAMPLES[0]).encode().replace(b"+00:00", b"+0000"))
@example(
    json.dumps({**_EXAMPLES[0], "time": "2026-01-01T00:00:00+00:00"}).replace('"id"', '"id": "+00:00", "id"').encode()
)
@example(
    json.dumps({**_EXAMPLES[0], "time": "+00:00"})
    .replace('"time"', '"time": "2026-01-01T00:00:00+00:00", "time"')
    .encode()
)
def test_what_is_read_fast_is_read_alike_with_care(message: bytes) -> None:
    assert envelope.read(message) == envelope._carefully(message)


def test_the_examples_of_the_contract_are_read_fast(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(envelope, "_carefully", lambda _: pytest.fail("took the careful path"))
    for event in _EXAMPLES:
        assert isinstance(envelope.read(json.dumps(event).encode()), envelope.Read)
        written = {**event, "time": "2026-01-01T00:00:00+00:00"}  # As Python writes it.
        assert isinstance(envelope.read(json.dumps(written).encode()), envelope.Read)
