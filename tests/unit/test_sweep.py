"""Retention runs: what is due goes, what is held or may still change stays, and a wrong clock erases nobody's customers."""

from __future__ import annotations

import contextlib
import json
from datetime import datetime
from typing import Any

import pytest

from ledger.approvals import Approval, expires_at, sign
from ledger.decisions import Decisions
from ledger.domain.errors import ApprovalRefused
from ledger.fsck import disagreements
from ledger.keys.store import WrappedKeyStore
from ledger.service import Input
from ledger.sweep import PEOPLE_WITHOUT_ASKING, Swept
from tests.office import Office, office

__all__ = ["office"]


def swept(office: Office, **confirmed: list[str]) -> list[Swept]:
    with office.open() as wired:
        wired.registers.catch_up()
        due, organisations = wired.due(office.now)
        found = wired.sweeps.run(due, organisations, wired, halted={}, confirmed_by=confirmed)
        wired.registers.catch_up()
    return found


def outcomes(found: list[Swept]) -> dict[str, str]:
    return {row.due.standing.dataset: row.outcome for row in found}


def at(office: Office, moment: str) -> None:
    office.now = datetime.fromisoformat(moment)


def test_consent_that_is_withdrawn_ends_a_dataset_at_once(office: Office) -> None:
    """KI-20: as soon as somebody does not want the newsletter any more; and only that dataset."""
    office.given("data.collected")
    office.given("data.collected", activity="newsletter", values={"email": "ada@example.org"}, system=None)
    office.given("consent.given", activity="newsletter", purpose="newsletter", method="form")
    assert swept(office) == []
    office.given("consent.withdrawn", "2026-06-01T11:00:00Z", activity="newsletter", purpose="newsletter")
    found = swept(office)
    assert outcomes(found) == {"newsletter/newsletter": "erased"}
    assert found[0].due.ground == "withdrawal"
    assert found[0].due.overdue > office.now, "not late yet: the next working day has not ended"
    assert office.rows("erasures")[0]["approval"] == "automatic"
    assert swept(office) == []


def test_a_client_who_asks_for_destruction_is_obeyed(office: Office) -> None:
    """KCM-18: earlier than the term, for that client alone."""
    person = {
        "organisation": "kcm",
        "activity": "client-research",
        "system": None,
        "values": {"email": "a@example.org"},
    }
    for client in ("bank-a", "bank-b"):
        office.given("data.collected", **person, client=client, reference=f"job-{client}")
    office.given(
        "client.instructed",
        "2026-05-01T08:00:00Z",
        who=None,
        organisation="kcm",
        activity=None,
        client="bank-a",
        instruction="destroy",
    )
    found = swept(office)
    assert [(row.outcome, row.due.ground) for row in found] == [("erased", "instruction")]
    with office.open() as wired:
        token = f"~{wired.keys.token('kcm', 'bank-a')}"
    assert found[0].due.standing.client == token


def test_what_a_hold_keeps_is_not_due_until_the_hold_ends(office: Office) -> None:
    office.given("data.collected", "2023-01-01T08:00:00Z")
    office.given("hold.placed", "2023-02-01T08:00:00Z", statute="awr-52", reference="audit", activity=None)
    assert swept(office) == []
    assert office.person()
    office.given("hold.released", "2026-05-20T08:00:00Z", reference="audit", activity=None)
    assert [row.outcome for row in swept(office)] == ["erased"]


def test_an_open_request_is_answered_first(office: Office) -> None:
    office.given("data.collected", "2023-01-01T08:00:00Z")
    office.given("request.received", "2026-05-20T08:00:00Z", right="access", reference="r-1", activity=None)
    assert [(row.outcome, row.why) for row in swept(office)] == [("held", "GDPR-15")]


def test_a_dataset_waits_while_a_source_was_not_heard_since_its_term_ended(office: Office) -> None:
    office.given("data.collected", "2024-06-01T08:00:00Z")
    at(office, "2026-06-03T08:00:00+00:00")
    (row,) = swept(office)
    assert (row.outcome, row.why) == ("waiting", "not heard since: /forms")
    office.given("data.collected", "2026-06-02T08:00:00Z", who="K-2")
    assert [row.outcome for row in swept(office)] == ["erased"]


