"""Findings depend on the set of facts alone, and time only adds to them."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.domain.facts import Fact
from ledger.policy.findings import Finding, at
from ledger.policy.judge import judge, judge_organisation, judge_person, judge_sources, retention_status
from ledger.policy.packs import builtin_ids, load_pack
from ledger.policy.timeline import Organisation, by_time, grouped, without_retracted
from tests.unit.policy.cases import fact, written_cases

START = datetime(2024, 1, 1, tzinfo=UTC)
SEEDS: dict[str, list[Fact]] = {organisation: [] for organisation in builtin_ids()}
for _, case in written_cases():
    SEEDS[case["organisation"]] += [fact(event) for event in case["events"]]


def _retraction(organisation: str, number: int) -> Fact:
    return Fact(
        type="pdl.fact.retracted.v1",
        id=f"r{number}",
        source="/cases",
        time=START + timedelta(days=400),
        organisation=organisation,
        retracts_source="/cases",
        retracts_id=f"x{number}",
    )


@st.composite
def histories(draw: st.DrawFn) -> tuple[str, list[Fact]]:
    """Facts of the written cases, shuffled over people and two years, some linked, some retracted."""
    organisation = draw(st.sampled_from(builtin_ids()))
    chosen = draw(
        st.lists(
            st.tuples(st.sampled_from(SEEDS[organisation]), st.integers(0, 730 * 24), st.integers(0, 2)), max_size=25
        )
    )
    facts = [
        msgspec.structs.replace(
            seed,
            id=f"x{number}",
            person=None if seed.person is None else f"p{who}",
            time=START + timedelta(hours=hours),
        )
        for number, (seed, hours, who) in enumerate(chosen)
    ]
    if draw(st.booleans()):
        facts.append(
            Fact(
                type="pdl.subject.linked.v1",
                id="l",
                source="/cases",
                time=START,
                organisation=organisation,
                person="p0",
                other="p1",
            )
        )
    facts += [
        _retraction(organisation, number) for number in draw(st.lists(st.integers(0, 24), max_size=2, unique=True))
    ]
    return organisation, facts


@given(histories(), st.randoms(use_true_random=False))
@settings(max_examples=60, deadline=None)
def test_the_order_of_arrival_does_not_matter(history: tuple[str, list[Fact]], chance: random.Random) -> None:
    organisation, facts = history
    pack = load_pack(organisation)
    shuffled = facts[:]
    chance.shuffle(shuffled)
    assert judge(pack, shuffled) == judge(pack, facts)


@given(histories())
@settings(max_examples=40, deadline=None)
def test_the_whole_is_the_sum_of_its_parts(history: tuple[str, list[Fact]]) -> None:
    organisation, facts = history
    pack = load_pack(organisation)
    live = without_retracted(facts)
    everyone = Organisation((fact for fact in live if fact.person is None), first=live[0] if live else None)
    parts = judge_organisation(pack, everyone) + judge_sources(pack, facts)
    for mine in grouped(sorted(live, key=by_time)).values():
        parts += judge_person(pack, mine, everyone)
    assert sorted(map(repr, parts)) == sorted(map(repr, judge(pack, facts)))


@given(histories(), st.integers(0, 900), st.integers(0, 900))
@settings(max_examples=60, deadline=None)
def test_time_passing_only_adds(history: tuple[str, list[Fact]], one: int, other: int) -> None:
    """What is found at a moment is found later too, unless a violation took the place of a risk."""
    organisation, facts = history
    found = judge(load_pack(organisation), facts)
    early, late = (START + timedelta(days=day) for day in sorted((one, other)))
    later = {_key(finding) for finding in at(found, late)}
    for finding in at(found, early):
        assert _key(finding) in later or finding.severity == "risk"


@given(histories())
@settings(max_examples=60, deadline=None)
def test_what_was_found_does_not_change_when_more_happens(history: tuple[str, list[Fact]]) -> None:
    """The findings as of a moment are those of the facts up to it (retractions aside: they undo the past)."""
    organisation, facts = history
    pack = load_pack(organisation)
    kept = [fact for fact in facts if fact.type != "pdl.fact.retracted.v1"]
    moment = START + timedelta(days=365)
    then = at(judge(pack, [fact for fact in kept if fact.time <= moment]), moment)
    now = at(judge(pack, kept), moment)
    told = {_key(finding) for finding in now if _causal(finding)}
    assert {_key(finding) for finding in then if _causal(finding)} == told


def _causal(finding: Finding) -> bool:
    """Reports and notes look at the whole record."""
    return finding.code not in {"sequence-gap", "count-differs"}


def _key(finding: Finding) -> tuple[object, ...]:
    return (finding.rule, finding.also, finding.code, finding.about, finding.since, finding.severity, finding.person)


@given(histories())
@settings(max_examples=60, deadline=None)
def test_what_is_overdue_stands_in_the_retention_status(history: tuple[str, list[Fact]]) -> None:
    organisation, facts = history
    pack = load_pack(organisation)
    live = without_retracted(facts)
    everyone = Organisation((fact for fact in live if fact.person is None), first=live[0] if live else None)
    for mine in grouped(sorted(live, key=by_time)).values():
        lines = {
            (line.activity, line.dataset, line.client)
            for line in retention_status(pack, mine, everyone)
            if line.due is not None
        }
        for finding in judge_person(pack, mine, everyone):
            if (
                finding.code == "overdue"
                and finding.until is None
                and finding.dataset is not None
                and finding.rule != "DC-19"
            ):
                assert (finding.activity, finding.dataset, finding.client) in lines
