"""The event log in one SQLite file: eventsourcing's process recorder, and everything that commits with a batch."""

from __future__ import annotations

import sqlite3
import uuid
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from datetime import datetime
from importlib import resources
from itertools import starmap
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

from ledger.domain.errors import BatchAlreadyRecorded, GenerationMoved, StoreUnavailable, Unreadable, WrongLedger
from ledger.evidence.tree import extend, leaf_hash
from ledger.sealing import Record, is_decision, leaf_of, without
from ledger.store import Append, Beside, Known, NameRow, Quarantined, SourceState

LAYOUT: Final = "1"
KEYS_DESTROYED: Final = "ledger.keys.destroyed.v1"
"""The decision whose transaction moves the generation."""
_LOCK_SECONDS: Final = 30
_PRAGMAS: Final = (
    "PRAGMA synchronous = FULL",
    "PRAGMA cache_size = -65536",
    "PRAGMA wal_autocheckpoint = 8000",
    "PRAGMA temp_store = MEMORY",
)
_QUARANTINE_COLUMNS: Final = ", ".join(Quarantined._fields)


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
        script = resources.files("ledger.store").joinpath("sqlite.sql").read_text("utf-8")
        lines = [line for line in script.splitlines() if not line.startswith("--")]
        ours = [statement.strip() for statement in "\n".join(lines).split(";")]
        return [*super().construct_create_table_statements(), *filter(None, ours)]

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


