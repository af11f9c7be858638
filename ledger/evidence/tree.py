"""The RFC 6962 tree over the log, kept as C2SP tiles of height 8: pure functions over stored hashes.

Tile (0, n) holds the leaf hashes n*256 .. n*256+255; an entry of tile (l+1, n) is the root of a full tile of
level l. The rightmost tile of each level may be shorter. What is stored is nothing but hashes; every node in
between is recomputed. https://c2sp.org/tlog-tiles, RFC 6962 section 2.1, RFC 9162 section 2.1.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from hashlib import sha256
from typing import Final

from ledger.domain.errors import Tampered

HASH_SIZE: Final = 32
TILE_WIDTH: Final = 256
TILE_SIZE: Final = TILE_WIDTH * HASH_SIZE
EMPTY_ROOT: Final = sha256(b"").digest()

ReadTile = Callable[[int, int], bytes | None]
"""(level, number) -> the hashes stored in that tile, or None."""

Tiles = dict[tuple[int, int], bytes]


def leaf_hash(leaf: bytes) -> bytes:
    """Hash of a leaf: SHA-256 of 0x00 and its bytes."""
    return sha256(b"\x00" + leaf).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Hash of an inner node: SHA-256 of 0x01 and both children."""
    return sha256(b"\x01" + left + right).digest()


def fold(hashes: bytes) -> bytes:
    """Root over 2**n concatenated hashes."""
    while len(hashes) > HASH_SIZE:
        hashes = b"".join([sha256(b"\x01" + hashes[at : at + 64]).digest() for at in range(0, len(hashes), 64)])
    return hashes


def extend(size: int, read_tile: ReadTile, leaf_hashes: Sequence[bytes]) -> Tiles:
    """Append leaves to a tree of `size` leaves: every tile that changes, as (level, number) -> hashes.

    Reads at most one tile a level; raises Tampered where the stored edge does not fit `size`.
    """
    changed: Tiles = {}
    added = b"".join(leaf_hashes)
    level = 0
    while added:
        number, width = divmod(size, TILE_WIDTH)
        pending = (_edge(read_tile, level, number, width) if width else b"") + added
        full = len(pending) - len(pending) % TILE_SIZE
        roots = []
        for at in range(0, full, TILE_SIZE):
            tile = changed[level, number] = pending[at : at + TILE_SIZE]
            roots.append(fold(tile))
            number += 1
        if full < len(pending):
            changed[level, number] = pending[full:]
        added, size, level = b"".join(roots), size // TILE_WIDTH, level + 1
    return changed


def root(size: int, read_tile: ReadTile) -> bytes:
    """Root of the first `size` leaves; also for any earlier size than the tiles hold."""
    return EMPTY_ROOT if size == 0 else _Nodes(size, read_tile).over(0, size)


def inclusion_proof(index: int, size: int, read_tile: ReadTile) -> list[bytes]:
    """Audit path of leaf `index` in the tree of `size` leaves, from the leaf's sibling upwards."""
    if not 0 <= index < size:
        raise ValueError(f"no leaf {index} in a tree of {size}")
    nodes = _Nodes(size, read_tile)
    path, low, high = [], 0, size
    while high - low > 1:
        middle = low + _split(high - low)
        if index < middle:
            path.append(nodes.over(middle, high))
            high = middle
        else:
            path.append(nodes.over(low, middle))
            low = middle
    return path[::-1]


def consistency_proof(old: int, new: int, read_tile: ReadTile) -> list[bytes]:
    """Proof that the tree of `new` leaves begins with the tree of `old`; empty where there is nothing to show."""
    if not 0 <= old <= new:
        raise ValueError(f"a tree of {new} cannot begin with one of {old}")
    if old in {0, new}:
        return []
    nodes = _Nodes(new, read_tile)
    path, low, high = [], 0, new
    while old != high:
        middle = low + _split(high - low)
        if old <= middle:
            path.append(nodes.over(middle, high))
            high = middle
        else:
            path.append(nodes.over(low, middle))
            low = middle
    if low > 0:
        path.append(nodes.over(low, high))
    return path[::-1]


