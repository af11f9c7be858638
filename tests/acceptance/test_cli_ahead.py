"""A fact whose time lies ahead of the clock counts nowhere yet: not in a register, and not in the dossier."""

from __future__ import annotations

import json
from typing import Any

from tests.conftest import Pdl


def event(number: int, kind: str, time: str, **data: Any) -> str:
    who = {"scheme": "email", "value": "fenna@example.org", "class": "enquirer"}
    common = {"organisation": "klantinfocus", "activity": "forms", "subject": who, "categories": ["email"]}
    return json.dumps(
        {
            "specversion": "1.0", "id": f"e-{number}", "source": "/forms", "type": f"pdl.data.{kind}.v1", "time": time,
            "data": common | data,
        }
    )  # fmt: skip


def test_a_contact_of_the_next_century_does_not_keep_data_today(pdl: Pdl) -> None:
    lines = [
        event(1, "collected", "2020-05-01T08:00:00Z", origin="subject", system="crm"),
        event(2, "used", "2100-01-01T08:00:00Z", operation="contact", purpose="answer-question"),
    ]
    (pdl.data.parent / "ahead.jsonl").write_text("\n".join(lines), encoding="utf-8")
    pdl("ingest", "ahead.jsonl")
    (row,) = pdl.rows("register", "retention")
    dossier = pdl.json("subject", "email", "fenna@example.org")
    assert (row["state"], row["due"]) == ("overdue", dossier["datasets"][0]["due"])
    assert row["due"] < "2023"