def test_a_source_that_stays_silent_is_not_waited_for_for_ever(office: Office) -> None:
    office.given("data.collected", "2024-06-01T08:00:00Z")
    at(office, "2026-06-20T08:00:00+00:00")
    assert [row.outcome for row in swept(office)] == ["erased"]


def test_a_contact_that_came_late_keeps_the_dataset(office: Office) -> None:
    """KI-24 slides: two years after the last contact."""
    office.given("data.collected", "2024-05-01T08:00:00Z")
    office.given("milestone.reached", "2025-05-01T08:00:00Z", milestone="contact")
    assert swept(office) == []


def test_expired_and_overdue_are_told_apart(office: Office) -> None:
    """RF-08 and RF-10: three years, and a check every month."""
    person = {"organisation": "resultfactory", "activity": "support-crm", "system": "duck"}
    for who, left in (("K-1", "2023-05-20T08:00:00Z"), ("K-2", "2022-05-20T08:00:00Z")):
        office.given(
            "data.collected",
            "2022-01-01T08:00:00Z",
            who=who,
            **person,
            subject={"scheme": "customer-number", "value": who, "class": "customer"},
        )
        office.given(
            "milestone.reached",
            left,
            who=who,
            organisation="resultfactory",
            activity="support-crm",
            milestone="customer.departed",
        )
    found = {row.due.expired.year: row.due.overdue <= office.now for row in swept(office)}
    assert found == {2026: False, 2025: True}
    with office.open() as wired:
        runs = {record.topic for record in wired.log.decisions()}
    assert "ledger.sweep.executed.v1" in runs
    (control,) = office.rows("controls", organisation="resultfactory")
    assert control["organisation"] == "resultfactory"


def test_anonymising_keeps_counts_of_ten_people_and_more(office: Office) -> None:
    """KCM-19; and where no cell has ten people it is called erased."""
    research: dict[str, Any] = {
        "organisation": "kcm",
        "activity": "client-research",
        "system": None,
        "client": "bank-a",
    }
    for number in range(11):
        subject = {"scheme": "customer-number", "value": f"R-{number}", "class": "respondent"}
        values = {"answers": "5"} if number else {"answers": "5", "audio": "x"}
        office.given(
            "data.collected", "2024-01-01T08:00:00Z", subject=subject, values=values, reference="job-1", **research
        )
    office.given(
        "milestone.reached",
        "2024-02-01T08:00:00Z",
        who=None,
        organisation="kcm",
        activity="client-research",
        client="bank-a",
        milestone="assignment.executed",
        reference="job-1",
    )
    found = swept(office)
    assert {row.outcome for row in found} == {"anonymised"}
    with office.open() as wired:
        (counted,) = wired.log.decisions("ledger.aggregate.counted.v1")
    assert b'"cells":[["respondent","2024-01","answers",11]],"left_out":1' in counted.state


def test_fewer_than_ten_people_are_erased_and_not_called_anonymous(office: Office) -> None:
    research: dict[str, Any] = {
        "organisation": "kcm",
        "activity": "client-research",
        "system": None,
        "client": "bank-a",
    }
    office.given("data.collected", "2024-01-01T08:00:00Z", values={"answers": "5"}, reference="job-1", **research)
    office.given(
        "milestone.reached",
        "2024-02-01T08:00:00Z",
        who=None,
        organisation="kcm",
        activity="client-research",
        client="bank-a",
        milestone="assignment.executed",
        reference="job-1",
    )
    assert [row.outcome for row in swept(office)] == ["erased"]


# --- the brake --------------------------------------------------------------------------------------------------------


@pytest.fixture
def crowd(office: Office) -> Office:
    """More people whose term is over than a run may reach without asking."""
    with office.open() as wired:
        person = {"organisation": "klantinfocus", "activity": "forms", "origin": "subject", "values": {"message": "x"}}
        common = {
            "specversion": "1.0",
            "source": "/forms",
            "type": "pdl.data.collected.v1",
            "time": "1970-01-02T08:00:00Z",
        }
        bodies = [
            common
            | {
                "id": f"c-{number}",
                "data": person
                | {"subject": {"scheme": "customer-number", "value": f"C-{number}", "class": "enquirer"}},
            }
            for number in range(PEOPLE_WITHOUT_ASKING + 1)
        ]
        inputs = [Input(place, json.dumps(body).encode()) for place, body in enumerate(bodies)]
        wired.ledger.record(inputs, "crowd", len(inputs) - 1)
        wired.registers.catch_up()
    return office


