"""Roots: the one key that never enters a database, replaced whenever an epoch closes, so that the old one can die.

`Roots` is the seam: a two-slot file here, a PKCS#11 token in `ledger.keys.token`; both pass tests/contracts/test_roots.py.
"""

from __future__ import annotations

import os
import stat
from binascii import hexlify
from hashlib import sha256
from pathlib import Path
from typing import Final, Protocol

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from ledger.domain.errors import StoreUnavailable, Unreadable
from ledger.keys import expand
from ledger.keys.wrap import KEY_SIZE, draw, unwrap, wipe, wrap

_SLOTS: Final = ("slot-0", "slot-1")
_ALPHABET: Final = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
_SHIFTS: Final = (18, 12, 6, 0)
_TEXT_SIZE: Final = 44
_LETTERS: Final = {letter: number for number, letter in enumerate(_ALPHABET)}


class Root(Protocol):
    """What bucket keys are wrapped under. `id` names it (hex, safe to show), `epoch` counts its replacements."""

    id: str
    epoch: int

    def wrap(self, secret: bytes | bytearray, name: bytes) -> bytes:
        """A secret wrapped under the root."""
        ...

    def unwrap(self, wrapped: bytes, name: bytes) -> bytearray:
        """The secret again, in a buffer to be wiped; raises Tampered."""
        ...


class Roots(Protocol):
    """Where roots are: one, and two while one replaces the other."""

    kind: str
    """file, pkcs11 or memory"""
    place: str
    """What to call it in a message."""

    def held(self) -> list[Root]:
        """Every root that is there, oldest epoch first; raises Unreadable for a damaged one."""
        ...

    def make(self, epoch: int) -> Root:
        """A new root, safe on disk or in the token before this returns; one of the same epoch is destroyed first."""
        ...

    def destroy(self, epoch: int) -> None:
        """Destroy the root of an epoch for good, or what a crash left of it; one that is gone already is fine."""
        ...

    def send(self, epoch: int, directory: Path) -> None:
        """Let a mirror have a root, where roots may leave their place."""
        ...

    def recall(self, epoch: int, directory: Path) -> None:
        """Destroy the copy of a root at a mirror."""
        ...


class MemoryRoot:
    """A root whose key is in the memory of this process."""

    def __init__(self, key: bytes | bytearray | None = None, epoch: int = 1) -> None:
        secret = draw() if key is None else key
        self.epoch = epoch
        self.id = expand(secret, b"pdl/1 root id")[:16].hex()
        self._aead = AESGCM(secret)

    def wrap(self, secret: bytes | bytearray, name: bytes) -> bytes:
        """A secret wrapped under the root."""
        return wrap(self._aead, secret, name)

    def unwrap(self, wrapped: bytes, name: bytes) -> bytearray:
        """The secret again, in a buffer to be wiped; raises Tampered."""
        return unwrap(self._aead, wrapped, name)


class MemoryRoots:
    """Roots that are gone with the process: for tests and trials."""

    kind, place = "memory", "memory"

    def __init__(self) -> None:
        self._roots: dict[int, Root] = {}

    def held(self) -> list[Root]:
        """Every root that is there."""
        return [self._roots[epoch] for epoch in sorted(self._roots)]

    def make(self, epoch: int) -> Root:
        """A new root."""
        root = self._roots[epoch] = MemoryRoot(epoch=epoch)
        return root

    def destroy(self, epoch: int) -> None:
        """Let go of a root."""
        self._roots.pop(epoch, None)

    def send(self, epoch: int, directory: Path) -> None:
        """Nothing leaves this process."""

    def recall(self, epoch: int, directory: Path) -> None:
        """Nothing left this process."""


class FileRoots:
    """Roots in a folder, epoch n in slot n modulo 2, readable by their owner only.

    Two slots let a root be replaced without a moment that has none: the new one is written and synced, then the
    key database says that it counts, then the old one is overwritten where it stands. That reaches the bytes of
    a file on a disk that writes in place; a copy that the file system or the disk made of them (snapshots,
    copy on write, wear levelling) it cannot reach. A token can.
    """

    kind = "file"

    def __init__(self, directory: Path) -> None:
        self.place = str(directory)
        self._directory = directory

    def held(self) -> list[Root]:
        """The roots in both slots; raises Unreadable for a slot that is damaged or open to others."""
        found: list[Root] = []
        for name in _SLOTS:
            slot = _read(self._directory / name)
            if slot is not None:
                epoch, key = slot
                found.append(MemoryRoot(key, epoch))
                wipe(key)
        return sorted(found, key=lambda root: root.epoch)

    def make(self, epoch: int) -> Root:
        """A new root in the slot of its epoch."""
        key = draw()
        try:
            write_slot(self._directory, epoch, key)
            return MemoryRoot(key, epoch)
        finally:
            wipe(key)

    def destroy(self, epoch: int) -> None:
        """Overwrite the slot of a root where it stands, then remove it."""
        _destroy_slot(self._directory, epoch)

    def send(self, epoch: int, directory: Path) -> None:
        """Put a root into the slots of a mirror as well."""
        slot = _read(self._directory / _SLOTS[epoch % 2])
        if slot is None or slot[0] != epoch:
            raise StoreUnavailable(f"the root of epoch {epoch} is not in {self._directory} any more")
        try:
            there = _read(directory / "root" / _SLOTS[epoch % 2])
            if there is None or there != slot:
                write_slot(directory / "root", epoch, slot[1])
            if there is not None:
                wipe(there[1])
        finally:
            wipe(slot[1])

    def recall(self, epoch: int, directory: Path) -> None:
        """Destroy the copy of a root in the slots of a mirror."""
        _destroy_slot(directory / "root", epoch)


