"""What every event log promises, whichever database holds it; and the library's own cases against our recorder."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, cast
from unittest import TestCase

import msgspec
import pytest
from eventsourcing.persistence import ApplicationRecorder, StoredEvent, Tracking
from eventsourcing.postgres import PostgresDatastore, PostgresProcessRecorder
from eventsourcing.sqlite import SQLiteDatastore
from eventsourcing.tests.persistence import ApplicationRecorderTestCase, ProcessRecorderTestCase
from psycopg.conninfo import conninfo_to_dict

from ledger.decisions import Decisions, ErasureCase
from ledger.domain.errors import BatchAlreadyRecorded, Busy, GenerationMoved, StoreUnavailable, Unreadable, WrongLedger
from ledger.evidence.tree import leaf_hash, root
from ledger.evidence.verify import verify
from ledger.postgres import Address
from ledger.sealing import MAGIC, Header, Section, ciphertexts, leaf_of, removed_keys
from ledger.store import Append, EventRow, QuarantineRow
from ledger.store import postgres as on_postgres
from ledger.store.postgres import SCHEMA, PostgresEventLog
from ledger.store.sqlite import LedgerRecorder, SQLiteEventLog

NOW = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)


AnyLog = SQLiteEventLog | PostgresEventLog


@pytest.fixture(params=["sqlite", "postgres"])
def log(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[AnyLog]:
    made: AnyLog
    if request.param == "sqlite":
        made = SQLiteEventLog(tmp_path / "log.db", create=True)
    else:
        made = PostgresEventLog(Address(request.getfixturevalue("postgres_url"), SCHEMA), create=True)
    yield made
    made.close()


@pytest.fixture
def sqlite_log(tmp_path: Path) -> Iterator[SQLiteEventLog]:
    made = SQLiteEventLog(tmp_path / "log.db", create=True)
    yield made
    made.close()


def row(place: int, event_id: str = "", source: str = "/s") -> EventRow:
    state = b'{"n": %d}' % place
    leaf = leaf_hash(leaf_of("s", place + 1, "pdl.test.v1", state))
    return EventRow(place + 1, "pdl.test.v1", state, leaf, source, event_id or f"e-{place}", b"c" * 16)


def batch(first: int, count: int, **changes: Any) -> Append:
    base = Append(
        stream="s",
        mark=first + count - 1,
        generation=0,
        recorded=NOW,
        events=[row(first + index) for index in range(count)],
        quarantined=[],
        names=[],
        tallies={("s", "recorded"): count},
    )
    return base._replace(**changes)


def waiting(place: int) -> QuarantineRow:
    return QuarantineRow(place, None, "schema", "why", "/s", "e", 5, b"m" * 16, b"n" * 12, b"sealed", "key")


def sealed_row(place: int, *parts: tuple[str, bytes]) -> EventRow:
    """A fact with a sealed section for each (key, ciphertext)."""
    header = Header(
        type="pdl.test.v1", id=f"e-{place}", source="/s", time=NOW, organisation="o", salt="00" * 16,
        sections=tuple(Section("a/b", key) for key, _ in parts),
    )  # fmt: skip
    clear = msgspec.json.encode(header)
    pieces = [MAGIC, len(clear).to_bytes(4, "big"), clear]
    for _, sealed in parts:
        pieces += [len(sealed).to_bytes(4, "big"), sealed]
    state = b"".join(pieces)
    leaf = leaf_hash(leaf_of("s", place + 1, "pdl.test.v1", state))
    return EventRow(place + 1, "pdl.test.v1", state, leaf, "/s", f"e-{place}", b"c" * 16)


def order(log: AnyLog, case: str) -> None:
    at = NOW.isoformat()
    decisions = Decisions(log.recorder)
    erasure = ErasureCase.order(
        case,
        organisation="o",
        person="p",
        scopes=[["", "a/b", "k"]],
        kept=[],
        reason="request",
        approval="none",
        alone=True,
        at=at,
    )
    decisions.save(erasure)
    erasure.keys_destroyed(["k"], at)
    decisions.save(erasure)


def test_a_removed_ciphertext_is_gone_and_the_leaf_stays(log: AnyLog, tmp_path: Path) -> None:
    """Reliability 9: what was sealed under a destroyed key may go, and every proof holds."""
    rows = [
        sealed_row(0, ("gone", b"first secret " * 9), ("kept", b"second secret")),
        sealed_row(1, ("kept", b"third")),
    ]
    log.append(batch(0, 2, events=rows))
    before = [leaf_of(r.stream, r.version, r.topic, r.state) for r in log.read(0, 2)]
    assert log.remove_ciphertexts([1, 2], {"gone"}) == 1
    assert log.remove_ciphertexts([1, 2], {"gone"}) == 0
    assert [leaf_of(r.stream, r.version, r.topic, r.state) for r in log.read(0, 2)] == before
    first, second = (record.state for record in log.read(0, 2))
    assert removed_keys(first) == ["gone"]
    assert removed_keys(second) == []
    assert ciphertexts(first)[1] == b"second secret"
    if isinstance(log, SQLiteEventLog):  # PostgreSQL leaves the old row to VACUUM, and says so.
        assert all(b"first secret" not in file.read_bytes() for file in tmp_path.iterdir())
    assert verify(log, lambda r: leaf_of(r.stream, r.version, r.topic, r.state)).ok


def test_a_rival_decision_is_refused_as_busy_and_leaves_nothing(log: AnyLog) -> None:
    order(log, "case-1")
    one, other = Decisions(log.recorder).case("case-1"), Decisions(log.recorder).case("case-1")
    one.close(NOW.isoformat())
    Decisions(log.recorder).save(one)
    other.close(NOW.isoformat())
    size = log.size()
    with pytest.raises(Busy, match="another process decided"):
        Decisions(log.recorder).save_all([other])
    assert (log.size(), log.tree_size()) == (size, size)


def test_a_log_that_takes_no_decision_is_told_without_what_stands_in_it(log: AnyLog) -> None:
    order(log, "case-1")
    with log.recorder.datastore.transaction(commit=True) as c:  # type: ignore[union-attr]
        c.execute("DROP TABLE decision")
    with pytest.raises(StoreUnavailable, match="Nothing was half done") as told:
        order(log, "case-2")
    assert "case-2" not in str(told.value)


def test_decisions_are_read_from_where_one_left_off(log: AnyLog) -> None:
    order(log, "case-1")
    (last,) = log.decisions("ledger.keys.destroyed.v1")
    order(log, "case-2")
    assert [record.stream for record in log.decisions(after=last.position)] == ["case-2", "case-2"]
    assert [record.stream for record in log.decisions("ledger.erasure.ordered.v1", last.position)] == ["case-2"]


def test_positions_have_no_gaps_over_facts_and_decisions(log: AnyLog) -> None:
    assert log.append(batch(0, 3)) == 3
    order(log, "case-1")
    log.append(batch(3, 2, generation=1))
    assert [record.position for record in log.read(0, 100)] == [1, 2, 3, 4, 5, 6, 7]
    assert log.size() == log.tree_size() == 7


def test_a_repeated_batch_is_refused_whole(log: AnyLog) -> None:
    log.append(batch(0, 3))
    with pytest.raises(BatchAlreadyRecorded):
        log.append(batch(0, 3))
    with pytest.raises(BatchAlreadyRecorded):
        log.append(batch(1, 1, events=[row(9, "new")]))
    assert log.size() == 3


def test_an_event_id_is_recorded_once_whatever_its_offset(log: AnyLog) -> None:
    log.append(batch(0, 3))
    with pytest.raises(GenerationMoved):
        log.append(batch(3, 1, events=[row(3, "e-1")]))
    assert log.mark("s") == 2
    assert log.size() == 3


def test_an_empty_batch_moves_the_mark(log: AnyLog) -> None:
    log.append(batch(0, 0, mark=7))
    assert log.mark("s") == 7
    assert log.size() == 0


def test_a_batch_sealed_under_an_older_generation_rolls_back(log: AnyLog) -> None:
    order(log, "case-1")
    with pytest.raises(GenerationMoved):
        log.append(batch(0, 2))
    assert log.mark("s") is None
    assert log.append(batch(0, 2, generation=log.generation())) == 4


def test_the_generation_moves_once_with_each_destruction_and_has_a_time(log: AnyLog) -> None:
    order(log, "case-1")
    order(log, "case-2")
    assert log.generation() == 2
    assert log.generation_time(1) == NOW
    assert log.generation_time(9) is None


def test_known_events_are_found_by_source_and_id_together(log: AnyLog) -> None:
    log.append(batch(0, 2))
    known = log.known([("/s", "e-1"), ("/other", "e-1"), ("/s", "e-9")])
    assert known.keys() == {("/s", "e-1")}
    assert known["/s", "e-1"].position == 2


def test_quarantine_and_events_commit_together(log: AnyLog) -> None:
    log.append(batch(0, 2, quarantined=[waiting(1)]))
    (found,) = log.quarantine()
    assert (found.stream, found.place, found.reason, found.state) == ("s", 1, "schema", "waiting")
    with pytest.raises(GenerationMoved):
        log.append(batch(2, 1, generation=5, quarantined=[waiting(2)]))
    assert len(log.quarantine()) == 1


def test_what_is_settled_keeps_nothing_sealed(log: AnyLog) -> None:
    log.append(batch(0, 3, quarantined=[waiting(1), waiting(2)]))
    log.append(batch(3, 1, released=[1]))
    log.settle_quarantine(2, "discarded")
    assert [(row.state, row.sealed, row.nonce) for row in log.quarantine()] == [
        ("recorded", b"", b""),
        ("discarded", b"", b""),
    ]


def test_the_tree_is_that_of_the_stored_records(log: AnyLog) -> None:
    log.append(batch(0, 300))
    order(log, "case-1")
    log.append(batch(300, 700, generation=1))
    hashes = [leaf_hash(leaf_of(*record[1:])) for record in log.read(0, 10_000)]
    naive = hashes
    while len(naive) > 1:
        pairs = [naive[at : at + 2] for at in range(0, len(naive), 2)]
        naive = [sha256(b"\x01" + pair[0] + pair[1]).digest() if len(pair) == 2 else pair[0] for pair in pairs]
    assert root(len(hashes), log.tile) == naive[0]


def test_what_became_of_inputs_is_counted_in_the_same_transaction(log: AnyLog) -> None:
    log.append(batch(0, 3))
    log.append(batch(3, 2))
    state = log.sources()["s"]
    assert state.tallies == {"recorded": 5}
    assert state.mark == 4
    assert state.last_heard == NOW.isoformat()


def test_two_heads_of_one_size_are_never_both_kept(log: AnyLog) -> None:
    assert log.add_checkpoint(3, "first", NOW) == "first"
    assert log.add_checkpoint(3, "second", NOW) == "first"


def test_a_log_is_not_begun_by_looking_at_it(tmp_path: Path) -> None:
    with pytest.raises(Unreadable):
        SQLiteEventLog(tmp_path / "log.db", create=False)
    assert not (tmp_path / "log.db").exists()


def test_a_file_that_is_no_database_is_named(tmp_path: Path) -> None:
    (tmp_path / "log.db").write_bytes(b"not a database at all" * 100)
    with pytest.raises(Unreadable, match=r"log\.db"):
        SQLiteEventLog(tmp_path / "log.db", create=True)


def test_a_database_that_is_no_log_is_named(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "log.db") as other:
        other.execute("CREATE TABLE t (a)")
    other.close()
    with pytest.raises(WrongLedger):
        SQLiteEventLog(tmp_path / "log.db", create=False)


def test_a_read_only_log_says_so(sqlite_log: SQLiteEventLog) -> None:
    log = sqlite_log
    with log._datastore.transaction(commit=False) as c:
        c.execute("PRAGMA query_only = ON")
        with pytest.raises(StoreUnavailable, match="written"), log._trouble():
            c.execute("INSERT INTO meta VALUES ('a', 'b')")


class TestLibraryProcessRecorder(ProcessRecorderTestCase):
    """The library's own cases, on our recorder."""

    def create_recorder(self) -> Any:
        recorder = LedgerRecorder(SQLiteDatastore(str(Path(self.enterContext(TemporaryDirectory())) / "log.db")))
        recorder.create_table()
        return recorder


