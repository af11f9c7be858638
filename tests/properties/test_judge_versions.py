"""Properties of a statement that was amended: an amendment that changes nothing changes no finding of an act."""

from __future__ import annotations

from datetime import date, timedelta
from functools import cache

from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.domain.facts import Fact
from ledger.policy.findings import Finding
from ledger.policy.judge import judge
from ledger.policy.model import Pack, Packs
from ledger.policy.packs import load_pack, pack_text, parse_pack
from tests.properties.test_judge_order import histories

DAYS = st.sampled_from([date(2022, 7, 1) + timedelta(days=97 * step) for step in range(20)])


@cache
def said_again(organisation: str, day: date) -> Pack:
    """A statement that was published again on a day, with the same promises."""
    lines = [
        f"effective_from = {day}" if line.startswith("effective_from = ") else line
        for line in pack_text(organisation)[0].splitlines()
    ]
    return Packs([load_pack(organisation), parse_pack("\n".join(lines), "again")])[organisation]


def told(found: list[Finding]) -> set[tuple[object, ...]]:
    """What was found, but for overdue data, of which one finding may be about several collections."""
    return {
        (row.rule, row.also, row.since, row.until, row.severity, row.about) for row in found if row.code != "overdue"
    }


def late(found: list[Finding]) -> set[tuple[object, ...]]:
    """Which collections were overdue in which dataset, and since when at the earliest."""
    rows: dict[tuple[str | None, str | None, str], object] = {}
    for row in sorted(found, key=lambda row: row.since):
        if row.code == "overdue":
            for id_ in row.about:
                rows.setdefault((row.dataset, row.client, id_), row.since)
    return set(rows.items())


@given(histories(), DAYS)
@settings(max_examples=60, deadline=None)
def test_saying_the_same_again_changes_no_finding(history: tuple[str, list[Fact]], day: date) -> None:
    organisation, facts = history
    once, again = judge(load_pack(organisation), facts), judge(said_again(organisation, day), facts)
    assert told(again) == told(once)
    assert late(again) == late(once)