def write_slot(directory: Path, epoch: int, key: bytes | bytearray) -> None:
    """Put a root into its slot, readable by the owner only, whole or not at all; what stood there is overwritten."""
    content = _content(epoch, key)
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        target = directory / _SLOTS[epoch % 2]
        fresh = target.with_suffix(".new")
        destroy_file(fresh)
        _empty(target)
        with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb", buffering=0) as file:
            file.write(content)
            os.fsync(file.fileno())
        fresh.replace(target)
        sync_directory(directory)
        sync_directory(directory.parent)
    except OSError as error:
        raise StoreUnavailable(f"the root key cannot be written to {directory}: {error.strerror}") from error
    finally:
        wipe(content)


def _destroy_slot(directory: Path, epoch: int) -> None:
    """Empty the slot of an epoch, unless another one is in it; what a crash left of an earlier try goes too."""
    path = directory / _SLOTS[epoch % 2]
    slot = _read(path)
    if slot is not None:
        wipe(slot[1])
    if slot is None or slot[0] == epoch:
        _empty(path)


def _empty(slot: Path) -> None:
    """Destroy what is in a slot, under another name first: a slot that is half overwritten would look damaged."""
    going = slot.with_suffix(".gone")
    destroy_file(going)
    if slot.exists():
        slot.replace(going)
        sync_directory(slot.parent)
        destroy_file(going)


def destroy_file(path: Path) -> None:
    """Overwrite a file in place, wait for the disk, then remove its name; one that is not there is fine."""
    try:
        with path.open("r+b", buffering=0) as file:
            for fill in (os.urandom, bytes):
                file.seek(0)
                file.write(fill(path.stat().st_size))
                os.fsync(file.fileno())
        path.unlink()
        sync_directory(path.parent)
    except FileNotFoundError:
        return
    except OSError as error:
        raise StoreUnavailable(
            f"the old root key {path} cannot be destroyed: {error.strerror}; mend that and run `pdl keys close-epoch`"
        ) from error


def sync_directory(directory: Path) -> None:
    """Make names in a directory survive a power loss."""
    handle = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _content(epoch: int, key: bytes | bytearray) -> bytearray:
    """The text of a slot, in one buffer to be wiped: one that grew would leave copies behind."""
    head = b"pdl-root/1\nepoch %d\nkey " % epoch
    body = len(head) + _TEXT_SIZE + 1
    content = bytearray(body + len(b"sha256 \n") + 64)
    content[: len(head)] = head
    _encode(key, memoryview(content)[len(head) : body - 1])
    content[body - 1 : body] = b"\n"
    content[body:] = b"sha256 %b\n" % hexlify(sha256(memoryview(content)[:body]).digest())
    return content


def _read(path: Path) -> tuple[int, bytearray] | None:
    try:
        mode = path.stat().st_mode
        content = bytearray(path.stat().st_size)
        with path.open("rb", buffering=0) as file:
            file.readinto(content)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise Unreadable(f"the root key {path} cannot be read: {error.strerror}") from error
    if mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise Unreadable(f"the root key {path} is open to other users; run `chmod 600 {path}`")
    try:
        return _parsed(content, _SLOTS.index(path.name))
    except ValueError as error:
        raise Unreadable(
            f"the root key {path} is damaged or no root key; restore this file, nothing else replaces it"
        ) from error
    finally:
        wipe(content)


def _parsed(content: bytearray, slot: int) -> tuple[int, bytearray]:
    """Epoch and key of a slot's text; raises ValueError for any other text."""
    start = content.index(b"\nkey ") + 5
    epoch = int(content[len(b"pdl-root/1\nepoch ") : start - 5])
    key = _decode(memoryview(content)[start : start + _TEXT_SIZE])
    again = _content(epoch, key)
    same = again == content and epoch > 0 and epoch % 2 == slot
    wipe(again)
    if not same:
        wipe(key)
        raise ValueError(slot)
    return epoch, key


def _encode(key: bytes | bytearray, text: memoryview) -> None:
    """Write a key as base64, without a copy of it in an object that cannot be wiped."""
    text[-1] = ord("=")
    for number, at in enumerate(range(0, KEY_SIZE, 3)):
        three = int.from_bytes(key[at : at + 3], "big") << 8 * max(at + 3 - KEY_SIZE, 0)
        for place, shift in enumerate(_SHIFTS[: len(text) - 1 - 4 * number]):
            text[4 * number + place] = _ALPHABET[three >> shift & 63]


def _decode(text: memoryview) -> bytearray:
    """The key behind a text of base64; raises ValueError where it is none of 32 bytes."""
    key = bytearray(KEY_SIZE)
    if len(text) != _TEXT_SIZE or any(letter not in _LETTERS for letter in text[:-1]):
        raise ValueError(len(text))
    for number in range(0, _TEXT_SIZE, 4):
        four = zip(text[number : number + 4], _SHIFTS, strict=True)
        three = sum(_LETTERS.get(letter, 0) << shift for letter, shift in four)
        at = number // 4 * 3
        key[at : at + 3] = three.to_bytes(3, "big")[: KEY_SIZE - at]
    return key
