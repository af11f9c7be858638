"""The proof that one record stands in the log, as one text file that verifies offline: https://c2sp.org/tlog-proof.

The `extra` line is the leaf itself, in base64; it proves nothing by being there, only by hashing to a leaf
of the signed tree.
"""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Sequence
from typing import Final

from msgspec import Struct

from ledger.domain.errors import ProofRefused
from ledger.evidence.note import Checkpoint, VerifierKey, open_checkpoint, strict_base64
from ledger.evidence.tree import HASH_SIZE, ReadTile, inclusion_proof, leaf_hash, verify_inclusion

HEADER: Final = "c2sp.org/tlog-proof@v1"
_HASHES_MAX: Final = 64
_INDEX: Final = re.compile(r"index (0|[1-9][0-9]{0,18})")


class Proof(Struct, frozen=True):
    """What a proof file says, believed or not: leaf index, audit path, the signed note verbatim, the leaf if given."""

    index: int
    hashes: tuple[bytes, ...]
    checkpoint: str
    leaf: bytes | None

    def __str__(self) -> str:
        extra = [] if self.leaf is None else [f"extra {_text(self.leaf)}"]
        lines = [HEADER, *extra, f"index {self.index}", *map(_text, self.hashes), ""]
        return "".join(f"{line}\n" for line in lines) + self.checkpoint


class Proven(Struct, frozen=True):
    """What a verified proof shows: this leaf, at this index, in the log of this checkpoint."""

    leaf: bytes
    index: int
    checkpoint: Checkpoint


def make_proof(index: int, leaf: bytes, size: int, read_tile: ReadTile, checkpoint: str) -> Proof:
    """The proof for a leaf under a checkpoint (signed note) of `size` leaves."""
    return Proof(index, tuple(inclusion_proof(index, size, read_tile)), checkpoint, leaf)


def parse_proof(text: str) -> Proof:
    """A proof from its text, byte-exact; raises ProofRefused for anything that is not one."""
    head, found, checkpoint = text.partition("\n\n")
    lines = head.split("\n")
    if not found or lines[0] != HEADER:
        raise ProofRefused(
            f"this is no proof file: it begins with {HEADER} and has an empty line before the checkpoint"
        )
    leaf = None
    if lines[1:] and lines[1].startswith("extra "):
        leaf = strict_base64(lines.pop(1).removeprefix("extra "))
        if leaf is None:
            raise ProofRefused("the extra line is not base64")
    index = _INDEX.fullmatch(lines[1]) if lines[1:] else None
    if index is None:
        raise ProofRefused("the index line is missing or malformed")
    return Proof(int(index[1]), _hashes(lines[2:]), checkpoint, leaf)


def verify_proof(text: str, key: VerifierKey, leaf: bytes | None = None) -> Proven:
    """Verify a proof offline, with the key of the log as the only thing believed; raises ProofRefused.

    1. The file is a proof. 2. The log signed the checkpoint. 3. The leaf (given, or the one of the `extra` line)
    hashes to the checkpoint's root along the path, at that index. A leaf that is given must be the one in the file.
    """
    proof = parse_proof(text)
    checkpoint = open_checkpoint(proof.checkpoint, key)
    shown = proof.leaf if leaf is None else leaf
    if shown is None:
        raise ProofRefused("the proof has no leaf; give the record that it is about")
    if proof.leaf not in {None, shown}:
        raise ProofRefused("the proof is about another record than the one given")
    if not verify_inclusion(leaf_hash(shown), proof.index, checkpoint.size, proof.hashes, checkpoint.root):
        raise ProofRefused(f"the leaf does not stand at index {proof.index} of the tree that was signed")
    return Proven(shown, proof.index, checkpoint)


def _hashes(lines: Sequence[str]) -> tuple[bytes, ...]:
    found = tuple(map(strict_base64, lines))
    if len(found) > _HASHES_MAX or any(value is None or len(value) != HASH_SIZE for value in found):
        raise ProofRefused("the lines of the path are not hashes of 32 bytes in base64")
    return tuple(value for value in found if value is not None)


def _text(content: bytes) -> str:
    return b64encode(content).decode()
