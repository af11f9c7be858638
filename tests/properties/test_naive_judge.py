"""The judge against a second, naive one: the same findings on random histories."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.properties import naive_judge as naive
from tests.unit.policy.cases import fact, judged

HELD: dict[tuple[str, str], tuple[list[str], list[str]]] = {
    ("klantinfocus", "forms"): (["name", "email", "message"], ["contact"]),
    ("klantinfocus", "crm"): (["name", "email", "address"], ["no-longer-needed"]),
    ("klantinfocus", "recruitment"): (["name", "email", "interview-notes"], ["procedure.closed"]),
    ("resultfactory", "support-crm"): (["name", "email", "phone"], ["customer.departed"]),
    ("kcm", "own-relations"): (["name", "email", "audio"], ["purpose.fulfilled"]),
    ("kcm", "registration"): (["name", "email", "phone"], ["registration.withdrawn"]),
    ("directcode", "recruitment"): (["cv", "email", "portfolio"], ["procedure.closed"]),
    ("infactor", "relations"): (["name", "email", "phone"], ["contract.not-concluded"]),
}
FIRST = datetime(2023, 1, 1, tzinfo=UTC)
NOW = datetime(2027, 6, 15, 10, tzinfo=UTC)
HOURS = st.sampled_from([0, 8, 8, 8, 21, 22, 23])
DAYS = st.one_of(st.integers(0, 1600), st.sampled_from([(datetime(y, m, d, tzinfo=UTC) - FIRST).days for y, m, d in [
    (2024, 2, 29), (2024, 12, 31), (2025, 1, 31), (2025, 3, 30), (2025, 4, 17), (2025, 10, 26), (2026, 4, 3), (2026, 5, 1), (2026, 12, 24)]]))  # fmt: skip
TIMES = st.builds(lambda days, hours: FIRST + timedelta(days=days, hours=hours), DAYS, HOURS)
SYSTEM = st.sampled_from([None, "s-1", "s-1", "s-2"])
REFERENCE = st.sampled_from([None, None, "r-1", "r-2"])


@st.composite
def pasts(draw: st.DrawFn, organisation: str, activity: str) -> list[dict[str, Any]]:
    """One person: collections, uses, milestones, deletions and holds, at odd hours."""
    categories, milestones = HELD[organisation, activity]
    some = st.lists(st.sampled_from(categories), min_size=1, max_size=3, unique=True)
    events = []
    for number in range(draw(st.integers(1, 9))):
        kind = draw(st.sampled_from(["data.collected", "data.collected", "milestone.reached", "milestone.reached", "data.used", "data.deleted", "hold.placed", "hold.released"]))
        if number == 0:
            kind = "data.collected"
        data: dict[str, Any] = {"organisation": organisation, "subject": {"scheme": "customer-number", "value": "c-1"}}
        if kind.startswith("data."):
            data |= {"activity": activity, "categories": draw(some), "system": draw(SYSTEM), "reference": draw(REFERENCE)}
        if kind == "data.collected":
            data |= {"origin": "subject", "notice": {"id": "n"}}
        elif kind == "data.used":
            data |= {"purpose": "contact", "operation": draw(st.sampled_from(["consult", "contact"]))}
        elif kind == "data.deleted":
            data |= {"categories": draw(st.one_of(st.just(["*"]), some))}
        elif kind == "milestone.reached":
            data |= {"milestone": draw(st.sampled_from(milestones)), "reference": draw(REFERENCE)}
        elif kind == "hold.placed":
            data |= {"statute": "AWR-52", "reference": draw(st.sampled_from(["h-1", "h-2"]))}
            if draw(st.booleans()):
                data |= {"until": draw(TIMES).isoformat()}
        elif kind == "hold.released":
            data |= {"reference": draw(st.sampled_from(["h-1", "h-2"]))}
        events.append(_event(number, kind, draw(TIMES), data))
    return events


def _event(number: int, kind: str, time: datetime, data: dict[str, Any]) -> dict[str, Any]:
    return {
        "specversion": "1.0",
        "id": f"e{number}",
        "source": "/naive",
        "type": f"pdl.{kind}.v1",
        "time": time.isoformat(),
        "data": {name: value for name, value in data.items() if value is not None},
    }


def _findings(organisation: str, events: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return judged(organisation, [fact(event) for event in events], NOW.isoformat())


def _moment(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)


def _overdue(findings: list[dict[str, Any]], rule: str, events: list[dict[str, Any]]) -> set[naive.Overdue]:
    """What the first judge told of a rule: joined by the moment, whatever set the term."""
    collected = {event["id"] for event in events if event["type"] == "pdl.data.collected.v1"}
    return naive.grouped(
        (id_, (datetime.fromisoformat(finding["since"]), _moment(finding["until"])))
        for finding in findings
        if rule in {finding["rule"], *finding["also"]} and finding["code"] == "overdue"
        for id_ in finding["about"]
        if id_ in collected
    )


@pytest.mark.parametrize(("organisation", "activity"), HELD)
@given(data=st.data())
@settings(max_examples=40, deadline=None)
def test_both_judges_find_the_same_data_overdue(organisation: str, activity: str, data: st.DataObject) -> None:
    events = data.draw(pasts(organisation, activity))
    rule = naive.TERMS[organisation, activity][1][0].rule
    found = _overdue(_findings(organisation, events), rule, events)
    assert found == naive.overdue(organisation, activity, events, NOW)
