"""The event log in one SQLite file: eventsourcing's process recorder, and everything that commits with a batch."""

from __future__ import annotations

import sqlite3
import uuid
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any, Final, cast

import orjson
from eventsourcing.persistence import IntegrityError, OperationalError, PersistenceError, StoredEvent, Tracking
from eventsourcing.sqlite import (
    SQLiteConnection,
    SQLiteConnectionPool,
    SQLiteCursor,
    SQLiteDatastore,
    SQLiteProcessRecorder,
)

from ledger.domain.errors import GenerationMoved, StoreUnavailable, Unreadable, WrongLedger
from ledger.evidence.tree import extend, leaf_hash
from ledger.sealing import is_decision, leaf_of, without
from ledger.sql import split, statements
from ledger.store import Append
from ledger.store.reading import KEYS_DESTROYED, LAYOUT, Conflict, Reading

_LOCK_SECONDS: Final = 30
_PRAGMAS: Final = (
    "PRAGMA synchronous = FULL",
    "PRAGMA cache_size = -65536",
    "PRAGMA wal_autocheckpoint = 8000",
    "PRAGMA temp_store = MEMORY",
)
_SQL: Final = statements("ledger.store", "sqlite.sql")


class _Pool(SQLiteConnectionPool):
    def _create_connection(self) -> SQLiteConnection:
        connection = super()._create_connection()
        cursor = connection.cursor()
        for pragma in _PRAGMAS:
            cursor.execute(pragma)
        return connection


class _Datastore(SQLiteDatastore):
    def __init__(self, path: Path) -> None:
        super().__init__(str(path), lock_timeout=_LOCK_SECONDS, originator_id_type="text")
        self.pool.close()
        self.pool = _Pool(db_name=str(path), lock_timeout=_LOCK_SECONDS)


class LedgerRecorder(SQLiteProcessRecorder):
    """Library recorder whose every transaction also grows the evidence tree, and knows what a decision means."""

    def construct_create_table_statements(self) -> list[str]:
        """The library's tables and ours."""
        return [*super().construct_create_table_statements(), *split(_SQL["create"])]

    def _insert_events(
        self, c: SQLiteCursor, stored_events: Sequence[StoredEvent], **kwargs: Any
    ) -> Sequence[int] | None:
        """Decisions, saved by the library: the same tree, the same positions, and the generation when keys go."""
        positions = super()._insert_events(c, stored_events, **kwargs) or []
        leaves = [leaf_of(str(s.originator_id), s.originator_version, s.topic, s.state) for s in stored_events]
        if stored_events:
            grow(c, positions[0], [leaf_hash(leaf) for leaf in leaves])
        for position, stored in zip(positions, stored_events, strict=True):
            c.execute("INSERT INTO decision VALUES (?, ?, ?)", (position, str(stored.originator_id), stored.topic))
            if stored.topic == KEYS_DESTROYED:
                _next_generation(c, orjson.loads(stored.state)["at"])
        return positions


def _next_generation(c: SQLiteCursor, at: str) -> None:
    c.execute("INSERT INTO generation (number, time) SELECT COALESCE(MAX(number), 0) + 1, ? FROM generation", (at,))


def _add_tallies(c: SQLiteCursor, counts: Mapping[tuple[str, str], int], heard: str) -> None:
    c.executemany(
        "INSERT INTO tally VALUES (?, ?, ?, ?) ON CONFLICT (name, kind)"
        " DO UPDATE SET count = count + excluded.count, last_heard = excluded.last_heard",
        [(name, kind, count, heard) for (name, kind), count in counts.items()],
    )


def grow(c: SQLiteCursor, first: int, hashes: Sequence[bytes]) -> None:
    """Add leaf hashes to the evidence tree, in the open transaction; `first` is the position of the first of them."""

    def read(level: int, number: int) -> bytes:
        c.execute("SELECT hashes FROM tile WHERE level = ? AND number = ?", (level, number))
        row = c.fetchone()
        return bytes(row[0]) if row else b""

    changed = extend(first - 1, read, hashes)
    rows = [(level, number, tile) for (level, number), tile in changed.items()]
    c.executemany("INSERT OR REPLACE INTO tile VALUES (?, ?, ?)", rows)
    c.execute("INSERT OR REPLACE INTO tree VALUES (1, ?)", (first - 1 + len(hashes),))