class TestLibraryApplicationRecorder(ApplicationRecorderTestCase[Any]):
    """The library's own cases, on our recorder."""

    INITIAL_VERSION = 0

    def create_recorder(self) -> ApplicationRecorder:
        recorder = LedgerRecorder(SQLiteDatastore(str(Path(self.enterContext(TemporaryDirectory())) / "log.db")))
        recorder.create_table()
        return recorder


class _OnPostgres:
    """A fresh database for every recorder that the library's cases ask for."""

    @pytest.fixture(autouse=True)
    def _database(self, postgres_url: str) -> None:
        self._url = postgres_url

    def recorder(self) -> Any:
        datastore = on_postgres._Datastore(Address(self._url, "public"), originator_id_type="uuid")
        cast("TestCase", self).addCleanup(datastore.close)
        recorder = on_postgres.LedgerRecorder(datastore)
        recorder.create_table()
        return recorder


class TestLibraryProcessRecorderOnPostgres(_OnPostgres, ProcessRecorderTestCase):
    """The library's own cases, on our recorder over PostgreSQL."""

    def create_recorder(self) -> Any:
        return self.recorder()


class TestLibraryApplicationRecorderOnPostgres(_OnPostgres, ApplicationRecorderTestCase[Any]):
    """The library's own cases, on our recorder over PostgreSQL."""

    EXPECT_CONTIGUOUS_NOTIFICATION_IDS = True

    def create_recorder(self) -> ApplicationRecorder:
        return cast("ApplicationRecorder", self.recorder())


