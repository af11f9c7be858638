"""The key database on disk: what stands in its files, and what it does when something is wrong with them."""

from __future__ import annotations

import shutil
import sqlite3
import subprocess
import sys
import threading
from base64 import b64encode
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ledger.domain.errors import Busy, KeyMissing, LedgerError, StoreUnavailable, Tampered, Unreadable, WrongLedger
from ledger.keys import Erased, Fence, Identifier, Key, Scope, root, store, vault
from ledger.keys.journal import Entry, Journal
from ledger.keys.root import FileRoots, MemoryRoot, write_slot
from ledger.keys.sqlite import open_key_store, overwrite_what_is_deleted
from ledger.keys.store import WrappedKeyStore
from ledger.keys.wrap import draw


def identifier(number: int) -> Identifier:
    return Identifier("acme", "email", f"person-{number}@example.org")


def begin(place: Path) -> WrappedKeyStore:
    return open_key_store(place, ledger_id="a ledger", create=True)


def again(place: Path) -> WrappedKeyStore:
    return open_key_store(place, ledger_id="a ledger", create=False)


def filled(store: WrappedKeyStore, people: int) -> list[list[Scope]]:
    """Scopes of so many people, three each, with their keys made."""
    wanted = [identifier(number) for number in range(people)]
    found = store.resolve(wanted, create=wanted)
    scopes = [
        [
            Scope("acme", client, str(found[name]), dataset)
            for client, dataset in (("", "forms/forms"), ("", "identity"), ("c1", "crm/crm"))
        ]
        for name in wanted
    ]
    for start in range(0, people, 50):
        store.obtain([scope for its in scopes[start : start + 50] for scope in its])
    return scopes


def every_byte(place: Path) -> bytes:
    return b"".join(path.read_bytes() for path in sorted(place.rglob("*")) if path.is_file())


def wrapped_in(place: Path) -> dict[str, bytes]:
    with sqlite3.connect(f"file:{place / 'keys.db'}?mode=ro", uri=True) as db:
        rows = db.execute("SELECT id, wrapped FROM key").fetchall()
    db.close()
    return dict(rows)


def change(place: Path, sql: str, *values: object) -> None:
    with sqlite3.connect(place / "keys.db") as db:
        db.execute(sql, values)
    db.close()


# --- what stands in the files


