"""Two people, a letter and a certificate, at the command line."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

PERSON = ("email", "person0@canary.example", "--organisation", "klantinfocus")


def test_two_people_erase_somebody_and_an_auditor_verifies_it_elsewhere(
    pdl: Any, tmp_path: Path, make_event: Callable[..., dict[str, Any]]
) -> None:
    file = tmp_path / "events.jsonl"
    file.write_text(f"{json.dumps(make_event(0))}\n")
    pdl.json("ingest", str(file))
    for name, role in (("po-1", "privacy-officer"), ("po-2", "manager"), ("fg", "dpo")):
        pdl.json("approver", "add", name, "--role", role, "generate", "--out", str(tmp_path / f"{name}.key"))
    rehearsed = pdl.json("erase", *PERSON, "--reason", "request", "--rehearse")
    assert rehearsed["case"] is None
    assert len(rehearsed["keys"]) == 2
    assert (rehearsed["systems"], rehearsed["candidates"], rehearsed["holds"]) == (["crm"], [], [])
    assert pdl.json("status")["decisions"] == 3, "a rehearsal touches nothing"

    two = {"PDL_APPROVAL": "two-people"}
    answer = pdl.json("erase", *PERSON, "--reason", "request", **two)
    assert answer["state"] == "waiting"
    case = answer["case"]
    pdl("case", "approve", case, "--key", str(tmp_path / "fg.key"), status=1, **two)
    assert "never approves" in pdl.said
    note = tmp_path / "po-1.note"
    note.write_text(pdl("case", "sign", case, "--key", str(tmp_path / "po-1.key"), **two))
    assert pdl.json("case", "approve", case, "--note", str(note), **two)["state"] == "waiting"
    pdl("case", "approve", case, "--note", str(note), status=1, **two)
    pdl("certificate", case, status=1)
    assert pdl.json("case", "approve", case, "--key", str(tmp_path / "po-2.key"), **two)["state"] == "erased"
    assert "person0@canary.example" in pdl("case", "letter", case, "--language", "nl")
    assert pdl.json("case", "show", case)["approvals"][0]["approver"] == "po-1"

    certificate, key = tmp_path / "erasure.certificate", tmp_path / "ledger.vkey"
    certificate.write_text(pdl("certificate", case))
    key.write_text(pdl("key"))
    pdl.data = tmp_path / "nowhere"
    verified = pdl.json("certificate", "verify", str(certificate), "--key", str(key))
    assert (verified["ok"], verified["problems"]) == (True, [])
    content = certificate.read_bytes()
    certificate.write_bytes(content.replace(b"approval two-people", b"approval two-peopIe"))
    pdl("certificate", "verify", str(certificate), status=1)
