"""Wrapping: a key is stored only under another key, with a name that it cannot be moved away from."""

from __future__ import annotations

import os
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from ledger.domain.errors import Tampered

KEY_SIZE: Final = 32
NONCE_SIZE: Final = 12


def wrap(under: AESGCM, secret: bytes, name: bytes) -> bytes:
    """Nonce, ciphertext and tag of a secret under AES-256-GCM; `name` says what it is and is not stored here."""
    nonce = os.urandom(NONCE_SIZE)
    return nonce + under.encrypt(nonce, secret, name)


def unwrap(under: AESGCM, wrapped: bytes, name: bytes) -> bytes:
    """The secret again; raises Tampered where bytes, wrapping key and name do not belong together."""
    try:
        return under.decrypt(wrapped[:NONCE_SIZE], wrapped[NONCE_SIZE:], name)
    except (InvalidTag, ValueError) as error:
        raise Tampered("a wrapped key does not open: its row was altered or moved; restore the key database") from error
