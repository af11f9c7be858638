"""The wrapped hierarchy: root -> bucket key -> what the bucket holds; how it is replaced when an epoch closes.

`WrappedKeyStore` decides what is kept and what goes; this file knows how it is wrapped and where it stands.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import datetime
from math import inf
from pathlib import Path
from time import monotonic, sleep
from typing import Any, Final, TypeVar

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from ledger.domain.errors import Busy, KeyMissing, Tampered, WrongLedger
from ledger.keys import Scope
from ledger.keys.cache import Recent
from ledger.keys.database import LAYOUT, KeyDatabase, no_keys
from ledger.keys.root import Root, Roots
from ledger.keys.wrap import draw, unwrap, wipe, wrap
from ledger.sql import as_json

T = TypeVar("T")
PEOPLE_PER_BUCKET: Final = 1024
CACHED_BUCKETS: Final = 4_096
_PAUSE_SECONDS: Final = 0.001

Place = tuple[str, str, str]
"""organisation, client, dataset: what a scope is without its person"""


class Vault:
    """The hierarchy in one key database, opened for one ledger; threads may share it.

    Statements run between `reading` and `writing`; after a transaction that failed `forget` is called, because
    whatever was remembered during it may not exist.
    """

    def __init__(
        self, database: KeyDatabase, roots: Roots, *, ledger_id: str, create: bool, forget: Callable[[], None]
    ) -> None:
        self.database, self.ledger_id = database, ledger_id
        self.roots, self._forget = roots, forget
        self._buckets: Recent[int, AESGCM] = Recent(CACHED_BUCKETS)
        self._shelves: dict[Place, int] = {}
        self._places: dict[int, Place] = {}
        self._root: Root | None = None
        self._known: Any = None
        self._seen: int | None = None
        self.ask, self.each = database.ask, database.each
        with self.reading():
            self._begin(create=create)

    # --- transactions

    def reading(self) -> AbstractContextManager[None]:
        """One thread at a time; foreign errors become ours."""
        return self.database.reading()

    @contextmanager
    def writing(self) -> Iterator[None]:
        """One transaction; a second one inside it is part of it."""
        try:
            with self.database.writing():
                self._forget_if_moved()  # Whatever is wrapped from here on goes under the key that the bucket has now.
                yield
        except BaseException:
            self.forget()
            self._forget()
            raise

    def changes(self) -> int:
        """Moves whenever another process or connection commits."""
        return self.database.changes()

    def settle(self) -> bool:
        """Clear what deleted rows left in files; True while a reader prevents it."""
        return self.database.settle()

    def look_around(self) -> None:
        """Drop root and bucket keys if another process closed an epoch since."""
        with self.reading():
            seen = self.changes()
            if seen != self._seen:
                self._forget_if_moved()
                self._seen = seen

    def again(self, look: Callable[[], T]) -> T:
        """What a look-up finds; looked up once more where another process wrapped it anew between two statements."""
        try:
            return look()
        except Tampered:
            self.forget()
            return look()

    def _forget_if_moved(self) -> None:
        rows = self.ask("epoch") if self._known else []
        if rows and rows[0] != self._known:
            self.forget()
            self._known = rows[0]

    def forget(self) -> None:
        """Drop the root, every bucket key and shelf from memory."""
        self._buckets.clear()
        self._shelves, self._places = {}, {}
        self._root = None

    def close(self) -> None:
        """Let go of the database."""
        with self.reading():
            self.forget()
        self.database.close()

    # --- what is wrapped

    def name(self, *parts: str) -> bytes:
        """What a wrapped thing is, as associated data: this ledger, its kind, its place."""
        return "\n".join((self.ledger_id, *parts)).encode()

    def secret(self, name: str) -> bytearray:
        """A secret of 32 bytes under the root, made where it never existed."""
        rows = self.ask("secret", name)
        if not rows:
            with self.writing():
                rows = self.ask("secret", name)
                if not rows:
                    secret = draw()
                    self.each("add_secret", [(name, self._current().wrap(secret, self.name("secret", name)))])
                    return secret
        wrapped, root = rows[0]
        return self._under(root).unwrap(wrapped, self.name("secret", name))

    def keep(self, name: str, secret: bytes) -> None:
        """A secret of somebody else under the root, in the open transaction."""
        self.each("add_secret", [(name, self._current().wrap(secret, self.name("secret", name)))])

    def kept(self, name: str) -> bytearray | None:
        """Such a secret in a buffer to be wiped; None where it is not kept."""
        rows = self.ask("secret", name)
        return self._under(rows[0][1]).unwrap(rows[0][0], self.name("secret", name)) if rows else None

    def under(self, buckets: set[int]) -> dict[int, AESGCM]:
        """The keys of these buckets; raises KeyMissing."""
        found, missing = self._buckets.pick(buckets)
        if missing:
            loaded = {
                number: self._opened(self._under(root), number, wrapped)
                for number, wrapped, root in self.ask("buckets", as_json(missing))
            }
            self._buckets.add(loaded)
            found.update(loaded)
        if len(found) < len(buckets):
            lost = min(buckets - found.keys())
            raise KeyMissing(f"bucket {lost} is gone from {self.database.place}; restore its newest backup")
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
        secret = draw()
        self.each("add_bucket", [(number, shelf, month, self._current().wrap(secret, self._bucket(number)))])
        wipe(secret)
        return number

    def _bucket(self, number: int) -> bytes:
        return self.name("bucket", str(number))

    def _opened(self, root: Root, number: int, wrapped: bytes) -> AESGCM:
        secret = root.unwrap(wrapped, self._bucket(number))
        try:
            return AESGCM(secret)
        finally:
            wipe(secret)

    # --- the root, and the epochs that replace it

    def epoch(self) -> tuple[int, str]:
        """The epoch that runs, and the id of its root."""
        number, root, _ = self.ask("epoch")[0]
        return int(number), str(root)

    def end_epoch(self, *, every_bucket: bool = False, until: float = inf) -> bool:
        """Wrap everything that lives under new keys and a new root. The old root still exists after this.

        Each stale bucket has a transaction of its own, so that nobody waits long; the last one takes what
        became stale meanwhile, and then the bucket keys themselves. False: the time (of `monotonic`) came first, and
        the next call goes on from there.
        """
        if every_bucket:
            with self.reading(), self.writing():
                self.ask("mark_every_bucket_stale")
        for (number,) in self._asked("stale_buckets"):
            with self.reading(), self.writing():
                self._renew(number)
            if monotonic() > until:
                return False
            sleep(_PAUSE_SECONDS)  # Whoever waits for the database has a turn: its lock is not fair.
        with self.reading():
            with self.writing():
                if self.ask("open_epochs"):
                    raise Busy("another process is closing an epoch of the keys: run it again when that is done")
                for (number,) in self.ask("stale_buckets"):
                    self._renew(number)
                self._replace_root()
            self.forget()
        return True

    def open_epochs(self) -> list[tuple[int, str]]:
        """Epochs that ended and whose root may still exist, oldest first."""
        return [(number, root) for number, root in self._asked("open_epochs")]

    def end_root(self, epoch: int, *, at: datetime, mirror: Path | None) -> None:
        """Destroy the root of an epoch that ended, at the mirror too, and say so."""
        with self.reading():
            if mirror is not None:
                self.roots.recall(epoch, mirror)
            self.roots.destroy(epoch)
        with self.reading(), self.writing():
            self.each("close_epoch", [(at.isoformat(), int(mirror is not None), epoch)])

    def drop_unused_root(self) -> None:
        """Destroy a root that was made for an epoch which never began, because a crash came between."""
        with self.reading(), self.writing():  # Nobody else can be about to begin it.
            running, _ = self.epoch()
            for root in self.roots.held():
                if root.epoch > running:
                    self.roots.destroy(root.epoch)

    def root(self) -> Root:
        """The root that counts."""
        with self.reading():
            return self._current()

    def _asked(self, name: str) -> list[Any]:
        with self.reading():
            return self.ask(name)

    def _replace_root(self) -> None:
        old, (running, _) = self._current(), self.epoch()
        new = self.roots.make(running + 1)
        self.each(
            "rewrap_bucket", [(self._rewrapped(old, new, w, self._bucket(n)), n) for n, w in self.ask("every_bucket")]
        )
        self.each(
            "rewrap_secret", [(self._rewrapped(old, new, w, self.name("secret", n)), n) for n, w in self.ask("secrets")]
        )
        self.each("add_epoch", [(running + 1, new.id)])

    @staticmethod
    def _rewrapped(old: Root, new: Root, wrapped: bytes, name: bytes) -> bytes:
        secret = old.unwrap(wrapped, name)
        try:
            return new.wrap(secret, name)
        finally:
            wipe(secret)

    def _renew(self, number: int) -> None:
        """Give a bucket a new key, and wrap everyone who is left in it under that, in the open transaction."""
        rows = self.ask("buckets", as_json([number]))
        if not rows:
            return  # Its last person went meanwhile.
        _, wrapped, root = rows[0]
        old, secret = self._opened(self._under(root), number, wrapped), draw()
        try:
            new = AESGCM(secret)
            again = self._under(root).wrap(secret, self._bucket(number))
        finally:
            wipe(secret)
        keys = [
            (_moved(old, new, sealed, self.name("key", *self.scope(person, shelf))), number, key_id)
            for key_id, person, shelf, sealed in self.ask("keys_in_bucket", number)
        ]
        self.each("rewrap_key", keys)
        for ways, rewrap, kind in (
            ("identifiers_in_bucket", "rewrap_identifier", "person"),
            ("people_in_bucket", "rewrap_person", "hash"),
        ):
            its = [
                (_moved(old, new, sealed, self.name(kind, what)), number, what)
                for what, sealed in self.ask(ways, number)
            ]
            self.each(rewrap, its)
        self.each("renew_bucket", [(again, number)])
        self.ask("count_renewal")
        self._known = self.ask("epoch")[0]
        self._buckets.clear()

    def _current(self) -> Root:
        return self._under(self.epoch()[1])

    def _under(self, wanted: str) -> Root:
        """The root of that id. Another process may have replaced it since we looked."""
        if self._root is None or self._root.id != wanted:
            self._root = self._found(wanted)
        return self._root

    def _found(self, wanted: str) -> Root:
        held = self.roots.held()
        found = next((root for root in held if root.id == wanted), None)
        if found is not None:
            return found
        if not held:
            raise no_root(self.roots)
        epoch = self.epoch()[0]
        newest = held[-1].epoch
        if newest > epoch:
            raise WrongLedger(
                f"{self.database.place} is of epoch {epoch}, and its root was destroyed; {self.roots.place} is of epoch "
                f"{newest}. It is a backup from before an erasure, which nothing opens any more, by design: restore "
                "the newest state from the mirror"
            )
        raise WrongLedger(
            f"{self.database.place} was wrapped under another root key: restore the root that belongs to it "
            f"to {self.roots.place}"
        )

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
        """Make sure that this is the key database of this ledger, under a root that we have; begin it if it is new."""
        if not self.database.tables():
            if not create:
                raise no_keys(self.database.place)
            held = self.roots.held()
            root = held[-1] if held else self.roots.make(1)
            with self.writing():
                self.database.create()
                self.each("add_meta", [("layout", LAYOUT), ("ledger", self.ledger_id)])
                self.each("add_epoch", [(root.epoch, root.id)])
        about = dict(self.ask("meta"))
        if about.get("ledger") != self.ledger_id:
            raise WrongLedger(
                f"{self.database.place} belongs to ledger {about.get('ledger')}, the log to {self.ledger_id}: "
                "restore the log and the key database that were made together"
            )
        try:
            self._current()
        except WrongLedger:
            self._current()  # Once more: another process may have closed the epoch between two looks.
        self._known = self.ask("epoch")[0]


def _moved(old: AESGCM, new: AESGCM, sealed: bytes, name: bytes) -> bytes:
    secret = unwrap(old, sealed, name)
    try:
        return wrap(new, secret, name)
    finally:
        wipe(secret)


def no_root(roots: Roots) -> KeyMissing:
    """What to say where a root should be and is not."""
    return KeyMissing(f"there is no root key in {roots.place}: restore it; without it nothing sealed can be read")
