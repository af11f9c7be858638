"""The wrapped hierarchy in keys.db: root -> bucket key -> what the bucket holds, and the transactions around it.

`SQLiteKeyStore` decides what is kept and what goes; this file knows how it is wrapped and where it stands.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from threading import RLock
from typing import Any, Final

import msgspec
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from ledger.domain.errors import KeyMissing, Tampered, WrongLedger
from ledger.keys import Scope
from ledger.keys.cache import Recent
from ledger.keys.database import LOCK_SECONDS, connect, explained, statements
from ledger.keys.root import Root
from ledger.keys.wrap import KEY_SIZE

LAYOUT: Final = "1"
PEOPLE_PER_BUCKET: Final = 1024
CACHED_BUCKETS: Final = 4_096

Place = tuple[str, str, str]
"""organisation, client, dataset: what a scope is without its person"""


class Vault:
    """One key database, opened for one ledger under one root; threads may share it.

    Statements run between `reading` and `writing`; after a transaction that failed `forget` is called, because
    whatever was remembered during it may not exist.
    """

    def __init__(self, path: Path, root: Root, *, ledger_id: str, create: bool, forget: Callable[[], None]) -> None:
        if not create and not path.exists():
            raise no_keys(path)
        self.path, self.ledger_id, self.epoch = path, ledger_id, root.epoch
        self._root, self._forget = root, forget
        self._sql = statements()
        self._lock = RLock()
        self._buckets: Recent[int, AESGCM] = Recent(CACHED_BUCKETS)
        self._shelves: dict[Place, int] = {}
        self._places: dict[int, Place] = {}
        self.db: Any = connect(path)
        try:
            with explained(path):
                self._begin(create=create)
        except BaseException:
            self.db.close()
            raise

    # --- statements and transactions

    def ask(self, name: str, *values: object) -> list[Any]:
        """The rows of one statement of sqlite.sql."""
        rows: list[Any] = self.db.execute(self._sql[name], values).fetchall()
        return rows

    def each(self, name: str, rows: Sequence[tuple[object, ...]]) -> None:
        """One statement of sqlite.sql for many rows."""
        self.db.executemany(self._sql[name], rows)

    def changes(self) -> int:
        """Moves whenever another process or connection commits."""
        number: int = self.ask("changed_by_others")[0][0]
        return number

    @contextmanager
    def reading(self) -> Iterator[None]:
        """One thread at a time; foreign errors become ours."""
        with self._lock, explained(self.path):
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
            self.forget()
            self._forget()
            if self.db.in_transaction:
                self.db.execute("ROLLBACK")
            raise

    def settle(self) -> bool:
        """Write the pages of deleted rows over and empty the write-ahead file; True while a reader prevents it."""
        with self.reading():
            self.db.execute("PRAGMA busy_timeout = 0").fetchall()
            try:
                busy, _, _ = self.db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
            finally:
                self.db.execute(f"PRAGMA busy_timeout = {LOCK_SECONDS * 1000}").fetchall()
        return bool(busy)

    def forget(self) -> None:
        """Drop every bucket key and shelf from memory."""
        self._buckets.clear()
        self._shelves, self._places = {}, {}

    def close(self) -> None:
        """Let go of the file."""
        with self._lock:
            self.forget()
            self.db.close()

    # --- what is wrapped

    def name(self, *parts: str) -> bytes:
        """What a wrapped thing is, as associated data: this ledger, its kind, its place."""
        return "\n".join((self.ledger_id, *parts)).encode()

    def secret(self, name: str) -> bytes:
        """A secret of 32 bytes under the root, made where it never existed."""
        rows = self.ask("secret", name)
        if not rows:
            with self.writing():
                rows = self.ask("secret", name)
                if not rows:
                    secret = os.urandom(KEY_SIZE)
                    self.each("add_secret", [(name, self._root.wrap(secret, self.name("secret", name)))])
                    return secret
        return self._root.unwrap(rows[0][0], self.name("secret", name))

    def under(self, buckets: set[int]) -> dict[int, AESGCM]:
        """The keys of these buckets; raises KeyMissing."""
        found, missing = self._buckets.pick(buckets)
        if missing:
            rows = self.ask("buckets", as_json(missing))
            loaded = {number: AESGCM(self._root.unwrap(wrapped, self._bucket(number))) for number, wrapped in rows}
            self._buckets.add(loaded)
            found.update(loaded)
        if len(found) < len(buckets):
            lost = min(buckets - found.keys())
            raise KeyMissing(f"bucket {lost} is gone from {self.path}; restore its newest backup")
        return found

    def room(self, shelf: int, month: str, count: int) -> Iterator[tuple[int, AESGCM]]:
        """A bucket and its key for each of `count` new entries, in the open transaction."""
        while count:
            rows = self.ask("bucket_with_room", shelf, month, PEOPLE_PER_BUCKET)
            bucket, taken = rows[0] if rows else (self._add_bucket(shelf, month), 0)
            under, here = self.under({bucket})[bucket], min(count, PEOPLE_PER_BUCKET - taken)
            self.each("fill_bucket", [(here, here, bucket)])
            yield from [(bucket, under)] * here
            count -= here

    def _add_bucket(self, shelf: int, month: str) -> int:
        number: int = self.ask("next_bucket")[0][0]
        wrapped = self._root.wrap(os.urandom(KEY_SIZE), self._bucket(number))
        self.each("add_bucket", [(number, shelf, month, self._root.epoch, wrapped)])
        return number

    def _bucket(self, number: int) -> bytes:
        return self.name("bucket", str(number))

    # --- shelves

    def shelf(self, organisation: str, client: str, dataset: str) -> int:
        """The number of a shelf; a new one is put up in the open transaction."""
        place = (organisation, client, dataset)
        if place not in self._shelves:
            self._load_shelves()
        if place not in self._shelves:
            number = self.ask("add_shelf", *place)[0][0]
            self._shelves[place], self._places[number] = number, place
        return self._shelves[place]

    def shelves_of(self, scopes: Iterable[Scope]) -> dict[tuple[str, int], Scope]:
        """Those scopes whose shelf exists, by person and shelf."""
        places = {scope: (scope.organisation, scope.client, scope.dataset) for scope in scopes}
        if not self._shelves.keys() >= set(places.values()):
            self._load_shelves()
        return {
            (scope.person, self._shelves[place]): scope for scope, place in places.items() if place in self._shelves
        }

    def scope(self, person: str, shelf: int) -> Scope:
        """The scope of a person's key on a shelf; raises Tampered where there is no such shelf."""
        if shelf not in self._places:
            self._load_shelves()
        if shelf not in self._places:
            raise Tampered(f"a key stands on shelf {shelf}, which does not exist; restore the key database")
        organisation, client, dataset = self._places[shelf]
        return Scope(organisation, client, person, dataset)

    def _load_shelves(self) -> None:
        self._places = {
            number: (organisation, client, dataset) for number, organisation, client, dataset in self.ask("shelves")
        }
        self._shelves = {place: number for number, place in self._places.items()}

    # --- whose database this is

    def _begin(self, *, create: bool) -> None:
        """Make sure that this is the key database of this ledger, under this root; begin it if it is new."""
        tables = {name for (name,) in self.ask("tables")}
        if tables and "meta" not in tables:
            raise WrongLedger(f"{self.path} is not a key database: restore the one that belongs to this ledger")
        if not tables:
            if not create:
                raise no_keys(self.path)
            with self.writing():
                for statement in filter(str.strip, self._sql["create"].split(";")):
                    self.db.execute(statement)
                about = {"ledger": self.ledger_id, "layout": LAYOUT, "root": self._root.id}
                self.each("add_meta", sorted(about.items()))
        self._check(dict(self.ask("meta")))

    def _check(self, about: Mapping[str, str]) -> None:
        if about.get("layout") != LAYOUT:
            raise WrongLedger(
                f"{self.path} has layout {about.get('layout')}, this version reads {LAYOUT}: use the version that wrote it"
            )
        if about.get("ledger") != self.ledger_id:
            raise WrongLedger(
                f"{self.path} belongs to ledger {about.get('ledger')}, the log to {self.ledger_id}: "
                "restore the log and the key database that were made together"
            )
        if about.get("root") != self._root.id:
            raise WrongLedger(
                f"{self.path} was wrapped under another root key: restore the root/ folder that belongs to it"
            )


def as_json(values: Iterable[object]) -> str:
    """Many values as one parameter, for json_each."""
    return msgspec.json.encode(list(values)).decode()


def no_keys(path: Path) -> KeyMissing:
    """What to say where keys should be and are not."""
    return KeyMissing(
        f"{path} is missing or empty, and the log is not: restore the key database; a new one could open nothing"
    )
