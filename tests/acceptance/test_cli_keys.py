"""`pdl keys` and `pdl restore --rehearse`, as an operator meets them."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.softhsm import token_roots

ORGANISATION = "klantinfocus"


def feed(pdl: Any, tmp_path: Path, make_bodies: Any, numbers: range) -> None:
    file = tmp_path / f"events-{numbers.start}.jsonl"
    file.write_bytes(b"\n".join(make_bodies(numbers)))
    pdl.json("ingest", str(file))


def erase(pdl: Any, number: int, *more: str) -> str:
    answer = pdl.json(
        "erase", "email", f"person{number}@canary.example", "--organisation", ORGANISATION, "--reason", "request", *more
    )
    return str(answer["case"])


@pytest.fixture
def ledger(pdl: Any, tmp_path: Path, make_bodies: Any) -> Any:
    feed(pdl, tmp_path, make_bodies, range(10))
    return pdl


def with_mirror(pdl: Any, tmp_path: Path) -> Path:
    mirror = tmp_path / "mirror"
    mirror.mkdir()
    settings = pdl.data / "pdl.toml"
    settings.write_text(settings.read_text().replace("alone = true", f'alone = false\nmirror = "{mirror}"'))
    return mirror


def test_an_erasure_is_pending_until_its_epoch_closes(ledger: Any) -> None:
    before = ledger.json("keys", "status")
    assert (before["epoch"], before["pending"], before["kind"], before["alone"]) == (1, 0, "file", True)
    case = erase(ledger, 1)
    pending = ledger.json("keys", "status")
    assert (pending["epoch"], pending["pending_cases"], pending["last_closed"]) == (1, [case], None)
    assert pending["since"] < pending["due"]
    assert "1 erasure(s) are not irreversible yet" in ledger("keys", "status")
    (closed,) = ledger.rows("keys", "close-epoch")
    assert (closed["epoch"], closed["root_destroyed"], closed["cases"]) == (1, before["root"], [case])
    assert ledger.rows("keys", "close-epoch") == []
    after = ledger.json("keys", "status")
    assert (after["epoch"], after["pending"], after["last_closed"]) == (2, 0, closed)


def test_a_wrong_scheme_is_no_erasure(ledger: Any) -> None:
    said = ledger("erase", "emial", "person1@canary.example", "--organisation", ORGANISATION, "--reason", "request")
    assert "nobody is known by that identifier" in said
    assert "person1" not in said


def test_an_erasure_at_once_is_irreversible_when_the_command_ends(ledger: Any) -> None:
    case = erase(ledger, 1, "--now")
    status = ledger.json("keys", "status")
    assert (status["pending"], status["last_closed"]["cases"]) == (0, [case])


def test_the_mirror_of_an_epoch_knows_how_long_the_log_was(ledger: Any, tmp_path: Path) -> None:
    mirror = with_mirror(ledger, tmp_path)
    older = tmp_path / "older"
    older.mkdir()
    shutil.copy(ledger.data / "log.db", older / "log.db")
    erase(ledger, 1, "--now")
    lost = ledger("restore", "--rehearse", "--from", str(older), "--from", str(mirror), status=1)
    assert "are lost with this" in lost


def test_whoever_writes_next_closes_an_epoch_that_is_due(ledger: Any, tmp_path: Path, make_bodies: Any) -> None:
    erase(ledger, 1)
    feed(ledger, tmp_path, make_bodies, range(20, 22))
    assert ledger.json("keys", "status")["epoch"] == 1
    (ledger.data / "pdl.toml").write_text("epoch_minutes = 0\n")
    feed(ledger, tmp_path, make_bodies, range(30, 32))
    assert ledger.json("keys", "status")["epoch"] == 2


def test_rotating_replaces_the_root_and_everyone_stays_readable(ledger: Any) -> None:
    root = ledger.json("keys", "status")["root"]
    (closed,) = ledger.rows("keys", "rotate", "--buckets")
    assert closed["root_destroyed"] == root != ledger.json("keys", "status")["root"]
    assert "person1@" in ledger(
        "subject", "email", "person1@canary.example", "--reveal", "--reason", "test", "--organisation", ORGANISATION
    )


def test_without_its_mirror_recording_goes_on_and_no_epoch_closes(
    ledger: Any, tmp_path: Path, make_bodies: Any
) -> None:
    mirror = with_mirror(ledger, tmp_path)
    ledger("keys", "mirror")
    mirror.rename(tmp_path / "unmounted")
    case = erase(ledger, 1)
    ledger("keys", "close-epoch", status=3)
    assert "is not there" in ledger.said
    settings = ledger.data / "pdl.toml"
    settings.write_text(f"{settings.read_text()}epoch_minutes = 0\n")
    feed(ledger, tmp_path, make_bodies, range(20, 22))
    assert "not irreversible yet" in ledger.said
    status = ledger.json("keys", "status")
    assert (status["pending_cases"], status["mirror_state"], status["unfinished"]) == ([case], "absent", True)
    (tmp_path / "unmounted").rename(mirror)
    feed(ledger, tmp_path, make_bodies, range(30, 32))
    assert ledger.json("keys", "status")["pending"] == 0


def test_a_ledger_that_stands_alone_has_no_mirror_to_fill(ledger: Any) -> None:
    assert "no mirror" in ledger("keys", "mirror", status=1)


def test_the_mirror_and_older_copies_of_the_log_make_a_ledger_again(
    ledger: Any, tmp_path: Path, make_bodies: Any
) -> None:
    mirror, backup = with_mirror(ledger, tmp_path), tmp_path / "backup"
    backup.mkdir()
    erase(ledger, 1, "--now")
    shutil.copy(ledger.data / "keys.db", tmp_path / "old-keys.db")
    erase(ledger, 2)
    ledger("keys", "mirror")
    for name in ("log.db", "erasures.journal", "pdl.toml"):
        shutil.copy(ledger.data / name, backup / name)
    rehearsed = ledger.json("restore", "--rehearse", "--from", str(backup), "--from", str(mirror))
    assert rehearsed["fits"], rehearsed
    assert rehearsed["erased_again"] == 0
    shutil.rmtree(ledger.data)
    shutil.copytree(backup, ledger.data)
    shutil.copy(mirror / "keys.db", ledger.data / "keys.db")
    shutil.copytree(mirror / "root", ledger.data / "root")
    for number, known in ((1, False), (2, False), (3, True)):
        found = ledger.json("subject", "email", f"person{number}@canary.example", "--organisation", ORGANISATION)
        assert bool(found["people"]) == known
    ledger("verify")
    ledger("keys", "close-epoch")


def test_a_key_database_from_before_an_erasure_is_refused_with_what_to_do(ledger: Any, tmp_path: Path) -> None:
    old = tmp_path / "old"
    old.mkdir()
    shutil.copy(ledger.data / "keys.db", old / "keys.db")
    erase(ledger, 1, "--now")
    ledger("restore", "--rehearse", "--from", str(old), status=1)
    for beside in ("-wal", "-shm"):
        (ledger.data / f"keys.db{beside}").unlink(missing_ok=True)
    shutil.copy(old / "keys.db", ledger.data / "keys.db")
    ledger("status", status=2)
    assert "backup from before an erasure" in ledger.said
    assert "mirror" in ledger.said


def test_keys_older_than_the_log_are_refused_however_long_ago_the_newest_person_was_met(
    ledger: Any, tmp_path: Path, make_event: Any, make_bodies: Any
) -> None:
    shutil.copy(ledger.data / "keys.db", tmp_path / "keys.db")
    feed(ledger, tmp_path, make_bodies, range(10, 11))
    known = tmp_path / "known.jsonl"
    person = make_event(3)["data"]["subject"]
    events = [make_event(number) for number in range(100, 400)]
    for event in events:
        event["data"]["subject"] = person
    known.write_text("".join(f"{json.dumps(event)}\n" for event in events))
    assert ledger.json("ingest", str(known))["recorded"] == 300
    for beside in ("-wal", "-shm"):
        (ledger.data / f"keys.db{beside}").unlink(missing_ok=True)
    shutil.copy(tmp_path / "keys.db", ledger.data / "keys.db")
    ledger("status", status=2)
    assert "older than the log" in ledger.said


def test_a_rehearsal_touches_nothing_and_says_what_is_missing(ledger: Any, tmp_path: Path) -> None:
    def everything() -> dict[str, bytes]:
        return {str(path): path.read_bytes() for path in sorted(ledger.data.rglob("*")) if path.is_file()}

    erase(ledger, 1)
    before = everything()
    assert "These files belong together." in ledger("restore", "--rehearse")
    assert everything() == before
    (ledger.data / "erasures.journal").unlink()
    assert "missing: erasures" in ledger("restore", "--rehearse", status=1)
    ledger("restore", status=2)


def test_a_log_that_lost_its_end_is_told(ledger: Any, tmp_path: Path, make_bodies: Any) -> None:
    shutil.copy(ledger.data / "log.db", tmp_path / "log.db")
    feed(ledger, tmp_path, make_bodies, range(20, 23))
    assert "the last 3 are lost" in ledger("restore", "--rehearse", "--from", str(tmp_path), status=1)


def test_a_ledger_in_a_database_is_not_rehearsed_from_files(ledger: Any) -> None:
    ledger("restore", "--rehearse", status=2, PDL_KEYS_DATABASE="postgresql://nobody@127.0.0.1:1/none")
    assert "its own tools" in ledger.said


# --- roots in a token


def test_a_ledger_whose_root_is_in_a_token(pdl: Any, tmp_path: Path, make_bodies: Any) -> None:
    roots = token_roots()
    (tmp_path / "pin").write_text(f"{roots._pin}\n")
    pdl.data.mkdir()
    (pdl.data / "pdl.toml").write_text(
        f'root = "pkcs11"\npkcs11_module = "{roots._module}"\npkcs11_token = "{roots._token}"\n'
        f'pkcs11_pin_file = "{tmp_path / "pin"}"\n'
    )
    feed(pdl, tmp_path, make_bodies, range(10))
    assert not (pdl.data / "root").exists()
    before = pdl.json("keys", "status")
    shutil.copy(pdl.data / "keys.db", tmp_path / "keys.db")
    case = erase(pdl, 1, "--now")
    after = pdl.json("keys", "status")
    assert (before["kind"], after["kind"], after["epoch"], after["last_closed"]["cases"]) == (
        "pkcs11",
        "pkcs11",
        2,
        [case],
    )
    assert after["last_closed"]["root_destroyed"] == before["root"] != after["root"]
    assert pdl.json("restore", "--rehearse")["fits"]
    pdl("restore", "--rehearse", "--from", str(tmp_path), status=1)
    (tmp_path / "pin").write_text("000000\n")
    pdl("status", status=2)
    assert "PIN" in pdl.said
    assert "000000" not in pdl.said
    (pdl.data / "pdl.toml").write_text('root = "pkcs11"\n')
    pdl("status", status=2)
    assert "pkcs11_module" in pdl.said
