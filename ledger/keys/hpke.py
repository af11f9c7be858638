"""Opening what a producer sealed: HPKE (RFC 9180), base mode, X25519 with HKDF-SHA256 and AES-256-GCM, one message.

The library's own HPKE takes no associated data, so the schedule of RFC 9180 (section 5.1) is written out here; tests hold it to
the vectors of the RFC and to that library. Producers have the sealing half in `consumers.kit.sealing`.
"""

from __future__ import annotations

import hmac
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from ledger.domain.errors import Tampered

ENC_SIZE: Final = 32
"""The encapsulated key in front of the ciphertext."""
_KEM: Final = b"KEM\x00\x20"
_SUITE: Final = b"HPKE\x00\x20\x00\x01\x00\x02"


def public_of(secret: bytes) -> bytes:
    """The public key (32 bytes) of a private one."""
    return X25519PrivateKey.from_private_bytes(secret).public_key().public_bytes_raw()


def unseal(secret: bytes, sealed: bytes, aad: bytes) -> bytes:
    """The plaintext of one sealed message (encapsulated key, then ciphertext). Raises Tampered where it does not open."""
    enc, ciphertext = sealed[:ENC_SIZE], sealed[ENC_SIZE:]
    try:
        private = X25519PrivateKey.from_private_bytes(secret)
        shared = private.exchange(X25519PublicKey.from_public_bytes(enc))
        recipient = private.public_key().public_bytes_raw()
        key, nonce = _schedule(
            _expand(_extract(b"", b"eae_prk", shared, _KEM), b"shared_secret", enc + recipient, 32, _KEM)
        )
        return AESGCM(key).decrypt(nonce, ciphertext, aad)
    except (InvalidTag, ValueError) as error:
        raise Tampered("the sealed data do not open with this ingest key") from error


def _schedule(shared: bytes) -> tuple[bytes, bytes]:
    """Key and nonce of the first and only message (section 5.1, mode_base, no info)."""
    hashes = (_extract(b"", label, b"", _SUITE) for label in (b"psk_id_hash", b"info_hash"))
    context = b"\x00" + b"".join(hashes)
    secret = _extract(shared, b"secret", b"", _SUITE)
    return _expand(secret, b"key", context, 32, _SUITE), _expand(secret, b"base_nonce", context, 12, _SUITE)


def _extract(salt: bytes, label: bytes, material: bytes, suite: bytes) -> bytes:
    return hmac.digest(salt, b"HPKE-v1" + suite + label + material, "sha256")


def _expand(secret: bytes, label: bytes, info: bytes, size: int, suite: bytes) -> bytes:
    """LabeledExpand of at most one block."""
    labelled = size.to_bytes(2, "big") + b"HPKE-v1" + suite + label + info
    return hmac.digest(secret, labelled + b"\x01", "sha256")[:size]
