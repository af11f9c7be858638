"""Keys: one per organisation, client, person and dataset; what is erased is erased by destroying them.

`KeyStore` is the seam. `ledger.keys.sqlite` keeps wrapped keys in a database of its own, `ledger.keys.memory`
keeps them nowhere; both pass tests/contracts/test_key_store.py.
"""

from __future__ import annotations

import hmac
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from hashlib import blake2b
from typing import Final, NamedTuple, Protocol

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

__all__ = [
    "IDENTITY",
    "Closed",
    "Destroyed",
    "Erased",
    "Fence",
    "Finality",
    "Identifier",
    "Key",
    "KeyStatus",
    "KeyStore",
    "Order",
    "Scope",
    "expand",
]

IDENTITY: Final = "identity"
"""The dataset of what names a person; its key dies with the person's last other dataset (per client)."""

_KEY_INFO: Final = b"pdl/1 key id and content mac"


class Scope(NamedTuple):
    """What one key covers. `client` is "" outside processing for clients, `person` "" for the organisation itself."""

    organisation: str
    client: str
    person: str
    dataset: str


class Identifier(NamedTuple):
    """How a service names a person. Personal: never log it, never store it."""

    organisation: str
    scheme: str
    value: str


class Erased(NamedTuple):
    """The key was destroyed under this case; `key_id` is None where no key of that scope ever existed."""

    key_id: str | None
    case: str


class Fence(NamedTuple):
    """This identifier was erased in that generation: there is no person behind it any more."""

    generation: int


class Destroyed(NamedTuple):
    """What a case destroyed: key ids and people (pseudonyms) without any key left, both sorted.

    `pending` is True while a reader still holds an older state of the key database, so that bytes of wrapped
    keys may remain in its write-ahead file: call `settle` until it says False before calling it done.
    """

    key_ids: list[str]
    people: list[str]
    pending: bool


class Order(NamedTuple):
    """What one case destroys: the keys of these scopes, and everything of these people."""

    case: str
    scopes: Collection[Scope]
    people: Collection[str] = ()


class Closed(NamedTuple):
    """An epoch that ended: its root is destroyed, so that no copy of the key database from before opens any more.

    `cases` are the erasures that became irreversible with it, at `at`. `mirrored` says that a mirror had the
    wrapped state of the next epoch before; False: the ledger stood alone.
    """

    epoch: int
    root: str
    cases: tuple[str, ...]
    at: datetime
    mirrored: bool


class Finality(NamedTuple):
    """How final what a case destroyed is: nobody can use it since `stopped` (None: not known to the key store).

    Copies of the key database from before open until `irreversible`; None: its epoch runs, or waits for a mirror.
    """

    epoch: int
    root: str
    stopped: datetime | None
    irreversible: datetime | None
    mirrored: bool


class KeyStatus(NamedTuple):
    """How the hierarchy stands. `pending` are cases (and names of dropped secrets) that are not irreversible yet, oldest first.

    `unfinished`: an epoch ended whose old root is not destroyed, because the mirror did not answer or a crash came
    between. `stale`: buckets whose key goes when the epoch closes. `mirror`: where it is; None: alone.
    """

    epoch: int
    root: str
    kind: str
    pending: tuple[str, ...]
    since: datetime | None
    unfinished: bool
    buckets: int
    stale: int
    keys: int
    mirror: str | None
    last: Closed | None


def expand(key: bytes | bytearray, info: bytes) -> bytes:
    """HKDF-Expand (RFC 5869) with SHA-256 to one block of 32 bytes."""
    return hmac.digest(key, info + b"\x01", "sha256")


class Key:
    """A live data key. `id` is its commitment: 16 bytes as hex, expanded from the key itself.

    A ciphertext that opens under two keys cannot pass for both, because the id is checked whenever a key is
    loaded. Never shown: `repr` has the id only. Both objects that it keeps overwrite their memory when they go,
    so whoever made it may wipe `secret` at once, and letting go of the Key is all that a cache has to do.
    """

    __slots__ = ("_mac", "aead", "id")

    def __init__(self, secret: bytes | bytearray | memoryview) -> None:
        both = hmac.digest(secret, _KEY_INFO + b"\x01", "sha256")  # `expand`, without the call: this runs per cold key.
        self.id: Final = both[:16].hex()
        self.aead: Final = AESGCM(secret)
        self._mac: Final = blake2b(digest_size=16, key=both[16:])

    def mac(self, data: bytes) -> bytes:
        """A keyed hash of 16 bytes: equal for equal content under this key, worthless once the key is gone."""
        mac = self._mac.copy()
        mac.update(data)
        return mac.digest()

    def __repr__(self) -> str:
        return f"Key({self.id})"


