"""People, keys and destruction, each verb one look-up a batch, over any database of wrapped keys.

The verbs of `KeyStore`; `Vault` has the hierarchy below them, `KeyDatabase` the rows.
"""

from __future__ import annotations

import os
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from hashlib import blake2b
from math import inf
from pathlib import Path
from time import monotonic
from typing import Final, NamedTuple

from ledger.domain.errors import KeyMissing, StoreUnavailable, Tampered
from ledger.keys import (
    IDENTITY,
    Closed,
    Destroyed,
    Erased,
    Fence,
    Finality,
    Identifier,
    Key,
    KeyStatus,
    Order,
    Scope,
    expand,
)
from ledger.keys.cache import Recent
from ledger.keys.database import KeyDatabase
from ledger.keys.journal import Entry, GoneKey, GonePerson, Journal
from ledger.keys.root import Roots
from ledger.keys.vault import Vault
from ledger.keys.wrap import KEY_SIZE, draw, unwrap, wipe, wrap
from ledger.sql import as_json

CACHED_KEYS: Final = 20_000
CACHED_FOR_READING: Final = 4_000
CACHED_PEOPLE: Final = 20_000
_NO_FENCE: Final = Fence(-1)
_KEPT: Final = "kept/"
"""Where secrets of others stand among those of the store itself."""
_LONG_AGO: Final = datetime.min.replace(tzinfo=UTC)
"""When use stopped, for a destruction of which we do not know: its epoch is due."""

_Row = tuple[str, int, str, int, bytes]
"""person, shelf, key id, bucket, wrapped key"""
_Held = dict[Scope, tuple[str, int]]
"""The live scopes of a person, with key id and bucket."""


class _Secrets(NamedTuple):
    """What is hashed with which key for one organisation."""

    identifiers: bytes
    tokens: bytes
    fences: bytes


class _Way(NamedTuple):
    """How a person is reached: the hash of the identifier, the fence that will stand there, the bucket."""

    person: str
    hash: str
    fence: str
    bucket: int


class _Leaving(NamedTuple):
    """What one case takes along: keys with their buckets, people, the ways to them, and how many of each bucket."""

    case: str
    keys: list[tuple[GoneKey, int]]
    people: list[GonePerson]
    ways: list[_Way]
    buckets: Counter[int]

    def entry(self, generation: int, epoch: int) -> Entry:
        """The line of the journal."""
        return Entry(
            case=self.case,
            generation=generation,
            epoch=epoch,
            keys=tuple(key for key, _ in self.keys),
            people=tuple(self.people),
        )


