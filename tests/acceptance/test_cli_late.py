"""Late, repeated, retracted: the order in which facts arrive decides nothing, and what was known when can be asked."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

PERSON = {"scheme": "email", "value": "late@canary.example", "class": "enquirer"}


def event(id_: str, kind: str, at: str, **data: Any) -> dict[str, Any]:
    base: dict[str, Any] = {"organisation": "klantinfocus", "activity": "forms", "subject": PERSON}
    if kind == "data.collected":
        base |= {"values": {"email": PERSON["value"]}, "origin": "subject", "system": "crm"}
    return {
        "specversion": "1.0", "id": id_, "source": "https://forms.example/late", "type": f"pdl.{kind}.v1", "time": at,
        "data": {name: value for name, value in (base | data).items() if value is not None},
    }  # fmt: skip


COLLECTED = event("c-1", "data.collected", "2022-01-10T10:00:00+01:00")
CONTACT = event(
    "u-1",
    "data.used",
    "2022-06-10T10:00:00+02:00",
    purpose="answer-question",
    operation="contact",
    categories=["email"],
)
DELETED = event("d-1", "data.deleted", "2024-03-10T10:00:00+01:00", categories=["*"], system="crm")


@pytest.fixture
def feed(pdl: Any, tmp_path: Path) -> Callable[..., Any]:
    files = iter(range(1000))

    def ingest(*events: dict[str, Any]) -> Any:
        file = tmp_path / f"late-{next(files)}.jsonl"
        file.write_text("".join(f"{json.dumps(one)}\n" for one in events))
        return pdl.json("ingest", str(file))

    return ingest


def overdue(pdl: Any, *more: str) -> list[tuple[str, str | None]]:
    rows = pdl.rows("register", "findings", "--organisation", "klantinfocus", *more)
    return [(row["since"][:10], row["until"] and row["until"][:10]) for row in rows if row["code"] == "overdue"]


def test_the_order_of_arrival_decides_nothing(pdl: Any, feed: Any) -> None:
    feed(DELETED)
    feed(COLLECTED)
    assert overdue(pdl) == [("2024-01-11", "2024-03-10")], "two years after the collection, until it was deleted"
    feed(CONTACT)
    assert overdue(pdl) == [], "a contact that is told years late moves the term, and the deletion was in time"


def test_a_repeat_is_counted_and_another_content_waits(pdl: Any, feed: Any) -> None:
    assert feed(COLLECTED, COLLECTED) == {"recorded": 1, "duplicate": 1, "quarantined": 0}
    again = dict(reversed(COLLECTED.items()))
    assert feed(again) == {"recorded": 0, "duplicate": 1, "quarantined": 0}
    other = COLLECTED | {"data": COLLECTED["data"] | {"system": "erp"}}
    assert feed(other) == {"recorded": 0, "duplicate": 0, "quarantined": 1}
    assert feed(other) == {"recorded": 0, "duplicate": 1, "quarantined": 0}, "it waits once"
    assert [row["reason"] for row in pdl.rows("quarantine", "list")] == ["conflicting-duplicate"]
    assert [row["id"] for row in pdl.json("subject", "email", PERSON["value"])["trail"]] == ["c-1"]


def test_a_retracted_fact_is_judged_as_absent_and_stays_to_be_seen(pdl: Any, feed: Any) -> None:
    feed(COLLECTED)
    assert len(overdue(pdl)) == 1
    time.sleep(0.1)
    before = datetime.now(UTC).isoformat()
    retracted = event("r-1", "fact.retracted", "2026-01-10T10:00:00+01:00", id="c-1", source="https://forms.example/late",
                      reason="never-happened", activity=None, subject=None)  # fmt: skip
    time.sleep(0.1)
    assert feed(retracted)["recorded"] == 1
    assert overdue(pdl) == []
    assert len(overdue(pdl, "--known-at", before)) == 1, "what was known then"
    assert {row["id"] for row in pdl.json("subject", "email", PERSON["value"])["trail"]} >= {"c-1"}


def test_a_retraction_may_come_before_what_it_retracts(pdl: Any, feed: Any) -> None:
    retracted = event("r-1", "fact.retracted", "2026-01-10T10:00:00+01:00", id="c-1", source="https://forms.example/late",
                      reason="wrong-person", activity=None, subject=None)  # fmt: skip
    feed(retracted)
    feed(COLLECTED)
    assert overdue(pdl) == []


def test_facts_that_arrive_after_an_erasure_bring_nobody_back_unless_they_come_back(pdl: Any, feed: Any) -> None:
    feed(COLLECTED)
    (person,) = pdl.json("subject", "email", PERSON["value"])["people"]
    pdl("erase", "email", PERSON["value"], "--organisation", "klantinfocus", "--reason", "request", "--now")
    assert feed(CONTACT)["recorded"] == 1, "it happened before; it is recorded, without the person"
    found = json.loads(pdl("subject", "email", PERSON["value"], "--format", "json"))
    assert (found["people"], len(found["erased"])) == ([], 1)
    stored = b"".join(file.read_bytes() for file in pdl.data.rglob("*") if file.is_file())
    assert PERSON["value"].encode() not in stored
    later = datetime.now(UTC).isoformat()
    feed(event("c-2", "data.collected", later))
    back = pdl.json("subject", "email", PERSON["value"])
    assert len(back["people"]) == 1
    assert person not in back["people"], "a new pseudonym that nothing links to the old one"
    assert [row["id"] for row in back["trail"]] == ["c-2"]
    assert pdl.json("verify")["ok"]
