"""The embedded key store: wrapped keys in keys.db, the root beside it, erasures in a journal outside both.

The file is opened only where deleted bytes are really overwritten, with errors that say what to do.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from threading import RLock
from typing import Any, Final

from ledger.domain.errors import Busy, LedgerError, StoreUnavailable, WrongLedger
from ledger.keys.database import LAYOUT, no_keys
from ledger.keys.journal import Journal
from ledger.keys.root import FileRoots, Roots, sync_directory
from ledger.keys.store import WrappedKeyStore
from ledger.sql import split, statements

LOCK_SECONDS: Final = 30
_PRAGMAS: Final = (
    "PRAGMA journal_mode = WAL",
    "PRAGMA synchronous = FULL",
    "PRAGMA temp_store = MEMORY",
    "PRAGMA foreign_keys = ON",
    "PRAGMA cache_size = -65536",
)
_SAID: Final = {
    sqlite3.SQLITE_BUSY: (Busy, "is being written by another process: wait for it or stop it"),
    sqlite3.SQLITE_LOCKED: (Busy, "is being written by another process: wait for it or stop it"),
    sqlite3.SQLITE_FULL: (StoreUnavailable, "cannot grow, the disk is full: make room and run it again"),
    sqlite3.SQLITE_READONLY: (StoreUnavailable, "is read-only: give this user the right to write it and its folder"),
    sqlite3.SQLITE_PERM: (StoreUnavailable, "may not be opened: give this user the right to read and write it"),
    sqlite3.SQLITE_CANTOPEN: (StoreUnavailable, "cannot be opened: it must be a file in a folder that can be written"),
    sqlite3.SQLITE_NOTADB: (WrongLedger, "is not a key database: restore the one that belongs to this ledger"),
    sqlite3.SQLITE_CORRUPT: (StoreUnavailable, "is damaged: keep it and restore its newest backup"),
}


def open_key_store(
    directory: Path,
    *,
    ledger_id: str,
    create: bool,
    roots: Roots | None = None,
    mirror: Path | None = None,
) -> WrappedKeyStore:
    """The key store of a data directory: keys.db, root/ (unless the roots are elsewhere) and erasures.journal.

    `create` says that the log is empty, so that a missing key database may be begun. Before the root of an epoch is
    destroyed, `mirror` has the state of the next one; None: the ledger stands alone. Raises KeyMissing where keys should be and are
    not, WrongLedger where they belong to another log.
    """
    path = directory / "keys.db"
    if not create and not path.exists():
        raise no_keys(path)
    roots = roots or FileRoots(directory / "root")
    journal = Journal(directory / "erasures.journal")
    database = SQLiteKeyDatabase(path)
    try:
        store = WrappedKeyStore(database, roots, ledger_id=ledger_id, journal=journal, create=create, mirror=mirror)
        if create:
            journal.begin()  # Last: where it is, root and tables are.
    except BaseException:
        database.close()
        raise
    return store


class SQLiteKeyDatabase:
    """keys.db, see `ledger.keys.database.KeyDatabase`."""

    def __init__(self, path: Path) -> None:
        self.place = str(path)
        self._path = path
        self._sql = statements("ledger.keys", "sqlite.sql")
        self._lock = RLock()
        self.db: Any = connect(path)

    def ask(self, name: str, *values: object) -> list[Any]:
        """The rows of one statement of sqlite.sql."""
        rows: list[Any] = self.db.execute(self._sql[name], values).fetchall()
        return rows

    def each(self, name: str, rows: Sequence[tuple[object, ...]]) -> None:
        """One statement of sqlite.sql for many rows."""
        self.db.executemany(self._sql[name], rows)

    @contextmanager
    def reading(self) -> Iterator[None]:
        """One thread at a time; foreign errors become ours."""
        with self._lock, explained(self._path):
            yield

    @contextmanager
    def writing(self) -> Iterator[None]:
        """One transaction; a second one inside it is part of it."""
        if self.db.in_transaction:
            yield
            return
        self.db.execute("BEGIN IMMEDIATE")
        try:
            yield
            self.db.execute("COMMIT")
        except BaseException:
            if self.db.in_transaction:
                self.db.execute("ROLLBACK")
            raise

    def changes(self) -> int:
        """Moves whenever another connection commits."""
        number: int = self.ask("changed_by_others")[0][0]
        return number

    def tables(self) -> bool:
        """Whether the tables are there, in the layout of this version."""
        found = {name for (name,) in self.ask("tables")}
        if found and "meta" not in found:
            raise WrongLedger(f"{self.place} is not a key database: restore the one that belongs to this ledger")
        if not found:
            return False
        if self._layout() == "1":
            with self.writing():
                if self._layout() == "1":
                    self._run("from_layout_1")
            self.settle()
        if self._layout() != LAYOUT:
            raise WrongLedger(
                f"{self.place} has layout {self._layout()}, this version reads {LAYOUT}: use the version that wrote it"
            )
        return True

    def create(self) -> None:
        """Make the tables, in the open transaction."""
        self._run("create")

    def settle(self) -> bool:
        """Write the pages of deleted rows over and empty the write-ahead file; True while a reader prevents it."""
        with self.reading():
            self.db.execute("PRAGMA busy_timeout = 0").fetchall()
            try:
                busy, _, _ = self.db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
            finally:
                self.db.execute(f"PRAGMA busy_timeout = {LOCK_SECONDS * 1000}").fetchall()
        return bool(busy)

    def send(self, directory: Path) -> None:
        """Put a whole copy into a mirror; a connection of its own reads one moment, so that writers go on."""
        fresh = directory / "keys.db.new"
        with explained(fresh):
            fresh.unlink(missing_ok=True)
            os.close(os.open(fresh, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
            with closing(sqlite3.connect(self._path)) as source, closing(sqlite3.connect(fresh)) as target:
                source.backup(target)
        put_in_mirror(fresh, directory)

    def close(self) -> None:
        """Let go of the file."""
        with self._lock:
            self.db.close()

    def _layout(self) -> str:
        return str(dict(self.ask("meta")).get("layout"))

    def _run(self, name: str) -> None:
        for statement in split(self._sql[name]):
            self.db.execute(statement)


def put_in_mirror(fresh: Path, directory: Path) -> None:
    """Put a copy of the key database in place of the one in a mirror, once it is proven whole and on disk."""
    with explained(fresh):
        with closing(sqlite3.connect(fresh)) as copied:
            copied.execute("PRAGMA journal_mode = DELETE").fetchall()
            if copied.execute("PRAGMA quick_check").fetchall() != [("ok",)]:
                raise StoreUnavailable(f"the copy of the key database at {fresh} is damaged: check that disk")
        with fresh.open("rb") as file:
            os.fsync(file.fileno())
        fresh.replace(directory / "keys.db")
        sync_directory(directory)


def connect(path: Path) -> sqlite3.Connection:
    """A connection in autocommit that overwrites what it deletes; refuses a build of SQLite that does not."""
    if path.is_dir():
        raise StoreUnavailable(
            f"{path} is a folder, and should be the key database: move it away or name another place"
        )
    with explained(path):
        if not path.exists():
            os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
        db = sqlite3.connect(path, timeout=LOCK_SECONDS, isolation_level=None, check_same_thread=False)
        try:
            for pragma in _PRAGMAS:
                db.execute(pragma).fetchall()
            overwrite_what_is_deleted(db)
        except BaseException:
            db.close()
            raise
    return db


def overwrite_what_is_deleted(db: sqlite3.Connection) -> None:
    """Switch secure_delete on and prove that this build of SQLite does it; raises StoreUnavailable otherwise."""
    if db.execute("PRAGMA secure_delete = ON").fetchone() != (1,):
        raise StoreUnavailable(
            "this SQLite ignores secure_delete, so erased keys would stay on disk: use another build"
        )
    marker = os.urandom(64)
    with sqlite3.connect(":memory:", isolation_level=None) as probe:
        probe.execute("PRAGMA secure_delete = ON").fetchall()
        probe.execute("CREATE TABLE t (content BLOB)")
        probe.execute("INSERT INTO t VALUES (?)", (marker,))
        probe.execute("DELETE FROM t")
        remains = marker in probe.serialize()
    probe.close()
    if remains:
        raise StoreUnavailable(
            "this SQLite leaves deleted bytes in its file, so erased keys would stay: use another build"
        )


@contextmanager
def explained(path: Path) -> Iterator[None]:
    """Turn errors of SQLite and the operating system into ours; they name the file, never a value."""
    try:
        yield
    except (sqlite3.Error, UnicodeDecodeError) as error:  # The second: sqlite3 quoting a damaged schema.
        raise _explained(error, path) from error
    except OSError as error:
        raise StoreUnavailable(f"the key database {path} cannot be opened: {error.strerror}") from error


def _explained(error: Exception, path: Path) -> LedgerError:
    code = getattr(error, "sqlite_errorcode", None) or 0
    kind, words = _SAID.get(
        code & 0xFF, (StoreUnavailable, f"cannot be used ({_name(error)}): nothing was half done, run it again")
    )
    return kind(f"the key database {path} {words}")


def _name(error: Exception) -> str:
    """SQLite's own name for an error; its message may quote what stands in a row."""
    return str(getattr(error, "sqlite_errorname", None) or type(error).__name__)
