"""Which ids a promise names, wherever they stand in it: rules, ids of the pack, codes of the contract."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple, get_args

import msgspec

from ledger.domain import events
from ledger.policy.model import SPACES, Pack
from ledger.policy.promises import Promise

RULE: Final = "rule"
_RULE: Final = re.compile(r"[A-Z]{2,6}-[0-9]{2,3}|GDPR-[0-9]+(\([0-9]+\))?")
_FIELDS: Final = {
    "activities": "activity",
    "activity": "activity",
    "after_milestone": "milestone",
    "categories": "category",
    "channel": "channel",
    "classes": "class",
    "consent": "purpose",
    "control": "control",
    "datasets": "dataset",
    "informed": "duty",
    "known": "purpose",
    "milestone": "milestone",
    "only_class": "class",
    "purpose": "purpose",
    "purposes": "purpose",
    "role": "role",
    "service": "service",
    "spared_by": "milestone",
    "system": "system",
    "unless_class": "class",
    "until_milestone": "milestone",
    "while_waiting": "milestone",
}
"""Fields that hold ids of a space; with not_ in front too."""
_TABLES: Final = {"also_by_category": "category", "also_for": "purpose", "listed": "recipient", "rows": "category"}
"""Tables whose keys are ids of a space."""
_CODES: Final = {
    "basis": frozenset(get_args(events.Basis)),
    "operation": frozenset(get_args(events.Operation)),
    "origin": frozenset(get_args(events.Origin)),
    "type": frozenset(wire.removeprefix("pdl.").removesuffix(".v1") for wire in events.BY_WIRE),
}
"""Fields that hold codes of the contract."""


class Reference(NamedTuple):
    """One id in a promise: where it stands, of which space (a code: the name of its field) and the id."""

    place: str
    space: str
    id: str


def references(promise: Promise, place: str) -> Iterator[Reference]:
    """Every id that a promise names; `place` is the promise's own, for example promise[3]."""
    table: dict[str, Any] = msgspec.to_builtins(promise)
    for where, field, text in _texts(table, place, ""):
        yield from _of_text(where, field.removeprefix("not_"), text)
    yield from _keys(table, place)
    yield from _allowed(table, place)


def promised_rules(promise: Promise) -> frozenset[str]:
    """Every rule that a promise can name in a finding: its own, and those that are broken at the same time."""
    return frozenset(reference.id for reference in references(promise, "") if reference.space == RULE)


def is_unknown(reference: Reference, pack: Pack) -> bool:
    """Whether neither the pack, nor the law, nor the contract has what a promise names."""
    if reference.space == RULE:
        return reference.id not in pack.rules and reference.id not in pack.law.articles
    if reference.space in _CODES:
        return reference.id not in _CODES[reference.space]
    return reference.id not in pack.known(reference.space)


def _of_text(place: str, field: str, text: str) -> Iterator[Reference]:
    if _RULE.fullmatch(text):
        yield Reference(place, RULE, text)
    elif field in _CODES:
        yield Reference(place, field, text)
    elif field == "after":
        yield from _after(place, text)
    elif field in _FIELDS:
        yield Reference(place, _FIELDS[field], text)


def _after(place: str, text: str) -> Iterator[Reference]:
    """What retention counts from is a milestone, or says itself what it is."""
    kind, _, id_ = text.partition(":")
    if kind == "stop":
        yield Reference(place, "purpose", id_)
    elif kind not in {"collection", "instructed"}:
        yield Reference(place, "milestone", text)


def _texts(value: Any, place: str, field: str) -> Iterator[tuple[str, str, str]]:
    """(place, field, text) for every text, however deep; in a table of ids the field is the table's."""
    if isinstance(value, str):
        yield place, field, value
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _texts(item, place, field)
    elif isinstance(value, dict):
        for key, item in value.items():
            kept = field in _TABLES and not isinstance(item, dict)
            yield from _texts(item, f"{place}.{key}", field if kept else key)


def _keys(table: Mapping[str, Any], place: str) -> Iterator[Reference]:
    for field, space in _TABLES.items():
        for key in table.get(field, {}):
            yield Reference(f"{place}.{field}", space, key)


def _allowed(table: Mapping[str, Any], place: str) -> Iterator[Reference]:
    """What an allow-list or a matrix allows: its space is named beside it."""
    space = table.get("field", table.get("of"))
    for row in (table, *table.get("rows", {}).values()):
        for id_ in row.get("allowed", ()):
            if space in SPACES or space in _CODES:
                yield Reference(f"{place}.allowed", str(space), id_)
