"""Packs come from TOML files: the five that the program brings along, or one of your own.

Whatever is wrong with a file is reported at once, each fault with file, line, place and the mend.
"""

from __future__ import annotations

import re
import tomllib
from functools import cache
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar, get_args, get_origin, get_type_hints

import msgspec

from ledger.domain.errors import PolicyInvalid
from ledger.policy.law import Law, LawFile
from ledger.policy.model import Pack, PackFile, Packs

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from ledger.policy.promises import Promise

LAW: Final = "gdpr"
"""The id of the statutory layer among the packs."""
_FOLDER: Final = "packs"
_MANY_FAULTS: Final = 40
_Document = TypeVar("_Document", PackFile, LawFile)


# --- what callers use -------------------------------------------------------------------------------------------------


def builtin_ids() -> tuple[str, ...]:
    """The organisations whose packs come with the program, sorted."""
    names = (entry.name for entry in resources.files("ledger.policy").joinpath(_FOLDER).iterdir())
    return tuple(
        sorted(name.removesuffix(".toml") for name in names if name.endswith(".toml") and name != f"{LAW}.toml")
    )


@cache
def builtin_packs() -> Packs:
    """All packs that come with the program."""
    return Packs(load_pack(id_) for id_ in builtin_ids())


@cache
def builtin_law() -> Law:
    """The statutory layer that comes with the program."""
    text, name = _builtin_text(LAW)
    return Law(_document(text, name, LawFile, frozenset({"promise"})), _promises(text, name))


@cache
def dpv_terms() -> frozenset[str]:
    """The terms of the W3C Data Privacy Vocabulary that labels may name."""
    text = resources.files("ledger.policy").joinpath(_FOLDER, "dpv-2.3.txt").read_text(encoding="utf-8")
    return frozenset(line for line in text.splitlines() if line and not line.startswith("#"))


def load_pack(source: str | Path) -> Pack:
    """The pack of a built-in organisation (by id) or of a file (a Path, or a text that looks like one).

    Raises PolicyInvalid with every fault of the file, or when there is no such pack or file.
    """
    return _builtin_pack(source) if isinstance(source, str) and not _is_file_name(source) else read_pack(Path(source))


def read_pack(path: Path) -> Pack:
    """The pack in a file; raises PolicyInvalid."""
    return parse_pack(pack_text(path)[0], str(path))


def pack_text(source: str | Path) -> tuple[str, str]:
    """The TOML text of a pack and the name to call it by in messages; raises PolicyInvalid."""
    if isinstance(source, str) and not _is_file_name(source):
        return _builtin_text(_checked_id(source))
    path = Path(source)
    try:
        return path.read_text(encoding="utf-8"), str(path)
    except (OSError, UnicodeDecodeError) as fault:
        message = f"{path}: cannot be read as a policy pack ({_why(fault)}); name a TOML file in UTF-8, or one of {_list(builtin_ids())}."
        raise PolicyInvalid(message) from fault


def parse_pack(text: str, name: str) -> Pack:
    """The pack in a TOML text; `name` is what messages call it. Raises PolicyInvalid."""
    file = _document(text, name, PackFile, frozenset({"promise"}))
    _refuse(name, text, _broken_references(file))
    return Pack(file, builtin_law(), _promises(text, name))


# --- reading ----------------------------------------------------------------------------------------------------------


def _is_file_name(source: str) -> bool:
    return source.endswith(".toml") or "/" in source or "\\" in source


def _checked_id(organisation: str) -> str:
    if organisation not in builtin_ids():
        message = f"There is no built-in policy pack of that name; name one of {_list(builtin_ids())}, or a .toml file."
        raise PolicyInvalid(message)
    return organisation


@cache
def _builtin_pack(organisation: str) -> Pack:
    text, name = _builtin_text(_checked_id(organisation))
    return parse_pack(text, name)


def _builtin_text(id_: str) -> tuple[str, str]:
    return resources.files("ledger.policy").joinpath(_FOLDER, f"{id_}.toml").read_text(encoding="utf-8"), f"{id_}.toml"


