"""Sealing to the ledger's ingest key: HPKE (RFC 9180), base mode, X25519 with HKDF-SHA256 and AES-256-GCM, one message.

The library's own HPKE takes no associated data, so the sealing half of RFC 9180 is written out here. It shares no code
with the half that opens, on purpose: producers have nothing of the ledger, and each half is a check of the other.
"""

from __future__ import annotations

import hmac
from hashlib import sha256
from pathlib import Path
from typing import Final, NamedTuple

import msgspec
from msgspec import Struct

_PUBLIC_SIZE: Final = 32


class _Document(Struct):
    pdlkeyid: str
    public: bytes


class IngestKey(NamedTuple):
    """The published key: its id (`pdlkeyid`) and the public half of X25519."""

    id: str
    public: bytes


def read_key(source: str | Path) -> IngestKey:
    """The key in a file that `pdl ingest-key publish --out` wrote. Raises ValueError for anything else, OSError if unreadable."""
    try:
        document = msgspec.json.decode(Path(source).read_bytes(), type=_Document)
    except msgspec.MsgspecError as error:
        raise ValueError("this file is no ingest key; `pdl ingest-key publish --out FILE` writes one") from error
    key = IngestKey(document.pdlkeyid, document.public)
    if len(key.public) != _PUBLIC_SIZE or sha256(key.public).hexdigest()[:16] != key.id:
        raise ValueError("this ingest key is not the key of its id; fetch it again")
    return key


def seal(key: IngestKey, plaintext: bytes, aad: bytes) -> bytes:
    """The encapsulated key (32 bytes) and behind it the ciphertext; `aad` is covered, and not in it."""
    from cryptography.hazmat.primitives.asymmetric.x25519 import (  # noqa: PLC0415 -- only who seals needs it
        X25519PrivateKey,
        X25519PublicKey,
    )

    ephemeral = X25519PrivateKey.generate()
    enc = ephemeral.public_key().public_bytes_raw()
    return enc + _under(ephemeral.exchange(X25519PublicKey.from_public_bytes(key.public)), enc, key, plaintext, aad)


def _under(exchanged: bytes, enc: bytes, key: IngestKey, plaintext: bytes, aad: bytes) -> bytes:
    """Key schedule and encryption of the first and only message (RFC 9180, sections 4.1, 5.1 and 5.2; no info)."""
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM  # noqa: PLC0415 -- as above

    kem, suite = b"KEM\x00\x20", b"HPKE\x00\x20\x00\x01\x00\x02"

    def extract(salt: bytes, label: bytes, material: bytes, of: bytes) -> bytes:
        return hmac.digest(salt, b"HPKE-v1" + of + label + material, "sha256")

    def expand(secret: bytes, label: bytes, info: bytes, size: int, of: bytes) -> bytes:
        return hmac.digest(secret, size.to_bytes(2, "big") + b"HPKE-v1" + of + label + info + b"\x01", "sha256")[:size]

    shared = expand(extract(b"", b"eae_prk", exchanged, kem), b"shared_secret", enc + key.public, 32, kem)
    context = b"\x00" + extract(b"", b"psk_id_hash", b"", suite) + extract(b"", b"info_hash", b"", suite)
    secret = extract(shared, b"secret", b"", suite)
    nonce = expand(secret, b"base_nonce", context, 12, suite)
    return AESGCM(expand(secret, b"key", context, 32, suite)).encrypt(nonce, plaintext, aad)
