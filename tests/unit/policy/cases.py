"""Cases that a lawyer can read (tests/golden/rules/*.toml) turned into events, and judged through the real path."""

from __future__ import annotations

import json
import tomllib
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any

from ledger.domain.envelope import Unrecordable, decode
from ledger.domain.facts import Fact, fact_of
from ledger.policy.findings import at, row
from ledger.policy.judge import judge
from ledger.policy.packs import load_pack

GOLDEN = Path(__file__).parents[2] / "golden"
DEFAULT_NOW = "2026-06-01T10:00:00Z"


def fact(event: dict[str, Any]) -> Fact:
    envelope = decode(json.dumps(event).encode())
    assert not isinstance(envelope, Unrecordable), envelope
    return fact_of(envelope)


def judged(organisation: str, facts: list[Fact], now: str) -> list[dict[str, Any]]:
    moment = datetime.fromisoformat(now)
    known = [fact for fact in facts if fact.time <= moment]
    return [row(finding) for finding in at(judge(load_pack(organisation), known), moment)]


def names(finding: dict[str, Any], rule: str) -> bool:
    return rule == finding["rule"] or rule in finding["also"]


def fits(finding: dict[str, Any], expected: dict[str, Any]) -> bool:
    about, since, severity = expected.get("about"), expected.get("since"), expected.get("severity")
    return (
        names(finding, expected["rule"])
        and (not about or finding["about"][: len(about)] == about)
        and (not severity or finding["severity"] == severity)
        and all(
            (finding[name] or "") == expected[name]
            for name in ("law", "code", "activity", "dataset")
            if name in expected
        )
        and (not since or datetime.fromisoformat(finding["since"]) == datetime.fromisoformat(since))
    )


@cache
def written_cases() -> list[tuple[str, dict[str, Any]]]:
    found = []
    for file in sorted((GOLDEN / "rules").glob("*.toml")):
        document = tomllib.loads(file.read_text(encoding="utf-8"))
        for case in document["case"]:
            organisation = case.get("organisation", file.stem)
            events = [
                event(organisation, number, given, document["defaults"])
                for number, given in enumerate(case["events"], 1)
            ]
            found.append(
                (
                    f"{case['rule']}: {case.get('keeps') or case['breaks']}",
                    {**case, "organisation": organisation, "events": events},
                )
            )
    return found


def event(organisation: str, number: int, given: dict[str, Any], defaults: dict[str, Any]) -> dict[str, Any]:
    """A shorthand line as a CloudEvent: `who` and `class` make the subject, `role` the actor, a text as notice its id."""
    data = {**defaults.get(given["type"], {}), **given}
    type_, moment = data.pop("type"), data.pop("at")
    who, class_, age, role = (data.pop(name, None) for name in ("who", "class", "age", "role"))
    data = (
        {name: value for name, value in data.items() if value not in {"", None}}
        if all(_plain(v) for v in data.values())
        else _filled(data)
    )
    if who:
        data["subject"] = {"scheme": "customer-number", "value": who}
        data["subject"] |= ({"class": class_} if class_ else {}) | ({"age": age} if age else {})
        data["subject"] |= {"also": data.pop("also")} if "also" in data else {}
    if role:
        data["actor"] = {"role": role}
    if isinstance(data.get("notice"), str):
        data["notice"] = {"id": data["notice"]}
    time = moment if "T" in moment else f"{moment}T09:00:00Z"
    wire = f"pdl.{type_}.v1"
    return {
        "specversion": "1.0",
        "id": f"e{number}",
        "source": "/cases",
        "type": wire,
        "time": time,
        "data": {"organisation": organisation, **data},
    }


def _plain(value: Any) -> bool:
    return isinstance(value, str | int | bool)


def _filled(data: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in data.items() if value != ""}
