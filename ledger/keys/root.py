"""The root: the one key that never enters a database. Here as a two-slot file; a token or KMS is the same Protocol."""

from __future__ import annotations

import binascii
import os
import re
import stat
from base64 import b64decode, b64encode
from hashlib import sha256
from pathlib import Path
from typing import Final, Protocol

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from ledger.domain.errors import KeyMissing, StoreUnavailable, Unreadable
from ledger.keys import expand
from ledger.keys.wrap import KEY_SIZE, unwrap, wrap

_SLOTS: Final = ("slot-0", "slot-1")
_FORM: Final = re.compile(rb"pdl-root/1\nepoch ([1-9][0-9]{0,17})\nkey ([A-Za-z0-9+/=]{44})\nsha256 ([0-9a-f]{64})\n")


class Root(Protocol):
    """What bucket keys are wrapped under. `id` is a commitment to it (hex), `epoch` counts its replacements."""

    id: str
    epoch: int

    def wrap(self, secret: bytes, name: bytes) -> bytes:
        """A secret wrapped under the root."""
        ...

    def unwrap(self, wrapped: bytes, name: bytes) -> bytes:
        """The secret again; raises Tampered."""
        ...


class MemoryRoot:
    """A root that is gone with the process."""

    def __init__(self, key: bytes | None = None, epoch: int = 1) -> None:
        secret = key or os.urandom(KEY_SIZE)
        self.epoch = epoch
        self.id = expand(secret, b"pdl/1 root id")[:16].hex()
        self._aead = AESGCM(secret)

    def wrap(self, secret: bytes, name: bytes) -> bytes:
        """A secret wrapped under the root."""
        return wrap(self._aead, secret, name)

    def unwrap(self, wrapped: bytes, name: bytes) -> bytes:
        """The secret again; raises Tampered."""
        return unwrap(self._aead, wrapped, name)


def open_root(directory: Path, *, create: bool) -> MemoryRoot:
    """The root in a directory: the slot with the newest epoch, epoch n in slot n modulo 2.

    Two slots let a root be replaced without a moment that has none: the new one is written and synced
    before the old is destroyed. Raises KeyMissing, or Unreadable for a slot that is damaged or open to others.
    """
    found = [slot for slot in map(_read, (directory / name for name in _SLOTS)) if slot is not None]
    if found:
        epoch, key = max(found)
        return MemoryRoot(key, epoch)
    if not create:
        raise KeyMissing(f"there is no root key in {directory}: restore it; without it nothing sealed can be read")
    key = os.urandom(KEY_SIZE)
    write_slot(directory, 1, key)
    return MemoryRoot(key, 1)


def write_slot(directory: Path, epoch: int, key: bytes) -> None:
    """Put a root into its slot, readable by the owner only, whole or not at all."""
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        target = directory / _SLOTS[epoch % 2]
        fresh = target.with_suffix(".new")
        fresh.unlink(missing_ok=True)
        with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(_content(epoch, key))
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(target)
        sync_directory(directory)
        sync_directory(directory.parent)
    except OSError as error:
        raise StoreUnavailable(f"the root key cannot be written to {directory}: {error.strerror}") from error


def sync_directory(directory: Path) -> None:
    """Make names in a directory survive a power loss."""
    handle = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _content(epoch: int, key: bytes) -> bytes:
    body = b"pdl-root/1\nepoch %d\nkey %b\n" % (epoch, b64encode(key))
    return body + b"sha256 %b\n" % sha256(body).hexdigest().encode()


def _read(path: Path) -> tuple[int, bytes] | None:
    try:
        mode, content = path.stat().st_mode, path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise Unreadable(f"the root key {path} cannot be read: {error.strerror}") from error
    if mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise Unreadable(f"the root key {path} is open to other users; run `chmod 600 {path}`")
    form = _FORM.fullmatch(content)
    if form is None or content != _content(int(form[1]), _key(form[2])) or int(form[1]) % 2 != _SLOTS.index(path.name):
        raise Unreadable(f"the root key {path} is damaged or no root key; restore this file, nothing else replaces it")
    return int(form[1]), _key(form[2])


def _key(text: bytes) -> bytes:
    try:
        return b64decode(text, validate=True)
    except binascii.Error:
        return b""
