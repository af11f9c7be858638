"""The embedded key store: wrapped keys in keys.db, the root beside it, erasures in a journal outside both.

Root -> bucket key -> data key; the database sees none of them unwrapped. https://www.rfc-editor.org/rfc/rfc5869
for the key ids, docs/reference/formats.md for the layout.
"""

from __future__ import annotations

import os
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from hashlib import blake2b
from pathlib import Path
from threading import RLock
from typing import Any, Final, NamedTuple

import msgspec
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from ledger.domain.errors import KeyMissing, Tampered, WrongLedger
from ledger.keys import IDENTITY, Destroyed, Erased, Fence, Identifier, Key, Scope, expand
from ledger.keys.cache import Recent
from ledger.keys.database import LOCK_SECONDS, connect, explained, statements
from ledger.keys.journal import Entry, GoneKey, GonePerson, Journal
from ledger.keys.root import Root, open_root
from ledger.keys.wrap import KEY_SIZE, unwrap, wrap

LAYOUT: Final = "1"
PEOPLE_PER_BUCKET: Final = 1024
CACHED_KEYS: Final = 20_000
CACHED_PEOPLE: Final = 20_000
CACHED_BUCKETS: Final = 4_096
_NO_FENCE: Final = Fence(-1)

_Row = tuple[str, int, str, int, bytes]
"""person, shelf, key id, bucket, wrapped key"""


class _Secrets(NamedTuple):
    """What is hashed with which key for one organisation."""

    identifiers: bytes
    tokens: bytes
    fences: bytes


class _Way(NamedTuple):
    """How a person is reached: the hash of the identifier, the fence that will stand there, the bucket."""

    hash: str
    fence: str
    bucket: int


class _Leaving(NamedTuple):
    """What one destruction takes along: keys, people, and how many of each bucket."""

    keys: list[GoneKey]
    people: list[GonePerson]
    hashes: list[str]
    buckets: Counter[int]


def open_key_store(directory: Path, *, ledger_id: str, create: bool) -> SQLiteKeyStore:
    """The key store of a data directory: keys.db, root/ and erasures.journal.

    `create` says that the log is empty, so that a missing key database may be begun. Raises KeyMissing where
    keys should be and are not, WrongLedger where they belong to another log.
    """
    path = directory / "keys.db"
    if not create and not path.exists():
        raise _no_keys(path)
    root = open_root(directory / "root", create=create and not path.exists())
    return SQLiteKeyStore(path, root, ledger_id=ledger_id, journal=directory / "erasures.journal", create=create)


