"""A statement that was amended: what happened is judged by the version in force at its time, and data by the shorter term."""

from __future__ import annotations

import json
from datetime import date, datetime
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from consumers.cli.judge import judge as judge_command
from ledger.domain.errors import PolicyInvalid
from ledger.domain.facts import Fact
from ledger.policy.findings import at, row
from ledger.policy.judge import judge, retention_status
from ledger.policy.model import Pack, Packs
from ledger.policy.packs import pack_text, parse_pack
from ledger.policy.timeline import Organisation
from tests.unit.policy.cases import event, fact

DEFAULTS: dict[str, Any] = {
    "data.collected": {
        "who": "p",
        "activity": "forms",
        "class": "enquirer",
        "categories": ["email"],
        "origin": "service",
        "notice": "statement",
    },
    "milestone.reached": {"who": "p", "milestone": "contact"},
    "request.received": {"who": "p", "right": "access", "reference": "q-1"},
}
AMENDED = "2025-01-01"


def text_of(organisation: str, *changes: tuple[str, str], version: str = "2", effective_from: str = AMENDED) -> str:
    """The pack of a built-in statement, amended."""
    text = pack_text(organisation)[0]
    lines = [
        f'version = "{version}"'
        if line.startswith("version = ")
        else f"effective_from = {effective_from}"
        if line.startswith("effective_from = ")
        else line
        for line in text.splitlines()
    ]
    text = "\n".join(lines)
    for old, new in changes:
        assert old in text, old
        text = text.replace(old, new)
    return text


def amended(organisation: str, *changes: tuple[str, str], **statement: str) -> Pack:
    """The newest version of a statement, after the one that comes with the program."""
    versions = [
        parse_pack(pack_text(organisation)[0], "first"),
        parse_pack(text_of(organisation, *changes, **statement), "second"),
    ]
    return Packs(versions)[organisation]


def facts_of(pack: Pack, *events: dict[str, Any]) -> list[Fact]:
    return [fact(event(pack.organisation, number, given, DEFAULTS)) for number, given in enumerate(events, 1)]


def judged(pack: Pack, now: str, *events: dict[str, Any]) -> list[dict[str, Any]]:
    return [row(finding) for finding in at(judge(pack, facts_of(pack, *events)), datetime.fromisoformat(now))]


def overdue(found: list[dict[str, Any]], rule: str) -> list[tuple[str, str | None]]:
    return [(row["since"], row["until"]) for row in found if row["code"] == "overdue" and row["rule"] == rule]


TWO_YEARS = 'whole_person = true\nterm = "P2Y"'
COLLECTED = {"at": "2024-02-01", "type": "data.collected"}
CONTACT = {"at": "2024-03-12", "type": "milestone.reached"}


def test_an_act_is_judged_by_the_version_in_force_at_its_time() -> None:
    pack = amended("resultfactory", ('allowed = ["name", "gender", "email",', 'allowed = ["name", "email",'))
    acts = [
        {"at": moment, "type": "data.collected", "activity": "support-crm", "categories": ["gender"]}
        for moment in ("2024-12-31T22:59:59Z", "2024-12-31T23:00:00Z")
    ]
    found = [row for row in judged(pack, "2025-01-02T10:00:00Z", *acts) if row["rule"] == "RF-04"]
    assert [row["about"] for row in found] == [["e2"]]


def test_a_shorter_term_counts_from_the_day_it_takes_effect() -> None:
    pack = amended("klantinfocus", (TWO_YEARS, TWO_YEARS.replace("P2Y", "P1Y")))
    found = judged(pack, "2026-06-01T10:00:00Z", COLLECTED, CONTACT)
    assert overdue(found, "KI-24") == [("2025-03-13T00:00:00+01:00", None)]


def test_data_still_held_on_the_day_of_a_shorter_term_are_late_from_that_day() -> None:
    pack = amended("klantinfocus", (TWO_YEARS, TWO_YEARS.replace("P2Y", "P1M")))
    found = judged(pack, "2026-06-01T10:00:00Z", COLLECTED, CONTACT)
    assert overdue(found, "KI-24") == [("2025-01-01T00:00:00+01:00", None)]


def test_a_longer_term_does_not_lengthen_what_was_collected_before() -> None:
    pack = amended("klantinfocus", (TWO_YEARS, TWO_YEARS.replace("P2Y", "P5Y")))
    found = judged(pack, "2027-06-01T10:00:00Z", COLLECTED, CONTACT, {**COLLECTED, "at": "2025-02-03"})
    assert overdue(found, "KI-24") == [("2026-03-13T00:00:00+01:00", None)]
    assert [row["about"] for row in found if row["code"] == "overdue"] == [["e1", "e2"]]