def _document(text: str, name: str, model: type[_Document], besides: frozenset[str]) -> _Document:
    """One converted document; every entry is tried, so that all faults are told together."""
    raw = {key: value for key, value in _toml(text, name).items() if key not in besides}
    _refuse(name, text, _faults(raw, model))
    try:
        return msgspec.convert(raw, model)
    except msgspec.ValidationError as fault:
        raise PolicyInvalid(_message(name, text, [_place(str(fault), "")])) from fault


def _toml(text: str, name: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as fault:
        message = f"{name}: is not TOML: {fault}; mend the text there."
        raise PolicyInvalid(message) from fault


def _promises(text: str, name: str) -> tuple[Promise, ...]:
    from ledger.policy import promises  # noqa: PLC0415  The union of all kinds, which itself needs the model.

    tables = _toml(text, name).get("promise", [])
    _refuse(
        name,
        text,
        (fault for at, table in enumerate(tables) for fault in _fault(table, promises.Promise, f"promise[{at}]")),
    )
    found: tuple[Promise, ...] = msgspec.convert(tables, tuple[promises.Promise, ...])
    return found


def _faults(raw: dict[str, Any], model: type) -> Iterator[tuple[str, str]]:
    """(place, what is wrong) for each entry of a document, so that one reading tells everything."""
    hints = get_type_hints(model, include_extras=True)
    fields = {field.encode_name: (hints[field.name], field.required) for field in msgspec.structs.fields(model)}
    for key, value in raw.items():
        if key not in fields:
            yield key, f"unknown table or key; this file may have {_list(sorted(fields))}"
        else:
            yield from _entry_faults(key, value, fields[key][0])
    yield from ((key, "is missing; add it") for key, (_, required) in fields.items() if required and key not in raw)


def _entry_faults(key: str, value: object, hint: Any) -> Iterator[tuple[str, str]]:
    if get_origin(hint) is tuple and isinstance(value, list):
        for at, item in enumerate(value):
            yield from _fault(item, get_args(hint)[0], f"{key}[{at}]")
    elif get_origin(hint) is dict and isinstance(value, dict):
        for id_, item in value.items():
            yield from _fault(item, get_args(hint)[1], f"{key}.{id_}")
    else:
        yield from _fault(value, hint, key)


def _fault(value: object, hint: Any, place: str) -> Iterator[tuple[str, str]]:
    try:
        msgspec.convert(value, hint)
    except msgspec.ValidationError as fault:
        yield _place(str(fault), place)


_AT: Final = re.compile(r"^(?P<what>.*?)(?: - at `(?:key )?[$`]*(?P<path>.*?)`)?$", re.DOTALL)


def _place(fault: str, prefix: str) -> tuple[str, str]:
    """A message of msgspec, taken apart into the place and what is wrong there."""
    found = _AT.match(fault)
    what, path = (found["what"], found["path"] or "") if found else (fault, "")
    return f"{prefix}{path.replace('`', '')}".lstrip("."), what.replace("Object ", "the table ", 1).replace("`", "'")


# --- whole-file checks ------------------------------------------------------------------------------------------------


def _broken_references(file: PackFile) -> Iterator[tuple[str, str]]:
    """Ids that are used and not defined, or defined twice."""
    yield from _twice("rule", [rule.id for rule in file.rules])
    yield from _twice("activity", [row.id for row in file.activities])
    yield from _twice("dataset", [row.id for row in file.datasets])
    rules = {rule.id for rule in file.rules}
    activities = {row.id for row in file.activities}
    for at, activity in enumerate(file.activities):
        place = f"activity[{at}]"
        yield from _undefined(place, "purpose", activity.purposes, file.purposes)
        yield from _undefined(place, "system", activity.systems, file.systems)
        yield from _undefined(place, "rule", activity.rules, rules)
        yield from _undefined(place, "role", () if isinstance(activity.roles, str) else activity.roles, file.roles)
    for at, row in enumerate(file.datasets):
        place = f"dataset[{at}]"
        yield from _undefined(place, "activity", (row.activity,), activities)
        yield from _undefined(
            place, "category", (*row.categories, *row.not_kept, *row.purposes_of, *row.classes_of), file.categories
        )
        yield from _undefined(
            place, "class", (*row.classes, *(id_ for ids in row.classes_of.values() for id_ in ids)), file.classes
        )
        yield from _undefined(
            place, "purpose", (*row.purposes, *(id_ for ids in row.purposes_of.values() for id_ in ids)), file.purposes
        )
        yield from _undefined(place, "rule", (*row.rules, *row.retention.rules), rules)
    for at, prohibition in enumerate(file.prohibited):
        place = f"prohibited[{at}]"
        yield from _undefined(place, "activity", (prohibition.activity,), activities)
        yield from _undefined(place, "category", prohibition.categories, file.categories)
        yield from _undefined(place, "class", prohibition.classes, file.classes)
        yield from _undefined(place, "rule", (prohibition.rule,), rules)
    for id_, recipient in file.recipients.items():
        yield from _undefined(f"recipients.{id_}", "service", (recipient.service,), file.services)
        yield from _undefined(f"recipients.{id_}", "activity", recipient.activities, activities)
    yield from _in_two_datasets(file)


def _twice(table: str, ids: list[str]) -> Iterator[tuple[str, str]]:
    for at, id_ in enumerate(ids):
        if id_ in ids[:at]:
            yield f"{table}[{at}]", f"the id {id_!r} stands here a second time; give each {table} its own"


def _undefined(place: str, kind: str, used: Iterable[str], defined: Iterable[str]) -> Iterator[tuple[str, str]]:
    known = frozenset(defined)
    for id_ in used:
        if id_ not in known:
            yield (
                place,
                f"the {kind} {id_!r} is not defined in this file; define it, or use one of {_list(sorted(known))}",
            )


def _in_two_datasets(file: PackFile) -> Iterator[tuple[str, str]]:
    seen: dict[tuple[str, str], str] = {}
    for at, row in enumerate(file.datasets):
        for category in row.categories:
            other = seen.setdefault((row.activity, category), row.id)
            if other != row.id:
                yield (
                    f"dataset[{at}]",
                    f"the category {category!r} of {row.activity} is already in dataset {other!r}; a category is kept once per activity",
                )


# --- saying what is wrong ---------------------------------------------------------------------------------------------


def _refuse(name: str, text: str, faults: Iterable[tuple[str, str]]) -> None:
    found = list(faults)
    if found:
        raise PolicyInvalid(_message(name, text, found))


def _message(name: str, text: str, faults: list[tuple[str, str]]) -> str:
    lines = places(text)
    told = [f"{name}{_line(place, lines)}: {place or 'file'}: {what}" for place, what in faults[:_MANY_FAULTS]]
    more = len(faults) - len(told)
    return "\n".join([*told, *([f"{name}: and {more} more"] if more else [])])


def _line(place: str, lines: dict[str, int]) -> str:
    """The line of the nearest table or key that a place lies in, as `:line`."""
    while place:
        if place in lines:
            return f":{lines[place]}"
        place = place.rpartition(".")[0]
    return ""


_TABLE: Final = re.compile(r"^\s*\[(?P<many>\[)?\s*(?P<name>[A-Za-z0-9_.\"-]+)\s*\]")
_KEY: Final = re.compile(r"^\s*(?P<key>[A-Za-z0-9_.\"-]+)\s*=")


def places(text: str) -> dict[str, int]:
    """The line (from 1) of every table and key: `rule[3]`, `rule[3].words`, `categories.email`."""
    lines: dict[str, int] = {}
    counts: dict[str, int] = {}
    table = ""
    for number, line in enumerate(text.splitlines(), 1):
        if header := _TABLE.match(line):
            table = _table_place(header["name"].replace('"', ""), counts, many=bool(header["many"]))
            lines.setdefault(table, number)
        elif key := _KEY.match(line):
            lines.setdefault(f"{table}.{key['key']}".lstrip(".").replace('"', ""), number)
    return lines


def _table_place(name: str, counts: dict[str, int], *, many: bool) -> str:
    """`rule` -> `rule[n]` for a list of tables; `dataset.retention` -> `dataset[n].retention` for a table below one."""
    if many:
        counts[name] = counts.get(name, -1) + 1
        return f"{name}[{counts[name]}]"
    head, dot, rest = name.partition(".")
    return f"{head}[{counts[head]}]{dot}{rest}" if head in counts and dot else name


def _list(words: Iterable[str]) -> str:
    return ", ".join(words)


def _why(fault: Exception) -> str:
    return fault.strerror or type(fault).__name__ if isinstance(fault, OSError) else "not UTF-8"
