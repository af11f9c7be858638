"""Registers hold pseudonyms, ids of the pack, tokens, counts and times: no value of anybody, in no file."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

from ledger.keys.memory import MemoryKeyStore
from ledger.policy.packs import builtin_packs
from ledger.service import Input, Ledger
from ledger.store.sqlite import SQLiteEventLog
from projections.answers import Projections
from projections.registers import REGISTERS

NOW = datetime(2026, 6, 1, 12, 0, tzinfo=UTC)
SECRETS = (
    "wouter.zandstra@canary.example",
    "Wouter Zandstra",
    "+31201234567",
    "please call my neighbour",
    "dossier-Zandstra",
    "acc-zandstra",
)


def events() -> list[dict[str, object]]:
    email, name, phone, message, reference, account = SECRETS
    common = {
        "organisation": "klantinfocus",
        "activity": "forms",
        "subject": {"scheme": "email", "value": email},
        "reference": reference,
    }
    common["actor"] = {"role": "analyst", "id": account}
    bodies: list[tuple[str, dict[str, object]]] = [
        (
            "data.collected",
            {"values": {"name": name, "phone": phone, "message": message}, "origin": "subject", "system": "crm"},
        ),
        ("data.used", {"purpose": message, "operation": "contact", "categories": [name]}),
        (
            "data.shared",
            {
                "recipient": name,
                "purpose": message,
                "categories": ["email"],
                "basis": "contract",
                "contract": reference,
            },
        ),
        ("consent.given", {"purpose": message, "method": phone, "evidence": message}),
        ("request.received", {"right": "access"}),
        ("request.refused", {"ground": message, "remedy_named": False}),
        ("hold.placed", {"statute": name, "datasets": [name]}),
        ("subject.linked", {"other": {"scheme": "phone", "value": phone}}),
        ("milestone.reached", {"milestone": name}),
    ]
    return [
        {
            "specversion": "1.0",
            "id": f"e-{at}",
            "source": "/forms",
            "type": f"pdl.{kind}.v1",
            "time": f"2026-03-0{at + 1}T08:00:00Z",
            "data": common | more,
        }
        for at, (kind, more) in enumerate(bodies)
    ]


def test_no_register_file_and_no_row_holds_a_personal_value(tmp_path: Path) -> None:
    log = SQLiteEventLog(tmp_path / "log.db", create=True)
    ledger = Ledger(log, MemoryKeyStore(), builtin_packs(), lambda: NOW)
    inputs = [Input(at, json.dumps(event).encode()) for at, event in enumerate(events())]
    assert ledger.record(inputs, "test", len(inputs) - 1).recorded == len(inputs)
    with Projections(tmp_path / "registers.db", log, builtin_packs()) as projections:
        projections.catch_up()
        shown = json.dumps([list(projections.rows(name, now=NOW)) for name in REGISTERS])
        stored = b"".join(path.read_bytes() for path in tmp_path.glob("registers.db*"))
    log.close()
    assert len(stored) > 10_000
    for secret in SECRETS:
        assert secret.encode() not in stored
        assert secret not in shown
