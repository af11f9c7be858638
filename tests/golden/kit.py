"""Writes `consumers/kit/events.py`: the contract's types once more, as plain structs that need nothing of the ledger."""

from __future__ import annotations

import types
from collections.abc import Iterator
from datetime import datetime
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

import msgspec
from msgspec import Meta, Raw, Struct

from ledger.domain import events

HEAD = '''"""Every event type of the contract as a typed struct. Generated from the contract (`make golden`): do not edit.

Field names that Python reserves end in an underscore here and not on the wire (`class_`, `from_`). What carries
personal values shows none of them in its repr, which is what logs and tracebacks print.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, ClassVar, Final, Literal

import msgspec
from msgspec import Meta, Struct'''
HIDDEN = """
    def __repr__(self) -> str:
        return f"{type(self).__name__}(...)"
"""
ALIASES = {
    "Id": events.Opaque,
    "Text": events.Sealed,
    "Country": events.Country,
    "Language": events.Language,
    "Date": events.Date,
    "Moment": events.Moment,
    "Count": events.Count,
}
LITERALS = ("Basis", "Operation", "Origin", "Transformation", "Age", "Right", "TransferTool")
PARTS = (events.Identifier, events.Subject, events.Actor, events.Notice)


def source() -> str:
    """The text of the module."""
    blocks = [HEAD]
    blocks += [f"{name} = {_annotated(alias)}" for name, alias in ALIASES.items()]
    blocks += [f"{name} = {_literal(getattr(events, name))}" for name in LITERALS]
    for part in PARTS:
        blocks.append(_struct(part, "Struct", "", ()))
    blocks.append(_struct(events.Event, "Struct", '    TYPE: ClassVar[str] = ""\n', ()))
    common = {field.name for field in msgspec.structs.fields(events.Event)}
    for event in events.EVENT_TYPES:
        blocks.append(_struct(event, "Event", f'    TYPE: ClassVar[str] = "{event.WIRE}"\n', common))
    names = ",\n    ".join(event.__name__ for event in events.EVENT_TYPES)
    blocks.append(f"EVERY: Final[tuple[type[Event], ...]] = (\n    {names},\n)\n")
    return "\n\n".join(blocks)


def _struct(struct: type[Struct], base: str, more: str, inherited: Any) -> str:
    hints = get_type_hints(struct, include_extras=True)
    lines = [f"class {struct.__name__}({base}, frozen=True, kw_only=True, omit_defaults=True):"]
    said = " ".join((struct.__doc__ or "").split())
    lines.append(f'    """{said}"""\n')
    if more:
        lines.append(more)
    own = [
        field
        for field in msgspec.structs.fields(struct)
        if field.name not in inherited or (field.required and field.name != "organisation")
    ]
    lines += [_field(field, hints[field.name]) for field in own]
    if base == "Struct" and struct is not events.Notice:
        lines.append(HIDDEN)
    return "\n".join(lines)


def _field(field: Any, hint: Any) -> str:
    line = f"    {field.name}: {_type(hint)}"
    default = "" if field.required else "None" if field.default is None else "()"
    if field.encode_name != field.name:
        return f'{line} = msgspec.field({f"default={default}, " if default else ""}name="{field.encode_name}")'
    return f"{line} = {default}" if default else line


def _type(hint: Any) -> str:
    origin, parts = get_origin(hint), get_args(hint)
    if origin is Annotated:
        return _named(hint)
    if origin is Literal:
        return next((name for name in LITERALS if getattr(events, name) == hint), _literal(hint))
    if origin in {Union, types.UnionType}:
        return " | ".join("None" if part is type(None) else _type(part) for part in parts)
    if origin in {tuple, dict}:
        return f"{origin.__name__}[{', '.join('...' if part is ... else _type(part) for part in parts)}]"
    return "Any" if hint is Raw or hint is Any else hint.__name__


def _named(hint: Any) -> str:
    bare = _annotated(hint)
    return next((name for name, alias in ALIASES.items() if _annotated(alias) == bare), bare)


def _annotated(hint: Any) -> str:
    kind, *metas = get_args(hint)
    limits = [limit for meta in metas if isinstance(meta, Meta) for limit in _limits(meta)]
    inner = "datetime" if kind is datetime else _type(kind)
    return f"Annotated[{inner}, Meta({', '.join(limits)})]"


def _limits(meta: Meta) -> Iterator[str]:
    for name in ("min_length", "max_length", "pattern", "ge", "le", "tz"):
        value = getattr(meta, name)
        if name == "pattern" and value is None:  # The ledger looks at some patterns after decoding.
            value = (meta.extra_json_schema or {}).get(name)
        if value is not None:
            yield f"{name}=r{value!r}".replace("\\\\", "\\") if name == "pattern" else f"{name}={value!r}"


def _literal(hint: Any) -> str:
    return f"Literal[{', '.join(repr(value) for value in get_args(hint))}]"
