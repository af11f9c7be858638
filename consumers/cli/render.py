"""From rows to what is read: a table for a person, JSON for a program, CSV for a spreadsheet."""

from __future__ import annotations

import contextlib
import csv
import io
import os
import re
import shutil
import sys
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final, Literal

import click
import msgspec

from ledger.domain.calendar import local

Row = Mapping[str, Any]
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r", "\n", "|", "%")
_GAP: Final = 2
_SENTENCE_WIDTH: Final = 22
_ID_WIDTH: Final = 36
_BILINGUAL: Final = frozenset({"nl", "en"})
_WIDTH_WITHOUT_TERMINAL: Final = 140
_CELL_MAX: Final = 240
_MOMENT: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d+)?)?([+-]\d\d:\d\d|Z)")
_PSEUDONYM: Final = re.compile(r"[0-9a-f]{32}")
_to_json: Final = msgspec.json.Encoder(order=None).encode


def echo_json(thing: Any) -> None:
    """One JSON object on a line."""
    click.echo(_to_json(thing).decode())


def rows(found: Iterable[Row], form: str, *, nothing: str = "Nothing.", columns: Sequence[str] = ()) -> None:
    """Print rows as asked; a table has only `columns`, if any are given, and says `nothing` when there are none."""
    if form == "json":
        for row in found:
            echo_json(row)
    elif form == "csv":
        _csv(list(found))
    else:
        table(list(found), nothing=nothing, columns=columns)


def one(thing: Row, form: str) -> None:
    """Print one object: a JSON line, CSV of name and value, or a list of names and values."""
    if form == "json":
        echo_json(thing)
    elif form == "csv":
        _csv([{"name": name, "value": value} for name, value in _flat(thing)])
    else:
        pairs(thing)


def pairs(thing: Row) -> None:
    """Names and values below each other; what is nested is indented."""
    flat = [(name, plain(value)) for name, value in _flat(thing)]
    width = max((len(name) for name, _ in flat), default=0)
    for name, value in flat:
        click.echo(f"{name:<{width}}  {value}")


def plain(value: Any) -> str:
    """A value as text in a cell: lists with commas or semicolons, absence as nothing, a bilingual text in English."""
    if value is None or value in ([], {}, ()):
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, str):
        return value
    if isinstance(value, Mapping):
        return _of_mapping(value)
    if isinstance(value, list | tuple):
        between = "; " if all(isinstance(item, Mapping) for item in value) else ", "
        return between.join("(not said)" if item is None else plain(item) for item in value)
    return _to_json(value).decode().strip('"')


def _of_mapping(value: Mapping[str, Any]) -> str:
    if value.keys() >= _BILINGUAL:
        return " ".join(
            [*(f"{plain(part)}:" for name, part in value.items() if name not in _BILINGUAL), str(value["en"])]
        )
    return ", ".join(f"{name} {text}" for name, part in value.items() if (text := plain(part)))


def table(
    found: Sequence[Row], *, nothing: str = "Nothing.", columns: Sequence[str] = (), title: str | None = None
) -> None:
    """Draw a table that fits the terminal; rows too wide for that are written as cards, one field a line."""
    if not found:
        click.echo(nothing)
        return
    shown = [name for name in columns or _names(found) if any(plain(row.get(name)) for row in found)]
    cells = [[_cell(row.get(name)) for name in shown] for row in found]
    needs = [_need(column) for column in zip([name.replace("_", " ") for name in shown], *cells, strict=True)]
    room = width()
    if sum(needs) + _GAP * len(needs) > room:
        _cards(found, shown, title)
        return
    from rich.console import Console  # noqa: PLC0415 -- 70 ms, only when drawing
    from rich.table import Table  # noqa: PLC0415 -- as above

    drawn = Table(
        title=title, title_justify="left", box=None, pad_edge=False, header_style="bold", padding=(0, _GAP, 0, 0)
    )
    for name, need in zip(shown, needs, strict=True):
        number = all(isinstance(row.get(name), int | float | None) for row in found)
        justify: Literal["left", "right"] = "right" if number else "left"
        drawn.add_column(name.replace("_", " "), justify=justify, overflow="fold", min_width=need)
    for row in cells:
        drawn.add_row(*row)
    Console(file=sys.stdout, width=room, markup=False, emoji=False, highlight=False).print(drawn)


def _need(column: Sequence[str]) -> int:
    """How narrow a column may be: ids whole, sentences not below a readable width."""
    longest = max(len(text) for text in column)
    sentences = any(" " in text for text in column)
    return min(longest, _SENTENCE_WIDTH if sentences else _ID_WIDTH)


def _cell(value: Any) -> str:
    text = plain(value)
    if _PSEUDONYM.fullmatch(text):
        return f"{text[:8]}…"
    if _MOMENT.fullmatch(text):
        return local(datetime.fromisoformat(text)).strftime("%Y-%m-%d %H:%M").removesuffix(" 00:00")
    text = readable(text)
    return text if len(text) <= _CELL_MAX else f"{text[: _CELL_MAX - 1]}…"


def readable(value: Any) -> str:
    """A value as text on one line, whole; whatever could move a terminal's cursor becomes a space."""
    return "".join(ch if ch.isprintable() else " " for ch in plain(value))


def _cards(found: Sequence[Row], shown: Sequence[str], title: str | None) -> None:
    if title:
        click.echo(title)
    for row in found:
        filled = {name.replace("_", " "): _cell(row.get(name)) for name in shown if plain(row.get(name))}
        pairs(filled)
        click.echo()


def width() -> int:
    """The width asked for (COLUMNS), or the terminal's, also when only our messages go there and the rows go to a pager."""
    asked = shutil.get_terminal_size((0, 0)).columns
    if asked:
        return asked
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):
            return os.get_terminal_size(stream.fileno()).columns
    return _WIDTH_WITHOUT_TERMINAL


def _names(found: Iterable[Row]) -> list[str]:
    return list(dict.fromkeys(name for row in found for name in row))


def _csv(found: Sequence[Row]) -> None:
    spread = [dict(_spread(row)) for row in found]
    names = _names(spread)
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow(names)
    for row in spread:
        writer.writerow([harmless(row.get(name)) for name in names])
    click.echo(out.getvalue(), nl=False)


def _spread(row: Row) -> Iterable[tuple[str, Any]]:
    """A text in two languages becomes two columns."""
    for name, value in row.items():
        if isinstance(value, Mapping) and value.keys() == _BILINGUAL:
            yield from ((f"{name}_{tongue}", value[tongue]) for tongue in sorted(_BILINGUAL))
        else:
            yield name, value


def harmless(value: Any) -> str:
    """A cell that no spreadsheet takes for a formula: text that begins like one gets an apostrophe in front."""
    text = plain(value)
    return f"'{text}" if isinstance(value, str | list | tuple | dict) and text.startswith(_FORMULA) else text


def _flat(thing: Row, prefix: str = "") -> Iterable[tuple[str, Any]]:
    for name, value in thing.items():
        if isinstance(value, Mapping) and value:
            yield from _flat(value, f"{prefix}{name} · ")
        else:
            yield f"{prefix}{name}", value