class WrappedKeyStore:
    """Wrapped keys in a database (see `ledger.keys.KeyStore`); threads may share it, processes open their own."""

    def __init__(
        self,
        database: KeyDatabase,
        roots: Roots,
        *,
        ledger_id: str,
        journal: Journal,
        create: bool,
        mirror: Path | None = None,
    ) -> None:
        self.ledger_id = ledger_id
        self._journal, self._mirror = journal, mirror
        self._generation: int | None = None
        self._due: tuple[int, datetime | None] | None = None
        self._people: Recent[Identifier, str] = Recent(CACHED_PEOPLE)
        self._behind: Recent[Identifier, Fence] = Recent(CACHED_PEOPLE)
        self._keys: Recent[Scope, Key] = Recent(CACHED_KEYS)
        self._opened: Recent[str, Key] = Recent(CACHED_FOR_READING)
        self._secrets: dict[str, _Secrets] = {}
        self._vault = Vault(database, roots, ledger_id=ledger_id, create=create, forget=self._forget_everything)
        self._replay()

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
            found.update(self._vault.again(lambda: self._looked_up(missing)))
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
                any_fence = bool(self._vault.ask("any_fence"))
                mapped = self._vault.again(lambda: self._people_of(missing)) if any_fence else {}
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
                ways.append((bucket, hash_, wrap(under, pseudonym, self._vault.name("person", hash_))))
                ways_back.append((bucket, person, wrap(under, bytes.fromhex(hash_), self._vault.name("hash", person))))
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
            found.update(self._vault.again(lambda: self._live(wanted)))
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
            live = self._vault.again(lambda: self._by_id(missing))
            gone = self._vault.ask("erased_keys_by_id", as_json([key_id for key_id in missing if key_id not in live]))
            self._opened.add(live)
        found: dict[str, Key | Erased] = {**known, **live, **{key_id: Erased(key_id, case) for key_id, case in gone}}
        unknown = sorted(set(missing) - found.keys())
        if unknown:
            raise KeyMissing(
                f"{len(unknown)} keys are unknown, the first is {unknown[0]}: {self._vault.database.place} is older than the log "
                "or not whole; restore its newest backup"
            )
        return found

    def _by_id(self, key_ids: Collection[str]) -> dict[str, Key]:
        rows = self._vault.ask("keys_by_id", as_json(key_ids))
        return {key.id: key for key in self._unwrapped(rows).values()}

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
        found, secret = {}, bytearray(KEY_SIZE)
        try:
            for person, shelf, key_id, bucket, wrapped in rows:
                scope = self._vault.scope(person, shelf)
                key = Key(unwrap(under[bucket], wrapped, self._vault.name("key", *scope), secret))
                if key.id != key_id:
                    raise Tampered(f"key {key_id} is not the key of that id; restore the key database")
                found[scope] = key
        finally:
            wipe(secret)
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
        rows: list[tuple[int, str, str, int, bytes]] = []
        secrets = draw(KEY_SIZE * len(scopes))
        drawn = iter(range(0, len(secrets), KEY_SIZE))
        with memoryview(secrets) as view:
            for shelf, its in by_shelf.items():
                for scope, (bucket, under) in zip(its, self._vault.room(shelf, month, len(its)), strict=True):
                    start = next(drawn)
                    secret = view[start : start + KEY_SIZE]
                    key = added[scope] = Key(secret)
                    wrapped = wrap(under, secret, self._vault.name("key", *scope))
                    rows.append((bucket, key.id, scope.person, shelf, wrapped))
                    secret.release()
        wipe(secrets)
        self._vault.each("add_key", sorted(rows))
        self._keys.add(added)
        return added

    # --- destruction

    def destroy(
        self,
        scopes: Collection[Scope],
        *,
        people: Collection[str] = (),
        case: str,
        generation: int,
        at: datetime | None = None,
    ) -> Destroyed:
        """Destroy the keys of these scopes and everything of these people; repeating it changes nothing."""
        return self.destroy_each([Order(case, scopes, people)], generation=generation, at=at)[case]

    def destroy_each(
        self, orders: Sequence[Order], *, generation: int, at: datetime | None = None
    ) -> dict[str, Destroyed]:
        """As `destroy` for many cases, one after the other, in one transaction."""
        with self._vault.reading():
            with self._vault.writing():
                leaving = self._leaving(orders)
                going = [one for one in leaving if one.keys or one.people]
                if going:
                    epoch = self._vault.epoch()[0]
                    entries = [one.entry(generation, epoch) for one in going]
                    size = self._journal.append(entries)
                    self._remove(entries, going, epoch, at)
                    self._vault.each("set_meta", [("journal", str(size))])
            self._vault.forget()
            self._forget_everything()
            self._due = None
            return self._destroyed(orders, pending=self._vault.settle())

    def _destroyed(self, orders: Sequence[Order], *, pending: bool) -> dict[str, Destroyed]:
        """What each case has destroyed of those that its order is about, now or before."""
        about = {order.case: {scope.person for scope in order.scopes} | set(order.people) for order in orders}
        everyone = as_json(set().union(*about.values()))
        key_ids: dict[str, list[str]] = defaultdict(list)
        for person, _, key_id, case in self._vault.ask("erased_keys_of_people", everyone):
            if person in about.get(case, ()):
                key_ids[case].append(key_id)
        gone: dict[str, list[str]] = defaultdict(list)
        for person, case in self._vault.ask("erased_people", everyone):
            if person in about.get(case, ()):
                gone[case].append(person)
        return {case: Destroyed(sorted(key_ids[case]), sorted(gone[case]), pending) for case in about}

    def settle(self) -> bool:
        """Try again to clear what `destroy` reported as pending; True while it still is."""
        return self._vault.settle()

    # --- epochs

    def close_epoch(self, *, at: datetime, always: bool = False, every_bucket: bool = False) -> list[Closed]:
        """End the epoch if anything was destroyed in it (or `always`): what was destroyed becomes irreversible."""
        return self._close(at, always=always or every_bucket, every_bucket=every_bucket)

    def close_due(self, now: datetime, after: timedelta, *, seconds: float | None = None) -> list[Closed]:
        """`close_epoch` if the oldest destruction in it is at least so long ago."""
        with self._vault.reading():
            seen = self._vault.changes()
            if self._due is None or self._due[0] != seen:
                pending = self._pending()
                oldest = min((_moment(at) or _LONG_AGO for _, at in pending), default=None)
                self._due = (seen, oldest)
            oldest = self._due[1]
        if oldest is None or oldest + after > now:
            return []
        return self._close(now, until=inf if seconds is None else monotonic() + seconds)

    def _close(
        self, at: datetime, *, always: bool = False, every_bucket: bool = False, until: float = inf
    ) -> list[Closed]:
        self._due = None
        closed = self._finish(at)
        if always or self._pending():
            self._vault.drop_unused_root()
            if not self._vault.end_epoch(every_bucket=every_bucket, until=until):
                return closed
            self._forget_everything()
            closed += self._finish(at)
        self._vault.settle()
        return closed

    def send_to_mirror(self) -> None:
        """Put the present wrapped state into the mirror; raises StoreUnavailable, also where there is none."""
        if self._mirror is None:
            raise StoreUnavailable("this ledger has no mirror: name a folder on another disk as `mirror` in pdl.toml")
        if not self._mirror.is_dir():
            raise StoreUnavailable(
                f"the mirror {self._mirror} is not there: mount or make it; until then no epoch closes, and what was "
                "erased stays unusable but not irreversible"
            )
        self._vault.roots.send(self._vault.root().epoch, self._mirror)
        self._vault.database.send(self._mirror)

    def finality(self, cases: Collection[str]) -> dict[str, Finality]:
        """How final each case is; cases that destroyed nothing are absent."""
        with self._vault.reading():
            rows = self._vault.ask("finality", as_json(cases))
        return {
            case: Finality(epoch, root, _moment(at), _moment(closed), bool(mirrored))
            for case, epoch, at, closed, mirrored, root in rows
        }

    def status(self) -> KeyStatus:
        """How the hierarchy of keys stands."""
        with self._vault.reading():
            (epoch, root), pending = self._vault.epoch(), self._pending()
            buckets, stale, keys = self._vault.ask("counts")[0]
            last = [self._closed(*row) for row in self._vault.ask("last_closed")]
            times = [moment for _, at in pending if (moment := _moment(at)) is not None]
            return KeyStatus(
                epoch=epoch,
                root=root,
                kind=self._vault.roots.kind,
                pending=tuple(case for case, _ in pending),
                since=min(times, default=None),
                unfinished=bool(self._vault.open_epochs()),
                buckets=buckets,
                stale=stale,
                keys=keys,
                mirror=None if self._mirror is None else str(self._mirror),
                last=last[0] if last else None,
            )

    def log_seen(self) -> int:
        """How long the log was when the writer of these keys last said so."""
        with self._vault.reading():
            return int(dict(self._vault.ask("meta")).get("log", 0))

    def saw_log(self, size: int) -> None:
        """Remember how long the log is, all of whose keys are here; never shorter than it was, so that a lost end stays known."""
        if size > self.log_seen():
            with self._vault.reading(), self._vault.writing():
                self._vault.each("set_meta", [("log", str(size))])

    def _pending(self) -> list[tuple[str, str]]:
        with self._vault.reading():
            return [(case, at) for case, at in self._vault.ask("pending")]

    def _finish(self, at: datetime) -> list[Closed]:
        """Take every epoch that ended to its end: the mirror has the next state, then the old root goes."""
        ended = self._vault.open_epochs()
        if not ended:
            return []
        if self._mirror is not None:
            self.send_to_mirror()
        closed = []
        for epoch, root in ended:
            self._vault.end_root(epoch, at=at, mirror=self._mirror)
            closed.append(self._closed(epoch, root, at.isoformat(), int(self._mirror is not None)))
        return closed

    def _closed(self, epoch: int, root: str, at: str, mirrored: int) -> Closed:
        with self._vault.reading():
            cases = tuple(case for (case,) in self._vault.ask("cases_of_epochs", as_json([epoch])))
        return Closed(epoch, root, cases, datetime.fromisoformat(at), bool(mirrored))

    # --- what is in memory

    def forget(self, generation: int) -> None:
        """Drop every cached key and person unless they were read in this generation of the log."""
        if generation == self._generation:
            self._vault.look_around()
            return
        with self._vault.reading():
            self._forget_everything()
            self._vault.forget()
            self._generation = generation

    def close(self) -> None:
        """Let go of the file and of every key in memory."""
        self._forget_everything()
        self._vault.close()

    def _forget_everything(self) -> None:
        for cache in (self._people, self._behind, self._keys, self._opened):
            cache.clear()
        self._secrets.clear()

    def _leaving(self, orders: Sequence[Order]) -> list[_Leaving]:
        """What goes with each order: also identities left alone, and people left with nothing."""
        named = {scope.person for order in orders for scope in order.scopes} | {p for o in orders for p in o.people}
        rows: list[_Row] = self._vault.ask("keys_of_people", as_json(named))
        live: dict[str, _Held] = defaultdict(dict)
        for person, shelf, key_id, bucket, _ in rows:
            live[person][self._vault.scope(person, shelf)] = (key_id, bucket)
        taken = [_taken(order, live) for order in orders]
        gone = {person for _, people in taken for person in people}
        gone -= {person for person, _ in self._vault.ask("erased_people", as_json(gone))}
        ways = self._ways(gone)
        leaving = []
        for order, (keys, people) in zip(orders, taken, strict=True):
            leavers = sorted(gone.intersection(people))
            gone.difference_update(leavers)
            its = [ways[person] for person in leavers if person in ways]
            buckets = Counter(bucket for _, bucket in keys.values())
            buckets.update(way.bucket for way in its)
            leaving.append(
                _Leaving(
                    case=order.case,
                    keys=[(GoneKey(key_id, *scope), bucket) for scope, (key_id, bucket) in sorted(keys.items())],
                    people=[GonePerson(person, ways[person].fence if person in ways else "") for person in leavers],
                    ways=its,
                    buckets=buckets,
                )
            )
        return leaving

    def _ways(self, people: Collection[str]) -> dict[str, _Way]:
        """How each person can be reached from an identifier, as far as there is a way."""
        rows = self._vault.ask("hashes_of_people", as_json(people))
        under = self._vault.under({bucket for _, bucket, _, _ in rows})
        found = {}
        for person, bucket, sealed, shelf in rows:
            hash_ = unwrap(under[bucket], sealed, self._vault.name("hash", person)).hex()
            found[person] = _Way(
                person, hash_, self._fence(self._vault.scope(person, shelf).organisation, hash_), bucket
            )
        return found

    def _remove(self, entries: Sequence[Entry], going: Sequence[_Leaving], epoch: int, at: datetime | None) -> None:
        """Take the rows away, and leave a stone for each key and person and a fence for each identifier."""
        each, ask = self._vault.each, self._vault.ask
        each("drop_key", sorted((bucket, key.id) for one in going for key, bucket in one.keys))
        each("drop_identifier", sorted((way.bucket, way.hash) for one in going for way in one.ways))
        each("drop_person", sorted((way.bucket, way.person) for one in going for way in one.ways))
        buckets = Counter[int]()
        for one in going:
            buckets.update(one.buckets)
        each("empty_bucket", [(count, bucket) for bucket, count in sorted(buckets.items())])
        ask("drop_empty_buckets", as_json(buckets))
        ask("mark_buckets_stale", as_json(buckets))
        stones, people, fences = [], [], []
        for entry in entries:
            for key in entry.keys:
                shelf = self._vault.shelf(key.organisation, key.client, key.dataset)
                stones.append((key.id, key.person, shelf, entry.case, entry.generation))
            for person in entry.people:
                people.append((person.person, entry.case, entry.generation))
                fences += [(person.fence, entry.generation)] if person.fence else []
        each("add_erased_key", sorted(stones))
        each("add_erased_person", sorted(people))
        each("add_fence", sorted(fences))
        stopped = "" if at is None else at.isoformat()
        each("add_destruction", [(entry.case, epoch, stopped) for entry in entries])

    def _replay(self) -> None:
        """Complete every destruction of the journal that this database does not know, after a crash or a restore."""
        with self._vault.reading():
            entries = self._journal.entries(int(dict(self._vault.ask("meta")).get("journal", 0)))
            if not entries:
                return
            keys = {key.id for entry in entries for key in entry.keys}
            people = {person.person for entry in entries for person in entry.people}
            known = {key_id for key_id, _ in self._vault.ask("erased_keys_by_id", as_json(keys))}
            gone = {person for person, _ in self._vault.ask("erased_people", as_json(people))}
            if known == keys and gone == people:
                return
            with self._vault.writing():
                unknown = [
                    entry
                    for entry in entries
                    if not known.issuperset(key.id for key in entry.keys)
                    or not gone.issuperset(person.person for person in entry.people)
                ]
                again = [self._found_again(entry) for entry in unknown]
                self._remove(unknown, again, self._vault.epoch()[0], None)
                self._vault.each("set_meta", [("journal", str(self._journal.size()))])
            self._vault.settle()

    def _found_again(self, entry: Entry) -> _Leaving:
        """What of an entry is still there, in a database that was restored."""
        rows: list[_Row] = self._vault.ask("keys_by_id", as_json([key.id for key in entry.keys]))
        named = {key.id: key for key in entry.keys}
        ways = list(self._ways([person.person for person in entry.people]).values())
        buckets = Counter(bucket for _, _, _, bucket, _ in rows)
        buckets.update(way.bucket for way in ways)
        keys = [(named[key_id], bucket) for _, _, key_id, bucket, _ in rows]
        return _Leaving(entry.case, keys, list(entry.people), ways, buckets)

    # --- secrets of the ledger and of organisations

    def token(self, organisation: str, text: str) -> str:
        """A keyed token (16 hex digits) that stands for an id or reference of an organisation."""
        secrets = self._secrets.get(organisation) or self._secrets_of(organisation)
        return blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8, key=secrets.tokens).hexdigest()

    def signing_seed(self) -> bytes:
        """The Ed25519 seed that signs checkpoints (32 bytes), made on first use."""
        with self._vault.reading():
            return bytes(self._vault.secret("signing"))

    def keep(self, name: str, secret: bytes) -> None:
        """Keep a secret of 32 bytes under a name that is new, wrapped under the root."""
        with self._vault.reading(), self._vault.writing():
            self._vault.keep(f"{_KEPT}{name}", secret)

    def kept(self, names: Collection[str]) -> dict[str, bytes]:
        """Those of these secrets that are kept; one look-up each."""
        self._vault.look_around()
        with self._vault.reading():
            found = {name: self._vault.again(partial(self._vault.kept, f"{_KEPT}{name}")) for name in names}
        return {name: bytes(secret) for name, secret in found.items() if secret is not None}

    def drop(self, name: str) -> bool:
        """Destroy a secret; True while a reader still holds an older state of the key database."""
        with self._vault.reading():
            with self._vault.writing():
                if self._vault.ask("secret", f"{_KEPT}{name}"):
                    self._vault.each("drop_secret", [(f"{_KEPT}{name}",)])
                    self._vault.each("add_destruction", [(f"{_KEPT}{name}", self._vault.epoch()[0], "")])
            self._due = None
            return self._vault.settle()

    def _hash(self, identifier: Identifier) -> str:
        secrets = self._secrets.get(identifier.organisation) or self._secrets_of(identifier.organisation)
        text = f"{len(identifier.scheme)}:{identifier.scheme}{identifier.value}"
        return blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16, key=secrets.identifiers).hexdigest()

    def _fence(self, organisation: str, hash_: str) -> str:
        secrets = self._secrets.get(organisation) or self._secrets_of(organisation)
        return blake2b(bytes.fromhex(hash_), digest_size=16, key=secrets.fences).hexdigest()

    def _secrets_of(self, organisation: str) -> _Secrets:
        with self._vault.reading():
            own = self._vault.secret(f"organisation/{organisation}")
            fences = self._vault.secret(f"fence/{organisation}")
            found = self._secrets[organisation] = _Secrets(
                identifiers=expand(own, b"pdl/1 identifier"), tokens=expand(own, b"pdl/1 token"), fences=bytes(fences)
            )
            wipe(own)
            wipe(fences)
            return found


def _taken(order: Order, live: dict[str, _Held]) -> tuple[_Held, set[str]]:
    """What an order takes out of `live`: keys, and the people who have none left."""
    taken: _Held = {}
    wanted, gone = set(order.scopes), set[str]()
    people = set(order.people) - {""}
    for person in {scope.person for scope in wanted} | people:
        its = live[person]
        going = {scope for scope in its if scope in wanted or person in people}
        if person:
            touched = {scope[:3] for scope in going}
            lasting = {scope[:3] for scope in its.keys() - going if scope.dataset != IDENTITY}
            going |= {scope for scope in its if scope[:3] in touched - lasting}
        taken |= {scope: its.pop(scope) for scope in going}
        if person and not its and (going or person in people):
            gone.add(person)
    return taken, gone


def _moment(at: str | None) -> datetime | None:
    return datetime.fromisoformat(at) if at else None
