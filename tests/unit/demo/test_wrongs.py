"""What goes wrong in the demo's year is found by the rule that it breaks, and nothing else is."""

from __future__ import annotations

import re
from collections import defaultdict
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

import consumers.demo
from consumers.demo.script import scripts
from consumers.demo.year import RECORDED, Year
from ledger.domain.envelope import Envelope, decode
from ledger.domain.facts import Fact, fact_of
from ledger.policy.findings import Finding, at
from ledger.policy.judge import judge
from ledger.policy.packs import builtin_packs

END = date(2026, 11, 1)


class Judged:
    """A year, judged the morning after; who stands behind each event."""

    def __init__(self, year: Year) -> None:
        self.year = year
        self.story: dict[str, str] = {}
        self.wrong: dict[str, str] = {}
        facts: list[Fact] = []
        for message in year:
            if message.expect == RECORDED:
                envelope = decode(message.body)
                assert isinstance(envelope, Envelope)
                facts.append(fact_of(envelope))
                self.story[envelope.id] = message.story
                self.wrong[message.story] = f"{message.organisation}/{message.wrong}" if message.wrong else ""
        now = datetime(year.end.year, year.end.month, year.end.day, tzinfo=UTC) + timedelta(hours=9)
        self.findings = [finding for pack in builtin_packs().values() for finding in at(judge(pack, facts), now)]

    def stories(self, finding: Finding) -> set[str]:
        return {self.story[event] for event in finding.about if event in self.story}

    def wrongs(self, finding: Finding) -> set[str]:
        return {self.wrong[story] for story in self.stories(finding)} - {""}


@pytest.fixture(scope="module")
def judged() -> Judged:
    return Judged(Year(people=2_000, end=END))


def test_every_planted_wrong_is_found_by_a_rule_that_it_breaks(judged: Judged) -> None:
    planted = judged.year.planted()
    found: dict[str, set[str]] = defaultdict(set)
    for finding in judged.findings:
        for wrong in judged.wrongs(finding):
            if {finding.rule, *finding.also} & set(planted[wrong]):
                found[wrong] |= judged.stories(finding)
    cast = {(wrong, story) for story, wrong in judged.wrong.items() if wrong and planted[wrong]}

    assert len({wrong for wrong, _ in cast}) > 85
    assert sorted((wrong, story) for wrong, story in cast if story not in found[wrong]) == []


def test_the_others_are_treated_as_their_statement_promises(judged: Judged) -> None:
    hero = judged.year.protagonist()
    unexpected = []
    for finding in judged.findings:
        wrongs = judged.wrongs(finding)
        expected = {rule for wrong in wrongs for rule in (*judged.year.planted()[wrong], *judged.year.beside()[wrong])}
        about_hero = finding.organisation == hero.organisation and any(
            "/hero/" in story for story in judged.stories(finding)
        )
        if not {finding.rule, *finding.also} & expected and finding.severity != "note" and not about_hero:
            unexpected.append((finding.rule, finding.code, sorted(judged.stories(finding))))

    assert unexpected == []


def test_findings_are_few_and_concern_few(judged: Judged) -> None:
    people = {story for story in judged.wrong if story.rpartition("/")[2].isdigit()}
    concerned = {story for finding in judged.findings for story in judged.stories(finding)} & people

    assert 150 < len(judged.findings) < 500
    assert len(concerned) < 0.08 * len(people)


@pytest.mark.parametrize("end", [END, date(2026, 3, 1), date(2027, 5, 31)])
def test_a_year_without_wrongs_has_no_finding_but_that_of_the_protagonist(end: date) -> None:
    good = Judged(Year(people=1_500, end=end, wrongs=False, noise=False))

    assert [
        finding.rule for finding in good.findings if not any("/hero/" in story for story in good.stories(finding))
    ] == []
    assert len(good.findings) == 1


def test_a_wrong_names_rules_that_exist(judged: Judged) -> None:
    known = {rule.id for pack in builtin_packs().values() for rule in pack.file.rules}
    named = {rule for rules in (*judged.year.planted().values(), *judged.year.beside().values()) for rule in rules}

    assert {rule for rule in named if not rule.startswith("GDPR-")} <= known


def test_names_in_a_script_are_used_once() -> None:
    for script in scripts():
        names = [story.id for story in (*script.things, *script.journeys)]
        assert len(names) == len(set(names)), script.organisation


def test_no_python_file_of_the_demo_knows_an_organisation_or_a_rule() -> None:
    names = [script.organisation for script in scripts()]
    prefixes = {rule.id.split("-")[0] for pack in builtin_packs().values() for rule in pack.file.rules}
    rule = re.compile(rf"\b({'|'.join(sorted(prefixes))})-\d\d\b")
    for file in Path(consumers.demo.__file__).parent.glob("*.py"):
        text = file.read_text(encoding="utf-8").lower()
        assert not [name for name in names if name in text], file.name
        assert not rule.search(text.upper()), file.name
