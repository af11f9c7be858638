"""Histories that say the same are judged the same: two identifiers of one person, a fact and its retraction, other people."""

from __future__ import annotations

import copy
from datetime import timedelta
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.properties.test_naive_judge import FIRST, LATER, TIMES, dealings, pasts, readers, studies
from tests.unit.policy.cases import fact, judged

Event = dict[str, Any]
PASTS = st.one_of(
    pasts("klantinfocus", "crm"),
    pasts("resultfactory", "support-crm"),
    pasts("directcode", "recruitment"),
    readers(),
    dealings(),
    dealings("directcode", "customers", "bank-account"),
    studies(),
)
ALWAYS = {"RF-09", "GDPR-5(2)"}
"""Controls that are due by the clock, and notes about unknown ids: told of the organisation, not of a person."""


def _told(events: list[Event]) -> list[tuple[Any, ...]]:
    organisation = events[0]["data"]["organisation"]
    rows = judged(organisation, [fact(event) for event in events], LATER.isoformat())
    return [
        (row["rule"], row["also"], row["code"], row["severity"], row["about"], row["since"], row["until"])
        for row in rows
        if row["rule"] not in ALWAYS
    ]


def _other(events: list[Event], value: str) -> dict[str, Any]:
    return {"scheme": next(e["data"]["subject"]["scheme"] for e in events if "subject" in e["data"]), "value": value}


def _more(events: list[Event], id_: str, kind: str, **data: Any) -> Event:
    base = {"organisation": events[0]["data"]["organisation"]}
    time = (FIRST + timedelta(days=700)).isoformat()
    return {
        "specversion": "1.0",
        "id": id_,
        "source": "/alike",
        "type": f"pdl.{kind}.v1",
        "time": time,
        "data": base | data,
    }


@given(PASTS, st.data())
@settings(max_examples=150, deadline=None)
def test_two_linked_identifiers_are_one_person(events: list[Event], data: st.DataObject) -> None:
    split = copy.deepcopy(events)
    for event in split:
        if "subject" in event["data"] and data.draw(st.booleans()):
            event["data"]["subject"]["value"] = "c-2"
    link = _more(events, "link", "subject.linked", subject=_other(events, "c-1"), other=_other(events, "c-2"))
    assert _told([*split, link]) == _told(events)


@given(PASTS, st.data())
@settings(max_examples=100, deadline=None)
def test_a_link_that_was_undone_says_nothing(events: list[Event], data: st.DataObject) -> None:
    split = copy.deepcopy(events)
    for event in split:
        if "subject" in event["data"] and data.draw(st.booleans()):
            event["data"]["subject"]["value"] = "c-2"
    pair = {"subject": _other(events, "c-1"), "other": _other(events, "c-2")}
    link, undone = _more(events, "link", "subject.linked", **pair), _more(events, "undone", "subject.unlinked", **pair)
    assert _told([*split, link, undone]) == _told(split)


@given(PASTS, st.data())
@settings(max_examples=150, deadline=None)
def test_a_retracted_fact_was_never_reported(events: list[Event], data: st.DataObject) -> None:
    false = copy.deepcopy(data.draw(st.sampled_from(events))) | {"id": "false", "time": data.draw(TIMES).isoformat()}
    gone = _more(events, "gone", "fact.retracted", source="/naive", id="false", reason="never-happened")
    later = gone | {"time": (LATER - timedelta(days=1)).isoformat()}
    assert _told([*events, false, later]) == _told(events)


@given(PASTS, PASTS)
@settings(max_examples=150, deadline=None)
def test_one_person_says_nothing_about_another(events: list[Event], others: list[Event]) -> None:
    elsewhere = [event for event in copy.deepcopy(others) if "subject" in event["data"]]
    for event in elsewhere:
        event["id"] = f"other-{event['id']}"
        event["data"]["subject"]["value"] = "c-9"
    if not elsewhere or elsewhere[0]["data"]["organisation"] != events[0]["data"]["organisation"]:
        elsewhere = []
    together = [row for row in _told([*events, *elsewhere]) if not any(id_.startswith("other-") for id_ in row[4])]
    assert together == _told(events)
