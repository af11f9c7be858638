"""What is special about registers in PostgreSQL: their words, two processes at once, and a server that goes away."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest

from ledger.domain.errors import StoreUnavailable
from ledger.policy.packs import builtin_packs
from ledger.postgres import Address
from projections.answers import Projections
from projections.postgres import PostgresTables, translated
from tests.unit.projections.conftest import NOW, Desk


def test_only_words_that_differ_are_exchanged() -> None:
    assert translated("SELECT a FROM t WHERE b = :b AND c = ? AND d LIKE '%x'") == (
        "SELECT a FROM t WHERE b = %(b)s AND c = %s AND d LIKE '%%x'"
    )
    assert translated("CREATE TABLE t (a INTEGER, b BLOB, c TEXT) WITHOUT ROWID") == (
        'CREATE TABLE t (a BIGINT, b BYTEA, c TEXT COLLATE "C"); ALTER TABLE t ALTER b SET STORAGE EXTERNAL'
    )
    assert translated("SELECT CAST(a AS INTEGER)") == "SELECT CAST(a AS INTEGER)"


def test_two_processes_fold_one_log_once(make_address: Callable[[], Address]) -> None:
    address, desk = make_address(), Desk()
    for number in range(60):
        desk.collected(event_id=f"e-{number}")
    desk.projections.catch_up()
    both = [
        Projections(None, desk.log, builtin_packs(), page=7, window=3, store=PostgresTables(address)) for _ in range(2)
    ]
    failed: list[BaseException] = []

    def work(projections: Projections) -> None:
        try:
            projections.catch_up()
        except BaseException as error:
            failed.append(error)
            raise

    threads = [threading.Thread(target=work, args=(one,)) for one in both]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failed
    for one in both:
        for name in ("collections", "retention", "sources", "trail"):
            assert list(one.rows(name, now=NOW)) == list(desk.projections.rows(name, now=NOW)), name
        one.close()
    desk.projections.close()


def test_a_server_that_goes_away_loses_nothing_and_is_found_again(make_address: Callable[[], Address]) -> None:
    address, desk = make_address(), Desk()
    for number in range(9):
        desk.collected(event_id=f"e-{number}")
    store = PostgresTables(address)
    projections = Projections(None, desk.log, builtin_packs(), store=store)
    with address.connect() as connection:
        connection.execute("SELECT pg_terminate_backend(%s)", [store.process])
    with pytest.raises(StoreUnavailable, match="schema test_"):
        projections.catch_up()
    projections.catch_up()
    (row,) = projections.rows("collections", now=NOW)
    assert row["events"] == 9
    projections.close()
    desk.projections.close()
