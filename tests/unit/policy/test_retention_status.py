"""What a register shows of data that are still held: clock, due moment, holds."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from ledger.domain.calendar import local
from ledger.policy.judge import RetentionLine, retention_status
from ledger.policy.packs import load_pack
from ledger.policy.timeline import Organisation
from tests.unit.policy.cases import event, fact


def lines(organisation: str, *events: dict[str, Any]) -> list[RetentionLine]:
    facts = [fact(event(organisation, number, {"who": "p", **given}, {})) for number, given in enumerate(events, 1)]
    return retention_status(load_pack(organisation), facts, Organisation())


def form(day: str, **given: Any) -> dict[str, Any]:
    return {
        "at": day,
        "type": "data.collected",
        "activity": "forms",
        "categories": ["email"],
        "origin": "subject",
        "system": "crm",
        **given,
    }


def test_the_latest_contact_moves_the_due_moment() -> None:
    [line] = lines(
        "klantinfocus", form("2024-01-10"), {"at": "2025-03-03", "type": "milestone.reached", "milestone": "contact"}
    )
    assert line.due is not None
    assert local(line.due).isoformat() == "2027-03-04T00:00:00+01:00"
    assert line.clock_started == datetime(2025, 3, 3, 9, tzinfo=UTC)
    assert (line.rule, line.systems, line.collections) == ("KI-24", ("crm",), ("e1",))


def test_what_has_no_clock_yet_is_listed_with_its_age_and_its_rule() -> None:
    [line] = lines(
        "infactor",
        {
            "at": "2024-01-10",
            "type": "data.collected",
            "activity": "relations",
            "categories": ["email"],
            "origin": "subject",
        },
    )
    assert (line.due, line.clock_started, line.since) == (None, None, datetime(2024, 1, 10, 9, tzinfo=UTC))
    assert line.rule == "IF-11"


def test_a_hold_is_named_with_its_statute() -> None:
    [line] = lines(
        "klantinfocus",
        form("2022-07-10"),
        {"at": "2022-07-11", "type": "hold.placed", "statute": "awr-52", "reference": "h"},
    )
    assert line.due is None
    held = line.held_at(datetime(2026, 1, 1, tzinfo=UTC))
    assert held is not None
    assert (held.kind, held.statute, held.end) == ("hold", "awr-52", None)
    assert line.held_at(datetime(2022, 7, 10, 12, tzinfo=UTC)) is None


def test_a_minimum_forbids_erasing_until_its_last_day() -> None:
    bought = {
        "at": "2019-01-10",
        "type": "data.collected",
        "activity": "customers",
        "categories": ["bank-account"],
        "origin": "subject",
    }
    [line] = lines(
        "directcode", bought, {"at": "2020-01-13", "type": "milestone.reached", "milestone": "contract.ended"}
    )
    held = line.held_at(datetime(2026, 6, 1, tzinfo=UTC))
    assert held is not None
    assert (held.kind, held.rule) == ("minimum", "DC-02")
    assert local(held.end or line.since).isoformat() == "2027-01-13T00:00:00+01:00"
    assert line.due is not None
    assert local(line.due).isoformat() == "2027-01-15T00:00:00+01:00"


def test_a_dataset_may_go_when_the_last_of_it_is_due() -> None:
    first = form("2024-01-10", activity="recruitment", reference="a")
    second = form("2024-02-10", activity="recruitment", reference="b")
    closed = {"at": "2024-03-01", "type": "milestone.reached", "milestone": "procedure.closed", "reference": "a"}
    [line] = lines("klantinfocus", first, second, closed)
    assert line.due is not None
    assert line.all_due is None
    later = closed | {"at": "2024-04-01", "reference": "b"}
    [line] = lines("klantinfocus", first, second, closed, later)
    assert line.all_due is not None
    assert line.all_due > (line.due or line.all_due)


def test_what_was_deleted_everywhere_is_not_listed() -> None:
    assert (
        lines(
            "klantinfocus",
            form("2024-01-10"),
            {"at": "2024-01-12", "type": "data.deleted", "activity": "forms", "categories": ["*"]},
        )
        == []
    )
