"""Transfers, access, unsolicited data and versions of statements, as an auditor reads them."""

from __future__ import annotations

from typing import Any


def _shared(desk: Any, recipient: str, **more: Any) -> None:
    act = {"purpose": "answer-question", "categories": ["email"], "basis": "contract"}
    desk.given("data.shared", recipient=recipient, **(act | more))


def test_a_transfer_is_shown_with_what_it_stands_on(desk: Any) -> None:
    _shared(desk, "near", country="NL")
    _shared(desk, "far", country="IN")
    _shared(desk, "bound", country="IN", transfer_tool="scc")
    _shared(desk, "islands", country="NZ")
    rows = {row["recipient"]: row for row in desk.rows("transfers")}
    assert set(rows) == {"far", "bound", "islands"}
    assert (rows["far"]["adequacy"], rows["far"]["transfer_tool"], rows["far"]["safeguarded"]) == (None, None, False)
    assert (rows["bound"]["transfer_tool"], rows["bound"]["safeguarded"]) == ("scc", True)
    assert (rows["islands"]["adequacy"], rows["islands"]["safeguarded"]) == ("full", True)


def test_without_a_country_the_location_is_where_it_went(desk: Any) -> None:
    _shared(desk, "far", location="BR")
    assert [row["country"] for row in desk.rows("transfers")] == ["BR"]


def _access(desk: Any, kind: str, day: int, **more: Any) -> str:
    fixed = {"subject": None, "activity": None, "reference": "job", "target": "server"}
    found: str = desk.given(f"access.{kind}", f"2026-03-{day:02d}T08:00:00Z", **(fixed | more))
    return found


def test_access_is_shown_with_its_uses_and_uses_without_a_grant_apart(desk: Any) -> None:
    _access(desk, "granted", 1, scope="repair")
    _access(desk, "used", 2, purpose="repair")
    _access(desk, "used", 3, purpose="repair")
    _access(desk, "used", 3, purpose="contract")
    _access(desk, "closed", 4)
    _access(desk, "used", 5, purpose="repair")
    outside, other, grant = sorted(
        desk.rows("access"), key=lambda row: (row["granted"] is not None, row["scope"] != "contract")
    )
    assert (outside["scope"], outside["granted"], outside["uses"]) == ("contract", None, 1)
    assert (other["scope"], other["granted"], other["last_used"][:10]) == ("repair", None, "2026-03-05")
    assert (grant["scope"], grant["uses"], grant["last_used"][:10], grant["closed"][:10]) == (
        "repair",
        2,
        "2026-03-03",
        "2026-03-04",
    )


def test_a_retracted_use_of_access_does_not_count(desk: Any) -> None:
    _access(desk, "granted", 1, scope="repair")
    false = _access(desk, "used", 2, purpose="repair")
    desk.given("fact.retracted", subject=None, activity=None, source="/forms", id=false, reason="never-happened")
    assert [row["uses"] for row in desk.rows("access")] == [0]


def test_unsolicited_data_wait_until_somebody_decides(desk: Any) -> None:
    desk.given("unsolicited.received", "2026-03-02T08:00:00Z", reference="post-1")
    desk.given("unsolicited.received", "2026-03-03T08:00:00Z", reference="post-2", subject=None)
    desk.given("unsolicited.received", "2026-03-04T08:00:00Z", reference="post-3", decision="not-needed")
    desk.given("unsolicited.triaged", "2026-03-09T08:00:00Z", reference="post-1", decision="needed", subject=None)
    rows = [
        (row["person"] == desk.person, row["triaged"] and row["triaged"][:10], row["decision"])
        for row in desk.rows("unsolicited")
    ]
    assert rows == [(True, "2026-03-09", "needed"), (False, None, None), (True, "2026-03-04", "not-needed")]


def test_every_version_of_a_statement_is_listed_with_its_announcements(desk: Any) -> None:
    version = desk.packs["klantinfocus"].version
    for channel in ("website", "letter"):
        desk.given("statement.announced", subject=None, activity=None, version=version, channel=channel)
    desk.given("statement.announced", subject=None, activity=None, version="next", channel="website")
    known, announced = desk.rows("statements", organisation="klantinfocus")
    assert (known["version"], known["in_force"], known["until"]) == (version, True, None)
    assert [told["channel"] for told in known["announced"]] == ["website", "letter"]
    assert (announced["version"], announced["in_force"], len(announced["announced"])) == ("next", None, 1)
    assert {row["organisation"] for row in desk.rows("statements")} == set(desk.packs)
