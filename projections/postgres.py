"""The registers in a schema of PostgreSQL: the same statements, said in its words, and the same rows out.

What registers are written in is the part of SQL that both databases have, with the types of SQLite; the few words
that differ are exchanged here, once a statement. Questions with a bound are folded in a private database as ever.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from typing import Any, Final, cast

import psycopg
from psycopg import ClientCursor
from psycopg.adapt import Dumper, Loader
from psycopg.pq import TransactionStatus
from psycopg.sql import SQL, Identifier
from psycopg.types.numeric import IntLoader

from ledger.postgres import Address, explained
from projections.runner import STATE, Tables
from projections.sql import split, statements, tables

SCHEMA: Final = "pdl_registers"
_AT_ONCE: Final = 500
"""How many statements of one kind go over in one message."""
_WORDS: Final = (
    (re.compile(r"\s*WITHOUT ROWID"), ""),
    (re.compile(r"\bjson_group_object\((\w+), (\w+)\)"), r"json_object_agg(\1, \2)::text"),
    (re.compile(r"\bjson_insert\((\w+), '\$\[#\]', (:\w+)\)"), r"(\1::jsonb || to_jsonb(\2::text))::text"),
    (re.compile(r"\btemp\."), "pg_temp."),
    (re.compile(r"%"), "%%"),
    (re.compile(r"(?<![:\w]):(\w+)"), r"%(\1)s"),
    (re.compile(r"\?"), "%s"),
)
_TYPES: Final = (
    (re.compile(r"\bINTEGER\b"), "BIGINT"),
    (re.compile(r"\bBLOB\b"), "BYTEA"),
    (re.compile(r"\bTEXT\b"), 'TEXT COLLATE "C"'),  # Sorted by code point, as SQLite does.
)
_BYTES: Final = re.compile(r"(\w+) BYTEA")
_CHANGES: Final = ("INSERT", "UPDATE", "DELETE")
_SLICE: Final = 65_536
"""How many bytes of a long value are read at once."""
Parameters = Sequence[Any] | Mapping[str, Any]


class PostgresTables(Tables):
    """The database of the registers in a schema of PostgreSQL (see `projections.runner.Tables`)."""

    def __init__(self, address: Address) -> None:
        self._address = address
        self._lock = f"personal-data-ledger registers {address.schema}"
        self._connection = _Connection(address)
        with self.trouble():
            # Registers use of sqlite3 what `_Connection` has: execute, executemany, cursor, blobopen.
            self.db = cast("sqlite3.Connection", self._connection)
            with self.transaction() as cursor:
                self._connection.begin(cursor)

    @property
    def process(self) -> int:
        """The server's process that serves this connection."""
        return self._connection.raw.info.backend_pid

    @contextmanager
    def trouble(self) -> Iterator[None]:
        """Foreign errors stop here. A connection that was lost is made again."""
        try:
            self._connection.revive()
            yield
        except psycopg.Error as error:
            raise explained(error, self._address.place) from error

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Cursor]:
        """One writing transaction that no other writer can come between; rolled back when anything goes wrong in it."""
        with self.trouble():
            try:
                with self._connection.raw.transaction():
                    self.db.execute("SELECT pg_advisory_xact_lock(hashtextextended(?, 0))", (self._lock,))
                    yield self.db.cursor()
                    self._connection.flush()
            finally:
                self._connection.forget()


