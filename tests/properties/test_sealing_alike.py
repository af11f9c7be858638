"""A header that was put together from a shape is, byte for byte, the header that is built the plain way."""

from __future__ import annotations

import json
from hashlib import blake2b
from pathlib import Path
from typing import Any, Final, cast

from hypothesis import example, given, settings
from hypothesis import strategies as st

from ledger import shape
from ledger.domain.envelope import Read, read
from ledger.keys import KeyStore
from ledger.policy.packs import builtin_packs
from ledger.sealing import Draft, SealingDesk

_EXAMPLES: Final = [
    json.loads(path.read_text("utf-8"))["event"]
    for path in sorted((Path(__file__).parents[1] / "golden" / "events").glob("*.json"))
]
_OFTEN: Final = [event for event in _EXAMPLES if event["type"].startswith(("pdl.data.", "pdl.milestone."))]


class _Tokens:
    """The one thing that a sealing desk asks of a key store: tokens."""

    def token(self, organisation: str, text: str) -> str:
        return blake2b(f"{organisation} {text}".encode(), digest_size=8).hexdigest()


class _People(dict[Any, "str | None"]):
    """Everyone is somebody, except those whose name begins with "gone"."""

    def __missing__(self, name: tuple[str, str, str]) -> str | None:
        return None if name[2].startswith("gone") else blake2b("/".join(name).encode(), digest_size=16).hexdigest()


def _desk(organisation: str) -> SealingDesk:
    desk = SealingDesk(builtin_packs()[organisation], cast("KeyStore", _Tokens()))
    desk.ids.people = _People()
    return desk


# They stay open for the whole run, so that most drafts are made from shapes that other events left behind.
_DESKS: Final = {organisation: _desk(organisation) for organisation in builtin_packs()}

_id: Final = st.sampled_from(["a", "forms", "é", '","specversion"', ',"values":{', "x\\", "null", "gone", "nl", "crm"])
_value: Final = st.one_of(
    _id, st.none(), st.just(":null"), st.integers(), st.dictionaries(_id, st.none() | _id), st.lists(_id)
)
_category: Final = st.sampled_from(["name", "email", "phone", "message", "iban", "shoe-size", "values"])
_CHANGES: Final[dict[str, st.SearchStrategy[Any]]] = {
    "organisation": st.sampled_from(sorted(_DESKS)),
    "activity": _id,
    "client": st.none() | _id,
    "actor": st.none() | st.fixed_dictionaries({"role": _id}, optional={"id": _id}),
    "system": st.none() | _id,
    "location": st.sampled_from(["NL", "DE", None]),
    "reference": st.none() | _id,
    "channel": st.none() | _id,
    "values": st.dictionaries(_category, _value, max_size=4),
    "categories": st.none() | st.lists(_category, max_size=3),
    "purpose": _id,
    "recipient": _id,
    "basis": st.sampled_from(["consent", "contract", None]),
    "origin": st.sampled_from(["subject", "device"]),
    "notice": st.none() | st.fixed_dictionaries({"id": _id}, optional={"at": st.just("2026-01-01"), "version": _id}),
    "transformed": st.none() | st.dictionaries(_category, st.just("truncated"), max_size=2),
    "attempts": st.none() | st.integers(0, 3),
    "order": st.none() | _id,
}
_SUBJECTS: Final[dict[str, st.SearchStrategy[Any]]] = {
    "scheme": st.sampled_from(["email", "customer-number", "shoe"]),
    "value": _id,
    "class": st.none() | _id,
    "age": st.sampled_from(["adult", "under-16", None]),
    "also": st.lists(st.fixed_dictionaries({"scheme": st.just("email"), "value": _id}), max_size=1),
}
_ATTRIBUTES: Final[dict[str, st.SearchStrategy[Any]]] = {
    "id": _id,
    "source": _id,
    "time": st.sampled_from(["2026-01-01T00:00:00Z", "2026-01-01T02:00:00.25+02:00", "2026-01-01T00:00:00+0100"]),
    "sequence": st.sampled_from([None, 7, -1, "12", "abc", 10**30]),
    "subject": st.sampled_from([None, {"values": {"email": "a"}}, 'x","specversion"']),
}


def _some(draw: st.DrawFn, given: dict[str, Any], changes: dict[str, st.SearchStrategy[Any]]) -> dict[str, Any]:
    names = draw(st.lists(st.sampled_from(sorted(changes)), max_size=3))
    changed = dict(given)
    for name in names:
        value = draw(changes[name])
        if value is None:
            changed.pop(name, None)
        elif name in given or name not in {"values", "categories", "purpose", "recipient", "origin", "notice"}:
            changed[name] = value
    return changed


@st.composite
def _events(draw: st.DrawFn) -> bytes:
    event = draw(st.sampled_from(_OFTEN) | st.sampled_from(_EXAMPLES))
    data = _some(draw, event["data"], _CHANGES)
    if "subject" in data:
        data["subject"] = _some(draw, data["subject"], _SUBJECTS)
    return json.dumps({**_some(draw, event, _ATTRIBUTES), "data": data}).encode()


def _same(desk: SealingDesk, made: Draft, plain: Draft) -> None:
    front, plains = desk._write(made)
    assert json.loads(front + b"}") == json.loads(plain.written[0] + b"}")
    assert (front, list(plains)) == (plain.written[0], list(plain.written[1]))
    assert [made.scopes, made.recognised_by, made.dropped] == [plain.scopes, plain.recognised_by, plain.dropped]


@settings(deadline=None, max_examples=400)
@given(_events())
@example(json.dumps(_OFTEN[0]).encode())
def test_a_draft_from_a_shape_is_the_plain_draft(body: bytes) -> None:
    found = read(body)
    if isinstance(found, Read) and found.envelope.data.organisation in _DESKS:
        desk = _DESKS[found.envelope.data.organisation]
        plain = desk.draft_plainly(found.envelope, found.canonical)
        for _ in range(2):  # The second one comes from the shape of the first.
            _same(desk, desk.draft(found.envelope, found.canonical), plain)


def test_the_common_events_of_the_contract_have_a_shape() -> None:
    for event in _OFTEN:
        plain = {
            name: value
            for name, value in event["data"].items()
            if name not in {"transformed", "attempts", "order", "reason", "informing_waived", "contract"}
        }
        if "notice" in plain:
            plain["notice"] = {"id": "statement"}
        if "values" in plain:
            plain["values"] = {"email": "a@example.org"}
        found = read(json.dumps({**event, "data": plain}).encode())
        assert isinstance(found, Read)
        assert _DESKS[found.envelope.data.organisation].draft(found.envelope, found.canonical).shape, event["type"]


def test_shapes_are_bounded_and_begin_anew() -> None:
    desk = _desk("klantinfocus")
    for number in range(shape.SHAPES_MAX + 10):
        event = {**_OFTEN[-1], "data": {**_OFTEN[-1]["data"], "system": f"system-{number}"}}
        found = read(json.dumps(event).encode())
        assert isinstance(found, Read)
        assert desk.draft(found.envelope, found.canonical).shape
    assert len(desk._shapes._shapes) <= 10