class SQLiteEventLog:
    """The event log of an embedded ledger (see `ledger.store.EventLog`)."""

    def __init__(self, path: Path, *, create: bool) -> None:
        if not create and not path.is_file():
            raise Unreadable(
                f"{path} is not there; name the data directory with --data, or begin one with `pdl ingest`."
            )
        self._path = path
        self._source_numbers: dict[str, int] = {}
        self._reader: sqlite3.Connection | None = None
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
        try:
            with self._trouble(), self._datastore.transaction(commit=True) as c:
                last = self._append(c, batch)
        except _Conflict as conflict:
            mark = self.mark(batch.stream)
            if mark is not None and mark >= batch.mark:
                raise BatchAlreadyRecorded(f"{batch.stream} is recorded up to offset {mark}") from conflict
            raise GenerationMoved("another writer recorded some of these events; seal the rest again") from conflict
        return last

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
        c.executemany(self.recorder.insert_events_statement, [(stream, row[0], row[1], row[2]) for row in batch.events])
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

    def _rows(self, sql: str, parameters: Sequence[Any] = ()) -> list[Any]:
        with self._trouble(), self._datastore.transaction(commit=False) as c:
            cast(
                "sqlite3.Cursor", c
            ).row_factory = None  # Plain tuples: the library's row objects take twice as long to read.
            c.execute(sql, parameters)
            return cast("list[Any]", c.fetchall())

    def known(self, ids: Sequence[tuple[str, str]]) -> Mapping[tuple[str, str], Known]:
        """Which (source, event id) were recorded before. One query."""
        rows = self._rows(
            "SELECT s.name, e.id, e.content, e.position FROM json_each(?) AS j"
            " CROSS JOIN event_id AS e ON e.id = j.value JOIN source AS s ON s.number = e.source",
            (orjson.dumps([event_id for _, event_id in ids]).decode(),),
        )
        wanted = set(ids) if rows else set()
        return {(row[0], row[1]): Known(row[2], row[3]) for row in rows if (row[0], row[1]) in wanted}

    def position_of(self, event_id: str) -> list[tuple[str, int]]:
        """(source, position) of every recorded event with that id."""
        rows = self._rows(
            "SELECT s.name, e.position FROM event_id e JOIN source s ON s.number = e.source WHERE e.id = ?", (event_id,)
        )
        return [(row[0], row[1]) for row in rows]

    def quarantined_before(self, contents: Sequence[bytes]) -> frozenset[bytes]:
        """Which content MACs wait in the quarantine already. One query."""
        if not contents:
            return frozenset()
        marks = ",".join("?" * len(contents))
        rows = self._rows(f"SELECT content FROM quarantine WHERE content IN ({marks})", contents)
        return frozenset(bytes(row[0]) for row in rows)

    def read(self, after: int, limit: int) -> list[Record]:
        """At most `limit` records behind position `after`, in order."""
        rows = self._rows("SELECT rowid, * FROM stored_events WHERE rowid > ? ORDER BY rowid LIMIT ?", (after, limit))
        return list(starmap(Record, rows))

    def plain(self, after: int, limit: int) -> list[tuple[int, str, str, bytes]]:
        """(position, stream, topic, state) of at most `limit` records behind `after`: the fastest way to read them all."""
        with self._trouble():
            if self._reader is None:
                # A connection of its own: with the small default cache, reading everything once is half as long.
                self._reader = sqlite3.connect(
                    self._path, timeout=_LOCK_SECONDS, isolation_level=None, check_same_thread=False
                )
                self._reader.execute("PRAGMA query_only = ON")
            return self._reader.execute(
                "SELECT rowid, originator_id, topic, state FROM stored_events WHERE rowid > ? ORDER BY rowid LIMIT ?",
                (after, limit),
            ).fetchall()

    def at(self, positions: Sequence[int]) -> list[Record]:
        """The records at these positions, in order; one that is not there is left out. One query."""
        wanted = orjson.dumps(list(positions)).decode()
        rows = self._rows(
            "SELECT rowid, * FROM stored_events WHERE rowid IN (SELECT value FROM json_each(?)) ORDER BY rowid",
            (wanted,),
        )
        return list(starmap(Record, rows))

    def size(self) -> int:
        """The position of the last record; 0 for an empty log."""
        return int(self._rows("SELECT COALESCE(MAX(rowid), 0) FROM stored_events")[0][0])

    def tree_size(self) -> int:
        """How many leaves the tree says that it has."""
        rows = self._rows("SELECT size FROM tree")
        return int(rows[0][0]) if rows else 0

    def mark(self, stream: str) -> int | None:
        """The last offset of a stream that is recorded; None when it was never read."""
        with self._trouble():
            found: int | None = self.recorder.max_tracking_id(stream)
            return found

    def sources(self) -> Mapping[str, SourceState]:
        """Every stream and CloudEvents source that was heard."""
        marks = {row[0]: row[1] for row in self._rows("SELECT * FROM tracking") if not row[0].startswith("__")}
        tallies: dict[str, dict[str, int]] = {name: {} for name in marks}
        heard: dict[str, str] = {}
        for name, kind, count, last_heard in self._rows("SELECT name, kind, count, last_heard FROM tally"):
            tallies.setdefault(name, {})[kind] = count
            heard[name] = max(heard.get(name, ""), last_heard or "")
        return {name: SourceState(marks.get(name), heard.get(name) or None, kinds) for name, kinds in tallies.items()}

    def generation(self) -> int:
        """How often keys were destroyed."""
        return int(self._rows("SELECT COALESCE(MAX(number), 0) FROM generation")[0][0])

    def generation_time(self, number: int) -> datetime | None:
        """When a generation began; None for one that never was."""
        rows = self._rows("SELECT time FROM generation WHERE number = ?", (number,))
        return datetime.fromisoformat(rows[0][0]) if rows else None

    def decisions(self, topic: str | None = None, after: int = 0) -> list[Record]:
        """The ledger's own decisions behind position `after` in order, of one topic or all."""
        rows = self._rows(
            "SELECT e.rowid, e.* FROM decision d JOIN stored_events e ON e.rowid = d.position"
            " WHERE d.position > ? AND (? IS NULL OR d.topic = ?) ORDER BY d.position",
            (after, topic, topic),
        )
        return list(starmap(Record, rows))

    def last_decision(self, topic: str) -> Record | None:
        """The newest decision of a topic."""
        rows = self._rows(
            "SELECT e.rowid, e.* FROM decision d JOIN stored_events e ON e.rowid = d.position"
            " WHERE d.topic = ? ORDER BY d.position DESC LIMIT 1",
            (topic,),
        )
        return Record(*rows[0]) if rows else None

    def quarantine(self, number: int | None = None) -> list[Quarantined]:
        """What waits in the quarantine or was there: all rows, or one."""
        where, parameters = ("WHERE number = ?", (number,)) if number is not None else ("", ())
        return list(
            starmap(
                Quarantined,
                self._rows(f"SELECT {_QUARANTINE_COLUMNS} FROM quarantine {where} ORDER BY number", parameters),
            )
        )

    def names(self) -> list[NameRow]:
        """Every sealed name behind a token."""
        return list(starmap(NameRow, self._rows("SELECT * FROM name")))

    def ids(self, after: int, upto: int) -> list[tuple[int, str, str]]:
        """(position, source, event id) of every known event behind `after`, up to and including `upto`."""
        return self._rows(
            "SELECT e.position, s.name, e.id FROM event_id e LEFT JOIN source s ON s.number = e.source"
            " WHERE e.position > ? AND e.position <= ?",
            (after, upto),
        )

    def beside(self) -> Beside:
        """What stands beside the log, read in one transaction, for comparing it."""
        with self._trouble(), self._datastore.transaction(commit=False) as c:

            def rows(sql: str) -> list[tuple[Any, ...]]:
                c.execute(sql)
                return [tuple(row) for row in c.fetchall()]

            return Beside(
                size=rows("SELECT COALESCE(MAX(rowid), 0) FROM stored_events")[0][0],
                decisions=[
                    (at, stream, topic) for at, stream, topic in rows("SELECT * FROM decision ORDER BY position")
                ],
                generations=[time for (time,) in rows("SELECT time FROM generation ORDER BY number")],
                marks=dict(rows("SELECT application_name, notification_id FROM tracking")),
                tallies={(name, kind): count for name, kind, count in rows("SELECT name, kind, count FROM tally")},
                quarantined=dict(rows("SELECT stream, COUNT(*) FROM quarantine GROUP BY stream")),
            )

    def tile(self, level: int, number: int) -> bytes | None:
        """One hash tile of the evidence tree."""
        rows = self._rows("SELECT hashes FROM tile WHERE level = ? AND number = ?", (level, number))
        return bytes(rows[0][0]) if rows else None

    def tiles(self) -> list[tuple[int, int]]:
        """(level, number) of every tile that is stored."""
        return [(row[0], row[1]) for row in self._rows("SELECT level, number FROM tile ORDER BY level, number")]

    def checkpoints(self) -> list[tuple[int, str]]:
        """Every signed head by size."""
        return [(row[0], row[1]) for row in self._rows("SELECT size, note FROM checkpoint ORDER BY size")]

    def close(self) -> None:
        """Let go of the database."""
        if self._reader is not None:
            self._reader.close()
        self._datastore.close()


class _Conflict(Exception):
    """A unique row is there already."""


def _explained(error: Exception, path: Path) -> Exception:
    if isinstance(error, IntegrityError | sqlite3.IntegrityError):
        return _Conflict(str(error))
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
