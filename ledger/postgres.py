"""Where a PostgreSQL is, and what its errors mean to whoever runs the ledger.

The log, the keys and the registers may share a database: each has a schema of its own. A URL never carries a
password; that is the first line of a file.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final, NamedTuple

import psycopg
from psycopg.conninfo import conninfo_to_dict

from ledger.domain.errors import LedgerError, StoreUnavailable, Unreadable, WrongLedger

CONNECT_SECONDS: Final = 5
LOCK_SECONDS: Final = 30


class Address(NamedTuple):
    """A schema in a database: a libpq URL without password, and the file that has it."""

    url: str
    schema: str
    password_file: Path | None = None

    @property
    def place(self) -> str:
        """What to call it in a message."""
        known = self.parameters()
        where = f"{known.get('host', 'the local server')}:{known.get('port', 5432)}"
        return f"PostgreSQL {where}, database {known.get('dbname', known.get('user', ''))}, schema {self.schema}"

    def parameters(self) -> dict[str, Any]:
        """What libpq is told, without the password. Raises Unreadable for a URL that is none, or that has one."""
        try:
            known = conninfo_to_dict(self.url)
        except psycopg.ProgrammingError as error:
            raise Unreadable(
                "this is no address of a PostgreSQL: write postgresql://user@host:port/database"
            ) from error
        if "password" in known:
            raise Unreadable("an address of a PostgreSQL carries no password: put it into a file, and name that file")
        return dict(known)

    def password(self) -> str:
        """The first line of the password file, read at each connection, so that it may change; '' without one."""
        if self.password_file is None:
            return ""
        try:
            return self.password_file.read_text("utf-8").partition("\n")[0]
        except (OSError, UnicodeDecodeError) as error:
            raise Unreadable(f"{self.password_file} cannot be read; it holds the password of PostgreSQL") from error

    def connect(self, **options: Any) -> psycopg.Connection[Any]:
        """A connection of its own, in autocommit, whose statements mean this schema. Raises StoreUnavailable."""
        told = {"connect_timeout": CONNECT_SECONDS} | self.parameters()
        if self.password_file is not None:
            told["password"] = self.password()
        try:
            connection: psycopg.Connection[Any] = psycopg.connect(**told, autocommit=True, **options)
            try:
                prepare(connection, self.schema)
            except BaseException:
                connection.close()
                raise
        except psycopg.Error as error:
            raise explained(error, self.place) from error
        return connection


def prepare(connection: psycopg.Connection[Any], schema: str) -> None:
    """Say which schema is meant, and that what is committed is on disk, whatever the server's own settings are."""
    connection.execute(psycopg.sql.SQL("SET search_path TO {}").format(psycopg.sql.Identifier(schema)))
    connection.execute("SET synchronous_commit TO on")
    connection.execute("SET timezone TO 'UTC'")
    connection.execute(f"SET lock_timeout TO '{LOCK_SECONDS}s'")


def explained(error: BaseException, place: str) -> LedgerError:
    """What happened and what to do; the server's own words may quote what is stored, so only its code is repeated."""
    state = sqlstate(error)
    if state in {"42P01", "3F000"}:
        return WrongLedger(f"{place} has no tables of a ledger; check the address in the settings.")
    if state == "3D000":
        return Unreadable(f"{place} does not exist; make the database, or check the address in the settings.")
    if state.startswith("28"):
        return StoreUnavailable(f"{place} refuses this account; check user and password file ({state}).")
    if state == "42501":
        return StoreUnavailable(f"{place}: this account has no right to do this; grant it ({state}).")
    if state == "53100":
        return StoreUnavailable(
            f"the disk of {place} is full; make room and run the same command again. Nothing was half recorded."
        )
    if state == "25006":
        return StoreUnavailable(f"{place} is read-only: name the primary, not a replica.")
    if state in {"55P03", "40P01", "57014"}:
        return StoreUnavailable(f"{place} is busy with another process; run the same command again ({state}).")
    if state.startswith("XX"):
        return Unreadable(f"{place} is damaged ({state}); restore it from a backup, then run `pdl verify`.")
    code = state or type(error.__cause__ or error).__name__
    return StoreUnavailable(f"{place} cannot be reached or used ({code}); check the server and run it again.")


def sqlstate(error: BaseException) -> str:
    """SQLSTATE of an error or of what caused it; '' where there is none, as when nobody answers."""
    at: BaseException | None = error
    while at is not None:
        found = getattr(at, "sqlstate", None)
        if found:
            return str(found)
        at = at.__cause__
    return ""