def verify_inclusion(leaf: bytes, index: int, size: int, proof: Sequence[bytes], expected_root: bytes) -> bool:
    """Whether the leaf hash stands at `index` under that root; False for anything malformed (RFC 9162 2.1.3.2)."""
    if not 0 <= index < size or not _all_hashes([leaf, expected_root, *proof]):
        return False
    at, last, found = index, size - 1, leaf
    for sibling in proof:
        if last == 0:
            return False
        if at & 1 or at == last:
            found = node_hash(sibling, found)
            while not at & 1 and at:
                at, last = at >> 1, last >> 1
        else:
            found = node_hash(found, sibling)
        at, last = at >> 1, last >> 1
    return last == 0 and found == expected_root


def verify_consistency(old: int, new: int, old_root: bytes, new_root: bytes, proof: Sequence[bytes]) -> bool:
    """Whether the tree behind `new_root` begins with the one behind `old_root` (RFC 9162 2.1.4.2).

    Every tree begins with the empty one, whose root must be the hash of nothing.
    """
    if old == new:
        return not proof and old_root == new_root and (old > 0 or (old == 0 and old_root == EMPTY_ROOT))
    if not 0 <= old < new or not _all_hashes([old_root, new_root, *proof]):
        return False
    if old == 0:
        return not proof and old_root == EMPTY_ROOT
    if not proof:
        return False
    path = [old_root, *proof] if old & (old - 1) == 0 else list(proof)
    at, last = old - 1, new - 1
    while at & 1:
        at, last = at >> 1, last >> 1
    was = now = path[0]
    for sibling in path[1:]:
        if last == 0:
            return False
        if at & 1 or at == last:
            was, now = node_hash(sibling, was), node_hash(sibling, now)
            while not at & 1 and at:
                at, last = at >> 1, last >> 1
        else:
            now = node_hash(now, sibling)
        at, last = at >> 1, last >> 1
    return last == 0 and was == old_root and now == new_root


def _all_hashes(values: Sequence[bytes]) -> bool:
    return all(len(value) == HASH_SIZE for value in values)


def _split(count: int) -> int:
    """The largest power of two below `count`."""
    return 1 << (count - 1).bit_length() - 1


def _edge(read_tile: ReadTile, level: int, number: int, width: int) -> bytes:
    """The first `width` hashes of a tile, which must be there."""
    tile = read_tile(level, number)
    if tile is None or len(tile) < width * HASH_SIZE:
        raise Tampered(f"tile {level}/{number} of the evidence tree is missing or too short; run `pdl verify`")
    return tile[: width * HASH_SIZE]


class _Nodes:
    """Hashes of subtrees of one tree; each tile is read at most once."""

    def __init__(self, size: int, read_tile: ReadTile) -> None:
        self._size, self._read, self._tiles = size, read_tile, Tiles()

    def over(self, low: int, high: int) -> bytes:
        """Root over leaves low..high-1, where low is a multiple of the power of two that is at least their number."""
        count = high - low
        if count & (count - 1) == 0:
            return self._perfect(count.bit_length() - 1, low)
        middle = low + _split(count)
        return node_hash(self.over(low, middle), self.over(middle, high))

    def _perfect(self, height: int, low: int) -> bytes:
        level = height // 8
        width = 1 << height % 8
        number, at = divmod(low >> 8 * level, TILE_WIDTH)
        return fold(self._tile(level, number)[at * HASH_SIZE : (at + width) * HASH_SIZE])

    def _tile(self, level: int, number: int) -> bytes:
        if (level, number) not in self._tiles:
            width = min(TILE_WIDTH, (self._size >> 8 * level) - number * TILE_WIDTH)
            self._tiles[level, number] = _edge(self._read, level, number, width)
        return self._tiles[level, number]
