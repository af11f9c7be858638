"""Old ledger, new code: what an earlier release wrote is read, brought forward, and proves the same.

`ledger-0.1.0.tar.gz` is a data directory that 0.1.0 made: 48 facts, 2 inputs in quarantine, one erasure, one signed
head. It is never made anew.
"""

from __future__ import annotations

import sqlite3
import tarfile
from collections.abc import Callable
from contextlib import closing

import pytest

from ledger.domain.errors import WrongLedger
from ledger.postgres import Address
from ledger.store.postgres import PostgresEventLog
from tests.conftest import ROOT, Pdl

HEAD = "59CZTn+GYCOmfKVCQ34f5ILSA5s6m3Ju8rNRRSmRoGE="
RECORDS = 51
EVENTS = ROOT / "examples" / "first-events.jsonl"


@pytest.fixture
def old(pdl: Pdl) -> Pdl:
    with tarfile.open(ROOT / "tests" / "fixtures" / "ledger-0.1.0.tar.gz") as archive:
        archive.extractall(pdl.data, filter="tar")
    for place in (pdl.data, pdl.data / "root"):
        place.chmod(0o700)
    return pdl


def rows(pdl: Pdl) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(pdl.data / "log.db")) as log:
        return log.execute("SELECT rowid, * FROM stored_events ORDER BY rowid").fetchall()


def test_a_ledger_of_0_1_0_is_brought_forward_with_data_and_root_unchanged(old: Pdl) -> None:
    before = rows(old)
    assert len(before) == RECORDS
    assert old("verify").strip() == f"OK: {RECORDS} records, root {HEAD}"
    old("ingest", str(EVENTS))
    assert rows(old)[:RECORDS] == before
    status = old.json("status")
    assert (status["events"], status["decisions"], status["quarantined"], status["people"]) == (48, 3, 2, 10)
    assert status["duplicates"] == 9, "every event of the file was known, by its id and its content"
    assert old("verify").startswith("OK")
    (first,) = (row for row in old.rows("register", "collections") if row["category"] == "message")
    assert (first["organisation"], first["events"]) == ("klantinfocus", 42)


def test_what_it_erased_stays_erased_and_who_is_left_can_be_read_and_erased(old: Pdl) -> None:
    old("ingest", str(EVENTS))
    assert "was erased" in old("subject", "email", "person3@canary.example")
    shown = old("subject", "email", "person4@canary.example", "--reveal", "--reason", "a test")
    assert "please call" in shown
    old("erase", "email", "person4@canary.example", "--organisation", "klantinfocus", "--reason", "request")
    assert "was erased" in old("subject", "email", "person4@canary.example")
    old("keys", "close-epoch")
    assert old("verify").startswith("OK")


def test_its_signed_head_still_holds(old: Pdl) -> None:
    signed = old("checkpoint")
    assert HEAD in signed
    (old.data / "registers.db").unlink()
    assert len(old.rows("register", "erasures")) == 1, "registers come from the log again"


@pytest.mark.parametrize("file", ["log.db", "keys.db"])
def test_a_layout_from_the_future_is_refused_and_left_as_it_is(old: Pdl, file: str) -> None:
    with closing(sqlite3.connect(old.data / file)) as store:
        store.execute("UPDATE meta SET value = '99' WHERE name = 'layout'")
        store.commit()
    before = rows(old)
    old("ingest", str(EVENTS), status=2)
    assert "99" in old.said
    assert "the version that wrote it" in old.said.lower().replace("use ", "")
    assert rows(old) == before


def test_a_layout_from_the_future_is_refused_on_postgres_too(
    make_address: Callable[[], Address],
) -> None:
    address = make_address()
    PostgresEventLog(address, create=True).close()
    with address.connect() as connection:
        connection.execute("UPDATE meta SET value = '99' WHERE name = 'layout'")
    with pytest.raises(WrongLedger, match=r"layout 99; this version reads layout .* Use the version that wrote it"):
        PostgresEventLog(address, create=False)
