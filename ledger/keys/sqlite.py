"""The embedded key store: wrapped keys in keys.db, the root beside it, erasures in a journal outside both.

The verbs of `KeyStore`, each one look-up a batch; `Vault` has the hierarchy below them.
"""

from __future__ import annotations

import os
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from hashlib import blake2b
from pathlib import Path
from typing import Final, NamedTuple

from ledger.domain.errors import KeyMissing, Tampered
from ledger.keys import IDENTITY, Destroyed, Erased, Fence, Identifier, Key, Scope, expand
from ledger.keys.cache import Recent
from ledger.keys.journal import Entry, GoneKey, GonePerson, Journal
from ledger.keys.root import Root, open_root
from ledger.keys.vault import Vault, as_json, no_keys
from ledger.keys.wrap import KEY_SIZE, unwrap, wrap

CACHED_KEYS: Final = 20_000
CACHED_FOR_READING: Final = 4_000
CACHED_PEOPLE: Final = 20_000
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
        raise no_keys(path)
    root = open_root(directory / "root", create=create and not path.exists())
    if create:
        Journal(directory / "erasures.journal").begin()
    return SQLiteKeyStore(path, root, ledger_id=ledger_id, journal=directory / "erasures.journal", create=create)


class SQLiteKeyStore:
    """Keys in one SQLite file (see `ledger.keys.KeyStore`); threads may share it, processes open their own."""

    def __init__(self, path: Path, root: Root, *, ledger_id: str, journal: Path, create: bool) -> None:
        self.ledger_id = ledger_id
        self._journal = Journal(journal)
        self._generation: int | None = None
        self._people: Recent[Identifier, str] = Recent(CACHED_PEOPLE)
        self._behind: Recent[Identifier, Fence] = Recent(CACHED_PEOPLE)
        self._keys: Recent[Scope, Key] = Recent(CACHED_KEYS)
        self._opened: Recent[str, Key] = Recent(CACHED_FOR_READING)
        self._secrets: dict[str, _Secrets] = {}
        self._vault = Vault(path, root, ledger_id=ledger_id, create=create, forget=self._forget_everything)
        try:
            self._replay()
        except BaseException:
            self._vault.close()
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
        with self._vault.reading():
            seen = self._vault.changes()
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
        with self._vault.reading(), self._vault.writing():
            known = self._people_of(list(dict.fromkeys(identifiers)))
            return known | self._add_people(
                [identifier for identifier in dict.fromkeys(identifiers) if identifier not in known]
            )

    def returned(self, identifiers: Collection[Identifier]) -> dict[Identifier, Fence]:
        """Identifiers that were erased and readmitted since, with the fence that still stands before them."""
        found, missing = self._behind.pick(identifiers)
        if missing:
            with self._vault.reading():
                mapped = self._people_of(missing) if self._vault.ask("any_fence") else {}
                behind = dict.fromkeys(mapped, _NO_FENCE) | self._fences_of(mapped)
                self._behind.add(behind)
            found |= behind
        return {identifier: fence for identifier, fence in found.items() if fence is not _NO_FENCE}

    def people(self) -> Mapping[str, int]:
        """How many living pseudonyms each organisation has."""
        with self._vault.reading():
            return dict(self._vault.ask("people_per_organisation"))

    def _looked_up(self, identifiers: Sequence[Identifier]) -> dict[Identifier, str | Fence | None]:
        found: dict[Identifier, str | Fence | None] = dict.fromkeys(identifiers)
        found.update(self._people_of(identifiers))
        unmet = [identifier for identifier, person in found.items() if person is None]
        if unmet:
            found.update(self._fences_of(unmet))
        return found

    def _people_of(self, identifiers: Sequence[Identifier]) -> dict[Identifier, str]:
        by_hash = {self._hash(identifier): identifier for identifier in identifiers}
        rows = self._vault.ask("people_by_hash", as_json(by_hash))
        under = self._vault.under({bucket for _, bucket, _ in rows})
        found = {}
        for hash_, bucket, sealed in rows:
            found[by_hash[hash_]] = unwrap(under[bucket], sealed, self._vault.name("person", hash_)).hex()
        self._people.add(found)
        return found

    def _fences_of(self, identifiers: Iterable[Identifier]) -> dict[Identifier, Fence]:
        by_fence = {
            self._fence(identifier.organisation, self._hash(identifier)): identifier for identifier in identifiers
        }
        return {
            by_fence[hash_]: Fence(generation) for hash_, generation in self._vault.ask("fences", as_json(by_fence))
        }

    def _admitted(self, identifiers: list[Identifier], seen: int) -> dict[Identifier, str | Fence | None]:
        """Give new pseudonyms, unless another process did since the look-up."""
        with self._vault.writing():
            found: dict[Identifier, str | Fence | None] = {}
            if self._vault.changes() != seen:
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
            places = self._vault.room(self._vault.shelf(organisation, "", ""), "", len(its))
            for identifier, (bucket, under) in zip(its, places, strict=True):
                pseudonym, hash_ = os.urandom(16), self._hash(identifier)
                person = added[identifier] = pseudonym.hex()
                ways.append((hash_, bucket, wrap(under, pseudonym, self._vault.name("person", hash_))))
                ways_back.append((person, bucket, wrap(under, bytes.fromhex(hash_), self._vault.name("hash", person))))
        self._vault.each("add_identifier", sorted(ways))
        self._vault.each("add_person", sorted(ways_back))
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
        with self._vault.reading():
            seen = self._vault.changes()
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
        with self._vault.reading():
            live = {key.id: key for key in self._unwrapped(self._vault.ask("keys_by_id", as_json(missing))).values()}
            gone = self._vault.ask("erased_keys_by_id", as_json([key_id for key_id in missing if key_id not in live]))
            self._opened.add(live)
        found: dict[str, Key | Erased] = {**known, **live, **{key_id: Erased(key_id, case) for key_id, case in gone}}
        unknown = sorted(set(missing) - found.keys())
        if unknown:
            raise KeyMissing(
                f"{len(unknown)} keys are unknown, the first is {unknown[0]}: {self._vault.path} is older than the log "
                "or not whole; restore its newest backup"
            )
        return found

    def scopes_of(self, person: str) -> list[tuple[Scope, str]]:
        """Every live scope of a person with its key id, sorted."""
        with self._vault.reading():
            rows = self._vault.ask("keys_of_people", as_json([person]))
            return sorted((self._vault.scope(person, shelf), key_id) for _, shelf, key_id, _, _ in rows)

    def _live(self, scopes: Collection[Scope]) -> dict[Scope, Key]:
        """The live keys of these scopes, loaded and checked."""
        wanted = self._vault.shelves_of(scopes)
        rows: list[_Row] = self._vault.ask("keys_of_people", as_json({person for person, _ in wanted if person}))
        own = [shelf for person, shelf in wanted if not person]
        if own:
            rows += self._vault.ask("keys_of_organisations", as_json(own))
        found = self._unwrapped([row for row in rows if row[:2] in wanted])
        self._keys.add(found)
        return found

    def _unwrapped(self, rows: Sequence[_Row]) -> dict[Scope, Key]:
        under = self._vault.under({row[3] for row in rows})
        found = {}
        for person, shelf, key_id, bucket, wrapped in rows:
            scope = self._vault.scope(person, shelf)
            key = Key(unwrap(under[bucket], wrapped, self._vault.name("key", *scope)))
            if key.id != key_id:
                raise Tampered(f"key {key_id} is not the key of that id; restore the key database")
            found[scope] = key
        return found

    def _made(self, scopes: set[Scope], renew: frozenset[Scope], month: str, seen: int) -> dict[Scope, Key | Erased]:
        """Make keys where none ever existed, unless another process made or destroyed some since the look-up."""
        with self._vault.writing():
            found: dict[Scope, Key | Erased] = {}
            if self._vault.changes() != seen:
                found.update(self._live(scopes))
            found.update(self._erased(scopes - found.keys(), renew))
            found.update(self._add_keys(sorted(scopes - found.keys()), month))
            return found

    def _erased(self, scopes: Collection[Scope], renew: frozenset[Scope]) -> dict[Scope, Erased]:
        """Those that were destroyed; a scope in `renew` may live again, unless the person is gone."""
        people = as_json({scope.person for scope in scopes})
        gone = dict(self._vault.ask("erased_people", people))
        rows = self._vault.ask("erased_keys_of_people", people)
        stones = {self._vault.scope(person, shelf): Erased(key_id, case) for person, shelf, key_id, case in rows}
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
            by_shelf[self._vault.shelf(scope.organisation, scope.client, scope.dataset)].append(scope)
        added: dict[Scope, Key] = {}
        rows: list[_Row] = []
        for shelf, its in by_shelf.items():
            for scope, (bucket, under) in zip(its, self._vault.room(shelf, month, len(its)), strict=True):
                secret = os.urandom(KEY_SIZE)
                key = added[scope] = Key(secret)
                rows.append((scope.person, shelf, key.id, bucket, wrap(under, secret, self._vault.name("key", *scope))))
        self._vault.each("add_key", sorted(rows))
        self._keys.add(added)
        return added

    # --- destruction

    def destroy(
        self, scopes: Collection[Scope], *, people: Collection[str] = (), case: str, generation: int
    ) -> Destroyed:
        """Destroy the keys of these scopes and everything of these people; repeating it changes nothing."""
        concerned = as_json({scope.person for scope in scopes} | set(people))
        with self._vault.reading():
            with self._vault.writing():
                leaving = self._leaving(set(scopes), set(people) - {""})
                entry = self._entry(leaving, case, generation)
                if entry.keys or entry.people:
                    self._journal.append(entry)
                    self._remove(entry, leaving.hashes, leaving.buckets)
            self._vault.forget()
            self._forget_everything()
            key_ids = [
                key_id for _, _, key_id, its in self._vault.ask("erased_keys_of_people", concerned) if its == case
            ]
            gone = [person for person, its in self._vault.ask("erased_people", concerned) if its == case]
            return Destroyed(sorted(key_ids), sorted(gone), self._vault.settle())

    def settle(self) -> bool:
        """Try again to clear what `destroy` reported as pending; True while it still is."""
        return self._vault.settle()

    def forget(self, generation: int) -> None:
        """Drop every cached key and person unless they were read in this generation of the log."""
        if generation != self._generation:
            with self._vault.reading():
                self._forget_everything()
                self._generation = generation

    def close(self) -> None:
        """Let go of the file and of every key in memory."""
        self._forget_everything()
        self._vault.close()

    def _forget_everything(self) -> None:
        for cache in (self._people, self._behind, self._keys, self._opened):
            cache.clear()
        self._secrets.clear()

    def _leaving(self, scopes: set[Scope], people: set[str]) -> _Leaving:
        """What goes with these scopes and people: also identities left alone, and people left with nothing."""
        named = {scope.person for scope in scopes} | people
        rows: list[_Row] = self._vault.ask("keys_of_people", as_json(named))
        live = {self._vault.scope(person, shelf): (key_id, bucket) for person, shelf, key_id, bucket, _ in rows}
        going = {scope for scope in live if scope in scopes or scope.person in people}
        touched = {scope[:3] for scope in going if scope.person}
        lasting = {scope[:3] for scope in live.keys() - going if scope.dataset != IDENTITY}
        going |= {scope for scope in live if scope[:3] in touched - lasting}
        left = {scope.person for scope in live.keys() - going}
        gone = sorted((({scope.person for scope in going} | people) - left) - {""})
        buckets = Counter(live[scope][1] for scope in going)
        ways = self._ways(gone)
        buckets.update(way.bucket for way in ways.values())
        known = dict(self._vault.ask("erased_people", as_json(gone)))
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
        rows = self._vault.ask("hashes_of_people", as_json(people))
        under = self._vault.under({bucket for _, bucket, _, _ in rows})
        found = {}
        for person, bucket, sealed, shelf in rows:
            hash_ = unwrap(under[bucket], sealed, self._vault.name("hash", person)).hex()
            found[person] = _Way(hash_, self._fence(self._vault.scope(person, shelf).organisation, hash_), bucket)
        return found

    def _entry(self, leaving: _Leaving, case: str, generation: int) -> Entry:
        return Entry(
            case=case,
            generation=generation,
            epoch=self._vault.epoch,
            keys=tuple(leaving.keys),
            people=tuple(leaving.people),
        )

    def _remove(self, entry: Entry, hashes: Sequence[str], buckets: Counter[int]) -> None:
        """Take the rows away, and leave a stone for each key and person and a fence for each identifier."""
        self._vault.each("drop_key", [(key.id,) for key in entry.keys])
        self._vault.each("drop_identifier", [(hash_,) for hash_ in hashes])
        self._vault.each("drop_person", [(person.person,) for person in entry.people])
        self._vault.each("empty_bucket", [(count, bucket) for bucket, count in buckets.items()])
        self._vault.ask("drop_empty_buckets", as_json(buckets))
        stones = [
            (
                key.id,
                key.person,
                self._vault.shelf(key.organisation, key.client, key.dataset),
                entry.case,
                entry.generation,
            )
            for key in entry.keys
        ]
        self._vault.each("add_erased_key", stones)
        self._vault.each(
            "add_erased_person", [(person.person, entry.case, entry.generation) for person in entry.people]
        )
        self._vault.each("add_fence", [(person.fence, entry.generation) for person in entry.people if person.fence])

    def _replay(self) -> None:
        """Complete every destruction of the journal that this database does not know, after a crash or a restore."""
        entries = self._journal.entries()
        with self._vault.reading():
            keys = {key.id for entry in entries for key in entry.keys}
            people = {person.person for entry in entries for person in entry.people}
            known = {key_id for key_id, _ in self._vault.ask("erased_keys_by_id", as_json(keys))}
            gone = {person for person, _ in self._vault.ask("erased_people", as_json(people))}
            if known == keys and gone == people:
                return
            with self._vault.writing():
                for entry in entries:
                    self._replay_entry(entry)
            self._vault.settle()

    def _replay_entry(self, entry: Entry) -> None:
        rows: list[_Row] = self._vault.ask("keys_by_id", as_json([key.id for key in entry.keys]))
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
        with self._vault.reading():
            return self._vault.secret("signing")

    def _hash(self, identifier: Identifier) -> str:
        secrets = self._secrets.get(identifier.organisation) or self._secrets_of(identifier.organisation)
        text = f"{len(identifier.scheme)}:{identifier.scheme}{identifier.value}"
        return blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16, key=secrets.identifiers).hexdigest()

    def _fence(self, organisation: str, hash_: str) -> str:
        secrets = self._secrets.get(organisation) or self._secrets_of(organisation)
        return blake2b(bytes.fromhex(hash_), digest_size=16, key=secrets.fences).hexdigest()

    def _secrets_of(self, organisation: str) -> _Secrets:
        with self._vault.reading():
            own, fences = (
                self._vault.secret(f"organisation/{organisation}"),
                self._vault.secret(f"fence/{organisation}"),
            )
            found = self._secrets[organisation] = _Secrets(
                identifiers=expand(own, b"pdl/1 identifier"), tokens=expand(own, b"pdl/1 token"), fences=fences
            )
            return found
