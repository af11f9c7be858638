"""The event log in PostgreSQL: eventsourcing's process recorder, and everything that commits with a batch.

Several processes may write. Each takes the library's table lock for the length of its transaction, so that
positions have no gaps and readers pass over nothing; rows go in by COPY BINARY.
"""

from __future__ import annotations

import struct
import uuid
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any, Final, cast

import orjson
import psycopg
from eventsourcing.persistence import IntegrityError, PersistenceError, StoredEvent, Tracking
from eventsourcing.postgres import PostgresDatastore, PostgresProcessRecorder
from psycopg.rows import tuple_row
from psycopg.sql import SQL, Composed, Identifier

from ledger.domain.errors import GenerationMoved, Unreadable, WrongLedger
from ledger.evidence.tree import extend, leaf_hash
from ledger.postgres import LOCK_SECONDS, Address, explained, prepare
from ledger.sealing import is_decision, leaf_of, without
from ledger.sql import split, statements
from ledger.store import Append, PlainReader
from ledger.store.reading import KEYS_DESTROYED, LAYOUT, Conflict, Reading

SCHEMA: Final = "pdl_log"
_SQL: Final = statements("ledger.store", "postgres.sql")
_HEAD: Final = b"PGCOPY\n\xff\r\n\x00" + bytes(8)
_TAIL: Final = b"\xff\xff"
_long: Final = struct.Struct(">Iq").pack
_int: Final = struct.Struct(">Ii").pack
_length: Final = struct.Struct(">I").pack
Cursor = psycopg.Cursor[Any]


class _Datastore(PostgresDatastore):
    """The library's pool, to any address that libpq understands, with our own word on every connection."""

    def __init__(
        self, address: Address, *, originator_id_type: Any = "text", enable_db_functions: bool = False
    ) -> None:
        if enable_db_functions:
            raise Unreadable(
                "POSTGRES_ENABLE_DB_FUNCTIONS must be off: with it the library drops the mark of a batch without a word, "
                "and the same events are accepted twice."
            )
        known = address.parameters()
        super().__init__(
            dbname=known.pop("dbname", ""),
            host=known.pop("host", ""),
            port=known.pop("port", ""),
            user=known.pop("user", ""),
            password="",
            schema=address.schema,
            lock_timeout=LOCK_SECONDS,
            pre_ping=True,  # A server that was started anew is noticed before a statement is lost on a dead connection.
            max_overflow=4,
            get_password_func=address.password if address.password_file is not None else None,
            originator_id_type=originator_id_type,
        )
        told = cast("dict[str, Any]", self.pool.kwargs)
        told.update(known)
        for name in ("dbname", "host", "port", "user", "password"):
            if not told[name]:
                del told[name]  # What is not said is libpq's own default.

    def after_connect_func(self) -> Callable[[psycopg.Connection[Any]], None]:
        """The library's settings of a connection, and ours."""
        theirs, schema = super().after_connect_func(), self.schema

        def after_connect(connection: psycopg.Connection[Any]) -> None:
            theirs(connection)
            prepare(connection, schema)

        return after_connect


class LedgerRecorder(PostgresProcessRecorder):
    """Library recorder whose every transaction also grows the evidence tree, and knows what a decision means."""

    def __init__(self, datastore: PostgresDatastore) -> None:
        super().__init__(datastore)
        self.sql_create_statements += [Composed([SQL(cast("Any", text))]) for text in split(_SQL["create"])]

    def create_table(self) -> None:
        """The schema, the library's tables and ours."""
        with self.datastore.transaction(commit=True) as c:
            c.execute(SQL("CREATE SCHEMA IF NOT EXISTS {}").format(Identifier(self.datastore.schema)))
        super().create_table()

    def insert_events(self, stored_events: Sequence[StoredEvent], **kwargs: Any) -> Sequence[int]:
        """Decisions, saved by the library: the same tree, the same positions, and the generation when keys go.

        Neither in pipeline mode, which hangs on large batches, nor tried again, which doubles after an
        ambiguous commit: whoever asked reads the mark first.
        """
        tracking: Tracking | None = kwargs.get("tracking")
        with self.datastore.transaction(commit=True) as c:
            self._lock_table(c)
            if tracking is not None:
                self._insert_tracking(c, tracking)
            if not stored_events:
                return []
            self._notify_channel(c)
            tuples = _tuples(c)
            first = last_position(tuples) + 1
            positions = range(first, first + len(stored_events))
            self.copy(
                tuples,
                (
                    (s.originator_id, s.originator_version, s.topic, s.state, position)
                    for s, position in zip(stored_events, positions, strict=True)
                ),
            )
            leaves = [leaf_of(str(s.originator_id), s.originator_version, s.topic, s.state) for s in stored_events]
            grow(tuples, first, [leaf_hash(leaf) for leaf in leaves])
            for position, stored in zip(positions, stored_events, strict=True):
                tuples.execute(_SQL["add_decision"], (position, str(stored.originator_id), stored.topic))
                if stored.topic == KEYS_DESTROYED:
                    tuples.execute(_SQL["next_generation"], (orjson.loads(stored.state)["at"],))
        return list(positions)

    def copy(self, c: Cursor, rows: Iterable[tuple[Any, int, str, bytes, int]]) -> None:
        """Insert finished rows (stream, version, topic, state, position) in the open transaction."""
        with c.copy(_SQL["copy_events"]) as copy:
            copy.set_types([self.datastore.originator_id_type, "int8", "text", "bytea", "int8"])
            for row in rows:
                copy.write_row(row)


