"""The runner pulls the log page by page and folds each page into every register that stands at its mark.

A page is decoded once; its rows and the marks of the registers commit in one transaction, so that a crash
at any point loses nothing and doubles nothing. Reading never blocks the writer of the log.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Final

from ledger.domain.errors import StoreUnavailable, Unreadable
from projections.page import Bound, Page
from projections.reading import helpers_for, pages
from projections.register import Log, Register
from projections.sql import split, tables

PAGE_RECORDS: Final = 5_000
"""How many records are folded in one transaction."""
Progress = Callable[[int, int], None]
"""Told how many records are folded by now, of how many."""
_LOCK_SECONDS: Final = 30
STATE: Final = "CREATE TABLE IF NOT EXISTS register_state (name TEXT PRIMARY KEY, version TEXT NOT NULL, mark INTEGER NOT NULL) WITHOUT ROWID"
_PRAGMAS: Final = ("journal_mode = WAL", "synchronous = NORMAL", "cache_size = -32768", "temp_store = MEMORY")


class Tables:
    """The database of the registers: `registers.db`, or a private one that is gone when closed (path None)."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        with self.trouble():
            # A private database lives in memory and spills to a temporary file of the system when it grows.
            self.db = sqlite3.connect("" if path is None else path, timeout=_LOCK_SECONDS, isolation_level=None)
            for pragma in _PRAGMAS:
                self.db.execute(f"PRAGMA {pragma}")
            self.db.execute(STATE)

    @contextmanager
    def trouble(self) -> Iterator[None]:
        """Foreign errors stop here."""
        try:
            yield
        except sqlite3.DatabaseError as error:
            raise _explained(error, self._path) from error

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Cursor]:
        """One writing transaction; rolled back when anything goes wrong in it."""
        with self.trouble():
            cursor = self.db.cursor()
            try:
                cursor.execute("BEGIN IMMEDIATE")
                yield cursor
                cursor.execute("COMMIT")
            except BaseException:
                if self.db.in_transaction:  # A full disk or an interruption has rolled back by itself.
                    cursor.execute("ROLLBACK")
                raise

    def marks(self, cursor: sqlite3.Cursor | None = None) -> dict[str, int]:
        """How far each register was folded."""
        return dict((cursor or self.db).execute("SELECT name, mark FROM register_state").fetchall())

    def prepare(self, registers: Iterable[Register], versions: Mapping[str, str]) -> None:
        """Make the tables; a register of another version starts again from nothing."""
        known = dict(self.db.execute("SELECT name, version FROM register_state").fetchall())
        stale = [register for register in registers if known.get(register.name) != versions[register.name]]
        if stale:
            with self.transaction() as cursor:
                for register in stale:
                    restart(cursor, register, versions[register.name])

    def close(self) -> None:
        """Let go of the database."""
        self.db.close()


def restart(cursor: sqlite3.Cursor, register: Register, version: str) -> None:
    """Empty a register and set its mark to nothing, in the open transaction."""
    script = register.sql.get("create", "")
    for table in tables(script):
        cursor.execute(f"DROP TABLE IF EXISTS {table}")
    for statement in split(script):
        cursor.execute(statement)
    cursor.execute(
        "INSERT INTO register_state VALUES (?, ?, 0) ON CONFLICT (name) DO UPDATE SET version = excluded.version, mark = 0",
        (register.name, version),
    )


def set_marks(cursor: sqlite3.Cursor, names: Iterable[str], mark: int) -> None:
    """Say how far these registers are folded, in the transaction that folded them."""
    cursor.executemany("UPDATE register_state SET mark = ? WHERE name = ?", [(mark, name) for name in names])


def fold(
    store: Tables,
    log: Log,
    registers: Sequence[Register],
    *,
    bound: Bound | None = None,
    size: int = PAGE_RECORDS,
    progress: Progress | None = None,
    helpers: int | None = None,
) -> None:
    """Fold the log into these registers until each stands at its end; those that lag most go first.

    `helpers` read beside this process (None: as many as a long stretch is worth).
    """
    by_name = {register.name: register for register in registers}
    target = log.size()
    while by_name:
        marks = store.marks()
        after = min(marks[name] for name in by_name)
        stop = min([log.size(), *(marks[name] for name in by_name if marks[name] > after)])
        if stop <= after:
            return
        staff = helpers_for(log, stop - after) if helpers is None else helpers
        with closing(pages(log, after, stop, size, bound, staff)) as stretch:
            for page in stretch:
                if progress is not None:
                    progress(min(page.after, target), target)
                if not _fold_page(store, log, by_name, page):
                    break  # Another process was faster: begin again from where the registers stand now.


def _fold_page(store: Tables, log: Log, registers: Mapping[str, Register], page: Page) -> bool:
    """Fold a page into the registers that stand before it; False when there is none."""
    with store.transaction() as cursor:
        at_mark = [name for name, mark in store.marks(cursor).items() if mark == page.after and name in registers]
        for name in at_mark:
            registers[name].fold(page, cursor, log)
        set_marks(cursor, at_mark, page.mark)
    return bool(at_mark)


def _explained(error: sqlite3.DatabaseError, path: Path | None) -> Exception:
    said = str(error)
    if "not a database" in said or "malformed" in said:
        return Unreadable(
            f"{path} is not an SQLite database, or it is damaged; delete it and run `pdl rebuild`: everything in it comes from the log."
        )
    if "full" in said:
        return StoreUnavailable(
            f"the disk of {path} is full; make room and run the same command again. Registers go on where they stopped."
        )
    if "locked" in said or "busy" in said:
        return StoreUnavailable(
            f"{path} is being written by another process; wait for it and run the same command again."
        )
    return StoreUnavailable(
        f"{path}: {said}; if it stays, delete the file and run `pdl rebuild`: everything in it comes from the log."
    )
