"""Whatever comes in: a clear message that says what to do, nothing lost, nothing half done, no traceback, no personal value."""

from __future__ import annotations

import fcntl
import json
import shutil
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

SECRET = "canary"  # noqa: S105 -- a word to look for
"""Stands in every personal value of these events."""


def lines(tmp_path: Path, *bodies: bytes, name: str = "events.jsonl") -> str:
    file = tmp_path / name
    file.write_bytes(b"".join(body + b"\n" for body in bodies))
    return str(file)


def encoded(event: dict[str, Any]) -> bytes:
    return json.dumps(event).encode()


def said_nothing_personal(pdl: Any, *outputs: str) -> bool:
    return not any(SECRET in text for text in (pdl.said, *outputs))


@pytest.fixture
def poison(make_event: Callable[..., dict[str, Any]]) -> dict[str, tuple[bytes, str]]:
    """Each bad input by name: its bytes, and the reason that it must wait with."""
    good = encoded(make_event(1))
    wrong_type = make_event(2)
    wrong_type["data"]["values"] = "canary, as text"
    wrong_code = make_event(3)
    wrong_code["data"]["origin"] = "canary@origin.example"
    wrong_subject = make_event(4)
    wrong_subject["data"]["subject"] = {"scheme": "email", "value": ["canary@list.example"]}
    control = make_event(5)
    control["data"]["subject"]["value"] = "canary\x00@nul.example"
    return {
        "truncated": (good[: len(good) // 2], "undecodable"),
        "wrong type": (encoded(wrong_type), "schema"),
        "wrong code": (encoded(wrong_code), "schema"),
        "wrong subject": (encoded(wrong_subject), "schema"),
        "nesting": (b'{"data":' * 10_000 + b"1" + b"}" * 10_000, "undecodable"),
        "nesting of lists": (b"[" * 10_000 + b"]" * 10_000, "undecodable"),
        "ten megabytes": (encoded(make_event(6, data={"note": "canary" * 1_700_000})), "too-large"),
        "NUL in a value": (encoded(control), "schema"),
        "NUL between": (good.replace(b'"source"', b'\x00"source"'), "undecodable"),
        "invalid UTF-8": (good.replace(b"please", b"\xff\xfe"), "undecodable"),
        "lone surrogate": (good.replace(b"person1@", b"\\ud800@"), "schema"),
        "repeated key": (good.replace(b'"origin":', b'"origin": "device", "origin":'), "undecodable"),
        "repeated personal key": (
            good.replace(b'"email":', b'"email": "canary@first.example", "email":'),
            "undecodable",
        ),
        "not an event": (b'{"hello": "canary"}', "not-an-event"),
        "a number": (b"42", "not-an-event"),
        "unknown type": (encoded(make_event(7, type="pdl.canary.invented.v1")), "unknown-type"),
        "unknown organisation": (
            encoded(make_event(8)).replace(b"klantinfocus", b"canary-company"),
            "unknown-organisation",
        ),
        "no time": (encoded({name: value for name, value in make_event(9).items() if name != "time"}), "not-an-event"),
        "time without a zone": (encoded(make_event(10, time="2026-03-01T12:00:00")), "schema"),
        "time as a word": (encoded(make_event(11, time="canary day")), "schema"),
        "sealed": (encoded(make_event(12, datacontenttype="application/vnd.pdl.sealed")), "sealed-unreadable"),
    }


def test_every_bad_line_waits_with_its_reason_and_the_good_ones_are_recorded(
    pdl: Any, tmp_path: Path, poison: dict[str, tuple[bytes, str]], make_bodies: Any
) -> None:
    good = make_bodies(range(100, 100 + len(poison)))
    bodies = [body for (bad, _), well in zip(poison.values(), good, strict=True) for body in (bad, well)]
    counted = pdl.json("ingest", lines(tmp_path, *bodies))
    assert counted == {"recorded": len(good), "duplicate": 0, "quarantined": len(poison)}
    said = pdl.said
    waiting = pdl.rows("quarantine", "list")
    assert {name: row["reason"] for name, row in zip(poison, waiting, strict=True)} == {
        name: reason for name, (_, reason) in poison.items()
    }
    assert [row["offset"] for row in waiting] == list(range(0, 2 * len(poison), 2))
    assert all(row["detail"] for row in waiting)
    shown = json.dumps([{name: value for name, value in row.items() if name != "source"} for row in waiting])
    assert SECRET not in shown + said
    again = pdl.json("ingest", lines(tmp_path, *bodies))
    assert again == {"recorded": 0, "duplicate": len(bodies), "quarantined": 0}
    status = pdl.json("status")
    assert (status["events"], status["quarantined"], status["duplicates"]) == (len(good), len(poison), len(bodies))


def test_nothing_that_waits_lies_in_the_clear(pdl: Any, tmp_path: Path, poison: dict[str, tuple[bytes, str]]) -> None:
    pdl.json(
        "ingest",
        lines(
            tmp_path,
            *(body for name, (body, _) in poison.items() if name not in {"unknown type", "unknown organisation"}),
        ),
    )
    for file in pdl.data.rglob("*"):
        if file.is_file():
            assert SECRET.encode() not in file.read_bytes(), file.name


def test_unknown_fields_are_recorded_without_them_and_counted(
    pdl: Any, tmp_path: Path, make_event: Callable[..., dict[str, Any]]
) -> None:
    event = make_event(1)
    event["data"]["colour"] = "canary blue"
    assert pdl.json("ingest", lines(tmp_path, encoded(event)))["recorded"] == 1
    assert all(b"canary blue" not in file.read_bytes() for file in pdl.data.rglob("*") if file.is_file())


@pytest.mark.parametrize("when", ["1970-01-01T00:00:00Z", "2150-01-01T00:00:00Z"])
def test_an_implausible_time_is_a_fact_all_the_same(
    pdl: Any, tmp_path: Path, make_event: Callable[..., dict[str, Any]], when: str
) -> None:
    assert pdl.json("ingest", lines(tmp_path, encoded(make_event(1, time=when))))["recorded"] == 1


@pytest.mark.parametrize("when", ["0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z"])
def test_a_time_outside_all_reason_waits(
    pdl: Any, tmp_path: Path, make_event: Callable[..., dict[str, Any]], when: str
) -> None:
    assert pdl.json("ingest", lines(tmp_path, encoded(make_event(1, time=when))))["quarantined"] == 1


def test_the_same_id_with_another_content_waits(
    pdl: Any, tmp_path: Path, make_event: Callable[..., dict[str, Any]]
) -> None:
    other = make_event(1)
    other["data"]["values"]["message"] = "canary, another message"
    pdl.json("ingest", lines(tmp_path, encoded(make_event(1))))
    assert pdl.json("ingest", lines(tmp_path, encoded(make_event(1)), encoded(other), name="b.jsonl")) == {
        "recorded": 0,
        "duplicate": 1,
        "quarantined": 1,
    }
    assert [row["reason"] for row in pdl.rows("quarantine", "list")] == ["conflicting-duplicate"]


def test_files_that_cannot_be_read_are_named_and_the_others_are_recorded(
    pdl: Any, tmp_path: Path, make_bodies: Any
) -> None:
    good = lines(tmp_path, *make_bodies(range(3)))
    (tmp_path / "folder").mkdir()
    (tmp_path / "packed.jsonl").write_bytes(b"\x1f\x8b\x08junk")
    (tmp_path / "program").write_bytes(b"\x7fELF\x02\x01\x01\x00")
    names = [str(tmp_path / name) for name in ("folder", "missing.jsonl", "packed.jsonl", "program")]
    out = pdl("ingest", *names, good, "--format", "json", status=2)
    assert json.loads(out) == {"recorded": 3, "duplicate": 0, "quarantined": 0}
    for words in ("is a directory", "is not there", "gzip", "is binary"):
        assert words in pdl.said


def test_standard_input_is_read(pdl: Any, make_event: Callable[..., dict[str, Any]]) -> None:
    out = pdl("ingest", "-", "--format", "json", stdin=f"{json.dumps(make_event(1))}\n\n{{\n")
    assert json.loads(out) == {"recorded": 1, "duplicate": 0, "quarantined": 1}


def test_a_full_disk_loses_nothing_and_the_same_command_goes_on(pdl: Any, tmp_path: Path, make_bodies: Any) -> None:
    file = lines(tmp_path, *make_bodies(range(3000)))
    out = pdl("ingest", file, status=3, file_bytes=1_500_000, PDL_BATCH_FACTS="200")
    assert "full" in pdl.said or "disk" in pdl.said
    assert said_nothing_personal(pdl, out)
    assert pdl.json("verify")["ok"]
    so_far = pdl.json("status")["events"]
    assert 0 < so_far < 3000
    assert pdl.json("ingest", file) == {"recorded": 3000 - so_far, "duplicate": so_far, "quarantined": 0}
    assert pdl.json("verify")["ok"]


def test_a_disk_that_is_full_from_the_start_is_said(pdl: Any, tmp_path: Path, make_bodies: Any) -> None:
    file = lines(tmp_path, *make_bodies(range(3)))
    pdl("ingest", file, status=3, file_bytes=4096)
    assert pdl.json("ingest", file)["recorded"] == 3


def test_a_second_writer_is_told_who_writes(pdl: Any, tmp_path: Path, make_bodies: Any) -> None:
    file = lines(tmp_path, *make_bodies(range(3)))
    pdl.json("ingest", file)
    with (pdl.data / "lock").open("r+") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        out = pdl("ingest", file, status=3)
        assert "`pdl ingest` (process " in pdl.said
        assert "Wait until it is done" in pdl.said
        assert said_nothing_personal(pdl, out)
        assert pdl.json("status")["events"] == 3, "reading goes on"
    pdl.json("ingest", file)


def test_the_lock_names_the_command_and_never_its_arguments(pdl: Any, tmp_path: Path, make_bodies: Any) -> None:
    pdl.json("ingest", lines(tmp_path, *make_bodies(range(3))))
    pdl("erase", "email", "person1@canary.example", "--organisation", "klantinfocus", "--reason", "request")
    assert SECRET not in (pdl.data / "lock").read_text()


def test_a_key_database_of_another_ledger_is_refused(pdl: Any, tmp_path: Path, make_bodies: Any) -> None:
    file = lines(tmp_path, *make_bodies(range(3)))
    pdl.json("ingest", file)
    mine, pdl.data = pdl.data, tmp_path / "other"
    pdl.json("ingest", file)
    other, pdl.data = pdl.data, mine
    shutil.copy(other / "keys.db", mine / "keys.db")
    pdl("status", status=2)
    assert "ledger" in pdl.said
    pdl("ingest", file, status=2)


def test_a_missing_key_database_is_never_made_anew(pdl: Any, tmp_path: Path, make_bodies: Any) -> None:
    file = lines(tmp_path, *make_bodies(range(3)))
    pdl.json("ingest", file)
    (pdl.data / "keys.db").rename(pdl.data / "away")
    pdl("ingest", file, status=2)
    assert not (pdl.data / "keys.db").exists()


def test_a_file_that_is_no_database_is_said(pdl: Any, tmp_path: Path, make_bodies: Any) -> None:
    pdl.json("ingest", lines(tmp_path, *make_bodies(range(3))))
    (pdl.data / "log.db").write_bytes(b"junk" * 1000)
    for suffix in ("-wal", "-shm"):
        (pdl.data / f"log.db{suffix}").unlink(missing_ok=True)
    pdl("status", status=2)
    assert "log.db" in pdl.said


def test_no_ledger_is_said_and_none_is_made(pdl: Any) -> None:
    pdl("status", status=2)
    assert "there is no ledger" in pdl.said
    assert not pdl.data.exists()


def test_a_data_directory_that_is_a_file_is_said(pdl: Any, tmp_path: Path, make_bodies: Any) -> None:
    pdl.data.write_text("not a directory")
    pdl("ingest", lines(tmp_path, *make_bodies(range(3))), status=2)
    assert "is a file" in pdl.said


def test_settings_that_are_wrong_are_said_with_their_place(pdl: Any, tmp_path: Path, make_bodies: Any) -> None:
    file = lines(tmp_path, *make_bodies(range(3)))
    pdl.json("ingest", file)
    with (pdl.data / "pdl.toml").open("a") as settings:
        settings.write("colour = 'blue'\n")
    pdl("status", status=2)
    assert "pdl.toml: `colour` is not a setting" in pdl.said


@pytest.mark.parametrize(
    "arguments",
    [
        ("subject", "email", "canary@one.example", "canary@two.example"),
        ("subject", "email", "canary@one.example", "--canary@option.example"),
        ("canary@command.example",),
        ("erase", "email", "canary@one.example"),
        ("retention", "due", "--now", "canary@time.example"),
        ("status", "--format", "canary@format.example"),
        ("quarantine", "show", "canary@number.example"),
    ],
)
def test_what_was_typed_wrongly_is_not_repeated(pdl: Any, arguments: tuple[str, ...]) -> None:
    out = pdl(*arguments, status=2)
    assert said_nothing_personal(pdl, out)
    assert pdl.said.startswith("pdl: ")


def test_a_killed_ingest_goes_on_where_it_stopped(pdl: Any, tmp_path: Path, make_bodies: Any) -> None:
    file = lines(tmp_path, *make_bodies(range(4000)))
    process = pdl.start("ingest", file, PDL_BATCH_FACTS="20")
    deadline = time.monotonic() + 30
    wal = pdl.data / "log.db-wal"
    while time.monotonic() < deadline and not (wal.exists() and wal.stat().st_size > 500_000):
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=30)
    so_far = pdl.json("status")["events"]
    counted = pdl.json("ingest", file)
    assert counted == {"recorded": 4000 - so_far, "duplicate": so_far, "quarantined": 0}
    assert 0 < so_far < 4000


def test_a_reader_of_our_output_may_leave(pdl: Any) -> None:
    process = pdl.start("schema", "--format", "json")
    process.stdout.close()
    error = process.stderr.read()
    process.stderr.close()
    process.stdin.close()
    assert process.wait(30) == 0
    assert error == ""


def test_what_the_ledger_writes_is_for_its_own_account(pdl: Any, tmp_path: Path, make_bodies: Any) -> None:
    pdl.json("ingest", lines(tmp_path, *make_bodies(range(3))))
    assert all(file.stat().st_mode & 0o077 == 0 for file in (pdl.data, *pdl.data.rglob("*")))