def _tuples(c: Any) -> Cursor:
    """A cursor of plain tuples on the same connection: rows as mappings take twice as long to read."""
    return cast("Cursor", c.connection.cursor(row_factory=tuple_row))


def _one(c: Cursor, name: str, *parameters: object) -> Any:
    """The only value of the only row of a statement."""
    row: Any = c.execute(_SQL[name], parameters).fetchone()
    return row[0]


def last_position(c: Cursor) -> int:
    """The position of the last record, in the open transaction."""
    return int(_one(c, "size"))


def grow(c: Cursor, first: int, hashes: Sequence[bytes]) -> None:
    """Add leaf hashes to the evidence tree, in the open transaction; `first` is the position of the first of them."""

    def read(level: int, number: int) -> bytes:
        row = c.execute(_SQL["tile"], (level, number)).fetchone()
        return bytes(row[0]) if row else b""

    changed = extend(first - 1, read, hashes)
    c.execute(
        _SQL["set_tiles"], ([level for level, _ in changed], [number for _, number in changed], list(changed.values()))
    )
    c.execute(_SQL["set_tree"], (first - 1 + len(hashes),))


class PostgresEventLog(Reading):
    """The event log on a PostgreSQL (see `ledger.store.EventLog`)."""

    shareable: Final = False
    """A pool has threads, and a fork takes none of them along."""

    recorder: LedgerRecorder

    def __init__(self, address: Address, *, create: bool) -> None:
        self._place = address.place
        self._source_numbers: dict[str, int] = {}
        self._moment: Cursor | None = None
        address.connect().close()  # Whoever does not answer is said here, at once and by name.
        with self._trouble():
            self._datastore = _Datastore(address)
            try:
                self.recorder = LedgerRecorder(self._datastore)
                if create:
                    self.recorder.create_table()
                self.ledger_id = self._identity(create=create)
            except BaseException:
                self._datastore.close()
                raise

    def _identity(self, *, create: bool) -> str:
        with self._writing() as c:
            if create:
                c.execute(_SQL["begin_meta"], (uuid.uuid4().hex, LAYOUT))
            meta = dict(c.execute(_SQL["meta"]).fetchall())
        if meta.get("layout") != LAYOUT:
            raise WrongLedger(
                f"{self._place} was written in layout {meta.get('layout')}; this version reads layout {LAYOUT}. "
                "Use the version that wrote it."
            )
        if "ledger" not in meta:
            raise Unreadable(f"{self._place} no longer says which ledger it is; restore it from a backup.")
        return str(meta["ledger"])

    @contextmanager
    def _trouble(self) -> Iterator[None]:
        try:
            yield
        except (IntegrityError, psycopg.IntegrityError) as error:
            raise Conflict("a unique row is there already") from error
        except (PersistenceError, psycopg.Error) as error:
            raise explained(error, self._place) from error

    @contextmanager
    def _writing(self) -> Iterator[Cursor]:
        with self._datastore.transaction(commit=True) as c:
            yield _tuples(c)

    # --- writing

    def append(self, batch: Append) -> int:
        """Commit a batch and return the position of its last record (or of the log)."""
        with self._committing(batch), self._datastore.transaction(commit=True) as c:
            return self._append(c, batch)

    def _append(self, mapped: Any, batch: Append) -> int:
        recorder, c = self.recorder, _tuples(mapped)
        # The lock first: whoever waits for it reads what the one before left, and one lock cannot embrace another.
        recorder._lock_table(mapped)  # noqa: SLF001 - the library's own seam for subclasses
        recorder._insert_tracking(mapped, Tracking(batch.stream, batch.mark))  # noqa: SLF001 - as above
        if int(_one(c, "generation")) != batch.generation:
            raise GenerationMoved("keys were destroyed while this batch was sealed")
        first = last_position(c) + 1
        if batch.events:
            self._insert_facts(c, batch, first)
        recorded = batch.recorded.isoformat()
        if batch.quarantined:
            c.executemany(_SQL["add_quarantine"], [(batch.stream, recorded, *row) for row in batch.quarantined])
        if batch.released:
            c.execute(_SQL["settle_quarantine"], ("recorded", list(batch.released)))
        if batch.names:
            c.executemany(_SQL["add_name"], batch.names)
        _add_tallies(c, batch.tallies, recorded)
        return first + len(batch.events) - 1

    def _insert_facts(self, c: Cursor, batch: Append, first: int) -> None:
        stream = batch.stream.encode()
        # Packed by hand: five fields a row, each with its length; half the time of handing over row by row.
        opening = b"\x00\x05" + _length(len(stream)) + stream
        topics: dict[str, bytes] = {}
        pieces = [_HEAD]
        for position, row in enumerate(batch.events, first):
            version, topic, state = row.version, row.topic, row.state
            named = topics.get(topic)
            if named is None:
                named = topics[topic] = _length(len(topic.encode())) + topic.encode()
            pieces += (opening, _long(8, version), named, _length(len(state)), state, _long(8, position))
        _copy(c, "copy_events", pieces)
        numbers = self._numbers(c, {row.source for row in batch.events})
        pieces = [_HEAD]
        for position, row in enumerate(batch.events, first):
            name, content = row.event_id.encode(), row.content
            pieces += (b"\x00\x04", _length(len(name)), name, _int(4, numbers[row.source]))
            pieces += (_length(len(content)), content, _long(8, position))
        _copy(c, "copy_ids", pieces)
        grow(c, first, [row.leaf_hash for row in batch.events])
        self.recorder._notify_channel(c)  # noqa: SLF001 - the library's own seam for subclasses

    def _numbers(self, c: Cursor, sources: set[str]) -> Mapping[str, int]:
        """The number of each source; a new one is remembered only once it was read back in a later batch."""
        if not sources - self._source_numbers.keys():
            return self._source_numbers
        wanted = sorted(sources)
        known = dict(c.execute(_SQL["source_numbers"], (wanted,)).fetchall())
        self._source_numbers.update(known)
        if sources - known.keys():
            c.execute(_SQL["add_sources"], (sorted(sources - known.keys()),))
            known = dict(c.execute(_SQL["source_numbers"], (wanted,)).fetchall())
        return known

    def tally(self, counts: Mapping[tuple[str, str], int], at: datetime) -> None:
        """Add to what became of the inputs of a stream or source, outside a batch."""
        with self._trouble(), self._writing() as c:
            _add_tallies(c, counts, at.isoformat())

    def add_checkpoint(self, size: int, note: str, signed: datetime) -> str:
        """Store a signed head and return the one that counts: the first ever signed for that size."""
        with self._trouble(), self._writing() as c:
            c.execute(_SQL["add_checkpoint"], (size, note, signed.isoformat()))
            return str(_one(c, "checkpoint", size))

    def remove_ciphertexts(self, positions: Sequence[int], keys: Collection[str]) -> int:
        """Take away the ciphertext of sections under these keys from the records at these positions.

        PostgreSQL writes a new row and leaves the old one to VACUUM, and in its write-ahead log until that is
        recycled: what remains is ciphertext without a key.
        """
        changed = []
        for record in self.at(positions):
            state = record.state if is_decision(record) else without(record.state, keys)
            if state != record.state:
                changed.append((state, record.position))
        if changed:
            with self._trouble(), self._writing() as c:
                c.executemany(_SQL["replace_state"], changed)
            with self._trouble(), self._datastore.get_connection() as connection:
                connection.execute("VACUUM stored_events")
        return len(changed)

    def settle_quarantine(self, number: int, state: str) -> None:
        """Say what became of a quarantined input, and let go of what was sealed of it."""
        with self._trouble(), self._writing() as c:
            c.execute(_SQL["settle_quarantine"], (state, [number]))

    # --- reading

    def _rows(self, name: str, *parameters: object) -> list[Any]:
        with self._trouble():
            if self._moment is not None:
                return self._moment.execute(_SQL[name], parameters).fetchall()
            with self._datastore.get_connection() as connection, connection.cursor(row_factory=tuple_row) as c:
                return c.execute(_SQL[name], parameters, binary=True).fetchall()

    @contextmanager
    def _at_one_moment(self) -> Iterator[None]:
        with self._trouble(), self._datastore.transaction(commit=False) as c:
            c.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
            self._moment = _tuples(c)
            try:
                yield
            finally:
                self._moment = None

    def quarantined_before(self, contents: Sequence[bytes]) -> frozenset[bytes]:
        """Which content MACs wait in the quarantine already. One query."""
        return (
            frozenset(row[0] for row in self._rows("quarantined_before", list(contents))) if contents else frozenset()
        )

    def plain(self, after: int, limit: int) -> list[tuple[int, str, str, bytes]]:
        """(position, stream, topic, state) of at most `limit` records behind `after`: the fastest way to read them all."""
        return self._rows("plain", after, limit)

    def reader(self) -> PlainReader:
        """Reads the same log; in this process only."""
        return self

    def close(self) -> None:
        """Let go of the database."""
        self._datastore.close()


def _copy(c: Cursor, name: str, pieces: list[bytes]) -> None:
    pieces.append(_TAIL)
    with c.copy(_SQL[name]) as copy:
        copy.write(b"".join(pieces))


def _add_tallies(c: Cursor, counts: Mapping[tuple[str, str], int], heard: str) -> None:
    # In the order of their names: two writers that meet here wait for each other once, and not crosswise.
    rows = sorted((name, kind, count, heard) for (name, kind), count in counts.items())
    if rows:
        c.execute(_SQL["add_tallies"], [list(column) for column in zip(*rows, strict=True)])


__all__ = ["SCHEMA", "LedgerRecorder", "PostgresEventLog"]