class KeyStore(Protocol):
    """A place that holds keys and the way from an identifier to a person; asked once per batch."""

    ledger_id: str

    def resolve(
        self, identifiers: Collection[Identifier], *, create: Collection[Identifier] = ()
    ) -> dict[Identifier, str | Fence | None]:
        """Who each identifier is: a pseudonym (128 bits, hex), a Fence once erased, or None if never met.

        Identifiers in `create` that were never met get a new pseudonym; a fence stays a fence. One query.
        """
        ...

    def readmit(self, identifiers: Collection[Identifier]) -> dict[Identifier, str]:
        """As `resolve`, but a fenced identifier gets a new pseudonym that nothing links to the old one."""
        ...

    def returned(self, identifiers: Collection[Identifier]) -> dict[Identifier, Fence]:
        """Identifiers that were erased and readmitted since: the fence behind which earlier facts still lie."""
        ...

    def obtain(
        self, scopes: Collection[Scope], *, renew: Collection[Scope] = (), month: str = ""
    ) -> dict[Scope, Key | Erased]:
        """The key of each scope, made where none ever existed. One query.

        A destroyed scope is Erased unless it is in `renew`; any scope of a person who is gone is Erased always.
        `month` (YYYY-MM of the record) puts new keys together that will fall due together.
        """
        ...

    def open(self, key_ids: Collection[str]) -> dict[str, Key | Erased]:
        """Keys by id, for reading. One query. Raises KeyMissing, or Tampered where a row was altered."""
        ...

    def scopes_of(self, person: str) -> list[tuple[Scope, str]]:
        """Every live scope of a person with its key id, sorted."""
        ...

    def destroy(
        self,
        scopes: Collection[Scope],
        *,
        people: Collection[str] = (),
        case: str,
        generation: int,
        at: datetime | None = None,
    ) -> Destroyed:
        """Destroy the keys of these scopes, and everything of these people; repeating it changes nothing.

        `identity` goes with a person's last other dataset of the same client; with the very last key goes the
        identifier too, and a fence takes its place. The answer names all that this case destroyed of them.
        Use stops with this; it is irreversible once the epoch is closed. `at`: when, for `Finality`.
        """
        ...

    def destroy_each(
        self, orders: Sequence[Order], *, generation: int, at: datetime | None = None
    ) -> dict[str, Destroyed]:
        """As `destroy` for many cases, one after the other, in one transaction; what each destroyed, by case."""
        ...

    def close_epoch(self, *, at: datetime, always: bool = False, every_bucket: bool = False) -> list[Closed]:
        """End the epoch if anything was destroyed in it (or `always`): what was destroyed becomes irreversible.

        What lives is wrapped under new bucket keys and a new root, the mirror confirms it, the old root is
        destroyed. `every_bucket`: also buckets from which nobody was erased get a new key. Finishes what a crash
        left half done, hence a list; empty where there was nothing to do. Raises StoreUnavailable where
        the mirror does not answer: use has stopped and stays so, and the old root stays until the mirror is there.
        """
        ...

    def close_due(self, now: datetime, after: timedelta, *, seconds: float | None = None) -> list[Closed]:
        """`close_epoch` if the oldest destruction in it is at least so long ago. Costs nothing between epochs.

        `seconds`: about how long the caller can spare; what is left to do is done by the next calls.
        """
        ...

    def send_to_mirror(self) -> None:
        """Put the present wrapped state into the mirror. Raises StoreUnavailable, also where there is none."""
        ...

    def finality(self, cases: Collection[str]) -> dict[str, Finality]:
        """How final each case is; cases that destroyed nothing are absent."""
        ...

    def status(self) -> KeyStatus:
        """How the hierarchy of keys stands."""
        ...

    def log_seen(self) -> int:
        """How long the log was when the writer of these keys last said so; an older copy has an older figure."""
        ...

    def saw_log(self, size: int) -> None:
        """Remember how long the log is, all of whose keys are here; a shorter one than before changes nothing."""
        ...

    def settle(self) -> bool:
        """Try again to clear what `destroy` reported as pending; True while it still is."""
        ...

    def forget(self, generation: int) -> None:
        """Drop every cached key and person unless they were read in this generation of the log."""
        ...

    def token(self, organisation: str, text: str) -> str:
        """A keyed token (16 hex digits) that stands for an id or reference of an organisation."""
        ...

    def signing_seed(self) -> bytes:
        """The Ed25519 seed that signs checkpoints (32 bytes), made on first use."""
        ...

    def keep(self, name: str, secret: bytes) -> None:
        """Keep a secret of 32 bytes under a name, wrapped under the root; the name must be new."""
        ...

    def kept(self, names: Collection[str]) -> dict[str, bytes]:
        """Those of these secrets that are kept; few are asked for, and each is a look-up."""
        ...

    def drop(self, name: str) -> bool:
        """Destroy a secret; True while a reader still holds an older state of the key database (see `settle`).

        As with a case, it is irreversible once the epoch closes, for which it is due at once.
        """
        ...

    def people(self) -> Mapping[str, int]:
        """How many living pseudonyms each organisation has."""
        ...

    def close(self) -> None:
        """Let go of files and of every key in memory."""
        ...