@pytest.fixture
def secrets_made(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """Every secret of 32 bytes that was ever drawn: root, buckets, keys, seeds, hash keys."""
    made: list[bytes] = []

    def watched(size: int = 32) -> bytearray:
        drawn = draw(size)
        made.extend(bytes(drawn[start : start + 32]) for start in range(0, size, 32))
        return drawn

    for module in (root, store, vault):
        monkeypatch.setattr(module, "draw", watched)
    return made


def test_no_secret_and_no_identifier_stands_unwrapped_in_any_file(tmp_path: Path, secrets_made: list[bytes]) -> None:
    store = begin(tmp_path)
    scopes = filled(store, 30)
    store.signing_seed()
    found = every_byte(tmp_path)
    store.destroy(scopes[0], case="case-1", generation=1)
    found += every_byte(tmp_path)
    store.close()
    shutil.rmtree(tmp_path / "root")
    found += every_byte(tmp_path)
    assert len(set(secrets_made)) == 1 + 4 + 90 + 3
    for secret in secrets_made:
        assert secret not in found
        assert secret.hex().encode() not in found
        assert (b64encode(secret) in found) == (secret == secrets_made[0]), "the root, in its own file only"
    assert b"example.org" not in found


@pytest.mark.parametrize("people", [40, pytest.param(2_000, marks=pytest.mark.slow)])
def test_no_file_holds_the_wrapped_bytes_of_a_destroyed_key(tmp_path: Path, people: int) -> None:
    store = begin(tmp_path)
    scopes = filled(store, people)
    before = wrapped_in(tmp_path)
    store._vault.database.db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    gone: list[str] = []
    for number in range(0, people, 10):
        destroyed = store.destroy(
            [scope for its in scopes[number : number + 4] for scope in its], case=f"case-{number}", generation=1
        )
        assert not destroyed.pending
        gone += destroyed.key_ids
    content = every_byte(tmp_path)
    assert len(gone) == 12 * people // 10
    assert [key_id for key_id in gone if before[key_id] in content] == []
    assert [key_id for key_id in gone if before[key_id][12:44] in content] == []
    assert all(before[key_id] in content for key_id in before.keys() - set(gone))
    store.close()


def test_a_bucket_key_dies_with_its_last_person(tmp_path: Path) -> None:
    store = begin(tmp_path)
    scopes = filled(store, 3)
    with sqlite3.connect(tmp_path / "keys.db") as db:
        buckets = [wrapped for (wrapped,) in db.execute("SELECT wrapped FROM bucket")]
        assert len(buckets) == 4
        store.destroy([scope for its in scopes for scope in its], case="case-1", generation=1)
        assert db.execute("SELECT COUNT(*) FROM bucket").fetchone() == (0,)
    db.close()
    store.settle()
    assert [wrapped for wrapped in buckets if wrapped in every_byte(tmp_path)] == []
    store.close()


def test_buckets_hold_1024_people_and_one_month(tmp_path: Path) -> None:
    store = begin(tmp_path)
    people = [Scope("acme", "", f"{number:032x}", "forms/forms") for number in range(1030)]
    store.obtain(people[:1000], month="2026-01")
    store.obtain(people[1000:], month="2026-01")
    store.obtain([Scope("acme", "", "f" * 32, "forms/forms")], month="2026-02")
    with sqlite3.connect(tmp_path / "keys.db") as db:
        assert db.execute("SELECT month, taken, live FROM bucket ORDER BY number").fetchall() == [
            ("2026-01", 1024, 1024),
            ("2026-01", 6, 6),
            ("2026-02", 1, 1),
        ]
    db.close()
    store.close()


def test_a_reader_of_an_older_state_makes_an_erasure_pending(tmp_path: Path) -> None:
    store = begin(tmp_path)
    scopes = filled(store, 5)
    reader = sqlite3.connect(tmp_path / "keys.db", isolation_level=None)
    reader.execute("BEGIN")
    reader.execute("SELECT COUNT(*) FROM key").fetchall()
    assert store.destroy(scopes[0], case="case-1", generation=1).pending
    assert store.settle()
    reader.execute("COMMIT")
    assert not store.settle()
    assert (tmp_path / "keys.db-wal").stat().st_size == 0
    reader.close()
    store.close()


def test_files_are_for_their_owner_only(tmp_path: Path) -> None:
    store = begin(tmp_path)
    store.destroy(filled(store, 1)[0], case="case-1", generation=1)
    modes = {path.name: path.stat().st_mode & 0o777 for path in tmp_path.rglob("*") if path.is_file()}
    assert set(modes) >= {"keys.db", "keys.db-wal", "slot-1", "erasures.journal"}
    assert set(modes.values()) == {0o600}
    store.close()


# --- crashes

CRASH = """
import os, signal, sys
from pathlib import Path
from ledger.keys import Scope
from ledger.keys.sqlite import open_key_store

class Dying:
    # A connection that is killed before its nth statement.
    def __init__(self, db, steps):
        self.db, self.steps = db, steps
    def step(self):
        self.steps -= 1
        if self.steps < 0:
            os.kill(os.getpid(), signal.SIGKILL)
    def execute(self, *args):
        self.step()
        return self.db.execute(*args)
    def executemany(self, *args):
        self.step()
        return self.db.executemany(*args)
    in_transaction = property(lambda self: self.db.in_transaction)
    def close(self):
        self.db.close()

place, steps, person = Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
store = open_key_store(place, ledger_id="a ledger", create=False)
store._vault.database.db = Dying(store._vault.database.db, steps)
store.destroy([], people=[person], case="case-1", generation=1)
store.close()
"""


def test_an_erasure_killed_at_any_step_is_whole_after_the_next_start(tmp_path: Path) -> None:
    whole = tmp_path / "whole"
    whole.mkdir()
    store = begin(whole)
    scopes = filled(store, 3)
    ids = {scope: key_id for its in scopes for scope, key_id in store.scopes_of(its[0].person)}
    store.close()
    person, survivors = scopes[0][0].person, [scope for its in scopes[1:] for scope in its]
    outcomes = []
    for steps in range(100):
        place = tmp_path / str(steps)
        shutil.copytree(whole, place)
        ended = subprocess.run(
            [sys.executable, "-c", CRASH, str(place), str(steps), person],
            capture_output=True,
            check=False,
            cwd=Path(__file__).parents[3],
        )
        assert ended.returncode in {0, -9}, ended.stderr
        journaled = (place / "erasures.journal").stat().st_size > 0
        store = again(place)
        found = store.open(ids.values())
        dead = {isinstance(found[ids[scope]], Erased) for scope in scopes[0]}
        assert dead == {journaled}, "an erasure is whole or did not begin"
        assert store.resolve([identifier(0)])[identifier(0)] == (Fence(1) if journaled else person)
        assert all(isinstance(found[ids[scope]], Key) for scope in survivors)
        repeated = store.destroy([], people=[person], case="case-1", generation=1)
        assert repeated == (sorted(ids[scope] for scope in scopes[0]), [person], False)
        assert all(isinstance(key, Key) for key in store.obtain(survivors).values())
        store.close()
        outcomes.append(journaled)
        if ended.returncode == 0:
            break
    assert outcomes[0] is False
    assert outcomes[-1] is True
    assert len(outcomes) > 10


def test_a_failing_step_takes_everything_back(tmp_path: Path) -> None:
    store = begin(tmp_path)
    scopes = filled(store, 2)

    class Failing:
        def __init__(self, db: Any, word: str) -> None:
            self.db, self.word = db, word

        def execute(self, sql: str, *values: Any) -> Any:
            if self.word in sql:
                raise sqlite3.OperationalError("disk I/O error")
            return self.db.execute(sql, *values)

        def executemany(self, sql: str, *values: Any) -> Any:
            if self.word in sql:
                raise sqlite3.OperationalError("disk I/O error")
            return self.db.executemany(sql, *values)

        in_transaction = property(lambda self: self.db.in_transaction)

    real, new = store._vault.database.db, Scope("acme", "", scopes[0][0].person, "new/new")
    for word in ("INSERT INTO key", "UPDATE bucket", "INSERT INTO bucket", "COMMIT"):
        store._vault.database.db = Failing(real, word)
        with pytest.raises(StoreUnavailable, match="nothing was half done"):
            store.obtain([new])
    store._vault.database.db = real
    assert isinstance(store.obtain([new])[new], Key)
    assert all(isinstance(key, Key) for key in store.obtain(scopes[1]).values())
    store.close()


def test_a_journal_line_cut_off_by_a_crash_never_counted(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "erasures.journal")
    entry = Entry(case="case-1", generation=1, epoch=1, keys=(), people=())
    journal.append([entry])
    with (tmp_path / "erasures.journal").open("ab") as file:
        file.write(b'{"case": "case-2", "gen')
    assert journal.entries() == [entry]
    journal.append([entry])
    assert journal.entries() == [entry, entry]


def test_only_what_the_journal_has_gained_is_looked_through(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "erasures.journal")
    first, second = (Entry(case=case, generation=1, epoch=1, keys=(), people=()) for case in ("case-1", "case-2"))
    size = journal.append([first])
    assert journal.entries(size) == []
    assert journal.append([second]) == journal.size() > size
    assert journal.entries(size) == [second]
    for elsewhere in (size - 1, size + 1, journal.size() + 1):
        assert journal.entries(elsewhere) == [first, second], "it is not the journal that it was"
    (tmp_path / "erasures.journal").unlink()
    assert (journal.entries(size), journal.size()) == ([], 0)


def test_a_damaged_journal_is_told_by_its_line(tmp_path: Path) -> None:
    begin(tmp_path).close()
    (tmp_path / "erasures.journal").write_bytes(b"{}\n")
    with pytest.raises(Unreadable, match="line 1"):
        again(tmp_path)


# --- backups


def test_a_restored_key_database_erases_again_what_the_journal_names(tmp_path: Path) -> None:
    store = begin(tmp_path)
    scopes = filled(store, 4)
    ids = {scope: key_id for its in scopes for scope, key_id in store.scopes_of(its[0].person)}
    store.close()
    backup = (tmp_path / "keys.db").read_bytes()
    store = again(tmp_path)
    late = filled(store, 6)[5]
    late_ids = [key_id for _, key_id in store.scopes_of(late[0].person)]
    store.destroy(scopes[0], case="case-1", generation=1)
    store.destroy(scopes[1][:1], case="case-2", generation=2)
    store.destroy([], people=[late[0].person], case="case-3", generation=3)
    store.close()
    (tmp_path / "keys.db").write_bytes(backup)
    store = again(tmp_path)
    assert store.open([ids[scope] for scope in scopes[0]]) == {
        ids[scope]: Erased(ids[scope], "case-1") for scope in scopes[0]
    }
    assert store.open(late_ids) == {key_id: Erased(key_id, "case-3") for key_id in late_ids}
    assert store.resolve([identifier(0), identifier(5)], create=[identifier(5)]) == {
        identifier(0): Fence(1),
        identifier(5): Fence(3),
    }
    assert isinstance(store.obtain([late[0]])[late[0]], Erased)
    assert store.people() == {"acme": 3}
    assert {type(key) for key in store.obtain(scopes[1]).values()} == {Key, Erased}
    assert all(isinstance(key, Key) for key in store.obtain(scopes[2] + scopes[3]).values())
    store.close()


# --- several at once


def test_two_stores_on_one_database_agree(tmp_path: Path) -> None:
    one, other = begin(tmp_path), again(tmp_path)
    wanted = [identifier(number) for number in range(20)]
    people = one.resolve(wanted, create=wanted)
    assert other.resolve(wanted, create=wanted) == people
    scopes = [Scope("acme", "", str(person), "forms/forms") for person in people.values()]
    keys = other.obtain(scopes)
    assert {scope: key.id for scope, key in one.obtain(scopes).items() if isinstance(key, Key)} == {
        scope: key.id for scope, key in keys.items() if isinstance(key, Key)
    }
    one.destroy(scopes[:1], case="case-1", generation=1)
    assert isinstance(other.obtain(scopes[:1])[scopes[0]], Key)
    other.forget(1)
    assert isinstance(other.obtain(scopes[:1])[scopes[0]], Erased)
    assert other.resolve(wanted[:1]) == {wanted[0]: Fence(1)}
    one.close()
    other.close()


def test_stores_that_race_make_each_key_once(tmp_path: Path) -> None:
    stores = [begin(tmp_path), again(tmp_path), again(tmp_path)]
    scopes = [Scope("acme", "", f"{number:032x}", dataset) for number in range(40) for dataset in ("a/a", "b/b")]
    wanted = [identifier(number) for number in range(40)]
    found: list[tuple[dict[Scope, str], object]] = []

    def work(store: WrappedKeyStore) -> None:
        mine: dict[Scope, str] = {}
        for start in range(0, len(scopes), 8):
            mine.update({s: k.id for s, k in store.obtain(scopes[start : start + 8]).items() if isinstance(k, Key)})
        found.append((mine, [store.resolve([name], create=[name])[name] for name in wanted]))

    threads = [threading.Thread(target=work, args=(store,)) for store in stores for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 6
    assert all(one == found[0] for one in found)
    for opened in stores:
        opened.close()


# --- what does not belong together


def test_keys_of_another_ledger_are_refused(tmp_path: Path) -> None:
    begin(tmp_path).close()
    with pytest.raises(WrongLedger, match="belongs to ledger a ledger, the log to another"):
        open_key_store(tmp_path, ledger_id="another", create=True)


def test_missing_keys_are_never_made_anew_for_a_log_that_has_records(tmp_path: Path) -> None:
    with pytest.raises(KeyMissing, match=r"keys\.db is missing"):
        again(tmp_path)
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "keys.db").touch()
    write_slot(tmp_path / "root", 1, bytes(32))
    with pytest.raises(KeyMissing, match=r"keys\.db is missing or empty"):
        again(tmp_path)


def test_a_missing_root_is_never_made_anew_for_keys_that_exist(tmp_path: Path) -> None:
    begin(tmp_path).close()
    shutil.rmtree(tmp_path / "root")
    for create in (True, False):
        with pytest.raises(KeyMissing, match="no root key"):
            open_key_store(tmp_path, ledger_id="a ledger", create=create)


def test_a_start_that_was_killed_begins_again(tmp_path: Path) -> None:
    (tmp_path / "keys.db").touch()
    write_slot(tmp_path / "root", 1, bytes(32))
    store = begin(tmp_path)
    assert isinstance(store.obtain([Scope("acme", "", "", "x")])[Scope("acme", "", "", "x")], Key)
    store.close()


def test_another_root_is_refused(tmp_path: Path) -> None:
    begin(tmp_path).close()
    write_slot(tmp_path / "root", 1, bytes(32))
    with pytest.raises(WrongLedger, match="another root key"):
        again(tmp_path)


@pytest.mark.parametrize(
    "damage",
    [
        lambda content: content[:-1],
        lambda content: content + b"\n",
        lambda content: content.replace(b"epoch 1", b"epoch 3"),
        lambda content: content.replace(b"epoch 1", b"epoch 2"),
        lambda content: content[:30] + bytes([content[30] ^ 1]) + content[31:],
        lambda _: b"",
        lambda _: b"\xff" * 200,
    ],
)
def test_a_damaged_root_is_refused(tmp_path: Path, damage: Callable[[bytes], bytes]) -> None:
    begin(tmp_path).close()
    slot = tmp_path / "root" / "slot-1"
    slot.write_bytes(damage(slot.read_bytes()))
    with pytest.raises(Unreadable, match="damaged or no root key"):
        again(tmp_path)


def test_a_root_that_others_may_read_is_refused(tmp_path: Path) -> None:
    begin(tmp_path).close()
    (tmp_path / "root" / "slot-1").chmod(0o640)
    with pytest.raises(Unreadable, match="chmod 600"):
        again(tmp_path)


def test_both_slots_are_held_oldest_first(tmp_path: Path) -> None:
    write_slot(tmp_path, 7, b"7" * 32)
    write_slot(tmp_path, 8, b"8" * 32)
    roots = FileRoots(tmp_path).held()
    assert [(root.epoch, root.id) for root in roots] == [(7, MemoryRoot(b"7" * 32).id), (8, MemoryRoot(b"8" * 32).id)]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["slot-0", "slot-1"]


@pytest.fixture
def one_person(tmp_path: Path) -> list[Scope]:
    store = begin(tmp_path)
    scopes = filled(store, 2)
    store.close()
    return scopes[0]


@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE key SET wrapped = zeroblob(60)",
        "UPDATE key SET wrapped = x'00'",
        "UPDATE key SET id = printf('%032d', rowid_) FROM (SELECT ROW_NUMBER() OVER () AS rowid_, id AS old FROM key) WHERE id = old",
        "UPDATE key SET wrapped = (SELECT wrapped FROM key AS o WHERE o.shelf = key.shelf AND o.person <> key.person)",
        "UPDATE bucket SET wrapped = (SELECT wrapped FROM bucket AS o WHERE o.number = 1)",
        "UPDATE bucket SET wrapped = zeroblob(60)",
        "UPDATE shelf SET dataset = dataset || 'x'",
        "UPDATE key SET bucket = 1",
    ],
)
def test_an_altered_row_is_tampered_and_not_erased(tmp_path: Path, one_person: list[Scope], damage: str) -> None:
    change(tmp_path, damage)
    store = again(tmp_path)
    with pytest.raises(Tampered, match="restore the key database"):
        store.open(wrapped_in(tmp_path))
    store.close()


