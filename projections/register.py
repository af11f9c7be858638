"""What a register is: tables that are folded from pages of the log, and rows that are read from them.

Moments stand in the tables as microseconds since 1970 (UTC), so that SQL can compare them; rows show them
in ISO 8601 with the offset of Amsterdam. Rebuilding is folding again; the result is identical.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar, Final, Protocol

import orjson
from msgspec import Struct

from ledger.domain.calendar import local
from ledger.policy.model import Pack
from ledger.sealing import Record
from ledger.store import Known, Quarantined, SourceState
from projections.page import Page, Plain
from projections.page import micros as micros  # noqa: PLC0414 - registers and their callers take it from here
from projections.sql import statements

Row = dict[str, Any]
Key = tuple[Any, ...]
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICRO: Final = timedelta(microseconds=1)


class Reader(Protocol):
    """Who reads the log from one end to the other."""

    def plain(self, after: int, limit: int) -> list[Plain]:
        """(position, stream, topic, state) of at most `limit` records behind position `after`, in order."""
        ...


class Log(Reader, Protocol):
    """What projections need of the log; they never write to it and never block its writer."""

    @property
    def shareable(self) -> bool:
        """Whether a forked process may read it too, through `reader`."""
        ...

    def reader(self) -> Reader:
        """Reads the same log through a connection of its own."""
        ...

    def at(self, positions: Sequence[int]) -> list[Record]:
        """The records at these positions, in order."""
        ...

    def size(self) -> int:
        """The position of the last record."""
        ...

    def position_of(self, event_id: str) -> list[tuple[str, int]]:
        """(source, position) of every recorded event with that id."""
        ...

    def known(self, ids: Sequence[tuple[str, str]]) -> Mapping[tuple[str, str], Known]:
        """Which (source, event id) were recorded."""
        ...

    def sources(self) -> Mapping[str, SourceState]:
        """Every stream and CloudEvents source that was heard."""
        ...

    def quarantine(self, number: int | None = None) -> list[Quarantined]:
        """What waits in the quarantine or was there."""
        ...


class Ask(Struct, frozen=True, kw_only=True):
    """A question to a register: the tables to read, of which organisation, at which moment of the clock.

    `known_at` bounds what is read beside the tables (quarantine, tallies); `live`: no bound was given.
    """

    db: sqlite3.Connection
    log: Any
    packs: Any
    now: datetime
    organisation: str | None = None
    known_at: datetime | None = None
    live: bool = True

    def pack(self, organisation: str) -> Pack | None:
        """The newest pack of an organisation; None where none is at hand any more."""
        found: Pack | None = self.packs.get(organisation)
        return found

    def select(self, sql: str, **more: Any) -> Iterator[Row]:
        """Rows of a statement with the parameters :organisation, :now and any more, by column name."""
        cursor = self.db.execute(sql, {"organisation": self.organisation, "now": micros(self.now), **more})
        names = [column[0] for column in cursor.description]
        for row in cursor:
            yield dict(zip(names, row, strict=True))


class Register:
    """One register. A subclass names itself and its SQL file (same name), and says how to fold and how to show."""

    name: ClassVar[str]
    help: ClassVar[str]
    columns: ClassVar[tuple[str, ...]]
    version: ClassVar[int] = 1
    depends: ClassVar[tuple[str, ...]] = ()
    package: ClassVar[str] = "projections.registers"

    @property
    def sql(self) -> dict[str, str]:
        """The register's own statements; `create` makes its tables. Empty for one that has none of its own."""
        return statements(self.package, f"{self.name}.sql")

    def fold(self, page: Page, db: sqlite3.Cursor, log: Log) -> None:
        """Take in a page, in the open transaction."""

    def rows(self, _ask: Ask) -> Iterator[Row]:
        """The register as it stands at the moment asked; one that only serves others shows nothing."""
        return iter(())


def moment(micro: int) -> datetime:
    """The other way round, UTC."""
    return _EPOCH + timedelta(microseconds=micro)


def shown(micro: int | None) -> str | None:
    """A moment of a table as rows show it: ISO 8601 with the offset of Amsterdam; None stays None."""
    return None if micro is None else local(moment(micro)).isoformat()


def text(ids: Iterable[str]) -> str:
    """Several ids in one column, as JSON."""
    return orjson.dumps(list(ids)).decode()


def ids(column: str | None) -> list[str]:
    """The other way round."""
    return [] if not column else list(orjson.loads(column))


def counted(groups: Mapping[Key, list[datetime]]) -> list[Key]:
    """One row per distinct key of a page: the key (None as ''), how many, the first and the last moment."""
    return [
        (*["" if part is None else part for part in key], len(times), micros(min(times)), micros(max(times)))
        for key, times in groups.items()
    ]


def presented(
    rows: Iterable[Row], times: Sequence[str] = (), lists: Sequence[str] = (), truths: Sequence[str] = ()
) -> Iterator[Row]:
    """Rows of a table as they are shown: moments in ISO, lists as lists, '' as None."""
    for row in rows:
        for name in times:
            row[name] = shown(row[name])
        for name in lists:
            row[name] = ids(row[name])
        for name in truths:
            row[name] = None if row[name] is None else bool(row[name])
        yield {name: None if value == "" else value for name, value in row.items()}
