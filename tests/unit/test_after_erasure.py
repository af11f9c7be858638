"""After an erasure: a fence for what is late, a finding for who goes on, and a new beginning for who comes back."""

from __future__ import annotations

import pytest

from ledger.keys import Fence, Identifier
from ledger.sealing import header_of
from tests.office import Office, office

__all__ = ["office"]
NAME = Identifier("klantinfocus", "customer-number", "K-1")
LATER = "2026-06-03T08:00:00Z"


@pytest.fixture
def erased(office: Office) -> Office:
    office.given("data.collected")
    assert office.erase().state == "erased"
    office.later(days=5)
    return office


def codes(office: Office) -> list[str]:
    return [row["code"] for row in office.rows("findings", organisation="klantinfocus")]


def test_use_after_an_erasure_is_a_finding_that_names_nobody(erased: Office) -> None:
    id_ = erased.given("data.used", LATER, purpose="answer-question", operation="contact", categories=["email"])
    (found,) = [row for row in erased.rows("findings") if row["code"] == "use-after-erasure"]
    assert (found["rule"], found["law"], found["severity"]) == ("GDPR-17(1)", "17(1)", "violation")
    assert (found["about"], found["since"][:10]) == ([id_], "2026-06-03")
    assert found["person"] is None
    with erased.open() as wired:
        record = wired.log.at([wired.log.position_of(id_)[0][1]])[0]
        header = header_of(record.state)
    assert (header.person, header.sections, header.after_erasure) == (None, (), True)
    assert b"K-1" not in record.state


def test_what_happened_before_the_erasure_and_came_late_is_no_finding(erased: Office) -> None:
    """Reliability 21: recorded without values, and nobody is blamed."""
    erased.given(
        "data.used", "2026-05-30T08:00:00Z", purpose="answer-question", operation="contact", categories=["email"]
    )
    assert "use-after-erasure" not in codes(erased)


@pytest.mark.parametrize(
    ("what", "data"),
    [
        ("data.deleted", {"system": "crm", "categories": ["*"]}),
        ("request.received", {"right": "access", "reference": "r-9", "activity": None}),
        ("consent.withdrawn", {"purpose": "newsletter", "activity": "newsletter"}),
        ("subject.informed", {"about": "erasure", "outcome": "delivered"}),
    ],
)
def test_what_an_erasure_calls_for_is_no_use(erased: Office, what: str, data: dict[str, object]) -> None:
    erased.given(what, LATER, **data)
    assert "use-after-erasure" not in codes(erased)


def test_data_from_elsewhere_does_not_bring_a_person_back(erased: Office) -> None:
    erased.given("data.collected", LATER, origin="third-party")
    assert "use-after-erasure" in codes(erased)
    with erased.open() as wired:
        assert isinstance(wired.keys.resolve([NAME])[NAME], Fence)


@pytest.mark.parametrize(
    ("what", "data"),
    [
        ("data.collected", {"origin": "subject"}),
        ("consent.given", {"purpose": "newsletter", "activity": "newsletter", "method": "form"}),
    ],
)
def test_who_comes_back_is_somebody_new(office: Office, what: str, data: dict[str, object]) -> None:
    """Reliability 21 and 23: a new pseudonym, and nothing that links it to the old one."""
    office.given("data.collected")
    before = office.person()
    office.erase()
    office.later(days=5)
    office.given(what, LATER, **data)
    after = office.person()
    assert after != before
    assert "use-after-erasure" not in codes(office)
    with office.open() as wired:
        mixed = [
            record
            for record in wired.log.read(0, 99)
            if before.encode() in record.state and after.encode() in record.state
        ]
    assert mixed == []
    office.given(
        "data.used", "2026-06-04T08:00:00Z", purpose="answer-question", operation="contact", categories=["email"]
    )
    assert "use-after-erasure" not in codes(office)
    assert office.person() == after


def test_a_false_report_of_use_is_retracted(erased: Office) -> None:
    id_ = erased.given("data.used", LATER, purpose="answer-question", operation="contact", categories=["email"])
    erased.given(
        "fact.retracted",
        "2026-06-04T08:00:00Z",
        who=None,
        activity=None,
        source="/forms",
        id=id_,
        reason="never-happened",
    )
    assert "use-after-erasure" not in codes(erased)
