"""Cases of the judge, written from the contract alone (judge/*.jsonl): what the command prints for each history."""

from __future__ import annotations

import json
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any, get_args

import pytest
from click.testing import CliRunner, Result

from consumers.cli.judge import judge
from ledger.policy.findings import Code
from ledger.policy.packs import load_pack

HERE = Path(__file__).parent
CODES = set(get_args(Code))
SPACES = ("activity", "category", "control", "milestone", "purpose", "recipient", "system")
FILES = sorted((HERE / "judge").glob("*.jsonl"))


def _cases() -> list[dict[str, Any]]:
    return [json.loads(line) for file in FILES for line in file.read_text(encoding="utf-8").splitlines()]


@cache
def _runner() -> CliRunner:
    return CliRunner()


def printed(case: dict[str, Any], lines: list[str]) -> Result:
    packs = [word for organisation in case["packs"] for word in ("--pack", organisation)]
    arguments = ["--format", "json", "--now", case["now"], *packs]
    return _runner().invoke(judge, arguments, input="\n".join(lines) + "\n", catch_exceptions=False)


def disagreements(case: dict[str, Any], found: list[dict[str, Any]]) -> list[str]:
    """What stands against the case, in words; empty when it passes."""
    told = []
    for expected in case["expect"]:
        fitting = [finding for finding in found if _fits(finding, expected)]
        if not fitting or len(fitting) != expected.get("count", len(fitting)):
            told.append(f"expected {expected}, found {len(fitting)} such")
    told += [f"forbidden: {finding}" for finding in found for rule in case["forbid"] if _names(finding, rule)]
    if case.get("clean"):
        told += [f"not clean: {finding}" for finding in found if finding["severity"] == "violation"]
    return told


def _names(finding: dict[str, Any], rule: str) -> bool:
    return rule == finding["rule"] or rule in finding["also"]


def _fits(finding: dict[str, Any], expected: dict[str, Any]) -> bool:
    about = expected.get("about")
    return (
        _names(finding, expected["rule"])
        and (not about or finding["about"][: len(about)] == about)
        and (not expected.get("severity") or finding["severity"] == expected["severity"])
        and (not expected.get("since") or finding["since"] == expected["since"])
        and ("until" not in expected or finding["until"] == expected["until"])
    )


def _own_words(case: dict[str, Any]) -> set[str]:
    """The ids of a producer that the statement does not know, and its references: no message may repeat them."""
    known = {id_ for organisation in case["packs"] for space in SPACES for id_ in load_pack(organisation).known(space)}
    rows = [event["data"] for event in case["events"]]
    said = {
        row.get(name)
        for row in rows
        for name in ("purpose", "recipient", "system", "client", "milestone", "control", "activity")
    }
    said |= {category for row in rows for category in (*row.get("categories", ()), *row.get("values", ()))}
    free = {row.get(name) for row in rows for name in ("reference", "contract", "target")}
    return {word for word in (said - known) | free if word and "-" in word}


@pytest.mark.parametrize("case", _cases(), ids=lambda case: case["id"])
def test_the_command_finds_what_the_contract_says(case: dict[str, Any]) -> None:
    lines = [json.dumps(event, ensure_ascii=False) for event in case["events"]]
    result = printed(case, lines)
    assert result.exit_code == 0
    found = [json.loads(line) for line in result.stdout.splitlines()]
    assert not disagreements(case, found), case["why"]
    assert found == sorted(found, key=lambda finding: (datetime.fromisoformat(finding["since"]), finding["rule"]))
    assert {finding["code"] for finding in found} <= CODES
    told = "".join(text for finding in found for text in finding["message"].values())
    assert "zzsecret" not in result.output
    assert not [word for word in _own_words(case) if word in told]
    assert printed(case, lines[::-1]).stdout == result.stdout
