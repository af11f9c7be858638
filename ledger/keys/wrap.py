"""Wrapping: a key is stored only under another key, with a name that it cannot be moved away from.

Unwrapped keys stand in buffers that can be overwritten (`bytearray`), never in `bytes`: a `bytes` that is let go
of stays in memory until something else needs the place.
"""

from __future__ import annotations

import ctypes
import os
from functools import cache
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from ledger.domain.errors import Tampered

KEY_SIZE: Final = 32
NONCE_SIZE: Final = 12
TAG_SIZE: Final = 16


def draw(size: int = KEY_SIZE) -> bytearray:
    """So many random bytes of the operating system, in a buffer that can be wiped."""
    drawn = bytearray(size)
    view = memoryview(drawn)
    while view:
        view = view[os.readv(_chance(), [view]) :]
    return drawn


def wipe(secret: bytearray) -> None:
    """Overwrite a secret that is not needed any more."""
    secret[:] = bytes(len(secret))


def taken(secret: bytes) -> bytearray:
    """A secret that a library gave us as `bytes`, in a buffer to be wiped; the original is overwritten.

    Nobody else may have it: `bytes` are not meant to change. CPython keeps the content behind a header of fixed size.
    """
    kept = bytearray(secret)
    if len(secret) > 1:  # Shorter ones are shared by everyone.
        ctypes.memset(id(secret) + bytes.__basicsize__ - 1, 0, len(secret))
    return kept


def wrap(under: AESGCM, secret: bytes | bytearray | memoryview, name: bytes) -> bytes:
    """Nonce, ciphertext and tag of a secret under AES-256-GCM; `name` says what it is and is not stored here."""
    nonce = os.urandom(NONCE_SIZE)
    return nonce + under.encrypt(nonce, secret, name)


def unwrap(under: AESGCM, wrapped: bytes, name: bytes, into: bytearray | None = None) -> bytearray:
    """The secret again, in a buffer to be wiped; raises Tampered where bytes, wrapping key and name do not belong together.

    `into` is a buffer of the secret's size that may be used for many, one after the other.
    """
    secret = bytearray(max(len(wrapped) - NONCE_SIZE - TAG_SIZE, 0)) if into is None else into
    try:
        under.decrypt_into(wrapped[:NONCE_SIZE], wrapped[NONCE_SIZE:], name, secret)
    except (InvalidTag, ValueError) as error:
        wipe(secret)
        raise Tampered("a wrapped key does not open: its row was altered or moved; restore the key database") from error
    return secret


@cache
def _chance() -> int:
    return os.open("/dev/urandom", os.O_RDONLY | os.O_CLOEXEC)
