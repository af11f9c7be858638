"""The tree against the definition in RFC 6962, written down here as it stands there, and against foreign vectors."""

from __future__ import annotations

import json
from base64 import b64decode
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.domain.errors import Tampered
from ledger.evidence.tree import (
    EMPTY_ROOT,
    Tiles,
    consistency_proof,
    extend,
    inclusion_proof,
    leaf_hash,
    root,
    verify_consistency,
    verify_inclusion,
)

VECTORS = Path(__file__).parents[2] / "vectors"
LEAVES = [b"leaf %d" % number for number in range(70_000)]
HASHES = [leaf_hash(leaf) for leaf in LEAVES]
SIZES = [*range(1, 41), 63, 64, 65, 127, 128, 129, 255, 256, 257, 299, 300]


# --- RFC 6962, section 2.1, word for word


@cache
def mth(low: int, high: int) -> bytes:
    if high - low == 1:
        return sha256(b"\x00" + LEAVES[low]).digest()
    k = below(high - low)
    return sha256(b"\x01" + mth(low, low + k) + mth(low + k, high)).digest()


def below(n: int) -> int:
    k = 1
    while k * 2 < n:
        k *= 2
    return k


def path(m: int, low: int, high: int) -> list[bytes]:
    n = high - low
    if n == 1:
        return []
    k = below(n)
    if m < k:
        return [*path(m, low, low + k), mth(low + k, high)]
    return [*path(m - k, low + k, high), mth(low, low + k)]


def subproof(m: int, low: int, high: int, *, whole: bool) -> list[bytes]:
    n = high - low
    if m == n:
        return [] if whole else [mth(low, high)]
    k = below(n)
    if m <= k:
        return [*subproof(m, low, low + k, whole=whole), mth(low + k, high)]
    return [*subproof(m - k, low + k, high, whole=False), mth(low, low + k)]


# --- the tree in tiles


def nothing(*place: int) -> None:
    return None


def grown(size: int, step: int = 777) -> Tiles:
    tiles: Tiles = {}
    for start in range(0, size, step):
        tiles.update(
            extend(start, lambda level, number: tiles.get((level, number)), HASHES[start : min(start + step, size)])
        )
    return tiles


TILES = grown(300, 37)


def read(level: int, number: int) -> bytes | None:
    return TILES.get((level, number))


def test_every_inclusion_proof_is_that_of_the_rfc_and_verifies() -> None:
    for size in SIZES:
        for index in range(size):
            proof = inclusion_proof(index, size, read)
            assert proof == path(index, 0, size)
            assert verify_inclusion(HASHES[index], index, size, proof, mth(0, size))


def test_every_consistency_proof_is_that_of_the_rfc_and_verifies() -> None:
    for new in SIZES:
        for old in range(1, new + 1):
            proof = consistency_proof(old, new, read)
            assert proof == subproof(old, 0, new, whole=True)
            assert verify_consistency(old, new, mth(0, old), mth(0, new), proof)


def test_roots_of_every_earlier_size_follow_from_the_tiles() -> None:
    assert [root(size, read) for size in range(1, 301)] == [mth(0, size) for size in range(1, 301)]
    assert root(0, read) == EMPTY_ROOT == sha256(b"").digest()


def mutants(proof: list[bytes]) -> list[list[bytes]]:
    """Proofs that are wrong: a bit turned, one left out, one too many, two exchanged, one cut or stretched."""
    found = [[], [bytes(32)], [*proof, bytes(32)], [bytes(32), *proof], proof + proof[-1:]]
    for at, value in enumerate(proof):
        rest = proof[at + 1 :]
        found += [[*proof[:at], turned(value, bit), *rest] for bit in (0, 100, 255)]
        found += [[*proof[:at], *rest], [*proof[:at], value, value, *rest]]
        found += [[*proof[:at], value[:-1], *rest], [*proof[:at], value + b"\0", *rest], [*proof[:at], b"", *rest]]
        found += [[*proof[:at], rest[0], value, *rest[1:]]] if rest else []
    return [mutant for mutant in found if mutant != proof]


