"""From rows to what is read: a table for a person, JSON for a program, CSV for a spreadsheet."""

from __future__ import annotations

import csv
import io
import re
import shutil
import sys
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

import click
import msgspec

from ledger.domain.calendar import local

Row = Mapping[str, Any]
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r", "\n", "|", "%")
_COLUMN_WIDTH: Final = 11
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
    """A value as text in a cell: lists with commas, absence as nothing, structures as JSON."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, str):
        return value
    if isinstance(value, Mapping) and value.keys() == {"nl", "en"}:
        return str(value["en"])
    if isinstance(value, list | tuple) and all(isinstance(item, str | int) for item in value):
        return ", ".join(map(str, value))
    if isinstance(value, int | float):
        return str(value)
    text = _to_json(value).decode()
    return text.strip('"') if text.startswith('"') else text


def table(
    found: Sequence[Row], *, nothing: str = "Nothing.", columns: Sequence[str] = (), title: str | None = None
) -> None:
    """Draw a table that fits the terminal; rows too wide for that are written as cards, one field a line."""
    if not found:
        click.echo(nothing)
        return
    shown = [name for name in columns or _names(found) if any(plain(row.get(name)) for row in found)]
    width = _width()
    if len(shown) * _COLUMN_WIDTH > width:
        _cards(found, shown, title)
        return
    from rich.console import Console  # noqa: PLC0415 -- 70 ms, only when drawing
    from rich.table import Table  # noqa: PLC0415 -- as above

    drawn = Table(
        title=title, title_justify="left", box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0)
    )
    for name in shown:
        number = all(isinstance(row.get(name), int | float | None) for row in found)
        drawn.add_column(name.replace("_", " "), justify="right" if number else "left", overflow="fold")
    for row in found:
        drawn.add_row(*(_cell(row.get(name)) for name in shown))
    Console(file=sys.stdout, width=width, markup=False, emoji=False, highlight=False).print(drawn)


def _cell(value: Any) -> str:
    text = plain(value)
    if _PSEUDONYM.fullmatch(text):
        return f"{text[:12]}…"
    if _MOMENT.fullmatch(text):
        return local(datetime.fromisoformat(text)).strftime("%Y-%m-%d %H:%M")
    text = "".join(ch if ch.isprintable() else " " for ch in text)
    return text if len(text) <= _CELL_MAX else f"{text[: _CELL_MAX - 1]}…"


def _cards(found: Sequence[Row], shown: Sequence[str], title: str | None) -> None:
    if title:
        click.echo(title)
    for row in found:
        filled = {name.replace("_", " "): _cell(row.get(name)) for name in shown if plain(row.get(name))}
        pairs(filled)
        click.echo()


def _width() -> int:
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else _WIDTH_WITHOUT_TERMINAL


def _names(found: Iterable[Row]) -> list[str]:
    return list(dict.fromkeys(name for row in found for name in row))


def _csv(found: Sequence[Row]) -> None:
    names = _names(found)
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow(names)
    for row in found:
        writer.writerow([harmless(row.get(name)) for name in names])
    click.echo(out.getvalue(), nl=False)


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