def test_a_clock_in_1970_does_not_erase_a_customer_base(crowd: Office) -> None:
    with crowd.open() as wired:
        due, _ = wired.due(crowd.now)
        (halt,) = wired.sweeps.brake(due).values()
        assert (halt.people, halt.everyone) == (101, 101)
        assert wired.sweeps.agreed(halt) == []
        assert not wired.sweeps.must_sign()


def test_two_people_release_the_brake_and_the_data_protection_officer_may_not(crowd: Office) -> None:
    for name, role in (("po-1", "privacy-officer"), ("po-2", "privacy-officer"), ("fg", "dpo")):
        crowd.add_approver(name, role)
    with crowd.open() as wired:
        due, organisations = wired.due(crowd.now)
        (halt,) = wired.sweeps.brake(due).values()
        assert wired.sweeps.must_sign()
        stopped = wired.sweeps.halt(halt)
        assert wired.sweeps.halt(halt) == stopped, "the same run is asked for once"
        order = wired.sweeps.order_of(stopped)

        def note(name: str, role: str = "privacy-officer") -> str:
            said = Approval(
                wired.log.ledger_id, stopped, order, "approve", role, crowd.now, expires_at(crowd.now, None)
            )
            return sign(crowd.signers[name], said)

        wired.sweeps.sign(stopped, note("po-1"), "approve")
        for again in (note("po-1"), note("fg", "dpo")):
            with pytest.raises(ApprovalRefused):
                wired.sweeps.sign(stopped, again, "approve")
        assert wired.sweeps.agreed(halt) == []
        wired.sweeps.sign(stopped, note("po-2"), "approve")
        assert wired.sweeps.agreed(halt) == ["po-1", "po-2"]
        assert wired.sweeps.agreed(halt._replace(people=halt.people + 1)) == [], (
            "not for more people than were signed for"
        )
        found = wired.sweeps.run(due, organisations, wired, halted={}, confirmed_by={"klantinfocus": ["po-1", "po-2"]})
    assert {row.outcome for row in found} == {"erased"}
    assert len({row.case for row in found}) == 101


def test_runs_of_one_day_count_together(crowd: Office) -> None:
    """Small steps do not slip under the brake."""
    crowd.set(sweep_share="0.0")
    with crowd.open() as wired:
        due, _ = wired.due(crowd.now)
        assert wired.sweeps.brake(due[:60]) == {}
        wired.sweeps.run(due[:60], (), wired, halted={}, confirmed_by={})
        wired.registers.catch_up()
        assert wired.sweeps.brake(due[60:])
        crowd.later(days=1)
        assert wired.sweeps.brake(due[60:]) == {}


class Killed(BaseException):
    """The machine died."""


@pytest.mark.parametrize("number", range(1, 9))
def test_a_run_that_dies_at_any_step_is_finished_by_the_next_one(
    office: Office, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    for who in ("K-1", "K-2", "K-3"):
        office.given("data.collected", "2023-01-01T08:00:00Z", who=who)
        office.given(
            "data.collected", "2023-01-01T08:00:00Z", who=who, activity="website", values={"browser": "x"}, system=None
        )
    steps = 0

    def dying(real: Any) -> Any:
        def step(*arguments: Any, **options: Any) -> Any:
            nonlocal steps
            steps += 1
            if steps == number:
                raise Killed
            return real(*arguments, **options)

        return step

    with monkeypatch.context() as patch:
        for owner, name in ((Decisions, "save"), (Decisions, "save_all"), (WrappedKeyStore, "destroy_each")):
            patch.setattr(owner, name, dying(getattr(owner, name)))
        with contextlib.suppress(Killed):
            swept(office)
    swept(office)
    with office.open() as wired:
        assert wired.erasures.open_cases() == []
        assert list(disagreements(wired.log, wired.keys)) == []
    gone = [(row["person"], dataset["dataset"]) for row in office.rows("erasures") for dataset in row["datasets"]]
    assert len(gone) == len(set(gone))
    assert {dataset for _, dataset in gone} >= {"forms/forms"}
    assert len({person for person, dataset in gone if dataset == "forms/forms"}) == 3
