"""What was true, what was known, and what will be: one mechanism, and time passing judges nobody again."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

from ledger.store import Quarantined

Moment = Callable[[str], datetime]


def overdue(desk: Any, **when: Any) -> list[str]:
    return [row["rule"] for row in desk.rows("findings", **when) if row["code"] == "overdue"]


def test_what_will_be_overdue_shows_when_the_register_is_asked_for_the_future(desk: Any, moment: Moment) -> None:
    desk.collected("2026-03-02T08:00:00Z", system="crm")
    assert overdue(desk) == []
    assert overdue(desk, as_of=moment("2028-03-03T00:00:00+01:00")) == ["KI-24"]
    assert overdue(desk, as_of=moment("2028-03-02T23:59:59+01:00")) == []


def test_as_of_shows_what_had_happened_by_then_whenever_it_was_recorded(desk: Any, moment: Moment) -> None:
    desk.given(
        "consent.given",
        "2026-01-01T08:00:00Z",
        purpose="newsletter",
        method="box",
        recorded="2026-05-01T08:00:00+00:00",
    )
    desk.given("consent.withdrawn", "2026-04-01T08:00:00Z", purpose="newsletter", recorded="2026-04-01T09:00:00+00:00")
    [row] = desk.rows("consents", as_of=moment("2026-03-01T00:00:00+00:00"))
    assert row["state"] == "given"
    [row] = desk.rows("consents")
    assert row["state"] == "withdrawn"


def test_known_at_shows_what_had_been_recorded_by_then(desk: Any, moment: Moment) -> None:
    desk.given(
        "consent.given",
        "2026-01-01T08:00:00Z",
        purpose="newsletter",
        method="box",
        recorded="2026-05-01T08:00:00+00:00",
    )
    desk.given("consent.withdrawn", "2026-04-01T08:00:00Z", purpose="newsletter", recorded="2026-04-01T09:00:00+00:00")
    [row] = desk.rows("consents", known_at=moment("2026-04-15T00:00:00+00:00"))
    assert (row["state"], row["given"]) == ("withdrawn", None)


def test_a_retracted_fact_is_absent_and_stays_visible_with_known_at(desk: Any, moment: Moment) -> None:
    false = desk.collected("2023-03-02T08:00:00Z", recorded="2026-05-01T08:00:00+00:00")
    desk.given(
        "fact.retracted",
        "2026-05-10T08:00:00Z",
        subject=None,
        activity=None,
        source="/forms",
        id=false,
        reason="never-happened",
        recorded="2026-05-10T08:00:00+00:00",
    )
    assert overdue(desk) == []
    assert overdue(desk, known_at=moment("2026-05-05T00:00:00+00:00")) == ["KI-24"]


def test_a_fact_that_lies_ahead_does_not_count_yet(desk: Any, moment: Moment) -> None:
    desk.collected("2024-03-02T08:00:00Z", system="crm")
    # A service whose clock is wrong reports a contact next year: until then nothing has changed.
    desk.given("milestone.reached", "2027-06-01T08:00:00Z", milestone="contact", activity=None)
    assert overdue(desk) == ["KI-24"]
    assert [row["state"] for row in desk.rows("retention")] == ["overdue"]
    assert overdue(desk, as_of=moment("2027-06-02T00:00:00+00:00")) == overdue(
        desk, now=moment("2027-06-02T00:00:00+00:00")
    )


def test_the_quarantine_of_then_is_what_waited_then(desk: Any, moment: Moment) -> None:
    row = dict.fromkeys(Quarantined._fields) | {
        "number": 1,
        "stream": "s",
        "place": 4,
        "reason": "schema",
        "detail": "d",
        "size": 9,
    }
    desk.log.waiting = [Quarantined(**row | {"recorded": "2026-05-01T08:00:00+00:00", "state": "waiting"})]
    assert [found["reason"] for found in desk.rows("quarantine")] == ["schema"]
    assert desk.rows("quarantine", known_at=moment("2026-04-01T00:00:00+00:00")) == []
