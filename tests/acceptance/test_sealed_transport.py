"""Sealed transport: what is sealed to the published key is recorded like any event, until that key is destroyed."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import warnings
from pathlib import Path
from typing import Any

import pytest

from consumers.kit import event, events, read_key, structured
from consumers.kit.envelope import CloudEvent

ROOT = Path(__file__).parents[2]
CANARY = "canary@value.example"


def made(number: int = 1, message: str = "please call") -> CloudEvent:
    data = events.DataCollected(
        organisation="klantinfocus",
        activity="forms",
        subject=events.Subject(scheme="email", value=CANARY, class_="enquirer"),
        values={"email": CANARY, "message": message},
        origin="subject",
        system="crm",
    )
    return event(data, source="https://crm.example/events", event_id=f"e-{number}")


@pytest.fixture
def key_file(pdl: Any, tmp_path: Path) -> Path:
    pdl("ingest-key", "rotate")
    pdl("ingest-key", "publish", "--out", str(tmp_path / "key.json"))
    return tmp_path / "key.json"


def ingest(pdl: Any, *bodies: bytes) -> Any:
    file = pdl.data.parent / f"{os.urandom(4).hex()}.jsonl"
    file.write_bytes(b"\n".join(bodies))
    return pdl.json("ingest", str(file))


def test_sealed_and_plain_are_the_same_event(pdl: Any, key_file: Path) -> None:
    key, one = read_key(key_file), made(1)
    sealed = structured(one, key).value
    assert CANARY.encode() not in sealed
    mixed = [sealed, structured(made(2)).value, structured(one, key).value, structured(one).value]
    assert ingest(pdl, *mixed) == {"recorded": 2, "duplicate": 2, "quarantined": 0}
    other = structured(made(1, "please do not"), key).value
    assert ingest(pdl, other)["quarantined"] == 1
    assert pdl.rows("quarantine", "list")[0]["reason"] == "conflicting-duplicate"
    assert pdl.json("subject", "email", CANARY)["people"]


def test_what_is_changed_after_sealing_stays_closed(pdl: Any, key_file: Path) -> None:
    key = read_key(key_file)
    body = json.loads(structured(made(), key).value)
    changes = [
        {"id": "e-9"},
        {"source": "https://other.example"},
        {"time": "2026-01-01T00:00:00Z"},
        {"pdlkeyid": "0" * 16},
    ]
    counted = ingest(pdl, *(json.dumps(body | change).encode() for change in changes))
    assert counted == {"recorded": 0, "duplicate": 0, "quarantined": 4}
    assert {row["reason"] for row in pdl.rows("quarantine", "list")} == {"sealed-unreadable"}


def test_an_older_key_opens_until_it_is_destroyed(pdl: Any, key_file: Path, tmp_path: Path) -> None:
    old = read_key(key_file)
    pdl("ingest-key", "destroy", old.id, status=2)
    assert "Rotate first" in pdl.said
    pdl("ingest-key", "rotate")
    assert json.loads(pdl("ingest-key", "publish"))["pdlkeyid"] != old.id
    assert ingest(pdl, structured(made(1), old).value)["recorded"] == 1
    assert pdl.json("ingest-key", "destroy", old.id)["state"] == "destroyed"
    pdl("ingest-key", "destroy", old.id)
    assert [row["state"] for row in pdl.rows("ingest-key", "list")] == ["destroyed", "living"]
    assert ingest(pdl, structured(made(2), old).value) == {"recorded": 0, "duplicate": 0, "quarantined": 1}
    (waiting,) = pdl.rows("quarantine", "list")
    assert (waiting["reason"], waiting["id"]) == ("sealed-unreadable", "e-2")
    pdl("quarantine", "retry", status=1)
    assert pdl.json("verify")["ok"]


def test_a_destroyed_key_that_came_back_from_a_backup_goes_again(pdl: Any, key_file: Path, tmp_path: Path) -> None:
    old = read_key(key_file)
    pdl("ingest-key", "rotate")
    shutil.copy(pdl.data / "keys.db", tmp_path / "backup.db")
    pdl("ingest-key", "destroy", old.id)
    shutil.copy(tmp_path / "backup.db", pdl.data / "keys.db")
    assert ingest(pdl, structured(made(), old).value)["quarantined"] == 1


def test_without_a_key_there_is_nothing_to_publish(pdl: Any) -> None:
    pdl("source", "add", "anybody")
    pdl("ingest-key", "publish", status=2)
    pdl("ingest-key", "destroy", "0" * 16, status=2)
    assert "no such ingest key" in pdl.said
    assert pdl.rows("ingest-key", "list") == []


def test_a_producer_in_another_language_needs_the_schema_alone(pdl: Any, key_file: Path, tmp_path: Path) -> None:
    node = shutil.which("node")
    if node is None:
        if os.environ.get("CI") == "true":
            pytest.fail("no node for the example of another language")
        warnings.warn(
            "TEST WITHOUT NODE: the example of another language was not run", pytest.PytestWarning, stacklevel=1
        )
        pytest.skip("no node")
    schema = tmp_path / "collected.json"
    schema.write_text(pdl("schema", "data.collected"))
    example = ROOT / "examples" / "producers" / "publish.mjs"
    done = subprocess.run([node, example, schema, key_file], capture_output=True, text=True, check=True, timeout=60)
    assert "grace" not in done.stdout
    assert ingest(pdl, *done.stdout.encode().splitlines()) == {"recorded": 2, "duplicate": 1, "quarantined": 0}
    assert pdl.json("subject", "email", "grace@example.org")["people"]
