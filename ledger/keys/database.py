"""The seam below the vault: a database that holds wrapped keys, asked by the names of its statements.

Everything that differs between databases is one class of this Protocol and one `.sql` file beside it; the
statements have the same names and parameters everywhere (many values come as one JSON array).
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Final, Protocol

from ledger.domain.errors import KeyMissing

LAYOUT: Final = "2"
"""What the tables look like now; a database of an older layout is brought forward when it is opened."""


class KeyDatabase(Protocol):
    """One database of wrapped keys; threads may share it, processes open their own."""

    place: str
    """What to call it in a message: a file, or a server and schema; never a password."""

    def ask(self, name: str, *values: object) -> list[Any]:
        """The rows of one statement."""
        ...

    def each(self, name: str, rows: Sequence[tuple[object, ...]]) -> None:
        """One statement for many rows."""
        ...

    def reading(self) -> AbstractContextManager[None]:
        """One thread at a time; foreign errors become ours."""
        ...

    def writing(self) -> AbstractContextManager[None]:
        """One transaction that no other writer can come between; a second one inside it is part of it."""
        ...

    def changes(self) -> int:
        """A number that moves whenever another process or connection commits."""
        ...

    def tables(self) -> bool:
        """Whether the tables are there, brought forward to `LAYOUT`; raises WrongLedger for what is no key database."""
        ...

    def create(self) -> None:
        """Make the tables, in the open transaction."""
        ...

    def settle(self) -> bool:
        """Clear what deleted rows left in files of the database; True while a reader prevents it."""
        ...

    def send(self, directory: Path) -> None:
        """Put a whole copy of the present state into a mirror, in place of the one there; on disk when this returns."""
        ...

    def close(self) -> None:
        """Let go of it."""
        ...


def no_keys(place: object) -> KeyMissing:
    """What to say where keys should be and are not."""
    return KeyMissing(
        f"{place} is missing or empty, and the log is not: restore the key database; a new one could open nothing"
    )