def test_an_altered_way_to_a_person_is_tampered(tmp_path: Path, one_person: list[Scope]) -> None:
    change(
        tmp_path, "UPDATE identifier SET person = (SELECT person FROM identifier AS o WHERE o.hash <> identifier.hash)"
    )
    store = again(tmp_path)
    with pytest.raises(Tampered):
        store.resolve([identifier(0), identifier(1)])
    store.close()


def test_a_lost_bucket_is_missing_and_not_erased(tmp_path: Path, one_person: list[Scope]) -> None:
    change(tmp_path, "DELETE FROM bucket")
    store = again(tmp_path)
    with pytest.raises(KeyMissing, match="bucket"):
        store.obtain(one_person)
    store.close()


def test_a_layout_from_the_future_is_refused(tmp_path: Path, one_person: list[Scope]) -> None:
    change(tmp_path, "UPDATE meta SET value = '99' WHERE name = 'layout'")
    with pytest.raises(WrongLedger, match="layout 99"):
        again(tmp_path)


def test_a_folder_is_no_key_database(tmp_path: Path) -> None:
    (tmp_path / "keys.db").mkdir()
    with pytest.raises(LedgerError, match="is a folder"):
        begin(tmp_path)


def test_some_other_file_is_no_key_database(tmp_path: Path) -> None:
    (tmp_path / "keys.db").write_bytes(b"name,email\n" * 1000)
    with pytest.raises(WrongLedger, match="not a key database"):
        begin(tmp_path)


