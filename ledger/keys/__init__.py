"""Keys: one per organisation, client, person and dataset; what is erased is erased by destroying them.

`KeyStore` is the seam. `ledger.keys.sqlite` keeps wrapped keys in a database of its own, `ledger.keys.memory`
keeps them nowhere; both pass tests/contracts/test_key_store.py.
"""

from __future__ import annotations

import hmac
from collections.abc import Collection, Mapping
from hashlib import blake2b
from typing import Final, NamedTuple, Protocol

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

__all__ = ["IDENTITY", "Destroyed", "Erased", "Fence", "Identifier", "Key", "KeyStore", "Scope", "expand"]

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


def expand(key: bytes, info: bytes) -> bytes:
    """HKDF-Expand (RFC 5869) with SHA-256 to one block of 32 bytes."""
    return hmac.digest(key, info + b"\x01", "sha256")


class Key:
    """A live data key. `id` is its commitment: 16 bytes as hex, expanded from the key itself.

    A ciphertext that opens under two keys cannot pass for both, because the id is checked whenever a key is
    loaded. Never shown: `repr` has the id only.
    """

    __slots__ = ("_mac", "aead", "id")

    def __init__(self, secret: bytes) -> None:
        both = hmac.digest(secret, _KEY_INFO + b"\x01", "sha256")  # `expand`, without the call: this runs per cold key.
        self.id: Final = both[:16].hex()
        self.aead: Final = AESGCM(secret)
        self._mac: Final = both[16:]

    def mac(self, data: bytes) -> bytes:
        """A keyed hash of 16 bytes: equal for equal content under this key, worthless once the key is gone."""
        return blake2b(data, digest_size=16, key=self._mac).digest()

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
        self, scopes: Collection[Scope], *, people: Collection[str] = (), case: str, generation: int
    ) -> Destroyed:
        """Destroy the keys of these scopes, and everything of these people; repeating it changes nothing.

        `identity` goes with a person's last other dataset of the same client; with the very last key goes the
        identifier too, and a fence takes its place. The answer names all that this case destroyed of them.
        """
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

    def people(self) -> Mapping[str, int]:
        """How many living pseudonyms each organisation has."""
        ...

    def close(self) -> None:
        """Let go of files and of every key in memory."""
        ...
