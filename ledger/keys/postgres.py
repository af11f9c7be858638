"""Wrapped keys in a PostgreSQL: neither a table, nor its write-ahead log, nor a statement log ever has a key that opens.

Root and erasure journal stay outside: in files of the data directory, or on a token.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from threading import RLock
from typing import Any, Final

import psycopg
from psycopg.pq import TransactionStatus
from psycopg.sql import SQL, Identifier

from ledger.domain.errors import LedgerError, WrongLedger
from ledger.keys.database import LAYOUT, no_keys
from ledger.keys.journal import Journal
from ledger.keys.root import FileRoots, Roots
from ledger.keys.sqlite import SQLiteKeyDatabase, put_in_mirror
from ledger.keys.store import WrappedKeyStore
from ledger.postgres import Address, explained
from ledger.sql import split, statements

SCHEMA: Final = "pdl_keys"
_ROWS_AT_ONCE: Final = 10_000
_OWN: Final = frozenset({"change"})
"""Tables that only this database needs."""


def open_key_store_on_postgres(
    directory: Path,
    address: Address,
    *,
    ledger_id: str,
    create: bool,
    roots: Roots | None = None,
    mirror: Path | None = None,
) -> WrappedKeyStore:
    """As `ledger.keys.sqlite.open_key_store`, with the wrapped keys in a schema of a PostgreSQL.

    Raises StoreUnavailable where nobody answers.
    """
    database = PostgresKeyDatabase(address)
    try:
        if not create:
            _must_be_there(database)
        journal = Journal(directory / "erasures.journal")
        roots = roots or FileRoots(directory / "root")
        store = WrappedKeyStore(database, roots, ledger_id=ledger_id, journal=journal, create=create, mirror=mirror)
        if create:
            journal.begin()  # Last: where it is, root and tables are.
    except BaseException:
        database.close()
        raise
    return store


def _must_be_there(database: PostgresKeyDatabase) -> None:
    with database.reading():
        if not database.tables():
            raise no_keys(database.place)


class PostgresKeyDatabase:
    """A schema of wrapped keys, see `ledger.keys.database.KeyDatabase`."""

    def __init__(self, address: Address) -> None:
        self.place = address.place
        self._address = address
        self._sql = statements("ledger.keys", "postgres.sql")
        self._lock = RLock()
        self._own = 0  # How many changes were ours: what counts are those of others.
        self._ready = False
        self.db: psycopg.Connection[Any] = address.connect()

    def ask(self, name: str, *values: object) -> list[Any]:
        """The rows of one statement of postgres.sql."""
        asked = self.db.execute(self._sql[name], values, binary=True)
        return asked.fetchall() if asked.description else []

    def each(self, name: str, rows: Sequence[tuple[object, ...]]) -> None:
        """One statement of postgres.sql for many rows."""
        if rows:
            with self.db.cursor() as cursor:
                cursor.executemany(self._sql[name], rows)

    @contextmanager
    def reading(self) -> Iterator[None]:
        """One thread at a time; foreign errors become ours; a connection that was lost is made again."""
        with self._lock, self._trouble():
            if self.db.closed:
                self.db = self._address.connect()
            yield

    @contextmanager
    def writing(self) -> Iterator[None]:
        """One transaction that waits for every other writer; a second one inside it is part of it."""
        if self._within():
            yield
            return
        counted = self._ready or self.tables()  # Not while the tables themselves are being made.
        self._own += counted
        try:
            with self.db.transaction():
                if counted:
                    self.ask("change")
                yield
        except BaseException:
            self._own -= counted
            raise

    def changes(self) -> int:
        """Moves whenever another process or connection commits."""
        number: int = self.ask("changes")[0][0]
        return number - self._own

    def tables(self) -> bool:
        """Whether the tables are there, in the layout of this version."""
        found = {name for (name,) in self.ask("tables", self._address.schema)}
        if not found:
            return False
        if "meta" not in found:
            raise WrongLedger(f"{self.place} is not a key database: name the one that belongs to this ledger")
        layout = dict(self.ask("meta")).get("layout")
        if layout not in {LAYOUT, None}:
            raise WrongLedger(
                f"{self.place} has layout {layout}, this version reads {LAYOUT}: use the version that wrote it"
            )
        self._ready = True
        return True

    def create(self) -> None:
        """Make schema and tables, in the open transaction."""
        self.db.execute(SQL("CREATE SCHEMA IF NOT EXISTS {}").format(Identifier(self._address.schema)))
        for statement in split(self._sql["create"]):
            self.db.execute(statement)

    def settle(self) -> bool:
        """Nothing to clear: what PostgreSQL keeps of deleted rows is wrapped under roots that are destroyed."""
        return False

    def send(self, directory: Path) -> None:
        """Put a whole copy into a mirror, as a key database in one file: an embedded ledger can open it as it is."""
        fresh = directory / "keys.db.new"
        fresh.unlink(missing_ok=True)
        with (
            self._trouble(),
            closing(self._address.connect()) as source,
            closing(SQLiteKeyDatabase(fresh)) as target,
            source.transaction(),
        ):
            source.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
            columns: dict[str, list[str]] = {}
            for table, column in source.execute(self._sql["columns"], (self._address.schema,)):
                columns.setdefault(table, []).append(column)
            with target.reading(), target.writing():
                target.create()
                for table in sorted(columns.keys() - _OWN, key=_after_what_it_names):
                    _copy(source, target, table, columns[table])
        put_in_mirror(fresh, directory)

    def close(self) -> None:
        """Let go of the connection."""
        with self._lock:
            self.db.close()

    def _within(self) -> bool:
        return self.db.info.transaction_status != TransactionStatus.IDLE

    @contextmanager
    def _trouble(self) -> Iterator[None]:
        try:
            yield
        except LedgerError:
            raise
        except psycopg.Error as error:
            raise explained(error, self.place) from error


def _after_what_it_names(table: str) -> tuple[bool, bool, str]:
    """Shelves before buckets, and both before whatever names them."""
    return table != "shelf", table != "bucket", table


def _copy(source: psycopg.Connection[Any], target: SQLiteKeyDatabase, table: str, columns: Sequence[str]) -> None:
    names = ", ".join(columns)
    marks = ", ".join("?" * len(columns))
    with source.cursor(name=f"mirror_{table}") as cursor:
        cursor.itersize = _ROWS_AT_ONCE
        cursor.execute(SQL("SELECT {} FROM {}").format(SQL(", ").join(map(Identifier, columns)), Identifier(table)))
        while rows := cursor.fetchmany(_ROWS_AT_ONCE):
            target.db.executemany(f"INSERT INTO {table} ({names}) VALUES ({marks})", rows)