class SQLiteKeyStore:
    """Keys in one SQLite file (see `ledger.keys.KeyStore`); threads may share it, processes open their own."""

    def __init__(self, path: Path, root: Root, *, ledger_id: str, journal: Path, create: bool) -> None:
        if not create and not path.exists():
            raise _no_keys(path)
        self.ledger_id = ledger_id
        self._path, self._root, self._journal = path, root, Journal(journal)
        self._sql = statements()
        self._lock = RLock()
        self._generation: int | None = None
        self._people: Recent[Identifier, str] = Recent(CACHED_PEOPLE)
        self._behind: Recent[Identifier, Fence] = Recent(CACHED_PEOPLE)
        self._keys: Recent[Scope, Key] = Recent(CACHED_KEYS)
        self._opened: Recent[str, Key] = Recent(CACHED_KEYS)
        self._buckets: Recent[int, AESGCM] = Recent(CACHED_BUCKETS)
        self._secrets: dict[str, _Secrets] = {}
        self._shelves: dict[tuple[str, str, str], int] = {}
        self._scopes: dict[int, tuple[str, str, str]] = {}
        self._db: Any = connect(path)
        try:
            with explained(path):
                self._begin(create=create)
            self._replay()
        except BaseException:
            self._db.close()
            raise

    # --- people

    def resolve(
        self, identifiers: Collection[Identifier], *, create: Collection[Identifier] = ()
    ) -> dict[Identifier, str | Fence | None]:
        """Who each identifier is: a pseudonym, a Fence once erased, or None."""
        known, missing = self._people.pick(identifiers)
        if not missing:
            return dict(known)
        found: dict[Identifier, str | Fence | None] = dict(known)
        with self._reading():
            seen = self._changes()
            found.update(self._looked_up(missing))
            unmet = set(create)
            new = [
                identifier for identifier in dict.fromkeys(missing) if found[identifier] is None and identifier in unmet
            ]
            if new:
                found.update(self._admitted(new, seen))
        return found

    def readmit(self, identifiers: Collection[Identifier]) -> dict[Identifier, str]:
        """Who each identifier is; a fenced one starts anew under a pseudonym that nothing links to the old."""
        with self._reading(), self._writing():
            known = self._people_of(list(dict.fromkeys(identifiers)))
            return known | self._add_people(
                [identifier for identifier in dict.fromkeys(identifiers) if identifier not in known]
            )

    def returned(self, identifiers: Collection[Identifier]) -> dict[Identifier, Fence]:
        """Identifiers that were erased and readmitted since, with the fence that still stands before them."""
        found, missing = self._behind.pick(identifiers)
        if missing:
            with self._reading():
                mapped = self._people_of(missing) if self._ask("any_fence") else {}
                behind = dict.fromkeys(mapped, _NO_FENCE) | self._fences_of(mapped)
            self._behind.add(behind)
            found |= behind
        return {identifier: fence for identifier, fence in found.items() if fence is not _NO_FENCE}

    def people(self) -> Mapping[str, int]:
        """How many living pseudonyms each organisation has."""
        with self._reading():
            return dict(self._ask("people_per_organisation"))

    def _looked_up(self, identifiers: Sequence[Identifier]) -> dict[Identifier, str | Fence | None]:
        found: dict[Identifier, str | Fence | None] = dict.fromkeys(identifiers)
        found.update(self._people_of(identifiers))
        unmet = [identifier for identifier, person in found.items() if person is None]
        if unmet:
            found.update(self._fences_of(unmet))
        return found

    def _people_of(self, identifiers: Sequence[Identifier]) -> dict[Identifier, str]:
        by_hash = {self._hash(identifier): identifier for identifier in identifiers}
        rows = self._ask("people_by_hash", _json(by_hash))
        under = self._under({bucket for _, bucket, _ in rows})
        found = {}
        for hash_, bucket, sealed in rows:
            found[by_hash[hash_]] = unwrap(under[bucket], sealed, self._name("person", hash_)).hex()
        self._people.add(found)
        return found

    def _fences_of(self, identifiers: Iterable[Identifier]) -> dict[Identifier, Fence]:
        by_fence = {
            self._fence(identifier.organisation, self._hash(identifier)): identifier for identifier in identifiers
        }
        return {by_fence[hash_]: Fence(generation) for hash_, generation in self._ask("fences", _json(by_fence))}

    def _admitted(self, identifiers: list[Identifier], seen: int) -> dict[Identifier, str | Fence | None]:
        """Give new pseudonyms, unless another process did since the look-up."""
        with self._writing():
            found: dict[Identifier, str | Fence | None] = {}
            if self._changes() != seen:
                found = {known: person for known, person in self._looked_up(identifiers).items() if person is not None}
            found.update(self._add_people([identifier for identifier in identifiers if identifier not in found]))
            return found

    def _add_people(self, identifiers: list[Identifier]) -> dict[Identifier, str]:
        by_organisation: dict[str, list[Identifier]] = defaultdict(list)
        for identifier in identifiers:
            by_organisation[identifier.organisation].append(identifier)
        added: dict[Identifier, str] = {}
        ways, ways_back = [], []
        for organisation, its in by_organisation.items():
            places = self._places(self._shelf(organisation, "", ""), "", len(its))
            for identifier, (bucket, under) in zip(its, places, strict=True):
                pseudonym, hash_ = os.urandom(16), self._hash(identifier)
                person = added[identifier] = pseudonym.hex()
                ways.append((hash_, bucket, wrap(under, pseudonym, self._name("person", hash_))))
                ways_back.append((person, bucket, wrap(under, bytes.fromhex(hash_), self._name("hash", person))))
        self._each("add_identifier", sorted(ways))
        self._each("add_person", sorted(ways_back))
        self._people.add(added)
        return added

    # --- keys

    def obtain(
        self, scopes: Collection[Scope], *, renew: Collection[Scope] = (), month: str = ""
    ) -> dict[Scope, Key | Erased]:
        """The key of each scope, made where none ever existed; Erased where it was destroyed."""
        known, missing = self._keys.pick(scopes)
        if not missing:
            return dict(known)
        found: dict[Scope, Key | Erased] = dict(known)
        with self._reading():
            seen = self._changes()
            wanted = set(missing)
            found.update(self._live(wanted))
            new = wanted - found.keys()
            if new:
                found.update(self._made(new, frozenset(renew), month, seen))
        return found

    def open(self, key_ids: Collection[str]) -> dict[str, Key | Erased]:
        """Keys by id, for reading; raises KeyMissing where none is known and none was destroyed."""
        known, missing = self._opened.pick(key_ids)
        if not missing:
            return dict(known)
        with self._reading():
            live = {key.id: key for key in self._unwrapped(self._ask("keys_by_id", _json(missing))).values()}
            gone = self._ask("erased_keys_by_id", _json([key_id for key_id in missing if key_id not in live]))
        self._opened.add(live)
        found: dict[str, Key | Erased] = {**known, **live, **{key_id: Erased(key_id, case) for key_id, case in gone}}
        unknown = sorted(set(missing) - found.keys())
        if unknown:
            raise KeyMissing(
                f"{len(unknown)} keys are unknown, the first is {unknown[0]}: {self._path} is older than the log "
                "or not whole; restore its newest backup"
            )
        return found

    def scopes_of(self, person: str) -> list[tuple[Scope, str]]:
        """Every live scope of a person with its key id, sorted."""
        with self._reading():
            rows = self._ask("keys_of_people", _json([person]))
            return sorted((self._scope(person, shelf), key_id) for _, shelf, key_id, _, _ in rows)

    def _live(self, scopes: Collection[Scope]) -> dict[Scope, Key]:
        """The live keys of these scopes, loaded and checked."""
        if any(scope[:2] + scope[3:] not in self._shelves for scope in scopes):
            self._load_shelves()
        wanted = {(scope.person, self._shelves.get(scope[:2] + scope[3:])): scope for scope in scopes}
        rows: list[_Row] = self._ask("keys_of_people", _json({person for person, _ in wanted if person}))
        own = [shelf for person, shelf in wanted if not person]
        if own:
            rows += self._ask("keys_of_organisations", _json(own))
        found = self._unwrapped([row for row in rows if row[:2] in wanted])
        self._keys.add(found)
        return found

    def _unwrapped(self, rows: Sequence[_Row]) -> dict[Scope, Key]:
        under = self._under({row[3] for row in rows})
        found = {}
        for person, shelf, key_id, bucket, wrapped in rows:
            scope = self._scope(person, shelf)
            key = Key(unwrap(under[bucket], wrapped, self._name("key", *scope)))
            if key.id != key_id:
                raise Tampered(f"key {key_id} is not the key of that id; restore the key database")
            found[scope] = key
        return found

    def _made(self, scopes: set[Scope], renew: frozenset[Scope], month: str, seen: int) -> dict[Scope, Key | Erased]:
        """Make keys where none ever existed, unless another process made or destroyed some since the look-up."""
        with self._writing():
            found: dict[Scope, Key | Erased] = {}
            if self._changes() != seen:
                found.update(self._live(scopes))
            found.update(self._erased(scopes - found.keys(), renew))
            found.update(self._add_keys(sorted(scopes - found.keys()), month))
            return found

    def _erased(self, scopes: Collection[Scope], renew: frozenset[Scope]) -> dict[Scope, Erased]:
        """Those that were destroyed; a scope in `renew` may live again, unless the person is gone."""
        people = _json({scope.person for scope in scopes})
        gone = dict(self._ask("erased_people", people))
        rows = self._ask("erased_keys_of_people", people)
        stones = {self._scope(person, shelf): Erased(key_id, case) for person, shelf, key_id, case in rows}
        found = {}
        for scope in scopes:
            if scope.person in gone:
                found[scope] = stones.get(scope, Erased(None, gone[scope.person]))
            elif scope in stones and scope not in renew:
                found[scope] = stones[scope]
        return found

    def _add_keys(self, scopes: list[Scope], month: str) -> dict[Scope, Key]:
        by_shelf: dict[int, list[Scope]] = defaultdict(list)
        for scope in scopes:
            by_shelf[self._shelf(scope.organisation, scope.client, scope.dataset)].append(scope)
        added: dict[Scope, Key] = {}
        rows: list[_Row] = []
        for shelf, its in by_shelf.items():
            for scope, (bucket, under) in zip(its, self._places(shelf, month, len(its)), strict=True):
                secret = os.urandom(KEY_SIZE)
                key = added[scope] = Key(secret)
                rows.append((scope.person, shelf, key.id, bucket, wrap(under, secret, self._name("key", *scope))))
        self._each("add_key", sorted(rows))
        self._keys.add(added)
        return added

    # --- destruction

    def destroy(
        self, scopes: Collection[Scope], *, people: Collection[str] = (), case: str, generation: int
    ) -> Destroyed:
        """Destroy the keys of these scopes and everything of these people; repeating it changes nothing."""
        concerned = _json({scope.person for scope in scopes} | set(people))
        with self._reading():
            with self._writing():
                leaving = self._leaving(set(scopes), set(people) - {""})
                entry = self._entry(leaving, case, generation)
                if entry.keys or entry.people:
                    self._journal.append(entry)
                    self._remove(entry, leaving.hashes, leaving.buckets)
            self._drop_caches()
            key_ids = [key_id for _, _, key_id, its in self._ask("erased_keys_of_people", concerned) if its == case]
            gone = [person for person, its in self._ask("erased_people", concerned) if its == case]
            return Destroyed(sorted(key_ids), sorted(gone), self.settle())

    def settle(self) -> bool:
        """Write the pages of destroyed keys over and empty the write-ahead file; True while a reader prevents it."""
        with self._reading():
            self._db.execute("PRAGMA busy_timeout = 0").fetchall()
            try:
                busy, _, _ = self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
            finally:
                self._db.execute(f"PRAGMA busy_timeout = {LOCK_SECONDS * 1000}").fetchall()
        return bool(busy)

    def forget(self, generation: int) -> None:
        """Drop every cached key and person unless they were read in this generation of the log."""
        if generation != self._generation:
            with self._lock:
                self._drop_caches()
                self._generation = generation

    def _leaving(self, scopes: set[Scope], people: set[str]) -> _Leaving:
        """What goes with these scopes and people: also identities left alone, and people left with nothing."""
        named = {scope.person for scope in scopes} | people
        rows: list[_Row] = self._ask("keys_of_people", _json(named))
        live = {self._scope(person, shelf): (key_id, bucket) for person, shelf, key_id, bucket, _ in rows}
        going = {scope for scope in live if scope in scopes or scope.person in people}
        touched = {scope[:3] for scope in going if scope.person}
        lasting = {scope[:3] for scope in live.keys() - going if scope.dataset != IDENTITY}
        going |= {scope for scope in live if scope[:3] in touched - lasting}
        left = {scope.person for scope in live.keys() - going}
        gone = sorted((({scope.person for scope in going} | people) - left) - {""})
        buckets = Counter(live[scope][1] for scope in going)
        ways = self._ways(gone)
        buckets.update(way.bucket for way in ways.values())
        known = dict(self._ask("erased_people", _json(gone)))
        return _Leaving(
            keys=[GoneKey(live[scope][0], *scope) for scope in sorted(going)],
            people=[
                GonePerson(person, ways[person].fence if person in ways else "")
                for person in gone
                if person not in known
            ],
            hashes=[way.hash for way in ways.values()],
            buckets=buckets,
        )

    def _ways(self, people: Sequence[str]) -> dict[str, _Way]:
        """How each person can be reached from an identifier, as far as there is a way."""
        rows = self._ask("hashes_of_people", _json(people))
        under = self._under({bucket for _, bucket, _, _ in rows})
        found = {}
        for person, bucket, sealed, shelf in rows:
            hash_ = unwrap(under[bucket], sealed, self._name("hash", person)).hex()
            found[person] = _Way(hash_, self._fence(self._scope(person, shelf).organisation, hash_), bucket)
        return found

    def _entry(self, leaving: _Leaving, case: str, generation: int) -> Entry:
        return Entry(
            case=case,
            generation=generation,
            epoch=self._root.epoch,
            keys=tuple(leaving.keys),
            people=tuple(leaving.people),
        )

    def _remove(self, entry: Entry, hashes: Sequence[str], buckets: Counter[int]) -> None:
        """Take the rows away, and leave a stone for each key and person and a fence for each identifier."""
        self._each("drop_key", [(key.id,) for key in entry.keys])
        self._each("drop_identifier", [(hash_,) for hash_ in hashes])
        self._each("drop_person", [(person.person,) for person in entry.people])
        self._each("empty_bucket", [(count, bucket) for bucket, count in buckets.items()])
        self._db.execute(self._sql["drop_empty_buckets"], (_json(buckets),))
        stones = [
            (key.id, key.person, self._shelf(key.organisation, key.client, key.dataset), entry.case, entry.generation)
            for key in entry.keys
        ]
        self._each("add_erased_key", stones)
        self._each("add_erased_person", [(person.person, entry.case, entry.generation) for person in entry.people])
        self._each("add_fence", [(person.fence, entry.generation) for person in entry.people if person.fence])

    def _replay(self) -> None:
        """Complete every destruction of the journal that this database does not know, after a crash or a restore."""
        entries = self._journal.entries()
        with self._reading():
            keys = {key.id for entry in entries for key in entry.keys}
            people = {person.person for entry in entries for person in entry.people}
            known = {key_id for key_id, _ in self._ask("erased_keys_by_id", _json(keys))}
            gone = {person for person, _ in self._ask("erased_people", _json(people))}
            if known == keys and gone == people:
                return
            with self._writing():
                for entry in entries:
                    self._replay_entry(entry)
            self.settle()

    def _replay_entry(self, entry: Entry) -> None:
        rows: list[_Row] = self._ask("keys_by_id", _json([key.id for key in entry.keys]))
        buckets = Counter(bucket for _, _, _, bucket, _ in rows)
        ways = self._ways([person.person for person in entry.people])
        buckets.update(way.bucket for way in ways.values())
        self._remove(entry, [way.hash for way in ways.values()], buckets)

    # --- secrets of the ledger and of organisations

    def token(self, organisation: str, text: str) -> str:
        """A keyed token (16 hex digits) that stands for an id or reference of an organisation."""
        secrets = self._secrets.get(organisation) or self._secrets_of(organisation)
        return blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8, key=secrets.tokens).hexdigest()

    def signing_seed(self) -> bytes:
        """The Ed25519 seed that signs checkpoints (32 bytes), made on first use."""
        with self._reading():
            return self._secret("signing")

    def _hash(self, identifier: Identifier) -> str:
        secrets = self._secrets.get(identifier.organisation) or self._secrets_of(identifier.organisation)
        text = f"{len(identifier.scheme)}:{identifier.scheme}{identifier.value}"
        return blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16, key=secrets.identifiers).hexdigest()

    def _fence(self, organisation: str, hash_: str) -> str:
        secrets = self._secrets.get(organisation) or self._secrets_of(organisation)
        return blake2b(bytes.fromhex(hash_), digest_size=16, key=secrets.fences).hexdigest()

    def _secrets_of(self, organisation: str) -> _Secrets:
        with self._reading():
            own, fences = self._secret(f"organisation/{organisation}"), self._secret(f"fence/{organisation}")
            found = self._secrets[organisation] = _Secrets(
                identifiers=expand(own, b"pdl/1 identifier"), tokens=expand(own, b"pdl/1 token"), fences=fences
            )
            return found

    def _secret(self, name: str) -> bytes:
        """A secret under the root, made where it never existed."""
        rows = self._ask("secret", name)
        if not rows:
            with self._writing():
                rows = self._ask("secret", name)
                if not rows:
                    secret = os.urandom(KEY_SIZE)
                    self._each("add_secret", [(name, self._root.wrap(secret, self._name("secret", name)))])
                    return secret
        return self._root.unwrap(rows[0][0], self._name("secret", name))

    # --- shelves and buckets

    def _shelf(self, organisation: str, client: str, dataset: str) -> int:
        """The number of a shelf; a new one is put up in the open transaction."""
        place = (organisation, client, dataset)
        if place not in self._shelves:
            self._load_shelves()
        if place not in self._shelves:
            number = self._ask("add_shelf", *place)[0][0]
            self._shelves[place], self._scopes[number] = number, place
        return self._shelves[place]

    def _scope(self, person: str, shelf: int) -> Scope:
        if shelf not in self._scopes:
            self._load_shelves()
        if shelf not in self._scopes:
            raise Tampered(f"a key stands on shelf {shelf}, which does not exist; restore the key database")
        organisation, client, dataset = self._scopes[shelf]
        return Scope(organisation, client, person, dataset)

    def _load_shelves(self) -> None:
        self._scopes = {
            number: (organisation, client, dataset) for number, organisation, client, dataset in self._ask("shelves")
        }
        self._shelves = {place: number for number, place in self._scopes.items()}

    def _places(self, shelf: int, month: str, count: int) -> Iterator[tuple[int, AESGCM]]:
        """A bucket and its key for each of `count` new entries, in the open transaction."""
        while count:
            rows = self._ask("bucket_with_room", shelf, month, PEOPLE_PER_BUCKET)
            bucket, taken = rows[0] if rows else (self._add_bucket(shelf, month), 0)
            under, here = self._under({bucket})[bucket], min(count, PEOPLE_PER_BUCKET - taken)
            self._each("fill_bucket", [(here, here, bucket)])
            yield from [(bucket, under)] * here
            count -= here

    def _add_bucket(self, shelf: int, month: str) -> int:
        number: int = self._ask("next_bucket")[0][0]
        wrapped = self._root.wrap(os.urandom(KEY_SIZE), self._name("bucket", str(number)))
        self._each("add_bucket", [(number, shelf, month, self._root.epoch, wrapped)])
        return number

    def _under(self, buckets: set[int]) -> dict[int, AESGCM]:
        """The keys of these buckets; raises KeyMissing."""
        found, missing = self._buckets.pick(buckets)
        if missing:
            rows = self._ask("buckets", _json(missing))
            loaded = {
                number: AESGCM(self._root.unwrap(wrapped, self._name("bucket", str(number))))
                for number, wrapped in rows
            }
            self._buckets.add(loaded)
            found.update(loaded)
        if len(found) < len(buckets):
            raise KeyMissing(
                f"bucket {min(buckets - found.keys())} is gone from {self._path}; restore its newest backup"
            )
        return found

    # --- the database

    def close(self) -> None:
        """Let go of the file and of every key in memory."""
        with self._lock:
            self._drop_caches()
            self._secrets.clear()
            self._db.close()

    def _begin(self, *, create: bool) -> None:
        """Make sure that this is the key database of this ledger, under this root; begin it if it is new."""
        tables = {name for (name,) in self._ask("tables")}
        if tables and "meta" not in tables:
            raise WrongLedger(f"{self._path} is not a key database: restore the one that belongs to this ledger")
        if not tables:
            if not create:
                raise _no_keys(self._path)
            with self._writing():
                for statement in filter(str.strip, self._sql["create"].split(";")):
                    self._db.execute(statement)
                about = {"ledger": self.ledger_id, "layout": LAYOUT, "root": self._root.id}
                self._each("add_meta", sorted(about.items()))
        self._check(dict(self._ask("meta")))

    def _check(self, about: Mapping[str, str]) -> None:
        if about.get("layout") != LAYOUT:
            raise WrongLedger(
                f"{self._path} has layout {about.get('layout')}, this version reads {LAYOUT}: use the version that wrote it"
            )
        if about.get("ledger") != self.ledger_id:
            raise WrongLedger(
                f"{self._path} belongs to ledger {about.get('ledger')}, the log to {self.ledger_id}: "
                "restore the log and the key database that were made together"
            )
        if about.get("root") != self._root.id:
            raise WrongLedger(
                f"{self._path} was wrapped under another root key: restore the root/ folder that belongs to it"
            )

    def _ask(self, name: str, *values: object) -> list[Any]:
        rows: list[Any] = self._db.execute(self._sql[name], values).fetchall()
        return rows

    def _each(self, name: str, rows: Sequence[tuple[object, ...]]) -> None:
        self._db.executemany(self._sql[name], rows)

    def _changes(self) -> int:
        """Moves whenever another connection commits."""
        number: int = self._ask("changed_by_others")[0][0]
        return number

    @contextmanager
    def _reading(self) -> Iterator[None]:
        with self._lock, explained(self._path):
            yield

    @contextmanager
    def _writing(self) -> Iterator[None]:
        """One transaction; a second one inside it is part of it."""
        if self._db.in_transaction:
            yield
            return
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._db.execute("COMMIT")
        except BaseException:
            self._drop_caches()
            self._secrets.clear()
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            raise

    def _drop_caches(self) -> None:
        for cache in (self._people, self._behind, self._keys, self._opened, self._buckets):
            cache.clear()
        self._shelves, self._scopes = {}, {}

    def _name(self, *parts: str) -> bytes:
        """What a wrapped thing is, as associated data: this ledger, its kind, its place."""
        return "\n".join((self.ledger_id, *parts)).encode()


def _json(values: Iterable[object]) -> str:
    return msgspec.json.encode(list(values)).decode()


def _no_keys(path: Path) -> KeyMissing:
    return KeyMissing(
        f"{path} is missing or empty, and the log is not: restore the key database; a new one could open nothing"
    )