class _Connection:
    """The part of sqlite3's connection and cursor that registers use."""

    def __init__(self, address: Address) -> None:
        self._address, self._schema = address, address.schema
        self._waiting: list[str] = []
        self._connect()

    def _connect(self) -> None:
        # Parameters are put in on this side: a statement means the same whatever types its values have.
        self.raw = self._address.connect(cursor_factory=ClientCursor)
        self.raw.adapters.register_dumper(bool, _Truth)
        self.raw.adapters.register_loader("bool", _TruthLoader)
        self.raw.adapters.register_loader("numeric", IntLoader)
        self._writer = self.raw.cursor()

    def revive(self) -> None:
        """Connect again where the connection was lost."""
        if self.raw.closed:
            self.forget()
            self._connect()

    def begin(self, cursor: sqlite3.Cursor) -> None:
        """Make the schema, what registers take for granted, and the table of their marks."""
        self.raw.execute(SQL("CREATE SCHEMA IF NOT EXISTS {}").format(Identifier(self._schema)))
        for statement in split(statements("projections", "postgres.sql")["create"]):
            self.raw.execute(statement)
        cursor.execute(STATE)

    def execute(self, sql: str, parameters: Parameters = ()) -> psycopg.Cursor[Any]:
        """One statement, in a cursor of its own. What changes rows waits for the next question or the commit."""
        said = self._mogrified(sql, parameters)
        cursor: psycopg.Cursor[Any] = self.raw.cursor()
        if self._waits(sql):
            self._put_off(said)
            return cursor
        cursor.execute("; ".join([*self._waiting, said]))
        for _ in self._waiting:
            cursor.nextset()
        self._waiting.clear()
        return cursor

    def executemany(self, sql: str, rows: Iterable[Parameters]) -> None:
        """One statement for many rows, some hundred in a message."""
        for row in rows:
            self._put_off(self._mogrified(sql, row))
        if not self._waits(sql):
            self.flush()

    def flush(self) -> None:
        """Send what waits."""
        if self._waiting:
            self.raw.execute("; ".join(self._waiting))
            self._waiting.clear()

    def forget(self) -> None:
        """Drop what waits: its transaction is rolled back."""
        self._waiting.clear()

    def _waits(self, sql: str) -> bool:
        return self.raw.info.transaction_status == TransactionStatus.INTRANS and sql.lstrip().startswith(_CHANGES)

    def _put_off(self, said: str) -> None:
        self._waiting.append(said)
        if len(self._waiting) >= _AT_ONCE:
            self.flush()

    def _mogrified(self, sql: str, parameters: Parameters) -> str:
        said = translated(sql).replace("main.", f'"{self._schema}".')
        return cast("ClientCursor[Any]", self._writer).mogrify(said, parameters)

    def cursor(self) -> _Connection:
        """Itself: every statement has a cursor of its own."""
        return self

    @contextmanager
    def blobopen(self, table: str, column: str, row: int, *, readonly: bool) -> Iterator[_Blob]:
        """A value of which parts are read where it stands."""
        if not readonly:
            raise NotImplementedError
        self.flush()
        yield _Blob(self.raw, f"SELECT substring({column} FROM %s FOR {_SLICE}) FROM {table} WHERE tile = %s", row)

    def close(self) -> None:
        """Let go of the connection."""
        self.raw.close()


class _Blob:
    """A value, read in slices; each is asked for once."""

    def __init__(self, db: psycopg.Connection[Any], sql: str, row: int) -> None:
        self._db, self._sql, self._row = db, sql, row
        self._slices: dict[int, bytes] = {}

    def __getitem__(self, part: slice) -> bytes:
        first, last = part.start // _SLICE, max(part.stop - 1, part.start) // _SLICE
        found = b"".join([self._slice(number) for number in range(first, last + 1)])
        return found[part.start - first * _SLICE : part.stop - first * _SLICE]

    def _slice(self, number: int) -> bytes:
        if number not in self._slices:
            with psycopg.Cursor(self._db) as cursor:
                row = cursor.execute(self._sql, (number * _SLICE + 1, self._row), binary=True).fetchone()
            self._slices[number] = bytes(row[0]) if row else b""
        return self._slices[number]


class _Truth(Dumper):
    """Truth is 1 or 0 in the tables, in either database."""

    def dump(self, obj: bool) -> bytes:
        return b"1" if obj else b"0"

    def quote(self, obj: bool) -> bytes:
        return self.dump(obj)


class _TruthLoader(Loader):
    def load(self, data: Any) -> int:
        return int(bytes(data) == b"t")


@cache
def translated(sql: str) -> str:
    """A statement of a register in the words of PostgreSQL."""
    exchanged = (*_WORDS, *_TYPES) if sql.lstrip().startswith("CREATE TABLE") else _WORDS
    for word, other in exchanged:
        sql = word.sub(other, sql)
    # A long value is stored as it is, so that a part of it can be read.
    plain = [f"ALTER TABLE {table} ALTER {column} SET STORAGE EXTERNAL" for table, column in _long_values(sql)]
    return "; ".join([sql, *plain])


def _long_values(sql: str) -> Iterator[tuple[str, str]]:
    for table in tables(sql):
        yield from ((table, column) for column in _BYTES.findall(sql))


__all__ = ["SCHEMA", "PostgresTables", "translated"]
