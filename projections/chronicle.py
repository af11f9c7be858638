"""Registers that keep each fact of a few rare types as a row, and say in SQL what follows from them."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from typing import Any, ClassVar

import orjson

from projections.page import Page
from projections.register import Ask, Log, Register, Row, micros, presented, text


class Chronicle(Register):
    """One row per fact of `topics`: position, type, organisation, person, client, time, then `fields` as they are."""

    topics: ClassVar[tuple[str, ...]]
    fields: ClassVar[tuple[str, ...]]
    times: ClassVar[tuple[str, ...]] = ("time",)
    lists: ClassVar[tuple[str, ...]] = ()
    numbers: ClassVar[tuple[str, ...]] = ()
    truths: ClassVar[tuple[str, ...]] = ()
    depends = ("context",)

    def fold(self, page: Page, db: sqlite3.Cursor, _log: Log) -> None:
        """Note every fact of these types; what concerns someone who was erased before is no part of it."""
        rows = [
            (
                position,
                topic.split(".")[2],
                line.organisation,
                line.person or "",
                line.client or "",
                micros(line.time),
                *[_plain(getattr(line, name), name in self.numbers) for name in self.fields],
            )
            for position, topic, line in page.details(self.topics)
            if not line.fenced
        ]
        if rows:
            db.executemany(self.sql["add"], rows)

    def rows(self, ask: Ask) -> Iterator[Row]:
        """The rows of the register's `list` statement."""
        for row in presented(ask.select(self.sql["list"]), self.times, self.lists, self.truths):
            yield {name: row[name] for name in self.columns}


def _plain(value: Any, number: bool) -> Any:
    if value is None:
        return None if number else ""
    if isinstance(value, dict):
        return orjson.dumps(value).decode()
    return text(value) if isinstance(value, tuple) else value
