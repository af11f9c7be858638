"""A key store that keeps everything in this process: for tests and trials."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from hashlib import blake2b

from ledger.domain.errors import KeyMissing, StoreUnavailable
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
)
from ledger.keys.wrap import KEY_SIZE


class MemoryKeyStore:
    """The same promises as any key store (see `ledger.keys.KeyStore`), without wrapping: nothing outlives it."""

    def __init__(self, ledger_id: str = "memory") -> None:
        self.ledger_id = ledger_id
        self._secret, self._seed = os.urandom(KEY_SIZE), os.urandom(KEY_SIZE)
        self._people: dict[Identifier, str] = {}
        self._fences: dict[Identifier, Fence] = {}
        self._keys: dict[Scope, Key] = {}
        self._stones: dict[Scope, Erased] = {}
        self._destroyed: dict[str, tuple[Scope, Erased]] = {}
        self._gone: dict[str, str] = {}
        self._epoch, self._log = 1, 0
        self._stopped: dict[str, tuple[int, datetime | None]] = {}
        self._closed: dict[int, Closed] = {}
        self._kept: dict[str, bytes] = {}

    def resolve(
        self, identifiers: Collection[Identifier], *, create: Collection[Identifier] = ()
    ) -> dict[Identifier, str | Fence | None]:
        """Who each identifier is: a pseudonym, a Fence once erased, or None."""
        for identifier in set(create) & set(identifiers):
            if identifier not in self._people and identifier not in self._fences:
                self._people[identifier] = os.urandom(16).hex()
        return {identifier: self._people.get(identifier) or self._fences.get(identifier) for identifier in identifiers}

    def readmit(self, identifiers: Collection[Identifier]) -> dict[Identifier, str]:
        """Who each identifier is; a fenced one starts anew."""
        return {identifier: self._people.setdefault(identifier, os.urandom(16).hex()) for identifier in identifiers}

    def returned(self, identifiers: Collection[Identifier]) -> dict[Identifier, Fence]:
        """Identifiers that were erased and readmitted since, with the fence that still stands before them."""
        return {known: self._fences[known] for known in identifiers if known in self._people and known in self._fences}

    def obtain(
        self,
        scopes: Collection[Scope],
        *,
        renew: Collection[Scope] = (),
        month: str = "",  # noqa: ARG002 - there are no buckets here
    ) -> dict[Scope, Key | Erased]:
        """The key of each scope, made where none ever existed; Erased where it was destroyed."""
        return {scope: self._obtained(scope, again=scope in renew) for scope in scopes}

    def open(self, key_ids: Collection[str]) -> dict[str, Key | Erased]:
        """Keys by id, for reading; raises KeyMissing where none is known and none was destroyed."""
        live = {key.id: key for key in self._keys.values()}
        found: dict[str, Key | Erased] = {}
        for key_id in key_ids:
            if key_id not in live and key_id not in self._destroyed:
                raise KeyMissing(f"key {key_id} is unknown")
            found[key_id] = live.get(key_id) or self._destroyed[key_id][1]
        return found

    def scopes_of(self, person: str) -> list[tuple[Scope, str]]:
        """Every live scope of a person with its key id, sorted."""
        return sorted((scope, key.id) for scope, key in self._keys.items() if scope.person == person)

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
        before = len(self._destroyed) + len(self._gone)
        destroyed = self._destroy(scopes, people, case, generation)
        if len(self._destroyed) + len(self._gone) > before:
            stopped = self._stopped[case][1] if case in self._stopped else at
            self._stopped[case] = (self._epoch, stopped)
        return destroyed

    def destroy_each(
        self, orders: Sequence[Order], *, generation: int, at: datetime | None = None
    ) -> dict[str, Destroyed]:
        """As `destroy` for many cases."""
        return {
            order.case: self.destroy(order.scopes, people=order.people, case=order.case, generation=generation, at=at)
            for order in orders
        }

    def close_epoch(self, *, at: datetime, always: bool = False, every_bucket: bool = False) -> list[Closed]:
        """End the epoch; there is nothing to wrap, but cases become irreversible as everywhere."""
        cases = self._pending()
        if not (cases or always or every_bucket):
            return []
        self._closed[self._epoch] = Closed(self._epoch, "", cases, at, mirrored=False)
        self._epoch += 1
        return [self._closed[self._epoch - 1]]

    def close_due(
        self,
        now: datetime,
        after: timedelta,
        *,
        seconds: float | None = None,  # noqa: ARG002 - there is nothing to wrap
    ) -> list[Closed]:
        """`close_epoch` if the oldest destruction in it is at least so long ago."""
        times = [self._stopped[case][1] for case in self._pending()]
        due = any(stopped is None or stopped + after <= now for stopped in times)
        return self.close_epoch(at=now) if due else []

    def send_to_mirror(self) -> None:
        """There is none."""
        raise StoreUnavailable("keys in memory have no mirror")

    def finality(self, cases: Collection[str]) -> dict[str, Finality]:
        """How final each case is."""
        found = {}
        for case in cases:
            if case in self._stopped:
                epoch, stopped = self._stopped[case]
                closed = self._closed.get(epoch)
                found[case] = Finality(epoch, "", stopped, None if closed is None else closed.at, mirrored=False)
        return found

    def status(self) -> KeyStatus:
        """How it stands; there are no buckets here."""
        times = [stopped for _, stopped in self._stopped.values() if stopped is not None]
        return KeyStatus(
            epoch=self._epoch,
            root="",
            kind="memory",
            pending=self._pending(),
            since=min(times, default=None) if self._pending() else None,
            unfinished=False,
            buckets=0,
            stale=0,
            keys=len(self._keys),
            mirror=None,
            last=self._closed.get(self._epoch - 1),
        )

    def log_seen(self) -> int:
        """How long the log was when the writer of these keys last said so."""
        return self._log

    def saw_log(self, size: int) -> None:
        """Remember how long the log is; never shorter than it was."""
        self._log = max(self._log, size)

    def _pending(self) -> tuple[str, ...]:
        return tuple(case for case, (epoch, _) in self._stopped.items() if epoch == self._epoch)

    def _destroy(self, scopes: Collection[Scope], people: Collection[str], case: str, generation: int) -> Destroyed:
        named = ({scope.person for scope in scopes} | set(people)) - {""}
        for scope in [scope for scope in self._keys if scope in scopes or (scope.person and scope.person in people)]:
            self._bury(scope, case)
            rest = [other for other in self._keys if other[:3] == scope[:3] and scope.person]
            if all(other.dataset == IDENTITY for other in rest):
                for other in rest:
                    self._bury(other, case)
        touched = {scope.person for scope, stone in self._destroyed.values() if stone.case == case}
        for person in named - {scope.person for scope in self._keys} - self._gone.keys():
            if person in people or person in touched:
                self._leave(person, case, generation)
        concerned = named | {scope.person for scope in scopes}
        key_ids = [
            key_id
            for key_id, (scope, stone) in self._destroyed.items()
            if stone.case == case and scope.person in concerned
        ]
        return Destroyed(
            sorted(key_ids), sorted(person for person in named if self._gone.get(person) == case), pending=False
        )

    def settle(self) -> bool:
        """Nothing is ever pending here."""
        return False

    def forget(self, generation: int) -> None:
        """There is no cache to drop."""

    def token(self, organisation: str, text: str) -> str:
        """A keyed token (16 hex digits) that stands for an id or reference of an organisation."""
        told = f"{len(organisation)}:{organisation}{text}".encode("utf-8", "surrogatepass")
        return blake2b(told, digest_size=8, key=self._secret).hexdigest()

    def signing_seed(self) -> bytes:
        """The Ed25519 seed that signs checkpoints (32 bytes)."""
        return self._seed

    def keep(self, name: str, secret: bytes) -> None:
        """Keep a secret under a name that is new."""
        if name in self._kept:
            raise ValueError(f"{name} is kept already")
        self._kept[name] = secret

    def kept(self, names: Collection[str]) -> dict[str, bytes]:
        """Those of these secrets that are kept."""
        return {name: self._kept[name] for name in names if name in self._kept}

    def drop(self, name: str) -> bool:
        """Destroy a secret."""
        if self._kept.pop(name, None) is not None:
            self._stopped[f"kept/{name}"] = (self._epoch, None)
        return False

    def people(self) -> Mapping[str, int]:
        """How many living pseudonyms each organisation has."""
        return Counter(identifier.organisation for identifier in self._people)

    def close(self) -> None:
        """Let go of every key."""
        self._keys.clear()
        self._kept.clear()

    def _obtained(self, scope: Scope, *, again: bool) -> Key | Erased:
        key = self._keys.get(scope)
        if key is not None:
            return key
        if scope.person in self._gone:
            return self._stones.get(scope, Erased(None, self._gone[scope.person]))
        if scope in self._stones and not again:
            return self._stones[scope]
        return self._keys.setdefault(scope, Key(os.urandom(KEY_SIZE)))

    def _bury(self, scope: Scope, case: str) -> None:
        key = self._keys.pop(scope, None)
        if key is not None:
            self._stones[scope] = Erased(key.id, case)
            self._destroyed[key.id] = (scope, self._stones[scope])

    def _leave(self, person: str, case: str, generation: int) -> None:
        self._gone[person] = case
        for identifier in [known for known, whose in self._people.items() if whose == person]:
            del self._people[identifier]
            self._fences[identifier] = Fence(generation)
