"""Signed notes and checkpoints of C2SP: text that others can verify with tools that are not ours.

https://c2sp.org/signed-note, https://c2sp.org/tlog-checkpoint. Verification follows Go's
golang.org/x/mod/sumdb/note where the specification leaves a choice.
"""

from __future__ import annotations

import binascii
import re
from base64 import b64decode, b64encode
from collections.abc import Collection, Iterable
from hashlib import sha256
from typing import Final, NamedTuple

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from ledger.domain.errors import ProofRefused
from ledger.evidence.tree import HASH_SIZE

NOTE_SIZE_MAX: Final = 1_000_000
SIGNATURES_MAX: Final = 100
_ED25519: Final = b"\x01"
_KEY_SIZE: Final = 32
_CONTROL: Final = re.compile(r"[\x00-\x09\x0b-\x1f]")
_NUMBER: Final = re.compile(r"0|[1-9][0-9]{0,18}")
_SIGNATURE: Final = re.compile(r"\u2014 ([^ ]+) ([A-Za-z0-9+/=]+)")
_VERIFIER: Final = re.compile(r"([^+]+)\+([0-9a-f]{8})\+([A-Za-z0-9+/=]+)")


class VerifierKey(NamedTuple):
    """Whose signature is believed: a name (the log's origin), and an Ed25519 public key of 32 bytes."""

    name: str
    public: bytes

    @property
    def hash(self) -> bytes:
        """The key id: the first 4 bytes of a hash over name and key."""
        return sha256(self.name.encode() + b"\n" + _ED25519 + self.public).digest()[:4]

    def __str__(self) -> str:
        return f"{self.name}+{self.hash.hex()}+{b64encode(_ED25519 + self.public).decode()}"

    def verifies(self, signature: bytes, text: str) -> bool:
        """Whether this key signed that text."""
        try:
            Ed25519PublicKey.from_public_bytes(self.public).verify(signature, text.encode())
        except (InvalidSignature, ValueError):
            return False
        return True


class Signer:
    """Signs notes under a name with an Ed25519 seed of 32 bytes."""

    def __init__(self, name: str, seed: bytes) -> None:
        if not is_key_name(name):
            raise ValueError("a key name has no spaces, no plus signs and no control characters")
        self._private = Ed25519PrivateKey.from_private_bytes(seed)
        self.key = VerifierKey(name, self._private.public_key().public_bytes_raw())

    def sign(self, text: str) -> str:
        """The note: the text, an empty line, one signature line."""
        if not text.endswith("\n") or _CONTROL.search(text):
            raise ValueError("a note ends in a newline and has no other control characters")
        signature = self.key.hash + self._private.sign(text.encode())
        return f"{text}\n\u2014 {self.key.name} {b64encode(signature).decode()}\n"


class Checkpoint(NamedTuple):
    """A head of the tree: whose log, how many leaves, which root. `extensions` are further lines, opaque."""

    origin: str
    size: int
    root: bytes
    extensions: tuple[str, ...] = ()

    def __str__(self) -> str:
        lines = [self.origin, str(self.size), b64encode(self.root).decode(), *self.extensions]
        return "".join(f"{line}\n" for line in lines)


def parse_verifier(text: str) -> VerifierKey:
    """A verifier key from `name+hash+key`; raises ProofRefused where the three do not belong together."""
    form = _VERIFIER.fullmatch(text.strip())
    raw = None if form is None else strict_base64(form[3])
    if form is None or raw is None or raw[:1] != _ED25519 or len(raw) != 1 + _KEY_SIZE or not is_key_name(form[1]):
        raise ProofRefused("this is no Ed25519 verifier key of the form name+hash+key")
    key = VerifierKey(form[1], raw[1:])
    if key.hash.hex() != form[2]:
        raise ProofRefused(f"verifier key {form[1]}: the hash is not that of name and key")
    return key


def open_note(note: str, keys: Collection[VerifierKey]) -> tuple[str, list[VerifierKey]]:
    """The text of a note and which of `keys` signed it; raises ProofRefused unless one did and none did falsely.

    Signatures of others are passed over: witnesses may add theirs.
    """
    text, lines = _split(note)
    known = {(key.name, key.hash): key for key in keys}
    signed: dict[VerifierKey, None] = {}
    for name, key_hash, signature in map(_signature, lines):
        key = known.get((name, key_hash))
        if key is None or key in signed:
            continue
        if not key.verifies(signature, text):
            raise ProofRefused(f"the signature of {key.name} does not fit the note")
        signed[key] = None
    if not signed:
        raise ProofRefused("no key that is believed signed this note")
    return text, list(signed)


def parse_checkpoint(text: str) -> Checkpoint:
    """A checkpoint from the text of a note, byte-exact; raises ProofRefused for anything else."""
    lines = text.split("\n")
    if len(lines) < 4 or lines.pop() or not all(lines):  # noqa: PLR2004 - origin, size, root, and what follows the last newline
        raise ProofRefused("a checkpoint has at least three lines, none of them empty")
    origin, size, root = lines[0], lines[1], strict_base64(lines[2])
    if not _NUMBER.fullmatch(size):
        raise ProofRefused("the size of a checkpoint is a number without leading zeroes")
    if root is None or len(root) != HASH_SIZE:
        raise ProofRefused("the root of a checkpoint is a hash of 32 bytes in base64")
    return Checkpoint(origin, int(size), root, tuple(lines[3:]))


def open_checkpoint(note: str, key: VerifierKey) -> Checkpoint:
    """The checkpoint in a note that this log signed; raises ProofRefused unless origin and key name agree."""
    text, _ = open_note(note, [key])
    checkpoint = parse_checkpoint(text)
    if checkpoint.origin != key.name:
        raise ProofRefused(f"the checkpoint is of {checkpoint.origin}, the key of {key.name}")
    return checkpoint


def is_key_name(name: str) -> bool:
    """Whether a name may stand in a signature line."""
    return bool(name) and "+" not in name and not any(letter.isspace() for letter in name) and not _CONTROL.search(name)


def strict_base64(text: str) -> bytes | None:
    """Bytes from standard base64 with padding, or None where the text is not their only form."""
    try:
        content = b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None
    return content if b64encode(content).decode() == text else None


def _split(note: str) -> tuple[str, Iterable[str]]:
    if len(note) > NOTE_SIZE_MAX or _CONTROL.search(note) or not _is_utf8(note):
        raise ProofRefused("a note is UTF-8 text without control characters, below a million letters")
    at = note.rfind("\n\n")
    signatures = note[at + 2 :]
    if at < 0 or not signatures.endswith("\n"):
        raise ProofRefused("a note is a text, an empty line, and signature lines")
    lines = signatures[:-1].split("\n")
    if len(lines) > SIGNATURES_MAX:
        raise ProofRefused(f"a note has at most {SIGNATURES_MAX} signatures")
    return note[: at + 1], lines


def _signature(line: str) -> tuple[str, bytes, bytes]:
    form = _SIGNATURE.fullmatch(line)
    raw = None if form is None else strict_base64(form[2])
    if form is None or raw is None or len(raw) < 5 or not is_key_name(form[1]):  # noqa: PLR2004 - key id and something signed
        raise ProofRefused("a signature line of the note is malformed")
    return form[1], raw[:4], raw[4:]


def _is_utf8(text: str) -> bool:
    return not any("\ud800" <= letter <= "\udfff" for letter in text)
