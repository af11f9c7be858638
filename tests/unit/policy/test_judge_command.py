"""`pdl judge`: what it prints, what it skips, and how it ends."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from consumers.cli import run
from consumers.cli.judge import judge
from ledger.policy.packs import load_pack

NOW = "2026-06-01T00:00:00Z"


def event(id_: str, **given: Any) -> dict[str, Any]:
    data = {
        "organisation": "resultfactory",
        "subject": {"scheme": "email", "value": "ada@example.org"},
        "activity": "support-crm",
        **given,
    }
    data.setdefault("purpose", "support")
    data.setdefault("operation", "profile")
    data.setdefault("categories", ["email"])
    return {
        "specversion": "1.0",
        "id": id_,
        "source": "/t",
        "type": "pdl.data.used.v1",
        "time": "2026-01-12T09:00:00Z",
        "data": data,
    }


def judged(events: list[Any], *arguments: str) -> Result:
    lines = "".join((line if isinstance(line, str) else json.dumps(line)) + "\n" for line in events)
    return CliRunner().invoke(judge, ["--now", NOW, "--format", "json", *arguments], input=lines)


def test_one_finding_a_line() -> None:
    result = judged([event("a")])
    rows = [json.loads(line) for line in result.stdout.splitlines()]
    assert [row["rule"] for row in rows if row["code"] == "not-listed"] == ["RF-07"]
    assert list(rows[0]) == [
        "rule",
        "also",
        "law",
        "code",
        "severity",
        "organisation",
        "activity",
        "dataset",
        "about",
        "since",
        "until",
        "message",
    ]
    assert result.exit_code == 0


def test_findings_are_ordered_by_since_then_rule() -> None:
    result = judged([event("b", categories=["shoe-size"], purpose="fun"), event("a")])
    rows = [json.loads(line) for line in result.stdout.splitlines()]
    assert [(row["since"], row["rule"]) for row in rows] == sorted((row["since"], row["rule"]) for row in rows)


def test_the_same_event_twice_is_judged_once() -> None:
    assert judged([event("a"), event("a")]).stdout == judged([event("a")]).stdout


def test_other_content_under_one_id_is_told_and_not_judged() -> None:
    result = judged([event("a"), event("a", operation="analyse")])
    assert [json.loads(line)["reason"] for line in result.stderr.splitlines()] == [
        "conflicting-duplicate",
        "conflicting-duplicate",
    ]
    assert "RF-07" not in result.stdout


def test_what_cannot_be_recorded_is_told_with_its_reason_and_without_a_value() -> None:
    result = judged(["{", event("a") | {"type": "pdl.other.v1"}, event("b", subject={"scheme": "email"})])
    assert [json.loads(line)["reason"] for line in result.stderr.splitlines()] == [
        "undecodable",
        "unknown-type",
        "schema",
    ]
    assert [json.loads(line)["line"] for line in result.stderr.splitlines()] == [1, 2, 3]
    assert "ada@example.org" not in result.output


def test_an_organisation_without_a_pack_is_unknown() -> None:
    result = judged([event("a", organisation="somebody")])
    assert json.loads(result.stderr) == {
        "line": 1,
        "source": "/t",
        "id": "a",
        "reason": "unknown-organisation",
    }


def test_events_of_other_organisations_are_skipped_and_counted() -> None:
    result = judged([event("a"), event("b", organisation="kcm")], "--pack", "resultfactory")
    assert "skipped 1 event(s) of 1 other organisation(s)" in result.stderr


def test_events_after_now_are_ignored() -> None:
    assert judged([event("a") | {"time": "2026-07-01T09:00:00Z"}]).stdout == ""


@pytest.mark.parametrize(("wanted", "status"), [("violation", 1), ("risk", 1)])
def test_fail_on_ends_with_one(wanted: str, status: int) -> None:
    assert judged([event("a")], "--fail-on", wanted).exit_code == status
    assert judged([], "--fail-on", wanted).exit_code == 0


def test_a_risk_is_no_violation() -> None:
    feedback = event(
        "a",
        organisation="klantinfocus",
        activity="feedback",
        categories=["health"],
        purpose="report-satisfaction",
        operation="store",
    )
    assert judged([feedback], "--fail-on", "violation").exit_code == 0
    assert judged([feedback], "--fail-on", "risk").exit_code == 1


def test_a_file_that_cannot_be_read_ends_with_two(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["judge", str(tmp_path)]) == 2
    assert "is a directory" in capsys.readouterr().err
    assert run(["judge", str(tmp_path / "missing.jsonl")]) == 2
    assert "is not there" in capsys.readouterr().err
    assert run(["judge", "--pack", "nobody", str(tmp_path)]) == 2


def test_a_file_is_judged_in_a_table_in_the_words_of_the_statement(tmp_path: Path) -> None:
    file = tmp_path / "events.jsonl"
    file.write_text(json.dumps(event("a")) + "\n\n")
    result = CliRunner(env={"COLUMNS": "160"}).invoke(judge, ["--now", NOW, str(file)])
    assert "RF-07" in result.stdout
    assert load_pack("resultfactory").rules["RF-07"].words in result.stdout
    assert "violation" in result.stdout
    assert result.exit_code == 0


def test_nothing_found_is_said() -> None:
    result = CliRunner().invoke(judge, ["--now", NOW], input="")
    assert result.stdout == "No findings.\n"


def test_an_activity_that_the_statement_does_not_describe_is_told_as_undeclared() -> None:
    rows = [json.loads(line) for line in judged([event("a", activity="Ada Example")]).stdout.splitlines()]
    assert {row["activity"] for row in rows if row["about"] == ["a"] and row["rule"] == "RF-01"} == {"undeclared"}
    assert "Ada Example" not in json.dumps(rows)


def test_a_table_may_be_read_in_dutch(tmp_path: Path) -> None:
    example = Path(__file__).parents[3] / "examples/deotter"
    arguments = ["--language", "nl", "--now", "2025-10-31", "--pack", str(example / "deotter.toml")]
    found = CliRunner().invoke(judge, [*arguments, str(example / "events.jsonl")], env={"COLUMNS": "100"})
    assert "schending" in found.output
    assert "hersteld" in found.output
    assert "violation" not in found.output


def test_two_processes_print_the_same(tmp_path: Path) -> None:
    file = tmp_path / "events.jsonl"
    purposes = ["updates", "recruitment", "security", "error-analysis", "complaint"]
    collected = event(
        "a",
        organisation="directcode",
        activity="customers",
        categories=["name", "bank-account", "login", "ip-address"],
        purposes=purposes,
        origin="subject",
    )
    file.write_text(json.dumps({**collected, "type": "pdl.data.collected.v1"}) + "\n", encoding="utf-8")
    command = [sys.executable, "-m", "consumers.cli.judge", "--now", NOW, "--format", "json", str(file)]
    printed = {
        subprocess.run(command, check=True, capture_output=True, env={**os.environ, "PYTHONHASHSEED": seed}).stdout
        for seed in ("1", "2", "3")
    }
    assert len(printed) == 1
    assert b"DC-06" in printed.pop()