class SQLiteEventLog(Reading):
    """The event log of an embedded ledger (see `ledger.store.EventLog`)."""

    shareable: Final = True

    recorder: LedgerRecorder

    def __init__(self, path: Path, *, create: bool) -> None:
        if not create and not path.is_file():
            raise Unreadable(
                f"{path} is not there; name the data directory with --data, or begin one with `pdl ingest`."
            )
        self._path = path
        self._source_numbers: dict[str, int] = {}
        self._reader: PlainReader | None = None
        self._moment: SQLiteCursor | None = None
        self._sql = _SQL
        with self._trouble():
            self._datastore = _Datastore(path)
            self.recorder = LedgerRecorder(self._datastore)
            if create:
                self.recorder.create_table()
            self.ledger_id = self._identity(create=create)

    def _identity(self, *, create: bool) -> str:
        with self._datastore.transaction(commit=create) as c:
            if create:
                c.execute("INSERT OR IGNORE INTO meta VALUES ('ledger', ?), ('layout', ?)", (uuid.uuid4().hex, LAYOUT))
            c.execute("SELECT name, value FROM meta")
            meta = {row[0]: row[1] for row in c.fetchall()}
        if meta.get("layout") != LAYOUT:
            raise WrongLedger(
                f"{self._path} was written in layout {meta.get('layout')}; this version reads layout {LAYOUT}. Use the version that wrote it."
            )
        if "ledger" not in meta:
            raise Unreadable(f"{self._path} no longer says which ledger it is; restore it from a backup.")
        return str(meta["ledger"])

    @contextmanager
    def _trouble(self) -> Iterator[None]:
        """Foreign errors stop here: what happened, and what to do."""
        try:
            yield
        except (PersistenceError, sqlite3.Error, UnicodeDecodeError) as error:
            raise _explained(error, self._path) from error

    # --- writing

    def append(self, batch: Append) -> int:
        """Commit a batch and return the position of its last record (or of the log)."""
        with self._committing(batch), self._datastore.transaction(commit=True) as c:
            return self._append(c, batch)

    def _append(self, c: SQLiteCursor, batch: Append) -> int:
        # The mark first: it takes the write lock, and a repeated batch ends here.
        self.recorder._insert_tracking(c, Tracking(batch.stream, batch.mark))  # noqa: SLF001 - the library's own seam for subclasses
        c.execute("SELECT COALESCE(MAX(number), 0) FROM generation")
        if c.fetchone()[0] != batch.generation:
            raise GenerationMoved("keys were destroyed while this batch was sealed")
        c.execute("SELECT COALESCE(MAX(rowid), 0) FROM stored_events")
        first = int(c.fetchone()[0]) + 1
        if batch.events:
            self._insert_facts(c, batch, first)
        recorded = batch.recorded.isoformat()
        c.executemany(
            "INSERT INTO quarantine (stream, recorded, place, topic, reason, detail, source, event_id, size, content, nonce, sealed, key)"
            " VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?) ON CONFLICT (stream, place) DO NOTHING",
            [(batch.stream, recorded, *row) for row in batch.quarantined],
        )
        c.executemany(
            "UPDATE quarantine SET state = 'recorded', nonce = x'', sealed = x'' WHERE number = ?",
            [(number,) for number in batch.released],
        )
        c.executemany("INSERT OR IGNORE INTO name VALUES (?, ?, ?, ?, ?)", batch.names)
        _add_tallies(c, batch.tallies, recorded)
        return first + len(batch.events) - 1

    def _insert_facts(self, c: SQLiteCursor, batch: Append, first: int) -> None:
        stream = batch.stream
        c.executemany(
            self.recorder.insert_events_statement, [(stream, row.version, row.topic, row.state) for row in batch.events]
        )
        numbers = self._numbers(c, {row.source for row in batch.events})
        ids = [
            (row.event_id, numbers[row.source], row.content, first + index) for index, row in enumerate(batch.events)
        ]
        c.executemany("INSERT INTO event_id VALUES (?, ?, ?, ?)", ids)
        grow(c, first, [row.leaf_hash for row in batch.events])

    def _numbers(self, c: SQLiteCursor, sources: set[str]) -> Mapping[str, int]:
        """The number of each source; a new one is remembered only once it was read back in a later batch."""
        new = sources - self._source_numbers.keys()
        if not new:
            return self._source_numbers
        c.executemany("INSERT OR IGNORE INTO source (name) VALUES (?)", [(name,) for name in sorted(new)])
        c.execute(
            "SELECT name, number FROM source WHERE name IN (SELECT value FROM json_each(?))",
            (orjson.dumps(sorted(sources)).decode(),),
        )
        return {row[0]: row[1] for row in c.fetchall()}

    def tally(self, counts: Mapping[tuple[str, str], int], at: datetime) -> None:
        """Add to what became of the inputs of a stream or source, outside a batch."""
        with self._trouble(), self._datastore.transaction(commit=True) as c:
            _add_tallies(c, counts, at.isoformat())

    def add_checkpoint(self, size: int, note: str, signed: datetime) -> str:
        """Store a signed head and return the one that counts: the first ever signed for that size."""
        with self._trouble(), self._datastore.transaction(commit=True) as c:
            c.execute("INSERT OR IGNORE INTO checkpoint VALUES (?, ?, ?)", (size, note, signed.isoformat()))
            c.execute("SELECT note FROM checkpoint WHERE size = ?", (size,))
            return str(c.fetchone()[0])

    def remove_ciphertexts(self, positions: Sequence[int], keys: Collection[str]) -> int:
        """Take away the ciphertext of sections under these keys from the records at these positions."""
        changed = []
        for record in self.at(positions):
            state = record.state if is_decision(record) else without(record.state, keys)
            if state != record.state:
                changed.append((state, record.position))
        if changed:
            with self._trouble(), self._datastore.transaction(commit=True) as c:
                c.execute("PRAGMA secure_delete = ON")
                c.executemany("UPDATE stored_events SET state = ? WHERE rowid = ?", changed)
            self._settle()
        return len(changed)

    def _settle(self) -> None:
        """Empty the write-ahead file, which holds what was overwritten; a reader may prevent it, and it comes later."""
        with self._trouble(), closing(sqlite3.connect(self._path, timeout=0, isolation_level=None)) as connection:
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()

    def settle_quarantine(self, number: int, state: str) -> None:
        """Say what became of a quarantined input, and let go of what was sealed of it."""
        with self._trouble(), self._datastore.transaction(commit=True) as c:
            c.execute("UPDATE quarantine SET state = ?, nonce = x'', sealed = x'' WHERE number = ?", (state, number))

    # --- reading

    def _rows(self, name: str, *parameters: object) -> list[Any]:
        with self._trouble(), self._cursor() as c:
            # Plain tuples: the library's row objects take twice as long to read.
            cast("sqlite3.Cursor", c).row_factory = None
            c.execute(self._sql[name], cast("Sequence[Any]", parameters))
            return cast("list[Any]", c.fetchall())

    @contextmanager
    def _cursor(self) -> Iterator[SQLiteCursor]:
        if self._moment is not None:
            yield self._moment
            return
        with self._datastore.transaction(commit=False) as c:
            yield c

    @contextmanager
    def _at_one_moment(self) -> Iterator[None]:
        with self._trouble(), self._datastore.transaction(commit=False) as c:
            self._moment = c
            try:
                yield
            finally:
                self._moment = None

    def quarantined_before(self, contents: Sequence[bytes]) -> frozenset[bytes]:
        """Which content MACs wait in the quarantine already. One query."""
        if not contents:
            return frozenset()
        marks = ",".join("?" * len(contents))
        with self._trouble(), self._cursor() as c:
            c.execute(f"SELECT content FROM quarantine WHERE content IN ({marks})", contents)
            return frozenset(bytes(row[0]) for row in c.fetchall())

    def plain(self, after: int, limit: int) -> list[tuple[int, str, str, bytes]]:
        """(position, stream, topic, state) of at most `limit` records behind `after`: the fastest way to read them all."""
        with self._trouble():
            if self._reader is None:
                self._reader = PlainReader(self._path)
            return self._reader.plain(after, limit)

    def reader(self) -> PlainReader:
        """Reads the same log through a connection of its own; for a forked process, which may use no other."""
        return PlainReader(self._path)

    def close(self) -> None:
        """Let go of the database."""
        if self._reader is not None:
            self._reader.close()
        self._datastore.close()


