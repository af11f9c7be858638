"""Sources: who may speak, what waits of those who may not, and what the scorecard of a service says."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

CRM, SHOP = "https://crm.example/events", "https://shop.example/events"


@pytest.fixture
def feed(pdl: Any, tmp_path: Path) -> Callable[..., Any]:
    """Ingests events as one more file."""
    files = iter(range(1000))

    def ingest(*events: dict[str, Any]) -> Any:
        file = tmp_path / f"events-{next(files)}.jsonl"
        file.write_text("".join(f"{json.dumps(event)}\n" for event in events))
        return pdl.json("ingest", str(file))

    return ingest


def test_by_default_every_source_may_speak_and_the_status_says_so(pdl: Any, feed: Any, make_event: Any) -> None:
    assert feed(make_event(1), make_event(2, source=SHOP))["recorded"] == 2
    assert "No source is registered: every source may speak" in pdl("status")
    assert "No source is registered" in pdl("source", "list")


def test_who_is_not_registered_waits_until_it_is(pdl: Any, feed: Any, make_event: Any) -> None:
    feed(make_event(1, source=SHOP))
    pdl("source", "add", CRM, "--organisation", "klantinfocus")
    assert "only registered sources may speak" in pdl.said
    assert SHOP in pdl.said, "who will be refused from now on is named"
    counted = feed(make_event(2, source=CRM), make_event(3, source=SHOP), make_event(4, source=CRM))
    assert counted == {"recorded": 2, "duplicate": 0, "quarantined": 1}
    (waiting,) = pdl.rows("quarantine", "list")
    assert (waiting["reason"], waiting["source"], waiting["id"]) == ("source-not-allowed", SHOP, "e-3")
    assert "pdl source add" in waiting["detail"]
    pdl("quarantine", "retry", status=1)
    pdl("source", "add", SHOP)
    assert pdl.rows("quarantine", "retry") == [{"number": waiting["number"], "outcome": "recorded"}]
    assert pdl.json("status")["quarantined"] == 0
    assert f"Only registered sources may speak: {CRM}, {SHOP}." in pdl("status")
    assert pdl.json("verify")["ok"]


def test_a_grant_names_organisation_activity_and_type(pdl: Any, feed: Any, make_event: Any) -> None:
    pdl("source", "add", CRM, "--organisation", "klantinfocus", "--activity", "forms", "--type", "pdl.data.col*")
    used = make_event(2, source=CRM, type="pdl.data.used.v1")
    used["data"] |= {"purpose": "answer-question", "operation": "contact", "categories": ["email"]}
    elsewhere = make_event(3, source=CRM)
    elsewhere["data"] |= {"activity": "newsletter"}
    foreign = make_event(4, source=CRM)
    foreign["data"] |= {"organisation": "kcm"}
    assert feed(make_event(1, source=CRM), used, elsewhere, foreign) == {
        "recorded": 1,
        "duplicate": 0,
        "quarantined": 3,
    }
    assert {row["reason"] for row in pdl.rows("quarantine", "list")} == {"source-not-allowed"}
    details = " ".join(row["detail"] for row in pdl.rows("quarantine", "list"))
    assert "not for pdl.data.used.v1" in details
    assert "not for this activity" in details
    assert "not registered for kcm" in details
    (grant,) = pdl.rows("source", "list")
    assert (grant["organisation"], grant["activities"], grant["types"]) == (
        "klantinfocus",
        ["forms"],
        ["pdl.data.collected.v1"],
    )


def test_a_source_that_is_taken_out_is_silent_and_the_ledger_itself_is_not(
    pdl: Any, feed: Any, make_event: Any
) -> None:
    pdl("source", "add", CRM)
    pdl("source", "add", SHOP)
    assert "Only registered sources" in pdl("source", "remove", CRM)
    pdl("source", "remove", CRM, status=1)
    assert feed(make_event(1, source=CRM), make_event(2, source=SHOP))["quarantined"] == 1
    forged = make_event(3, source="pdl:operator")
    assert feed(forged)["quarantined"] == 1, "nobody speaks under the ledger's own name"
    pdl(
        "hold",
        "place",
        "email",
        "person2@canary.example",
        "--organisation",
        "klantinfocus",
        "--statute",
        "art. 52 AWR",
        "--reference",
        "audit-1",
    )
    assert pdl.json("status")["events"] == 2, "the operator's own facts need no registration"


@pytest.mark.parametrize(
    "arguments",
    [
        ("pdl:operator",),
        (CRM, "--organisation", "nobody"),
        (CRM, "--organisation", "klantinfocus", "--activity", "nothing"),
        (CRM, "--type", "pdl.invented"),
        (CRM, "--every", "often"),
        (CRM, "--every", "P0D"),
    ],
)
def test_wrong_terms_are_refused_and_nothing_is_decided(pdl: Any, arguments: tuple[str, ...]) -> None:
    pdl("source", "add", SHOP)
    pdl("source", "add", *arguments, status=2)
    assert [row["source"] for row in pdl.rows("source", "list")] == [SHOP]


def test_the_scorecard_says_what_an_engineer_wants_to_know(pdl: Any, feed: Any, make_event: Any) -> None:
    numbered = [make_event(number, source=CRM, sequence=number) for number in (1, 2, 5)]
    odd = make_event(6, source=CRM, sequence=6, time="1980-01-01T00:00:00Z")
    odd["data"]["colour"] = "green"
    wrong = make_event(7, source=CRM, type="pdl.data.invented.v1")
    said = make_event(8, source=CRM, sequence=7, type="pdl.source.reported.v1", time="2026-03-02T00:00:00Z")
    said["data"] = {
        "organisation": "klantinfocus",
        "from": "2026-03-01",
        "to": "2026-03-01",
        "counts": {"pdl.data.collected.v1": 4},
        "holding": {"forms": 9},
    }
    pdl("source", "add", CRM, "--every", "P1D")
    feed(*numbered, odd, wrong, said)
    card = pdl.json("source", "report", CRM)
    assert (card["recorded"], card["gaps"], card["missing"]) == (5, 1, 2)
    assert card["quarantined"] == {"unknown-type": 1}
    assert card["unknown_fields"] == {"colour": 1}
    assert card["implausible_times"] == 1
    assert card["registered"] == ["*"]
    assert card["last_heard"]
    assert card["silent_since"] is None
    (report,) = card["reported"]
    assert report["differing"] == {"pdl.data.collected.v1": {"said": 4, "received": 3}}
    (holding,) = card["holding"]
    assert holding["people"] == {"forms": {"said": 9, "here": 4}}
    assert card["findings"]["sequence-gap"] == 1
    assert card["findings"]["count-differs"] == 1
    assert card["complete_up_to"].startswith("2026-03-01T00:00:00"), "a report that differs is the earliest doubt"
    assert [row["source"] for row in pdl.rows("source", "report")] == [CRM]
    assert CRM in pdl("source", "report")


def test_a_register_says_up_to_when_each_source_is_complete(pdl: Any, feed: Any, make_event: Any) -> None:
    feed(make_event(1, source=CRM, sequence=1), make_event(2, source=SHOP))
    below = pdl("register", "collections").splitlines()[-1]
    assert f"Complete up to: {CRM} 2026-03-01 12:00." in below
    assert f"Nobody can say of {SHOP}" in below
    assert all("complete_up_to" not in row for row in pdl.rows("register", "collections"))


def test_a_decision_is_a_line_of_the_log_without_its_reason(pdl: Any, feed: Any) -> None:
    pdl("source", "add", CRM, PDL_LOG="json")
    lines = [json.loads(line) for line in pdl.said.splitlines() if line.startswith("{")]
    assert [line["decision"] for line in lines] == ["ledger.source.registered.v1", "ledger.source.added.v1"]
    assert {line["event"] for line in lines} == {"decision"}
