"""Duties with a deadline: due, fulfilled, overdue, or waived with the reason."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import Any

import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from consumers.cli.judge import judge as judge_command
from ledger.domain.facts import Fact
from ledger.policy.findings import at
from ledger.policy.judge import judge, obligations
from ledger.policy.obligations import begun, row
from ledger.policy.packs import load_pack
from tests.properties.test_judge_order import START, histories
from tests.unit.policy.cases import event, fact

DEFAULTS: dict[str, Any] = {
    "request.received": {"who": "p", "right": "access", "reference": "q-1"},
    "request.answered": {"who": "p", "reference": "q-1", "outcome": "fulfilled"},
    "request.extended": {"who": "p", "reference": "q-1", "reason": "complexity"},
    "data.shared": {
        "who": "p",
        "activity": "support-crm",
        "recipient": "prosecutor",
        "purpose": "support",
        "categories": ["name"],
        "basis": "legal-obligation",
    },
}


def owed(organisation: str, now: str, *events: dict[str, Any]) -> list[dict[str, Any]]:
    facts = [fact(event(organisation, number, given, DEFAULTS)) for number, given in enumerate(events, 1)]
    moment = datetime.fromisoformat(now)
    known = [one for one in facts if one.time <= moment]
    return [row(one, moment) for one in begun(obligations(load_pack(organisation), known), moment)]


def states(rows: list[dict[str, Any]], rule: str) -> list[tuple[str, str, str | None]]:
    return [(line["state"], line["due"], line["fulfilled"]) for line in rows if line["rule"] == rule]


RECEIVED = {"at": "2026-02-02", "type": "request.received"}
ANSWERED = {"at": "2026-02-20", "type": "request.answered"}


@pytest.mark.parametrize(
    ("now", "state"),
    [("2026-02-09T22:59:59Z", "due"), ("2026-02-09T23:00:00Z", "overdue"), ("2026-03-01T00:00:00Z", "fulfilled")],
)
def test_a_request_is_due_then_overdue_then_fulfilled(now: str, state: str) -> None:
    ((found, due, _),) = states(owed("infactor", now, RECEIVED, ANSWERED), "IF-19")
    assert (found, due) == (state, "2026-02-10T00:00:00+01:00")


def test_a_request_has_the_clock_of_the_promise_and_that_of_the_law() -> None:
    rows = owed("infactor", "2026-02-03T00:00:00Z", RECEIVED)
    assert [(line["rule"], line["due"]) for line in rows] == [
        ("IF-19", "2026-02-10T00:00:00+01:00"),
        ("IF-18", "2026-03-03T00:00:00+01:00"),
    ]


def test_an_extension_moves_the_deadline_of_the_law() -> None:
    extended = {"at": "2026-02-16", "type": "request.extended", "informed_at": "2026-02-16T09:00:00Z"}
    rows = owed("resultfactory", "2026-03-20T00:00:00Z", RECEIVED, extended)
    assert states(rows, "GDPR-12(3)") == [("due", "2026-05-05T00:00:00+02:00", None)]  # 2 May is a Saturday.
    (clock,) = [line for line in rows if line["rule"] == "GDPR-12(3)"]
    assert clock["unrolled"] == "2026-05-03T00:00:00+02:00"


def test_a_duty_to_inform_may_be_waived_for_a_reason() -> None:
    waived = {"at": "2026-01-12", "type": "data.shared", "informing_waived": "the order forbids it"}
    (line,) = [line for line in owed("resultfactory", "2026-06-01T00:00:00Z", waived) if line["rule"] == "RF-14"]
    assert (line["state"], line["waived"]) == ("waived", "given")  # The reason is free text: it stays in the event.


def test_the_command_prints_obligations_the_most_urgent_first() -> None:
    lines = json.dumps(event("infactor", 1, RECEIVED, DEFAULTS))
    result = CliRunner().invoke(
        judge_command, ["--obligations", "--format", "json", "--now", "2026-02-03", "--pack", "infactor"], input=lines
    )
    assert [json.loads(line)["rule"] for line in result.stdout.splitlines()] == ["IF-19", "IF-18"]
    table = CliRunner().invoke(
        judge_command, ["--obligations", "--now", "2026-02-03", "--pack", "infactor"], input=lines
    )
    assert table.stdout.endswith("2 due\n")


def test_obligations_do_not_fail() -> None:
    result = CliRunner().invoke(judge_command, ["--obligations", "--fail-on", "risk"], input="")
    assert result.exit_code == 2


@given(histories(), st.integers(0, 1200))
@settings(max_examples=60, deadline=None)
def test_what_is_overdue_is_a_finding(history: tuple[str, list[Fact]], days: int) -> None:
    organisation, facts = history
    now = START + timedelta(days=days)
    known = [one for one in facts if one.time <= now]
    pack = load_pack(organisation)
    found = {(one.rule, one.about[0]) for one in at(judge(pack, known), now) if one.until is None}
    late = {(one.rule, one.about[0]) for one in obligations(pack, known) if one.state(now) == "overdue"}
    assert late <= found