def test_a_request_keeps_the_clock_of_the_version_under_which_it_was_received() -> None:
    pack = amended("infactor", ('term = "P7D", promised = "IF-19"', 'term = "P2W", promised = "IF-19"'))
    received = {"type": "request.received"}
    found = judged(
        pack,
        "2025-03-01T10:00:00Z",
        {**received, "at": "2024-12-30"},
        {**received, "at": "2025-01-06", "reference": "q-2"},
    )
    assert [(row["about"], row["since"]) for row in found if row["rule"] == "IF-19"] == [
        (["e1"], "2025-01-07T00:00:00+01:00"),
        (["e2"], "2025-01-21T00:00:00+01:00"),
    ]


def test_a_control_goes_on_coming_round_when_the_statement_is_amended() -> None:
    pack = amended("resultfactory")
    control = {"type": "control.executed", "control": "retention-check"}
    found = judged(pack, "2025-02-01T10:00:00Z", {**control, "at": "2024-12-20"}, {**control, "at": "2025-01-25"})
    assert [(row["since"], row["until"]) for row in found if row["rule"] == "RF-09"] == [
        ("2025-01-21T00:00:00+01:00", "2025-01-25T10:00:00+01:00")
    ]


def test_what_is_due_follows_the_shorter_term() -> None:
    pack = amended("klantinfocus", (TWO_YEARS, TWO_YEARS.replace("P2Y", "P5Y")))
    (line,) = retention_status(pack, facts_of(pack, COLLECTED, CONTACT), Organisation())
    assert line.due == datetime.fromisoformat("2026-03-13T00:00:00+01:00")
    assert line.all_due == line.due


def test_the_first_version_alone_judges_as_before() -> None:
    alone = parse_pack(pack_text("klantinfocus")[0], "first")
    later = amended("klantinfocus", effective_from="2030-01-01")
    assert judged(alone, "2026-06-01T10:00:00Z", COLLECTED, CONTACT) == judged(
        later, "2026-06-01T10:00:00Z", COLLECTED, CONTACT
    )


def test_two_readings_of_one_version_are_one_and_the_newer_counts() -> None:
    first = parse_pack(pack_text("klantinfocus")[0], "first")
    second = parse_pack(pack_text("klantinfocus")[0].replace("reading = 1", "reading = 2"), "second")
    newest = Packs([second, first])["klantinfocus"]
    assert newest.file.statement.reading == 2
    assert newest.earlier == ()
    assert newest.effective_from == date(2022, 6, 1)


def test_the_command_takes_versions_of_one_statement_in_any_order(tmp_path: Path) -> None:
    second = tmp_path / "second.toml"
    second.write_text(text_of("klantinfocus", (TWO_YEARS, TWO_YEARS.replace("P2Y", "P1Y"))), encoding="utf-8")
    lines = "\n".join(
        json.dumps(event("klantinfocus", number, given, DEFAULTS))
        for number, given in enumerate((COLLECTED, CONTACT), 1)
    )
    options = ["--format", "json", "--now", "2026-06-01"]
    one = CliRunner().invoke(judge_command, [*options, "--pack", "klantinfocus", "--pack", str(second)], input=lines)
    other = CliRunner().invoke(judge_command, [*options, "--pack", str(second), "--pack", "klantinfocus"], input=lines)
    assert one.stdout == other.stdout
    assert '"since":"2025-03-13T00:00:00+01:00"' in one.stdout


def test_the_command_refuses_two_packs_that_take_effect_on_one_day(tmp_path: Path) -> None:
    same_day = tmp_path / "same-day.toml"
    same_day.write_text(pack_text("klantinfocus")[0], encoding="utf-8")
    result = CliRunner().invoke(judge_command, ["--pack", "klantinfocus", "--pack", str(same_day)], input="")
    assert isinstance(result.exception, PolicyInvalid)
    assert "take effect on 2022-06-01" in str(result.exception)


@pytest.mark.parametrize("organisation", ["resultfactory", "klantinfocus", "infactor", "kcm", "directcode"])
def test_an_amendment_that_changes_nothing_changes_no_finding_of_an_act(organisation: str) -> None:
    pack, alone = amended(organisation), parse_pack(pack_text(organisation)[0], "first")
    activity = next(iter(pack.activities))
    acts = [
        {
            "at": f"{year}-03-04",
            "type": "data.used",
            "who": "p",
            "activity": activity,
            "categories": ["shoe-size"],
            "purpose": "fun",
            "operation": "profile",
        }
        for year in (2023, 2024, 2025, 2026)
    ]
    assert judged(pack, "2026-06-01T10:00:00Z", *acts) == judged(alone, "2026-06-01T10:00:00Z", *acts)
