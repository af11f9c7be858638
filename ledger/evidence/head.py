"""Signing the head of the log: once per size, and never against a head that was signed before."""

from __future__ import annotations

from collections.abc import Sequence

from ledger.domain.errors import ProofRefused, Tampered
from ledger.evidence.note import Checkpoint, Signer, open_checkpoint
from ledger.evidence.tree import ReadTile, root


def sign_head(signer: Signer, size: int, read_tile: ReadTile, signed: Sequence[tuple[int, str]]) -> str:
    """The checkpoint (signed note) of a tree of `size` leaves; `signed` are those that were signed before, by size.

    Raises Tampered where the log is shorter than the newest of them, or its beginning has another root: a second
    signature would vouch for two histories. The one that was signed at this size is given again as it was.
    """
    if signed:
        last_size, note = max(signed)
        try:
            last = open_checkpoint(note, signer.key)
        except (ProofRefused, TypeError) as error:
            raise Tampered(f"the head signed at {last_size} leaves does not hold any more; run `pdl verify`") from error
        if last.size > size or root(last.size, read_tile) != last.root:
            raise Tampered(
                f"the log is not what was signed at {last.size} leaves, so nothing is signed; run `pdl verify`"
            )
        if last.size == size:
            return note
    return signer.sign(str(Checkpoint(signer.key.name, size, root(size, read_tile))))
