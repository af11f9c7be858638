"""Every rule by what keeps it and what breaks it: the cases of the contract, and our own."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, get_args

import pytest

from ledger.policy import promises
from ledger.policy.packs import builtin_ids, load_pack
from tests.unit.policy.cases import GOLDEN, fact, fits, judged, names, written_cases

CONTRACT = [json.loads(line) for line in (GOLDEN / "judge-cases.jsonl").read_text(encoding="utf-8").splitlines()]


@pytest.mark.parametrize("case", CONTRACT, ids=lambda case: case["id"])
def test_the_cases_of_the_contract(case: dict[str, Any]) -> None:
    facts = [fact(event) for event in case["events"]]
    found = [finding for organisation in case["packs"] for finding in judged(organisation, facts, case["now"])]
    for expected in case["expect"]:
        assert any(fits(finding, expected) for finding in found), (expected, found)
    for rule in case["forbid"]:
        assert not [finding for finding in found if names(finding, rule)], rule


@pytest.mark.parametrize("case", [case for _, case in written_cases()], ids=[name for name, _ in written_cases()])
def test_a_rule_is_kept_or_broken(case: dict[str, Any]) -> None:
    found = judged(
        case["organisation"], [fact(event) for event in case["events"]], case.get("now", "2026-06-01T10:00:00Z")
    )
    if "breaks" in case:
        assert any(fits(finding, case) for finding in found), found
        assert not [finding for finding in found for rule in case.get("absent", ()) if names(finding, rule)], found
    else:
        assert not [finding for finding in found if names(finding, case["rule"])], found


STANDING = {"RF-02", "RF-17", "KI-01", "KI-02", "KI-30", "IF-21", "KCM-01", "KCM-02", "KCM-03", "KCM-08", "KCM-12"}
"""Nothing in an event can contradict these: they are standing facts."""


@pytest.mark.parametrize("kind", ["keeps", "breaks"])
def test_every_rule_that_an_event_can_break_has_an_example_of_each_kind(kind: str) -> None:
    tried = {case["rule"] for _, case in written_cases() if kind in case}
    rules = {rule for organisation in builtin_ids() for rule in load_pack(organisation).rules}
    assert len(rules) == 123
    assert not sorted(rules - STANDING - tried)


@pytest.mark.parametrize("kind", ["keeps", "breaks"])
def test_every_article_that_is_a_rule_by_itself_has_an_example_of_each_kind(kind: str) -> None:
    judged_by = {promise.rule for promise in load_pack(builtin_ids()[0]).law.promises} | {
        "GDPR-5(2)",
        "GDPR-12(4)",
        "GDPR-17(1)",
    }
    assert not sorted(judged_by - {case["rule"] for _, case in written_cases() if kind in case})


def test_every_rule_that_an_event_can_break_stands_in_a_promise() -> None:
    for organisation in builtin_ids():
        pack = load_pack(organisation)
        text = repr(pack.promises)
        assert not [rule for rule in pack.rules if rule not in STANDING and f"'{rule}'" not in text]


def test_every_promise_stands_on_a_rule_and_an_article() -> None:
    for organisation in builtin_ids():
        pack = load_pack(organisation)
        known = {*pack.rules, *pack.law.articles}
        for promise in (*pack.promises, *pack.law.promises):
            assert {promise.rule, *promise.also} <= known, promise
            assert promise.law, promise
            assert bool(promise.assumed) == bool(promise.assumed_nl), promise


def test_the_readme_lists_every_kind() -> None:
    readme = Path(promises.__file__).parent / "README.md"
    if not readme.exists():
        pytest.skip("an installed package carries no README")
    text = readme.read_text(encoding="utf-8")
    kinds = {kind.__struct_config__.tag for kind in get_args(promises.Promise)}
    assert {kind for kind in kinds if f"| `{kind}` |" not in text} == set()
    assert len(kinds) == 18