def turned(value: bytes, bit: int) -> bytes:
    return value[: bit // 8] + bytes([value[bit // 8] ^ 1 << bit % 8]) + value[bit // 8 + 1 :]


def test_no_mutant_of_an_inclusion_proof_is_accepted() -> None:
    tried = 0
    for size in SIZES[::3]:
        good = mth(0, size)
        for index in range(0, size, 1 + size // 20):
            proof = path(index, 0, size)
            for mutant in mutants(proof):
                assert not verify_inclusion(HASHES[index], index, size, mutant, good)
                tried += 1
            for wrong in {index ^ 1, index + 1, index - 1, -1, size, size + 1, index + size} - {index}:
                assert not verify_inclusion(HASHES[index], wrong, size, proof, good)
            assert not verify_inclusion(turned(HASHES[index], 7), index, size, proof, good)
            assert not verify_inclusion(HASHES[index], index, size, proof, turned(good, 7))
            assert not verify_inclusion(HASHES[index][:31], index, size, proof, good)
            assert not verify_inclusion(HASHES[index], index, 0, proof, good)
    assert tried > 10_000


def test_no_mutant_of_a_consistency_proof_is_accepted() -> None:
    tried = 0
    for new in SIZES[::3]:
        for old in range(1, new + 1, 1 + new // 20):
            was, now, proof = mth(0, old), mth(0, new), subproof(old, 0, new, whole=True)
            for mutant in mutants(proof):
                assert not verify_consistency(old, new, was, now, mutant)
                tried += 1
            assert not verify_consistency(old, new, turned(was, 7), now, proof)
            assert not verify_consistency(old, new, was, turned(now, 7), proof)
            assert not verify_consistency(new + 1, new, was, now, proof)
            assert not verify_consistency(-1, new, was, now, proof)
            if old != new:
                assert not verify_consistency(old, new, now, was, proof)
                assert not verify_consistency(0, new, was, now, proof)
                assert not verify_consistency(new, new, was, now, proof)
    assert tried > 10_000


def test_every_tree_begins_with_the_empty_one() -> None:
    assert consistency_proof(0, 9, read) == []
    assert verify_consistency(0, 9, EMPTY_ROOT, mth(0, 9), [])
    assert verify_consistency(0, 0, EMPTY_ROOT, EMPTY_ROOT, [])
    assert not verify_consistency(0, 9, mth(0, 1), mth(0, 9), [])
    assert not verify_consistency(0, 0, mth(0, 1), mth(0, 1), [])
    assert not verify_consistency(0, 9, EMPTY_ROOT, mth(0, 9), [mth(0, 9)])


@given(
    size=st.integers(1, 300),
    index=st.integers(0, 299),
    proof=st.lists(st.one_of(st.sampled_from(HASHES[:5]), st.binary(max_size=33)), max_size=12),
)
def test_a_made_up_proof_is_refused(size: int, index: int, proof: list[bytes]) -> None:
    assert not verify_inclusion(bytes(32), index, size, proof, mth(0, size))
    assert not verify_consistency(index, size, bytes(32), mth(0, size), proof)


def case(found: dict[str, Any], name: str) -> bytes:
    return b64decode(found[name] or "")


def vectors(kind: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((VECTORS / f"rfc6962-{kind}.json").read_text())
    assert len(found) == 98
    return found


@pytest.mark.parametrize(("name", "vector"), vectors("inclusion").items())
def test_inclusion_vectors_of_others(name: str, vector: dict[str, Any]) -> None:
    proof = [b64decode(value) for value in vector["proof"] or []]
    verified = verify_inclusion(
        case(vector, "leafHash"), vector["leafIdx"], vector["treeSize"], proof, case(vector, "root")
    )
    assert verified is not vector["wantErr"]


@pytest.mark.parametrize(("name", "vector"), vectors("consistency").items())
def test_consistency_vectors_of_others(name: str, vector: dict[str, Any]) -> None:
    proof = [b64decode(value) for value in vector["proof"] or []]
    verified = verify_consistency(vector["size1"], vector["size2"], case(vector, "root1"), case(vector, "root2"), proof)
    assert verified is not vector["wantErr"]


# --- the layout of tiles


def test_a_tree_of_70_000_leaves_has_the_tiles_of_the_c2sp_example() -> None:
    tiles = grown(70_000)
    widths = {place: len(tile) // 32 for place, tile in tiles.items()}
    assert len([place for place in widths if place[0] == 0]) == 274
    assert all(widths[0, number] == 256 for number in range(273))
    assert widths[0, 273] == 112
    assert (widths[1, 0], widths[1, 1], widths[2, 0]) == (256, 17, 1)
    assert len(tiles) == 274 + 2 + 1
    assert tiles[0, 273] == b"".join(HASHES[273 * 256 : 70_000])
    assert tiles[1, 0][:32] == mth(0, 256)
    assert tiles[2, 0] == mth(0, 65_536)
    assert root(70_000, lambda level, number: tiles.get((level, number))) == mth(0, 70_000)


@pytest.mark.parametrize("size", [255, 256, 257, 511, 512, 513, 65_535, 65_536, 65_537])
def test_however_leaves_arrive_the_tiles_are_the_same(size: int) -> None:
    whole = extend(0, nothing, HASHES[:size])
    assert whole == grown(size, 1000) == grown(size, 256)
    before = grown(size - 1, 5000)
    changed = extend(size - 1, lambda level, number: before.get((level, number)), HASHES[size - 1 : size])
    assert before | changed == whole
    assert {place: whole[place] for place in changed} == changed


def test_only_tiles_that_change_are_written_and_one_a_level_is_read() -> None:
    tiles, asked = grown(70_000), []

    def watched(level: int, number: int) -> bytes | None:
        asked.append((level, number))
        return tiles.get((level, number))

    assert set(extend(70_000, watched, HASHES[:10])) == {(0, 273)}
    assert set(extend(70_000, watched, HASHES[:144])) == {(0, 273), (1, 1)}
    assert set(extend(70_000, watched, HASHES[:300])) == {(0, 273), (0, 274), (1, 1)}
    assert extend(70_000, watched, []) == {}
    assert asked == [(0, 273), (0, 273), (1, 1), (0, 273), (1, 1)]


@pytest.mark.parametrize("edge", [None, b"", bytes(32 * 111)])
def test_a_missing_edge_is_tampered(edge: bytes | None) -> None:
    def damaged(*place: int) -> bytes | None:
        return edge

    with pytest.raises(Tampered, match="tile 0/273"):
        extend(70_000, damaged, HASHES[:1])
    with pytest.raises(Tampered, match="tile"):
        root(70_000, damaged)


def test_proofs_of_what_is_not_there_are_a_mistake_of_ours() -> None:
    for index, size in ((-1, 5), (5, 5), (0, 0)):
        with pytest.raises(ValueError, match="no leaf"):
            inclusion_proof(index, size, read)
    for old, new in ((6, 5), (-1, 5)):
        with pytest.raises(ValueError, match="cannot begin"):
            consistency_proof(old, new, read)
