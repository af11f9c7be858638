"""What an epoch leaves behind when it closes: nothing that opens a key that was erased in it, wherever it was copied."""

from __future__ import annotations

import json
import os
import random
import shutil
import sqlite3
import subprocess
import sys
import time
from base64 import b64encode
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from ledger.domain.errors import KeyMissing, LedgerError, StoreUnavailable, WrongLedger
from ledger.keys import Erased, Fence, Identifier, Key, KeyStore, Scope, root, store, vault
from ledger.keys.root import FileRoots, Roots
from ledger.keys.sqlite import open_key_store
from ledger.keys.store import WrappedKeyStore
from ledger.keys.wrap import draw
from tests.softhsm import token_roots

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
ROOT = Path(__file__).parents[3]


def begin(place: Path, mirror: Path | None = None, roots: Roots | None = None) -> WrappedKeyStore:
    return open_key_store(place, ledger_id="a ledger", create=True, mirror=mirror, roots=roots)


def again(place: Path, mirror: Path | None = None, roots: Roots | None = None) -> WrappedKeyStore:
    return open_key_store(place, ledger_id="a ledger", create=False, mirror=mirror, roots=roots)


def roots_in(kind: str, place: Path) -> Roots:
    return FileRoots(place / "root") if kind == "file" else token_roots()


KINDS = pytest.mark.parametrize("kind", ["file", "pkcs11"])


def identifier(number: int) -> Identifier:
    return Identifier("acme", "email", f"person-{number}@example.org")


def filled(keys: KeyStore, people: int, first: int = 0) -> list[list[Scope]]:
    """Two scopes of so many people, with their keys made."""
    wanted = [identifier(number) for number in range(first, first + people)]
    found = keys.resolve(wanted, create=wanted)
    scopes = [[Scope("acme", "", str(found[name]), which) for which in ("forms/forms", "identity")] for name in wanted]
    keys.obtain([scope for its in scopes for scope in its], month="2026-03")
    return scopes


def ids_of(keys: KeyStore, scopes: list[list[Scope]]) -> dict[Scope, str]:
    return {scope: key_id for its in scopes for scope, key_id in keys.scopes_of(its[0].person)}


def every_byte(*places: Path) -> bytes:
    return b"".join(path.read_bytes() for place in places for path in sorted(place.rglob("*")) if path.is_file())


# --- what older copies open


@KINDS
@pytest.mark.parametrize("erasures", [5, pytest.param(50, marks=pytest.mark.slow)])
def test_no_backup_from_before_an_erasure_opens_with_the_root_of_today(
    tmp_path: Path, kind: str, erasures: int
) -> None:
    place, backups = tmp_path / "keys", []
    place.mkdir()
    roots = roots_in(kind, place)
    keys = begin(place, roots=roots)
    people = filled(keys, 2 * erasures)
    ids = ids_of(keys, people)
    secrets = {scope: key.aead.encrypt(b"n" * 12, b"value", None) for scope, key in keys.obtain(ids).items()}
    for number in range(erasures):
        backup = tmp_path / f"backup-{number}"
        backup.mkdir()
        with closing(sqlite3.connect(place / "keys.db")) as db, closing(sqlite3.connect(backup / "keys.db")) as copy:
            db.backup(copy)
        backups.append(backup)
        keys.destroy([], people=[people[number][0].person], case=f"case-{number}", generation=number, at=NOON)
        keys.close_epoch(at=NOON)
    erased = {scope for its in people[:erasures] for scope in its}
    found = keys.open(ids.values())
    assert {scope for scope, key_id in ids.items() if isinstance(found[key_id], Erased)} == erased
    for scope in ids.keys() - erased:
        key = found[ids[scope]]
        assert isinstance(key, Key)
        assert key.aead.decrypt(b"n" * 12, secrets[scope], None) == b"value", "survivors open, all of them"
    keys.close()
    (current,) = roots.held()
    for backup in backups:
        with pytest.raises(WrongLedger, match="backup from before an erasure"):
            again(backup, roots=roots)
        with closing(sqlite3.connect(backup / "keys.db")) as db:
            wrapped = db.execute("SELECT number, wrapped FROM bucket").fetchall()
            wrapped += db.execute("SELECT name, wrapped FROM secret").fetchall()
        for name, bytes_ in wrapped:
            kind = "bucket" if isinstance(name, int) else "secret"
            with pytest.raises(LedgerError, match="does not open"):
                current.unwrap(bytes_, "\n".join(("a ledger", kind, str(name))).encode())