class PlainReader:
    """Reads the log from one end to the other: with the small default cache that takes half as long."""

    def __init__(self, path: Path) -> None:
        self._db = sqlite3.connect(path, timeout=_LOCK_SECONDS, isolation_level=None, check_same_thread=False)
        self._db.execute("PRAGMA query_only = ON")

    def plain(self, after: int, limit: int) -> list[tuple[int, str, str, bytes]]:
        """(position, stream, topic, state) of at most `limit` records behind `after`."""
        return self._db.execute(
            "SELECT rowid, originator_id, topic, state FROM stored_events WHERE rowid > ? ORDER BY rowid LIMIT ?",
            (after, limit),
        ).fetchall()

    def close(self) -> None:
        """Let go of the database."""
        self._db.close()


def _explained(error: Exception, path: Path) -> Exception:
    if isinstance(error, IntegrityError | sqlite3.IntegrityError):
        return Conflict(str(error))
    text = str(error)
    if "not a database" in text or "malformed" in text or isinstance(error, UnicodeDecodeError):
        return Unreadable(
            f"{path} is not an SQLite database, or it is damaged; restore it from a backup, then run `pdl verify`."
        )
    if "no such table" in text:
        return WrongLedger(f"{path} is not the log of a ledger; name the data directory with --data.")
    if "full" in text:
        return StoreUnavailable(
            f"the disk of {path} is full; make room and run the same command again. Nothing was half recorded."
        )
    if "readonly" in text:
        return StoreUnavailable(f"{path} cannot be written; check the rights of the data directory.")
    if "locked" in text or "busy" in text:
        return StoreUnavailable(
            f"{path} is being written by another process; wait for it and run the same command again."
        )
    if "unable to open" in text:
        return StoreUnavailable(
            f"{path} cannot be opened; this account needs the right to write it and its folder, also for reading only."
        )
    if isinstance(error, OperationalError | sqlite3.OperationalError):
        return StoreUnavailable(f"{path}: {_code(error)}; check the disk and run the same command again.")
    return Unreadable(
        f"{path} cannot be read ({_code(error)}); keep it, restore it from a backup, then run `pdl verify`."
    )


def _code(error: Exception) -> str:
    """SQLite's name for what went wrong; its message may quote what is stored."""
    inner = error.args[0] if error.args else error
    if not isinstance(inner, BaseException):
        inner = error.__cause__ or error
    return str(getattr(inner, "sqlite_errorname", type(inner).__name__))
