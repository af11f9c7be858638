"""The key database file: opened only where deleted bytes are really overwritten, with errors that say what to do."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import resources
from pathlib import Path
from typing import Final

from ledger.domain.errors import Busy, LedgerError, StoreUnavailable, WrongLedger

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


def statements() -> dict[str, str]:
    """The SQL of sqlite.sql by name."""
    text = resources.files("ledger.keys").joinpath("sqlite.sql").read_text("utf-8")
    parts = [part.partition("\n") for part in text.split("-- name: ")[1:]]
    return {name.strip(): body.strip() for name, _, body in parts}


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
