"""Attacks from outside: odd numbers, hidden repeats, late facts among others, names where none belong, damaged stores."""

from __future__ import annotations

import json
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Maker = Callable[..., dict[str, Any]]


def file_of(tmp_path: Path, *events: dict[str, Any] | bytes, name: str = "attack.jsonl") -> str:
    file = tmp_path / name
    bodies = [one if isinstance(one, bytes) else json.dumps(one).encode() for one in events]
    file.write_bytes(b"".join(body + b"\n" for body in bodies))
    return str(file)


@pytest.fixture
def kept(pdl: Any, tmp_path: Path, make_event: Maker) -> Any:
    """A ledger with ten events."""
    pdl.json("ingest", file_of(tmp_path, *(make_event(number) for number in range(10)), name="kept.jsonl"))
    return pdl


@pytest.mark.parametrize("sequence", [2**63, 2**64 - 1, 10**30, -(2**63) - 1, "9" * 18, "9" * 40, "-1", ""])
def test_a_sequence_that_no_register_can_hold_is_no_sequence(
    pdl: Any, tmp_path: Path, make_event: Maker, sequence: int | str
) -> None:
    counted = pdl.json("ingest", file_of(tmp_path, make_event(1, sequence=sequence), make_event(2, sequence=7)))
    assert counted == {"recorded": 2, "duplicate": 0, "quarantined": 0}
    assert [row["events"] for row in pdl.rows("register", "sources") if row["events"]] == [2]
    erased = pdl.json(
        "erase", "email", "person1@canary.example", "--organisation", "klantinfocus", "--reason", "request"
    )
    assert erased["state"] == "erased"


def test_a_repeated_key_does_not_hide_in_a_value_or_behind_an_offset(
    pdl: Any, tmp_path: Path, make_event: Maker
) -> None:
    nested = json.dumps(make_event(1)).replace('"please call"', '{"a": 1, "a": 2}').encode()
    listed = json.dumps(make_event(2)).replace('"please call"', '[{"a": 1, "a": 2}]').encode()
    offset = json.dumps(make_event(3, time="2026-03-01T12:00:00+0100"))
    hidden = offset.replace('"origin": ', '"origin": "device", "origin": ').encode()
    honest = json.dumps(make_event(4)).replace('"please call"', '{"a": 1, "b": [{"c": 2}]}').encode()
    counted = pdl.json("ingest", file_of(tmp_path, nested, listed, hidden, offset.encode(), honest))
    assert counted == {"recorded": 2, "duplicate": 0, "quarantined": 3}
    assert {row["reason"] for row in pdl.rows("quarantine", "list")} == {"undecodable"}


@pytest.mark.parametrize("number", ["1e999", "-1e999", "1" + "0" * 5000, "123456789012345678901234567890"])
def test_a_number_that_no_machine_holds_can_still_be_shown_to_the_person(
    pdl: Any, tmp_path: Path, make_event: Maker, number: str
) -> None:
    body = json.dumps(make_event(1)).replace('"please call"', number).encode()
    pdl.json("ingest", file_of(tmp_path, body))
    assert number in pdl(
        "subject", "email", "person1@canary.example", "--reveal", "--reason", "request", "--format", "json"
    )


def test_late_facts_of_an_erased_person_come_among_those_of_others(pdl: Any, tmp_path: Path, make_event: Maker) -> None:
    known = [make_event(number) for number in (1, 2)]
    pdl.json("ingest", file_of(tmp_path, *known))
    pdl.json("erase", "email", "person1@canary.example", "--organisation", "klantinfocus", "--reason", "request")
    late = [make_event(51), make_event(52), make_event(3)]  # 51 concerns who is erased, the others do not.
    counted = pdl.json("ingest", file_of(tmp_path, *known, *late, name="late.jsonl"))
    assert counted == {"recorded": 3, "duplicate": 2, "quarantined": 0}
    assert pdl.json("subject", "email", "person1@canary.example")["people"] == []
    assert pdl.json("verify")["ok"]


def test_a_parameter_that_only_looks_like_a_duration_stays_sealed(pdl: Any, tmp_path: Path, make_event: Maker) -> None:
    data = {
        "organisation": "kcm",
        "client": "client-1",
        "instruction": "configure",
        "parameters": {"retention": "Pieter Canary"},
    }
    good = {**data, "client": "client-2", "parameters": {"retention": "P1Y6M"}}
    wire = "pdl.client.instructed.v1"
    pdl.json("ingest", file_of(tmp_path, make_event(1, type=wire, data=data), make_event(2, type=wire, data=good)))
    pdl("register", "instructions")
    stored = [file.read_bytes() for file in pdl.data.rglob("*") if file.is_file()]
    assert not any(b"Pieter Canary" in content for content in stored)
    assert any(b"P1Y6M" in content for content in stored)


def test_a_key_database_older_than_the_log_is_refused(kept: Any, tmp_path: Path, make_event: Maker) -> None:
    shutil.copy(kept.data / "keys.db", tmp_path / "keys.older")
    kept.json("ingest", file_of(tmp_path, make_event(20)))
    shutil.copy(tmp_path / "keys.older", kept.data / "keys.db")
    for question in (("subject", "email", "person20@canary.example"), ("status",), ("verify",)):
        kept(*question, status=2)
        assert "older than the log" in kept.said


@pytest.mark.parametrize("journal", [None, b""])
def test_destroyed_keys_do_not_come_back_with_a_backup_that_lacks_the_journal(
    kept: Any, tmp_path: Path, journal: bytes | None
) -> None:
    shutil.copy(kept.data / "keys.db", tmp_path / "keys.older")
    person = ("email", "person1@canary.example")
    kept("erase", *person, "--organisation", "klantinfocus", "--reason", "request")
    whole = (kept.data / "erasures.journal").read_bytes()
    shutil.copy(tmp_path / "keys.older", kept.data / "keys.db")
    (kept.data / "erasures.journal").unlink()
    if journal is not None:
        (kept.data / "erasures.journal").write_bytes(journal)
    kept("subject", *person, "--reveal", "--reason", "curious", status=2)
    assert "erasures.journal" in kept.said
    (kept.data / "erasures.journal").write_bytes(whole)
    assert kept.json("subject", *person)["people"] == []


@pytest.mark.parametrize("empty", [True, False])
def test_a_lost_log_is_not_begun_anew_beside_its_keys(
    kept: Any, tmp_path: Path, make_event: Maker, empty: bool
) -> None:
    log = kept.data / "log.db"
    before = log.read_bytes()
    log.unlink()
    if empty:
        log.touch()
    kept("ingest", file_of(tmp_path, make_event(20)), status=2)
    assert "restore the log" in kept.said
    assert log.exists() == empty
    log.write_bytes(before)
    assert kept.json("verify")["ok"]


def test_a_log_that_no_longer_says_which_ledger_it_is_is_refused(kept: Any) -> None:
    log = sqlite3.connect(kept.data / "log.db")
    log.execute("DELETE FROM meta WHERE name = 'ledger'")
    log.commit()
    log.close()
    kept("verify", status=2)
    assert "restore it" in kept.said


def test_a_number_out_of_range_and_an_ascii_terminal_are_no_mistakes_of_ours(kept: Any) -> None:
    kept("quarantine", "show", str(10**30), status=2)
    kept("register", "retention", LC_ALL="POSIX", PYTHONUTF8="0", PYTHONIOENCODING="ascii")
