"""A log signs one history."""

from __future__ import annotations

import pytest

from ledger.domain.errors import Tampered
from ledger.evidence.head import sign_head
from ledger.evidence.note import Signer, open_checkpoint
from ledger.evidence.tree import Tiles, extend, leaf_hash, root

SIGNER = Signer("ledger.example/one", bytes(range(32)))


def tiles_of(size: int, forged: int | None = None) -> Tiles:
    return extend(0, lambda *_: None, [leaf_hash(b"forged" if at == forged else b"leaf %d" % at) for at in range(size)])


def head(tiles: Tiles, size: int, signed: list[tuple[int, str]]) -> str:
    return sign_head(SIGNER, size, lambda *place: tiles.get(place), signed)


def test_heads_follow_each_other() -> None:
    signed: list[tuple[int, str]] = []
    tiles = tiles_of(600)
    for size in (0, 1, 256, 600):
        signed.append((size, head(tiles, size, signed)))
        assert open_checkpoint(signed[-1][1], SIGNER.key).root == root(size, lambda *place: tiles.get(place))
    assert head(tiles, 600, signed) == signed[-1][1]


@pytest.mark.parametrize(("size", "forged"), [(599, None), (600, 0), (700, 0), (700, 599), (0, None)])
def test_another_history_is_never_signed(size: int, forged: int | None) -> None:
    signed = [(600, head(tiles_of(600), 600, []))]
    with pytest.raises(Tampered, match="nothing is signed"):
        head(tiles_of(size, forged), size, signed)


def test_a_longer_history_with_the_same_beginning_is_signed() -> None:
    signed = [(600, head(tiles_of(600), 600, []))]
    assert head(tiles_of(700, 600), 700, signed)


def test_an_altered_head_is_not_the_ground_for_another() -> None:
    signed = [(600, head(tiles_of(600), 600, []).replace("600\n", "599\n"))]
    with pytest.raises(Tampered, match="does not hold any more"):
        head(tiles_of(600), 600, signed)