def test_some_other_database_is_no_key_database(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "keys.db") as db:
        db.execute("CREATE TABLE t (x)")
    db.close()
    with pytest.raises(WrongLedger, match="not a key database"):
        begin(tmp_path)


def test_a_full_disk_is_told_and_nothing_is_half_done(tmp_path: Path) -> None:
    store = begin(tmp_path)
    scopes = filled(store, 1)
    pages = store._vault.database.db.execute("PRAGMA page_count").fetchone()[0]
    store._vault.database.db.execute(f"PRAGMA max_page_count = {pages}").fetchall()
    many = [Scope("acme", "", f"{number:032x}", "x/x") for number in range(2_000)]
    with pytest.raises(StoreUnavailable, match="disk is full"):
        store.obtain(many)
    store._vault.database.db.execute("PRAGMA max_page_count = 1000000").fetchall()
    assert len(store.obtain(many)) == 2_000
    assert all(isinstance(key, Key) for key in store.obtain(scopes[0]).values())
    store.close()


def test_a_writer_that_does_not_end_is_busy(tmp_path: Path) -> None:
    store = begin(tmp_path)
    store._vault.database.db.execute("PRAGMA busy_timeout = 0").fetchall()
    other = sqlite3.connect(tmp_path / "keys.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(Busy, match="another process"):
        store.obtain([Scope("acme", "", "p", "x/x")])
    other.execute("ROLLBACK")
    other.close()
    store.close()


def test_a_sqlite_that_keeps_deleted_bytes_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    class Deaf:
        def __init__(self, db: sqlite3.Connection) -> None:
            self.db = db

        def execute(self, sql: str) -> Any:
            return self.db.execute("SELECT 0" if "secure_delete" in sql else sql)

    with sqlite3.connect(":memory:") as db, pytest.raises(StoreUnavailable, match="secure_delete"):
        overwrite_what_is_deleted(Deaf(db))  # type: ignore[arg-type]
    db.close()


def test_errors_never_name_a_person(tmp_path: Path, one_person: list[Scope]) -> None:
    change(tmp_path, "UPDATE identifier SET person = zeroblob(44)")
    store = again(tmp_path)
    with pytest.raises(Tampered) as told:
        store.resolve([identifier(0)])
    assert "example.org" not in str(told.value)
    store.close()