def test_a_whole_backup_with_its_own_root_erases_again_before_anything_opens(tmp_path: Path) -> None:
    place, backup = tmp_path / "keys", tmp_path / "backup"
    place.mkdir()
    keys = begin(place)
    people = filled(keys, 4)
    ids = ids_of(keys, people)
    keys.close()
    shutil.copytree(place, backup)
    keys = again(place)
    keys.destroy([], people=[people[0][0].person], case="case-1", generation=1, at=NOON)
    keys.close_epoch(at=NOON)
    keys.destroy(people[1][:1], case="case-2", generation=2, at=NOON)
    keys.close()
    shutil.copy(place / "erasures.journal", backup / "erasures.journal")
    keys = again(backup)
    found = keys.open(ids.values())
    assert {scope for scope, key_id in ids.items() if isinstance(found[key_id], Erased)} == {*people[0], *people[1]}
    assert keys.resolve([identifier(0), identifier(2)]) == {identifier(0): Fence(1), identifier(2): people[2][0].person}
    assert keys.status().pending == ("case-1", "case-2"), "in this copy they are not irreversible yet"
    assert keys.close_due(NOON, timedelta(minutes=15))[0].cases == ("case-1", "case-2")
    keys.close()


# --- what stands in files


def roots_and_bucket_keys(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """Every secret of 32 bytes from here on: roots, bucket keys, data keys, secrets of the ledger."""
    made: list[bytes] = []

    def watched(size: int = 32) -> bytearray:
        drawn = draw(size)
        made.extend(bytes(drawn[start : start + 32]) for start in range(0, size, 32))
        return drawn

    for module in (root, store, vault):
        monkeypatch.setattr(module, "draw", watched)
    return made


def test_no_root_but_the_last_and_no_unwrapped_key_stands_in_any_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = roots_and_bucket_keys(monkeypatch)
    place, mirror = tmp_path / "keys", tmp_path / "mirror"
    place.mkdir()
    mirror.mkdir()
    keys = begin(place, mirror)
    people = filled(keys, 6)
    for number in range(3):
        keys.destroy([], people=[people[number][0].person], case=f"case-{number}", generation=number, at=NOON)
        keys.close_epoch(at=NOON)
    content = every_byte(place, mirror)
    (current,) = FileRoots(place / "root").held()
    slots = [path.name for path in sorted((place / "root").iterdir())]
    assert slots == [path.name for path in sorted((mirror / "root").iterdir())] == ["slot-0"]
    assert current.epoch == 4
    in_text = [secret for secret in set(made) if b64encode(secret) in content or secret.hex().encode() in content]
    assert [root.MemoryRoot(secret).id for secret in in_text] == [current.id]
    assert [secret for secret in set(made) if secret in content] == []
    keys.close()


def test_survivors_are_wrapped_anew_and_nothing_wrapped_before_is_left(tmp_path: Path) -> None:
    keys = begin(tmp_path)
    people = filled(keys, 6)
    before = _wrapped(tmp_path)
    keys.destroy([], people=[people[0][0].person], case="case-1", generation=1, at=NOON)
    keys.close_epoch(at=NOON)
    after = _wrapped(tmp_path)
    assert len(before) == 3 + 2 + 6 * 4
    assert not before & after
    content = every_byte(tmp_path)
    assert [old for old in before if old in content] == []
    keys.close()


def test_buckets_of_which_nobody_went_keep_their_key_under_the_new_root(tmp_path: Path) -> None:
    keys = begin(tmp_path)
    people = filled(keys, 2)
    keys.obtain([Scope("acme", "", "f" * 32, "other/other")])
    before = _wrapped(tmp_path, "key")
    keys.destroy([], people=[people[0][0].person], case="case-1", generation=1, at=NOON)
    assert keys.status().stale == 3
    keys.close_epoch(at=NOON)
    assert keys.status().stale == 0
    assert len(before & _wrapped(tmp_path, "key")) == 1
    keys.close_epoch(at=NOON, every_bucket=True)
    assert not before & _wrapped(tmp_path, "key")
    assert isinstance(keys.open([ids_of(keys, people)[people[1][0]]]).popitem()[1], Key)
    keys.close()


def test_an_epoch_that_is_due_may_be_closed_a_little_at_a_time(tmp_path: Path) -> None:
    keys = begin(tmp_path)
    people = filled(keys, 3)
    ids = ids_of(keys, people)
    keys.destroy([], people=[people[0][0].person], case="case-1", generation=1, at=NOON)
    stale = [keys.status().stale]
    closed = []
    while not closed:
        closed = keys.close_due(NOON, timedelta(0), seconds=-1.0)
        stale.append(keys.status().stale)
        _all_but_the_first(keys, ids, people)
    assert stale == [3, 2, 1, 0, 0], "a bucket a call, then the root"
    assert closed[0].cases == ("case-1",)
    keys.close()


def _wrapped(place: Path, *tables: str) -> set[bytes]:
    columns = {"bucket": "wrapped", "secret": "wrapped", "key": "wrapped", "identifier": "person", "person": "hash"}
    with closing(sqlite3.connect(place / "keys.db")) as db:
        return {
            value
            for table, column in columns.items()
            if not tables or table in tables
            for (value,) in db.execute(f"SELECT {column} FROM {table}")
        }


# --- the old root as a file


def test_an_old_root_is_overwritten_where_it_stood(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Through a handle opened before, as a disk still has the blocks after the name is gone."""
    keys = begin(tmp_path)
    slot = tmp_path / "root" / "slot-1"
    kept = os.open(slot, os.O_RDONLY)
    size = slot.stat().st_size
    keys.close_epoch(at=NOON, always=True)
    assert not slot.exists()
    assert os.pread(kept, size + 1, 0) == bytes(size)
    os.close(kept)
    keys.close()


def test_an_old_root_that_cannot_be_destroyed_keeps_the_erasure_pending(tmp_path: Path) -> None:
    keys = begin(tmp_path)
    people = filled(keys, 2)
    keys.destroy([], people=[people[0][0].person], case="case-1", generation=1, at=NOON)
    destroy = root.destroy_file

    def cannot(path: Path) -> None:
        if path.name == "slot-1.gone":
            raise StoreUnavailable(f"the old root key {path} cannot be destroyed")
        destroy(path)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(root, "destroy_file", cannot)
        with pytest.raises(StoreUnavailable, match="cannot be destroyed"):
            keys.close_epoch(at=NOON)
        assert keys.finality(["case-1"])["case-1"].irreversible is None
        assert keys.status().unfinished
        assert isinstance(keys.obtain([people[1][0]])[people[1][0]], Key)
    (closed,) = keys.close_epoch(at=NOON + timedelta(hours=1))
    assert (closed.cases, closed.at) == (("case-1",), NOON + timedelta(hours=1))
    assert not keys.status().unfinished
    keys.close()


# --- the mirror


@pytest.fixture
def mirrored(tmp_path: Path) -> Iterator[tuple[WrappedKeyStore, Path, Path]]:
    place, mirror = tmp_path / "keys", tmp_path / "mirror"
    place.mkdir()
    mirror.mkdir()
    keys = begin(place, mirror)
    yield keys, place, mirror
    keys.close()


def test_what_the_mirror_has_opens_every_survivor_when_the_disk_is_lost(
    mirrored: tuple[WrappedKeyStore, Path, Path],
) -> None:
    keys, place, mirror = mirrored
    people = filled(keys, 5)
    ids = ids_of(keys, people)
    keys.destroy([], people=[people[0][0].person], case="case-1", generation=1, at=NOON)
    (closed,) = keys.close_epoch(at=NOON)
    assert closed.mirrored
    late = ids_of(keys, filled(keys, 1, first=5))
    keys.send_to_mirror()
    journal = (place / "erasures.journal").read_bytes()
    shutil.rmtree(place)
    (mirror / "erasures.journal").write_bytes(journal)
    restored = again(mirror)
    found = restored.open([*ids.values(), *late.values()])
    assert {scope for scope, key_id in ids.items() if isinstance(found[key_id], Erased)} == set(people[0])
    assert all(isinstance(found[key_id], Key) for key_id in late.values())
    restored.close()


def test_without_its_mirror_no_epoch_closes_and_nobody_is_readable_again(
    mirrored: tuple[WrappedKeyStore, Path, Path],
) -> None:
    keys, place, mirror = mirrored
    people = filled(keys, 3)
    keys.send_to_mirror()
    mirror.rename(mirror.with_name("unmounted"))
    gone = keys.destroy([], people=[people[0][0].person], case="case-1", generation=1, at=NOON)
    with pytest.raises(StoreUnavailable, match=r"mirror .* is not there"):
        keys.close_epoch(at=NOON)
    assert isinstance(keys.open(gone.key_ids)[gone.key_ids[0]], Erased)
    assert keys.finality(["case-1"])["case-1"].irreversible is None
    assert [held.epoch for held in FileRoots(place / "root").held()] == [1, 2]
    keys.destroy([], people=[people[1][0].person], case="case-2", generation=2, at=NOON)
    mirror.with_name("unmounted").rename(mirror)
    first, second = keys.close_epoch(at=NOON + timedelta(hours=1))
    assert (first.cases, second.cases) == (("case-1",), ("case-2",))
    assert [held.epoch for held in FileRoots(place / "root").held()] == [3]
    assert [held.epoch for held in FileRoots(mirror / "root").held()] == [3]


def test_a_ledger_without_mirror_says_so(tmp_path: Path) -> None:
    keys = begin(tmp_path)
    with pytest.raises(StoreUnavailable, match="no mirror"):
        keys.send_to_mirror()
    keys.close()


# --- several processes


def test_another_process_goes_on_under_the_new_root_and_without_erased_keys(tmp_path: Path) -> None:
    one, other = begin(tmp_path), again(tmp_path)
    people = filled(one, 4)
    ids = ids_of(other, people)
    assert all(isinstance(key, Key) for key in other.obtain(ids).values())
    one.destroy([], people=[people[0][0].person], case="case-1", generation=1, at=NOON)
    one.close_epoch(at=NOON)
    other.forget(1)
    found = other.obtain(ids)
    assert {scope for scope, key in found.items() if isinstance(key, Erased)} == set(people[0])
    assert len(ids_of(other, filled(other, 3, first=4))) == 6, "and makes keys under it"
    other.destroy([], people=[people[1][0].person], case="case-2", generation=2, at=NOON)
    assert one.close_due(NOON, timedelta(0))[0].cases == ("case-2",)
    one.close()
    other.close()


# --- crashes

CRASH = """
import os, signal, sys
from datetime import UTC, datetime
from pathlib import Path
from ledger.keys import root, sqlite
from ledger.keys.root import FileRoots
from ledger.keys.sqlite import open_key_store
from ledger.keys.token import TokenRoots

place, mirror, steps = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
token = sys.argv[4:]
roots = TokenRoots(Path(token[0]), *token[1:3], label=token[3]) if token else FileRoots(place / "root")

def step():
    # Killed before the nth thing that touches a disk.
    global steps
    steps -= 1
    if steps < 0:
        os.kill(os.getpid(), signal.SIGKILL)

class Dying:
    def __init__(self, db):
        self.db = db
    def execute(self, *args):
        step()
        return self.db.execute(*args)
    def executemany(self, *args):
        step()
        return self.db.executemany(*args)
    in_transaction = property(lambda self: self.db.in_transaction)
    def close(self):
        self.db.close()

def dying(call):
    def with_step(*args, **more):
        step()
        return call(*args, **more)
    return with_step

roots.held()
store = open_key_store(place, ledger_id="a ledger", create=False, mirror=mirror, roots=roots)
store._vault.database.db = Dying(store._vault.database.db)
for name in ("fsync", "open"):
    setattr(os, name, dying(getattr(os, name)))
for name in ("replace", "unlink"):
    setattr(Path, name, dying(getattr(Path, name)))
for name in ("make", "destroy"):
    setattr(roots, name, dying(getattr(roots, name)))
store.close_epoch(at=datetime(2026, 3, 1, 12, tzinfo=UTC))
store.close()
"""


@pytest.mark.parametrize("stride", [7, pytest.param(1, marks=pytest.mark.slow)])
def test_closing_an_epoch_may_be_killed_anywhere(tmp_path: Path, stride: int) -> None:
    whole = tmp_path / "whole"
    ids, people, old = _one_erased(whole, None)
    finished = 0
    for steps in range(0, 400, stride):
        place = tmp_path / str(steps)
        shutil.copytree(whole, place)
        ended = _killed(place, steps)
        here, there = FileRoots(place / "keys" / "root"), FileRoots(place / "mirror" / "root")
        finished += _whole_again(place, None, ids, people, old, [here, there])
        shutil.rmtree(place)
        if ended:
            break
    assert finished
    assert steps > 40


@pytest.mark.parametrize("stride", [9, pytest.param(1, marks=pytest.mark.slow)])
def test_closing_an_epoch_of_a_token_may_be_killed_anywhere(tmp_path: Path, stride: int) -> None:
    finished = 0
    for steps in range(0, 400, stride):
        roots, place = token_roots(), tmp_path / str(steps)
        ids, people, old = _one_erased(place, roots)
        ended = _killed(place, steps, str(roots._module), roots._token, roots._pin, roots._label)
        finished += _whole_again(place, roots, ids, people, old, [roots])
        if ended:
            break
    assert finished
    assert steps > 20


def _one_erased(whole: Path, roots: Roots | None) -> tuple[dict[Scope, str], list[list[Scope]], str]:
    (whole / "keys").mkdir(parents=True)
    (whole / "mirror").mkdir()
    keys = begin(whole / "keys", whole / "mirror", roots)
    people = filled(keys, 4)
    ids = ids_of(keys, people)
    keys.destroy([], people=[people[0][0].person], case="case-1", generation=1, at=NOON)
    old = keys.status().root
    keys.close()
    return ids, people, old


def _killed(place: Path, steps: int, *token: str) -> bool:
    """Close the epoch in a process that is killed before so many steps; whether it came to its end."""
    command = [sys.executable, "-c", CRASH, str(place / "keys"), str(place / "mirror"), str(steps), *token]
    ended = subprocess.run(command, capture_output=True, check=False, cwd=ROOT)
    assert ended.returncode in {0, -9}, ended.stderr
    return ended.returncode == 0


def _whole_again(
    place: Path, roots: Roots | None, ids: dict[Scope, str], people: list[list[Scope]], old: str, where: list[Roots]
) -> bool:
    """Whether it had been called irreversible by then; and whatever was, it is whole now."""
    keys = again(place / "keys", place / "mirror", roots)
    finished = keys.finality(["case-1"])["case-1"].irreversible is not None
    if finished:
        assert not any(root.id == old for its in where for root in its.held()), "never said before the old root is gone"
    _all_but_the_first(keys, ids, people)
    keys.close_epoch(at=NOON + timedelta(hours=1))
    assert keys.finality(["case-1"])["case-1"].irreversible is not None
    _all_but_the_first(keys, ids, people)
    status = keys.status()
    assert (status.unfinished, status.pending, status.stale) == (False, (), 0)
    for its in where:
        assert [root.id for root in its.held()] == [status.root]
    keys.close()
    return finished


BUSY = """
import sys
from datetime import UTC, datetime
from pathlib import Path
from ledger.keys.sqlite import open_key_store

store = open_key_store(Path(sys.argv[1]), ledger_id="a ledger", create=False, mirror=Path(sys.argv[2]))
noon = datetime(2026, 3, 1, 12, tzinfo=UTC)
store.close_epoch(at=noon)
print("begun", flush=True)
for person in sys.argv[3:]:
    store.destroy([], people=[person], case=f"case-{person}", generation=1, at=noon)
    print(person, flush=True)
    store.close_epoch(at=noon)
    print("closed", flush=True)
"""


@pytest.mark.parametrize("kills", [8, pytest.param(300, marks=pytest.mark.slow)])
def test_whenever_it_is_killed_nobody_is_half_erased_and_no_live_key_is_lost(tmp_path: Path, kills: int) -> None:
    chance = random.Random(kills)
    place, mirror = tmp_path / "keys", tmp_path / "mirror"
    place.mkdir()
    mirror.mkdir()
    keys = begin(place, mirror)
    people = filled(keys, 2 * kills)
    ids = ids_of(keys, people)
    keys.close()
    going = [its[0].person for its in people[:kills]]
    gone: set[str] = set()
    for _ in range(kills):
        left = [person for person in going if person not in gone]
        command = [sys.executable, "-c", BUSY, str(place), str(mirror), *left]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT)
        assert process.stdout is not None
        assert process.stdout.readline() == "begun\n"
        time.sleep(chance.uniform(0, 0.12))
        process.kill()
        said = process.communicate()[0].split()
        keys = again(place, mirror)
        found = keys.open(ids.values())
        for its in people:
            states = {type(found[ids[scope]]) for scope in its}
            assert len(states) == 1, "whole or not at all"
            if states == {Erased}:
                gone.add(its[0].person)
        assert gone.issuperset(word for word in said if word != "closed")
        assert not gone - set(going), "no live key is lost"
        final = [word for word, then in pairwise(said) if then == "closed"]
        assert all(one.irreversible for one in keys.finality([f"case-{word}" for word in final]).values())
        keys.close()
    keys = again(place, mirror)
    keys.close_epoch(at=NOON)
    assert [root.id for root in FileRoots(place / "root").held()] == [keys.status().root]
    assert gone
    assert all(one.irreversible for one in keys.finality([f"case-{person}" for person in gone]).values())
    keys.close()


def _all_but_the_first(keys: KeyStore, ids: dict[Scope, str], people: list[list[Scope]]) -> None:
    found = keys.open(ids.values())
    for scope, key_id in ids.items():
        assert isinstance(found[key_id], Erased if scope in people[0] else Key)


# --- databases of older versions


def test_a_key_database_of_layout_1_is_brought_forward(tmp_path: Path) -> None:
    made: dict[str, Any] = json.loads((ROOT / "tests" / "vectors" / "keys-layout-1.json").read_text())
    with closing(sqlite3.connect(tmp_path / "keys.db")) as db:
        db.executescript("\n".join(made["sql"]))
    (tmp_path / "root").mkdir()
    (tmp_path / "root" / "slot-1").write_text(made["root"])
    (tmp_path / "root" / "slot-1").chmod(0o600)
    (tmp_path / "erasures.journal").write_text(made["journal"])
    keys = again(tmp_path)
    erased = {Scope(*scope) for scope in made["erased"]}
    for closed in (False, True):
        if closed:
            assert keys.close_due(NOON, timedelta(minutes=15))[0].cases == ("case-1",)
            keys.forget(7)
        found = keys.obtain([Scope(*scope) for *scope, _ in made["keys"]])
        for *scope, key_id in made["keys"]:
            key = found[Scope(*scope)]
            assert key == Erased(key_id, "case-1") if Scope(*scope) in erased else key.id == key_id
        people = keys.resolve([Identifier("acme", "email", value) for value in made["people"]])
        assert {type(person) for person in people.values()} == {str, Fence}
        assert keys.signing_seed().hex() == made["seed"]
        assert keys.token("acme", "x") == made["token"]
    keys.close()
    again(tmp_path).close()


def test_a_missing_root_is_told_from_an_old_one(tmp_path: Path) -> None:
    begin(tmp_path).close()
    shutil.rmtree(tmp_path / "root")
    with pytest.raises(KeyMissing, match="no root key"):
        again(tmp_path)
