"""A sixth organisation needs a file and no Python: `pdl policy new` writes it, `pdl judge` judges by it."""

import json

from consumers.cli import run


def _event(id_, type_, time, **data):
    subject = {"scheme": "email", "value": "iemand@example.org", "class": "enquirer"}
    data = {"organisation": "voorbeeld", "activity": "forms", "subject": subject} | data
    return {"specversion": "1.0", "id": id_, "source": "/crm", "type": f"pdl.{type_}.v1", "time": time, "data": data}


def test_a_new_pack_judges_events(tmp_path, capsys):
    pack, events = tmp_path / "voorbeeld.toml", tmp_path / "events.jsonl"
    assert run(["policy", "new", "voorbeeld"]) == 0
    pack.write_text(capsys.readouterr().out, encoding="utf-8")
    notice = {"id": "statement", "at": "2024-01-10T09:00:00Z"}
    collected = {"origin": "subject", "purposes": ["answer-question"], "basis": "contract", "notice": notice}
    lines = [
        _event("1", "data.collected", "2024-01-10T09:00:00Z", categories=["name", "email"], **collected),
        _event("2", "data.collected", "2024-01-11T09:00:00Z", categories=["shoe-size"], **collected),
    ]
    events.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    assert run(["judge", "--pack", str(pack), "--now", "2026-11-01T00:00:00Z", "--format", "json", str(events)]) == 0
    found = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [(row["rule"], row["code"], row["about"][0]) for row in found] == [
        ("VOO-01", "not-listed", "2"),
        ("VOO-02", "overdue", "1"),
    ]
    assert found[1]["since"] == "2026-01-12T00:00:00+01:00"
