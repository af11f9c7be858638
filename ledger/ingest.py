"""Ingest keys: producers seal to the published one, so that the broker holds no plaintext; a destroyed one closes old topics.

Which keys there are is in the log; their private halves are wrapped in the key database, like every other secret.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import datetime
from hashlib import sha256
from typing import Final, NamedTuple

import orjson

from ledger.decisions import INGEST_KEY_DESTROYED, INGEST_KEY_MADE, Decisions, IngestKey
from ledger.domain.envelope import Read, Sealed, Unrecordable, opened
from ledger.domain.errors import Tampered, Unreadable
from ledger.keys import KeyStore
from ledger.keys.hpke import public_of, unseal
from ledger.keys.wrap import KEY_SIZE
from ledger.store import EventLog

_NAME: Final = "ingest/"


class PublicKey(NamedTuple):
    """An ingest key as the log knows it; `destroyed` is when it went, or None. Times are ISO 8601."""

    id: str
    public: bytes
    made: str
    destroyed: str | None


def key_id(public: bytes) -> str:
    """The id of an ingest key: 16 hex digits of the SHA-256 of its public half."""
    return sha256(public).hexdigest()[:16]


class IngestKeys:
    """Makes, lists and destroys ingest keys."""

    def __init__(self, log: EventLog, keys: KeyStore, clock: Callable[[], datetime]) -> None:
        self._log, self._keys, self._clock = log, keys, clock
        self._decisions = Decisions(log.recorder)

    def every(self) -> list[PublicKey]:
        """Every key that there ever was, oldest first."""
        gone = {
            said["key"]: said["at"]
            for said in (orjson.loads(one.state) for one in self._log.decisions(INGEST_KEY_DESTROYED))
        }
        made = (orjson.loads(one.state) for one in self._log.decisions(INGEST_KEY_MADE))
        return [PublicKey(one["key"], bytes.fromhex(one["public"]), one["at"], gone.get(one["key"])) for one in made]

    def published(self) -> PublicKey:
        """The key that producers seal to: the newest that lives. Raises Unreadable where there is none."""
        living = [key for key in self.every() if key.destroyed is None]
        if not living:
            raise Unreadable("there is no ingest key; `pdl ingest-key rotate` makes one.")
        return living[-1]

    def rotate(self) -> PublicKey:
        """Make a new key; from now on it is the published one. Older ones still open what was sealed to them."""
        secret = os.urandom(KEY_SIZE)
        public = public_of(secret)
        at = self._clock().isoformat()
        self._keys.keep(f"{_NAME}{key_id(public)}", secret)
        self._decisions.save(
            IngestKey.make(f"ingest-key-{key_id(public)}", key=key_id(public), public=public.hex(), at=at)
        )
        return PublicKey(key_id(public), public, at, None)

    def destroy(self, key: str) -> PublicKey:
        """Destroy a key: whatever was sealed to it and not yet recorded can never be read again, in any copy of a topic.

        The decision first, then the key; what a crash leaves is finished by `settle`. Raises Unreadable for the
        published key and for one that is not known.
        """
        known = {one.id: one for one in self.every()}
        if key not in known:
            raise Unreadable("there is no such ingest key; `pdl ingest-key list` shows them.")
        if known[key].destroyed is None:
            if self.published().id == key:
                raise Unreadable(
                    "producers seal to this key. Rotate first, let them take the new one, and let `pdl consume` reach the end of the topics."
                )
            made = self._decisions.ingest_key(f"ingest-key-{key}")
            made.destroy(self._clock().isoformat())
            self._decisions.save(made)
        self.settle()
        return next(one for one in self.every() if one.id == key)

    def settle(self) -> None:
        """Drop the private half of every key that the log says is destroyed: after a crash, or a restore of older keys."""
        gone = [f"{_NAME}{key.id}" for key in self.every() if key.destroyed is not None]
        for name in self._keys.kept(gone) if gone else ():
            self._keys.drop(name)


class Opener:
    """Opens the sealed events of one batch; each key is looked up once, and only if something is sealed to it."""

    def __init__(self, keys: KeyStore) -> None:
        self._keys = keys
        self._secrets: dict[str, bytes | None] = {}

    def open(self, sealed: Sealed) -> Read | Unrecordable:
        """The event that a producer sealed, as `read` gives it; or why it stays closed."""
        if sealed.key not in self._secrets:
            self._secrets[sealed.key] = self._keys.kept([f"{_NAME}{sealed.key}"]).get(f"{_NAME}{sealed.key}")
        secret = self._secrets[sealed.key]
        if secret is None:
            return sealed.closed(
                "sealed to a key that this ledger does not have, or no longer has; seal to the published one (`pdl ingest-key publish`)."
            )
        try:
            return opened(sealed, unseal(secret, sealed.content, sealed.aad))
        except Tampered:
            return sealed.closed(
                "the sealed data do not open: damaged, sealed otherwise, or an attribute (id, source, type, time) was changed afterwards."
            )