def test_functions_in_the_database_are_refused_because_they_drop_the_mark(postgres_url: str) -> None:
    with pytest.raises(Unreadable, match="POSTGRES_ENABLE_DB_FUNCTIONS"):
        on_postgres._Datastore(Address(postgres_url, SCHEMA), enable_db_functions=True)


def test_the_trap_of_functions_in_the_database_is_still_there(postgres_url: str) -> None:
    """The library accepts the same batch and mark twice; once it no longer does, the refusal may go."""
    known = conninfo_to_dict(postgres_url)
    with PostgresDatastore(
        known["dbname"], known["host"], "", known["user"], "", enable_db_functions=True, originator_id_type="text"
    ) as datastore:
        recorder = PostgresProcessRecorder(datastore)
        recorder.create_table()
        for version in (1, 2):
            recorder.insert_events([StoredEvent("s", version, "t", b"x")], tracking=Tracking("up", 1))
        assert recorder.max_tracking_id("up") is None


def test_a_server_that_does_not_answer_is_said(tmp_path: Path) -> None:
    with pytest.raises(StoreUnavailable, match="cannot be reached"):
        PostgresEventLog(Address(f"postgresql:///ledger?host={tmp_path}&user=u", SCHEMA), create=False)


def test_a_database_without_a_ledger_is_said(postgres_url: str) -> None:
    with pytest.raises(WrongLedger, match="no tables of a ledger"):
        PostgresEventLog(Address(postgres_url, SCHEMA), create=False)


def test_an_address_never_carries_a_password() -> None:
    with pytest.raises(Unreadable, match="password"):
        Address("postgresql://u:secret@h/d", SCHEMA).parameters()


def test_two_processes_of_one_log_take_turns(postgres_url: str) -> None:
    """Positions stay without gaps, and the tree is that of the records, whoever writes in between."""
    logs = [PostgresEventLog(Address(postgres_url, SCHEMA), create=True) for _ in range(2)]

    def write(which: int) -> None:
        for at in range(0, 60, 3):
            rows = [row(at + index, f"{which}-{at + index}") for index in range(3)]
            logs[which].append(batch(at, 3, stream=f"s{which}", mark=at + 2, events=rows, tallies={}))

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(write, range(2)))
    assert [record.position for record in logs[0].read(0, 1000)] == list(range(1, 121))
    assert logs[0].tree_size() == 120
    assert [logs[1].mark(f"s{which}") for which in range(2)] == [59, 59]
    for log in logs:
        log.close()
