"""A statement put to the test on what is recorded: by the pack in force the same findings, by another what it would find."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from ledger.policy.findings import order
from ledger.policy.packs import load_pack, pack_text, parse_pack
from ledger.policy.scope import judged

NOW = datetime(2026, 11, 1, tzinfo=UTC)
CASES = Path(__file__).parents[2] / "golden/judge"


def recorded(desk: Any, organisation: str) -> None:
    for line in (CASES / f"independent-{organisation}.jsonl").read_text(encoding="utf-8").splitlines():
        for event in json.loads(line)["events"]:
            desk.log.record(event)
    desk.projections.catch_up()


@pytest.mark.parametrize("organisation", ["infactor", "kcm"])
def test_a_trial_of_the_pack_in_force_finds_what_the_register_has(desk: Any, organisation: str) -> None:
    recorded(desk, organisation)
    found = sorted(desk.projections.tried(load_pack(organisation), {}, NOW), key=order)
    assert found
    assert found == sorted(desk.projections.findings(NOW, organisation), key=order)


def test_a_trial_changes_no_register(desk: Any) -> None:
    recorded(desk, "infactor")
    before = list(desk.projections.findings(NOW))
    other = parse_pack(pack_text("infactor")[0].replace('term = "P7D"', 'term = "P1D"'), "other.toml")
    assert list(desk.projections.tried(other, {}, NOW)) != before
    assert list(desk.projections.findings(NOW)) == before


def test_people_who_are_linked_are_tried_once(desk: Any) -> None:
    desk.collected("2023-01-02T08:00:00Z")
    desk.collected("2023-01-02T08:00:00Z", subject={"scheme": "customer-number", "value": "K-2", "class": "enquirer"})
    desk.given(
        "subject.linked", "2023-01-03T08:00:00Z", other={"scheme": "customer-number", "value": "K-2"}, activity=None
    )
    desk.projections.catch_up()
    found = list(desk.projections.tried(load_pack("klantinfocus"), {}, NOW))
    assert [finding.rule for finding in found].count("KI-24") == 1


def test_a_token_stands_for_what_the_names_say(desk: Any) -> None:
    desk.collected(categories=["token-of-message"])
    desk.projections.catch_up()
    pack = load_pack("klantinfocus")
    assert "not-listed" in {finding.code for finding in desk.projections.tried(pack, {}, NOW)}
    named = desk.projections.tried(pack, {"token-of-message": "message"}, NOW)
    assert "not-listed" not in {finding.code for finding in named}


def test_facts_that_were_retracted_put_no_rule_to_the_test(desk: Any) -> None:
    kept, wrong = desk.collected(), desk.collected()
    desk.given("fact.retracted", source="/forms", id=wrong, reason="wrong-person", activity=None, subject=None)
    desk.projections.catch_up()
    facts = list(desk.projections.facts())
    assert kept in {fact.id for fact in facts}
    assert wrong not in {fact.id for fact in facts}
    assert judged([load_pack("klantinfocus")], facts)["klantinfocus"]["KI-24"] == 1


def test_a_retraction_that_was_itself_retracted_is_void(desk: Any) -> None:
    id_ = desk.collected()
    first = desk.given("fact.retracted", source="/forms", id=id_, reason="wrong-person", activity=None, subject=None)
    desk.given("fact.retracted", source="/forms", id=first, reason="wrong-person", activity=None, subject=None)
    desk.projections.catch_up()
    assert id_ in {fact.id for fact in desk.projections.facts()}
