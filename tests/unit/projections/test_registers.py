"""Each register answers its own question; none of them knows a name or an address."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from ledger.store import SourceState
from projections.registers import ALL, REGISTERS


def one(rows: list[dict[str, Any]]) -> dict[str, Any]:
    assert len(rows) == 1, rows
    return rows[0]


def test_every_register_says_in_a_line_what_it_shows(desk: Any) -> None:
    for register in ALL:
        assert register.help
        assert "\n" not in register.help
        assert desk.rows(register.name) == [] or register.name in {"processing", "statements"}
    assert {
        "processing",
        "collections",
        "uses",
        "disclosures",
        "consents",
        "requests",
        "retention",
        "holds",
        "erasures",
        "findings",
    } <= set(REGISTERS)
    assert {"quarantine", "sources", "trail"} <= set(REGISTERS)


def test_a_collection_counts_for_each_of_its_categories(desk: Any) -> None:
    desk.collected("2026-03-02T08:00:00Z", categories=["email", "shoe-size"], basis="contract")
    desk.collected("2026-04-02T08:00:00Z", categories=["email"], basis="contract")
    email, shoe = desk.rows("collections")
    assert (email["category"], email["events"], email["listed"]) == ("email", 2, True)
    assert (email["first"], email["last"]) == ("2026-03-02T09:00:00+01:00", "2026-04-02T10:00:00+02:00")
    assert (shoe["category"], shoe["events"], shoe["listed"]) == ("shoe-size", 1, False)


def test_uses_are_shown_by_purpose_and_operation(desk: Any) -> None:
    for _ in range(3):
        desk.given(
            "data.used", purpose="answer-question", operation="contact", categories=["email"], actor={"role": "analyst"}
        )
    row = one(desk.rows("uses"))
    assert (row["purpose"], row["operation"], row["role"], row["categories"], row["events"]) == (
        "answer-question",
        "contact",
        "analyst",
        ["email"],
        3,
    )


def test_a_recipient_that_the_statement_does_not_name_is_shown_as_such(desk: Any) -> None:
    desk.given(
        "data.shared",
        recipient="zivver",
        service="secure-mail",
        purpose="answer-question",
        categories=["email"],
        basis="contract",
    )
    desk.given(
        "data.shared",
        recipient="someone-else",
        purpose="answer-question",
        categories=["email"],
        basis="contract",
        country="US",
    )
    stranger, known = desk.rows("disclosures")
    assert (stranger["recipient"], stranger["listed"], stranger["country"]) == ("someone-else", False, "US")
    assert (known["recipient"], known["listed"], known["service"]) == ("zivver", True, "secure-mail")


def test_the_last_word_on_a_consent_counts_whenever_it_arrives(desk: Any) -> None:
    newsletter = {"activity": "newsletter", "purpose": "newsletter"}
    desk.given("consent.withdrawn", "2026-05-01T08:00:00Z", **newsletter)
    desk.given(
        "consent.given", "2026-03-01T08:00:00Z", method="box", notice={"id": "web", "version": "2"}, **newsletter
    )
    row = one(desk.rows("consents"))
    assert (row["state"], row["since"], row["given"], row["words"]) == (
        "withdrawn",
        "2026-05-01T10:00:00+02:00",
        "2026-03-01T09:00:00+01:00",
        2,
    )


def test_a_consent_until_a_day_expires_with_that_day(desk: Any) -> None:
    desk.given("consent.given", purpose="keep-application", activity="recruitment", method="box", until="2026-06-02")
    assert one(desk.rows("consents"))["state"] == "given"
    assert one(desk.rows("consents", now=datetime(2026, 6, 2, 22, 0, tzinfo=UTC)))["state"] == "expired"


def test_a_retracted_consent_is_absent_and_the_one_before_it_counts(desk: Any) -> None:
    desk.given("consent.given", "2026-03-01T08:00:00Z", purpose="newsletter", method="box")
    false = desk.given("consent.withdrawn", "2026-04-01T08:00:00Z", purpose="newsletter")
    assert one(desk.rows("consents"))["state"] == "withdrawn"
    desk.given(
        "fact.retracted",
        "2026-05-01T08:00:00Z",
        subject=None,
        activity=None,
        source="/forms",
        id=false,
        reason="never-happened",
    )
    assert one(desk.rows("consents"))["state"] == "given"


def test_a_request_has_the_clock_of_the_law_and_that_of_the_statement(desk: Any) -> None:
    desk.given("request.received", "2026-01-31T08:00:00Z", right="access", reference="r-1", activity=None)
    row = one(desk.rows("requests"))
    # A month clips to 28 February, a Saturday in 2026: the law rolls to Monday, the promise does not.
    assert (row["due"], row["due_rolled"], row["promised_due"]) == ("2026-02-28", "2026-03-02", "2026-02-28")
    assert (row["state"], row["late"]) == ("open", True)


def test_an_extension_counts_only_where_the_person_was_told_in_time(desk: Any) -> None:
    for number, told in (("r-1", "2026-03-30T08:00:00Z"), ("r-2", "2026-05-20T08:00:00Z")):
        desk.given("request.received", "2026-03-10T08:00:00Z", right="erasure", reference=number, activity=None)
        desk.given(
            "request.extended", "2026-03-30T08:00:00Z", reference=number, reason="many", informed_at=told, activity=None
        )
    told, late = desk.rows("requests")
    assert (told["due"], told["late"]) == ("2026-06-10", False)
    assert (late["due"], late["late"]) == ("2026-04-10", True)


def test_an_answer_ends_a_request(desk: Any) -> None:
    desk.given("request.received", "2026-03-10T08:00:00Z", right="access", reference="r-1", activity=None)
    desk.given("request.answered", "2026-03-20T08:00:00Z", reference="r-1", outcome="fulfilled", activity=None)
    row = one(desk.rows("requests"))
    assert (row["state"], row["late"], row["outcome"], row["answered"]) == (
        "answered",
        False,
        "fulfilled",
        "2026-03-20T09:00:00+01:00",
    )


def test_a_hold_is_in_force_until_it_is_released_or_its_day_has_passed(desk: Any) -> None:
    desk.given(
        "hold.placed",
        "2026-03-01T08:00:00Z",
        reference="h-1",
        statute="AWR-52",
        datasets=["customers"],
        until="2026-12-31",
        activity=None,
    )
    desk.given("hold.placed", "2026-03-02T08:00:00Z", reference="h-2", statute="AWR-52", subject=None, activity=None)
    assert [row["state"] for row in desk.rows("holds")] == ["in force", "in force"]
    desk.given("hold.released", "2026-05-01T08:00:00Z", reference="h-2", subject=None, activity=None)
    assert [row["state"] for row in desk.rows("holds")] == ["in force", "released"]
    assert [row["state"] for row in desk.rows("holds", now=datetime(2027, 1, 1, tzinfo=UTC))] == ["ended", "released"]


def test_an_erasure_shows_what_went_and_what_stayed_on_which_statute(desk: Any) -> None:
    common = {"organisation": "klantinfocus", "person": desk.person, "at": "2026-05-01T08:00:00+00:00"}
    kept = [["crm/customers", "", "held", "AWR-52"]]
    desk.log.decide(
        "case-1",
        "ledger.erasure.ordered.v1",
        **common,
        scopes=[["", "forms/forms", "aa"]],
        kept=kept,
        reason="request",
        approval="none",
        alone=True,
    )
    assert one(desk.rows("erasures"))["state"] == "ordered"
    desk.log.decide(
        "case-1", "ledger.keys.destroyed.v1", **common, case="case-1", datasets=[["", "forms/forms"]], key_ids=["aa"]
    )
    desk.log.decide("case-1", "ledger.erasure.closed.v1", at="2026-05-01T08:00:01+00:00")
    row = one(desk.rows("erasures"))
    assert (row["state"], row["keys"], row["alone"]) == ("closed", 1, True)
    assert row["datasets"] == [{"dataset": "forms/forms", "client": None}]
    assert row["kept"] == [{"dataset": "crm/customers", "client": None, "outcome": "held", "statute": "AWR-52"}]


def test_a_gap_in_the_numbers_of_a_source_is_counted_until_it_is_filled(desk: Any) -> None:
    for number in (1, 2, 5, 6, 9):
        desk.collected(sequence=number)
    row = one(desk.rows("sources"))
    assert (row["gaps"], row["missing"], row["highest"], row["events"]) == (2, 4, 9, 5)
    for number in (4, 3):
        desk.collected(sequence=number)
    row = one(desk.rows("sources"))
    assert (row["gaps"], row["missing"]) == (1, 2)


def test_a_source_shows_what_became_of_its_inputs(desk: Any) -> None:
    desk.collected()
    tallies = {
        "recorded": 1,
        "duplicate": 2,
        "quarantined:schema": 3,
        "unknown-field:nickname": 4,
        "implausible-time": 5,
    }
    desk.log.heard["/forms"] = SourceState(7, "2026-06-01T12:00:00+00:00", tallies)
    row = one(desk.rows("sources"))
    assert (row["mark"], row["last_heard"], row["duplicate"]) == (7, "2026-06-01T14:00:00+02:00", 2)
    assert (row["quarantined"], row["unknown_fields"], row["implausible_times"]) == ({"schema": 3}, {"nickname": 4}, 5)


def test_retention_says_until_when_and_by_which_sentence(desk: Any) -> None:
    desk.collected("2024-03-02T08:00:00Z", system="crm", class_=None)
    row = one(desk.rows("retention"))
    assert (row["activity"], row["dataset"], row["state"], row["systems"], row["rule"]) == (
        "forms",
        "forms",
        "overdue",
        ["crm"],
        "KI-24",
    )
    assert row["due"] == "2026-03-03T00:00:00+01:00"
    assert row["words"] == "tot maximaal 2 jaar na het laatste contactmoment"


def test_the_register_of_processing_lists_what_was_declared_and_what_was_only_seen(desk: Any) -> None:
    desk.collected(activity="raffle", categories=["shoe-size"])
    desk.given("data.used", purpose="answer-question", operation="contact", categories=["email"])
    rows = {(row["activity"], row["client"]): row for row in desk.rows("processing", organisation="klantinfocus")}
    assert not rows["raffle", None]["declared"]
    assert rows["forms", None]["declared"]
    assert rows["forms", None]["events"] == 1
    assert rows["feedback", None]["acts_as"] == "processor"
    assert rows["forms", None]["retention"][0]["dataset"] == "forms"


def test_the_trail_tells_what_happened_in_order(desk: Any) -> None:
    first, second = (
        desk.collected(),
        desk.given("data.used", purpose="answer-question", operation="contact", categories=["email"]),
    )
    assert [row["id"] for row in desk.rows("trail")] == [first, second]


def test_a_register_of_one_organisation_shows_no_other(desk: Any) -> None:
    desk.collected()
    desk.collected(organisation="infactor", activity="relations")
    for name in ("collections", "trail", "retention", "sources", "findings"):
        assert {row["organisation"] for row in desk.rows(name, organisation="infactor")} <= {"infactor"}
    assert one(desk.rows("collections", organisation="infactor"))["activity"] == "relations"


def test_an_unknown_register_is_refused_with_the_names_that_exist(desk: Any) -> None:
    with pytest.raises(Exception, match="findings"):
        desk.rows("nonsense")


def test_a_source_that_is_later_than_its_cadence_is_a_finding_until_it_is_heard(desk: Any) -> None:
    said = {"source": "/forms", "organisation": "klantinfocus", "activities": [], "types": [], "every": "P1D"}
    desk.log.decide("source-1", "ledger.source.added.v1", **said, at="2026-06-01T00:00:00+00:00")
    desk.collected("2026-06-01T08:00:00Z", recorded="2026-06-01T12:00:00+00:00")
    desk.collected("2026-06-05T08:00:00Z", recorded="2026-06-05T12:00:00+00:00")
    found = desk.rows("findings", now=datetime(2026, 6, 9, tzinfo=UTC))
    first, second = [row for row in found if row["code"] == "source-silent"]
    assert (first["rule"], first["severity"], first["organisation"]) == ("GDPR-5(2)", "note", "klantinfocus")
    assert (first["since"], first["until"]) == ("2026-06-03T00:00:00+02:00", "2026-06-05T14:00:00+02:00")
    assert (second["since"], second["until"]) == ("2026-06-07T00:00:00+02:00", None)
    assert "/forms" in first["message"]["en"]
