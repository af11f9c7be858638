"""What every place of roots promises; the file, the token and the memory of a process run all of it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pkcs11 import Attribute
from pkcs11.exceptions import AttributeSensitive, PKCS11Error

from ledger.domain.errors import StoreUnavailable, Tampered
from ledger.keys.root import FileRoots, MemoryRoots, Roots
from ledger.keys.token import TokenRoots
from tests.softhsm import ROOT, TOKEN, token_roots


@pytest.fixture(params=["memory", "file", "pkcs11"])
def roots(request: pytest.FixtureRequest, tmp_path: Path) -> Roots:
    if request.param == "memory":
        return MemoryRoots()
    return FileRoots(tmp_path / "root") if request.param == "file" else token_roots()


def test_there_is_none_before_one_is_made(roots: Roots) -> None:
    assert roots.held() == []
    root = roots.make(1)
    assert [(held.epoch, held.id) for held in roots.held()] == [(1, root.id)]
    assert len(bytes.fromhex(root.id)) == 16


def test_what_a_root_wrapped_it_opens_and_no_other_does(roots: Roots) -> None:
    first, second = roots.make(1), roots.make(2)
    secret = os.urandom(32)
    wrapped = first.wrap(bytearray(secret), b"name")
    assert len(wrapped) == 12 + 32 + 16
    assert secret not in wrapped
    assert first.wrap(secret, b"name") != wrapped
    assert first.unwrap(wrapped, b"name") == secret
    assert roots.held()[0].unwrap(wrapped, b"name") == secret, "found again"
    assert first.id != second.id
    for other, name, bytes_ in (
        (second, b"name", wrapped),
        (first, b"other", wrapped),
        (first, b"name", wrapped[:-1]),
        (first, b"name", wrapped[:20]),
        (first, b"name", b""),
    ):
        with pytest.raises(Tampered, match="restore the key database"):
            other.unwrap(bytes_, name)


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(place=st.integers(0, 59), change=st.integers(1, 255))
def test_no_changed_byte_opens(roots: Roots, place: int, change: int) -> None:
    root = roots.held()[0] if roots.held() else roots.make(1)
    wrapped = bytearray(root.wrap(bytes(range(32)), b"name"))
    wrapped[place] ^= change
    with pytest.raises(Tampered):
        root.unwrap(bytes(wrapped), b"name")


def test_an_old_root_is_destroyed_and_the_new_one_stays(roots: Roots) -> None:
    first, second = roots.make(1), roots.make(2)
    assert [held.epoch for held in roots.held()] == [1, 2]
    roots.destroy(1)
    roots.destroy(1)
    assert [(held.epoch, held.id) for held in roots.held()] == [(2, second.id)]
    third = roots.make(3)
    assert [held.id for held in roots.held()] == [second.id, third.id]
    assert first.id not in {second.id, third.id}


def test_a_root_made_again_for_the_same_epoch_replaces_the_one_that_was_never_used(roots: Roots) -> None:
    unused = roots.make(5)
    used = roots.make(5)
    assert [held.id for held in roots.held()] == [used.id] != [unused.id]


def test_a_mirror_has_the_root_if_roots_may_leave(roots: Roots, tmp_path: Path) -> None:
    mirror = tmp_path / "mirror"
    mirror.mkdir()
    root = roots.make(1)
    roots.send(1, mirror)
    roots.send(1, mirror)
    there = FileRoots(mirror / "root").held()
    assert [held.id for held in there] == ([root.id] if roots.kind == "file" else [])
    roots.recall(1, mirror)
    roots.recall(1, mirror)
    assert FileRoots(mirror / "root").held() == []
    assert [held.id for held in roots.held()] == [root.id]


# --- the token alone


def test_a_root_in_a_token_cannot_be_read_out_or_made_readable() -> None:
    roots = token_roots()
    roots.make(1)
    ((key, _, _),) = roots._keys()
    assert (key[Attribute.SENSITIVE], key[Attribute.EXTRACTABLE]) == (True, False)
    assert (key[Attribute.ALWAYS_SENSITIVE], key[Attribute.NEVER_EXTRACTABLE]) == (True, True)
    with pytest.raises(AttributeSensitive):
        _ = key[Attribute.VALUE]
    for attribute, value in ((Attribute.EXTRACTABLE, True), (Attribute.SENSITIVE, False)):
        with pytest.raises(PKCS11Error):
            key[attribute] = value


def test_roots_of_two_ledgers_in_one_token_do_not_meet() -> None:
    one, other = token_roots(), token_roots()
    mine = one.make(1)
    other.make(1)
    other.destroy(1)
    assert [held.id for held in one.held()] == [mine.id]


def test_a_token_that_is_not_there_is_told() -> None:
    there = token_roots()
    with pytest.raises(StoreUnavailable, match="not there"):
        TokenRoots(there._module, "no such token", "1", label="x").held()
    with pytest.raises(StoreUnavailable, match="pkcs11_module"):
        TokenRoots(Path("/nonexistent.so"), "t", "1", label="x").held()


def test_a_wrong_pin_is_told_without_showing_it() -> None:
    there = token_roots()
    ask = f"""
from pathlib import Path
from ledger.domain.errors import Unreadable
from ledger.keys.token import TokenRoots
try:
    TokenRoots(Path({str(there._module)!r}), {TOKEN!r}, "999999", label="x").held()
except Unreadable as told:
    print(told)
"""
    told = subprocess.run([sys.executable, "-c", ask], capture_output=True, text=True, check=True, cwd=ROOT)
    assert "refuses the PIN" in told.stdout
    assert "999999" not in told.stdout + told.stderr
