"""A ledger on PostgreSQL, by settings only: the same commands, the same answers, and what it says when something is wrong."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.conftest import Pdl


@pytest.fixture
def stores(postgres_url: str) -> dict[str, str]:
    return {f"PDL_{name}_DATABASE": postgres_url for name in ("LOG", "KEYS", "REGISTERS")}


@pytest.fixture
def events(tmp_path: Path, make_event: Callable[..., dict[str, Any]]) -> Path:
    file = tmp_path / "events.jsonl"
    file.write_text("".join(json.dumps(make_event(number)) + "\n" for number in range(120)) + "{broken\n")
    return file


@pytest.mark.parametrize("which", [("LOG", "REGISTERS"), ("LOG", "KEYS", "REGISTERS")])
def test_each_store_may_be_on_postgres_and_every_answer_is_the_same(
    pdl: Pdl, tmp_path: Path, stores: dict[str, str], events: Path, which: tuple[str, ...]
) -> None:
    chosen = {f"PDL_{name}_DATABASE": stores[f"PDL_{name}_DATABASE"] for name in which}
    other = Pdl(tmp_path / "other")
    for ledger, where in ((pdl, chosen), (other, {})):
        ledger("ingest", str(events), **where)
        ledger("ingest", str(events), **where)
        ledger(
            "erase", "email", "person7@canary.example", "--organisation", "klantinfocus", "--reason", "request", **where
        )
        ledger("verify", **where)
    mine, theirs = pdl.json("status", **chosen), other.json("status")
    assert {name: place.startswith("PostgreSQL") for name, place in mine["stores"].items()} == {
        "log": "LOG" in which,
        "keys": "KEYS" in which,
        "registers": "REGISTERS" in which,
    }
    for name in ("events", "decisions", "duplicates", "quarantined", "people"):
        assert mine[name] == theirs[name], name
    for name in ("collections", "sources", "processing"):
        shown = [
            [{k: v for k, v in json.loads(line).items() if k != "last_heard"} for line in lines]
            for lines in (
                pdl("register", name, "--format", "json", **chosen).splitlines(),
                other("register", name, "--format", "json").splitlines(),
            )
        ]
        if name == "sources":
            shown = [[row for row in rows if row["source"].startswith("https:")] for rows in shown]
        assert shown[0] == shown[1], name
    there = {file.name for file in pdl.data.iterdir()}
    assert {"log.db", "keys.db", "registers.db"} - there == {f"{name.lower()}.db" for name in which}


def test_a_server_that_does_not_answer_is_exit_3_and_says_what_to_do(pdl: Pdl, events: Path) -> None:
    pdl("ingest", str(events), status=3, PDL_LOG_DATABASE="postgresql://nobody@127.0.0.1:1/none")
    assert "check the server" in pdl.said


def test_a_password_in_an_address_is_refused_and_not_repeated(pdl: Pdl) -> None:
    pdl.data.mkdir()
    pdl("status", status=2, PDL_LOG_DATABASE="postgresql://me:tulip@127.0.0.1:1/none")
    assert "put it into a file" in pdl.said
    assert "tulip" not in pdl.said


def test_a_database_without_a_ledger_is_told_as_such(pdl: Pdl, stores: dict[str, str]) -> None:
    pdl.data.mkdir()
    pdl("status", status=2, **stores)
    assert "has no tables of a ledger" in pdl.said


def test_functions_in_the_database_are_refused_with_the_reason(pdl: Pdl, stores: dict[str, str], events: Path) -> None:
    pdl("ingest", str(events), status=2, POSTGRES_ENABLE_DB_FUNCTIONS="y", **stores)
    assert "recorded twice" in pdl.said


def test_keys_of_another_ledger_are_refused(
    pdl: Pdl, tmp_path: Path, stores: dict[str, str], events: Path, postgres_url: str
) -> None:
    pdl("ingest", str(events), **stores)
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute("UPDATE pdl_keys.meta SET value = 'another' WHERE name = 'ledger'")
    pdl("ingest", str(events), status=2, **stores)
    assert "belongs to ledger another" in pdl.said


def test_a_server_is_named_without_the_extra(pdl: Pdl, tmp_path: Path, stores: dict[str, str]) -> None:
    hidden = tmp_path / "hidden" / "psycopg"
    hidden.mkdir(parents=True)
    (hidden / "__init__.py").write_text("raise ImportError('not installed')")
    path = f"{hidden.parent}:{Path(__file__).parents[2]}"
    pdl.data.mkdir()
    pdl("status", status=2, PYTHONPATH=path, **stores)
    assert "personal-data-ledger[postgres]" in pdl.said


def test_no_value_reaches_the_server(pdl: Pdl, stores: dict[str, str], events: Path, postgres_url: str) -> None:
    pdl("ingest", str(events), **stores)
    pdl("register", "findings", **stores)
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        tables = connection.execute(
            "SELECT table_schema, table_name FROM information_schema.tables WHERE table_schema LIKE 'pdl%'"
        ).fetchall()
        assert len(tables) > 30
        for schema, table in tables:
            for (row,) in connection.execute(f'SELECT t::text FROM "{schema}"."{table}" AS t'):
                assert "canary" not in row
                assert b"canary".hex() not in row
                assert "please call" not in row
