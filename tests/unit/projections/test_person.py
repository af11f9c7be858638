"""A person's dossier: live, held and erased are three different things, and what systems hold is a fourth."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from tests.unit.projections.conftest import NOW, PERSON

OTHER = {"scheme": "phone", "value": "0612345678"}


def by_dataset(desk: Any, *people: str, now: datetime = NOW) -> dict[str, dict[str, Any]]:
    desk.projections.catch_up()
    return {row["dataset"]: row for row in desk.projections.dossier(people or [desk.person], now).datasets}


def erase(desk: Any, *places: str) -> None:
    said = {"organisation": "klantinfocus", "person": desk.person, "at": "2026-05-01T08:00:00+00:00"}
    scopes = [["", place, "aa"] for place in places]
    more = {"reason": "request", "approval": "none", "alone": True}
    desk.log.decide("case-1", "ledger.erasure.ordered.v1", **said, scopes=scopes, kept=[], **more)
    datasets = [["", place] for place in places]
    desk.log.decide("case-1", "ledger.keys.destroyed.v1", **said, case="case-1", datasets=datasets, key_ids=["aa"])


def test_what_is_kept_is_live_with_its_due_date_and_the_words_that_set_it(desk: Any) -> None:
    desk.collected("2026-03-02T08:00:00Z", system="crm")
    row = by_dataset(desk)["forms"]
    assert (row["state"], row["due"], row["systems"]) == ("live", "2028-03-03T00:00:00+01:00", ["crm"])
    assert (row["rule"], row["overdue"]) == ("KI-24", False)
    assert row["words"] == "tot maximaal 2 jaar na het laatste contactmoment"


def test_a_hold_makes_it_held_and_names_the_statute(desk: Any) -> None:
    desk.collected("2026-03-02T08:00:00Z")
    desk.given("hold.placed", statute="AWR-52", reference="h-1", until="2027-01-31", activity=None)
    row = by_dataset(desk)["forms"]
    assert (row["state"], row["hold_statute"], row["held_until"]) == ("held", "AWR-52", "2027-02-01T00:00:00+01:00")
    assert by_dataset(desk, now=datetime(2027, 2, 1, tzinfo=UTC))["forms"]["state"] == "live"


def test_an_erased_dataset_reads_erased_and_its_neighbour_stays_live(desk: Any) -> None:
    desk.collected("2026-03-02T08:00:00Z")
    desk.collected("2026-03-02T08:00:00Z", activity="newsletter")
    erase(desk, "forms/forms")
    rows = by_dataset(desk)
    assert (rows["forms"]["state"], rows["forms"]["case"], rows["newsletter"]["state"]) == ("erased", "case-1", "live")
    assert rows["forms"]["erased"] == "2026-05-01T10:00:00+02:00"


def test_erasing_our_copy_does_not_end_what_a_system_holds(desk: Any) -> None:
    desk.collected("2023-03-02T08:00:00Z", system="crm")
    erase(desk, "forms/forms")
    row = by_dataset(desk)["forms"]
    assert (row["state"], row["overdue"], row["systems"]) == ("erased", True, ["crm"])
    retention = desk.rows("retention")[0]
    assert (retention["state"], retention["ledger_copy"]) == ("overdue", "erased")
    desk.given("data.deleted", "2026-05-20T08:00:00Z", categories=["*"], system="crm")
    assert desk.rows("retention") == []
    assert (by_dataset(desk)["forms"]["overdue"], desk.projections.systems_of([desk.person], NOW)) == (False, [])


def test_systems_and_recipients_that_have_the_data_are_named(desk: Any) -> None:
    desk.collected(system="crm")
    desk.given("data.used", purpose="answer-question", operation="contact", categories=["email"], system="govmetric")
    desk.given("data.shared", recipient="zivver", purpose="answer-question", categories=["email"], basis="contract")
    desk.projections.catch_up()
    assert desk.projections.systems_of([desk.person], NOW) == ["crm", "govmetric"]
    assert [row["recipient"] for row in desk.projections.recipients_of([desk.person])] == ["zivver"]


def test_linked_pseudonyms_are_one_person_until_they_are_unlinked(desk: Any) -> None:
    desk.collected("2026-03-02T08:00:00Z")
    desk.collected("2026-03-02T08:00:00Z", subject=OTHER, activity="newsletter")
    other = desk.log.person("klantinfocus", **OTHER)
    assert desk.projections.linked([desk.person]) == {desk.person}
    desk.given("subject.linked", "2026-04-01T08:00:00Z", other=OTHER, activity=None)
    desk.projections.catch_up()
    assert desk.projections.linked([desk.person]) == {desk.person, other}
    assert set(by_dataset(desk, desk.person)) == {"forms", "newsletter"}
    desk.given("subject.unlinked", "2026-05-01T08:00:00Z", other=OTHER, activity=None)
    desk.projections.catch_up()
    assert desk.projections.linked([desk.person]) == {desk.person}
    assert set(by_dataset(desk, desk.person)) == {"forms"}


def test_the_trail_of_a_dossier_is_in_the_order_of_time(desk: Any) -> None:
    late, early = desk.collected("2026-03-02T08:00:00Z"), desk.collected("2025-03-02T08:00:00Z")
    desk.projections.catch_up()
    assert [row["id"] for row in desk.projections.dossier([desk.person], NOW).trail] == [early, late]


def test_nobody_has_an_empty_dossier(desk: Any) -> None:
    desk.collected(subject=PERSON | {"value": "someone@example.org"})
    assert by_dataset(desk) == {}
    assert desk.projections.standings([desk.person], NOW) == []


def test_data_of_a_linked_person_are_erased_once_they_are_under_every_pseudonym(desk: Any) -> None:
    desk.collected("2024-01-02T08:00:00Z")
    desk.collected("2024-01-03T08:00:00Z", subject=OTHER)
    desk.given("subject.linked", "2026-04-01T08:00:00Z", other=OTHER, activity=None)
    other = desk.log.person("klantinfocus", **OTHER)
    desk.projections.catch_up()
    [standing] = desk.projections.standings([other], NOW)
    assert (standing.people, standing.erased_at) == (tuple(sorted([desk.person, other])), None)
    erase(desk, "forms/forms")
    assert desk.rows("retention")[0]["ledger_copy"] == "kept"
    said = {"organisation": "klantinfocus", "person": other, "at": "2026-05-02T08:00:00+00:00"}
    desk.log.decide(
        "case-2", "ledger.keys.destroyed.v1", **said, case="case-2", datasets=[["", "forms/forms"]], key_ids=["bb"]
    )
    assert desk.rows("retention")[0]["ledger_copy"] == "erased"
