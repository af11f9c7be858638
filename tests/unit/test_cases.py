"""Cases of erasure: one guard, two signatures, tasks before keys, and no step that a crash can lose."""

from __future__ import annotations

import logging
import random
from datetime import timedelta
from typing import Any

import pytest

from consumers import aftercare
from ledger.approvals import Approval
from ledger.decisions import Decisions
from ledger.domain.errors import ApprovalRefused
from ledger.erasure import Outcome
from ledger.evidence.note import Signer
from ledger.evidence.verify import verify
from ledger.fsck import disagreements
from ledger.keys import Erased, Fence, Identifier
from ledger.keys.store import WrappedKeyStore
from ledger.sealing import leaf_of
from tests.office import Office, office

__all__ = ["office"]


def statutes(outcome: Outcome) -> dict[str, str | None]:
    return {row.dataset: row.statute for row in outcome.datasets if row.outcome == "held"}


# --- the guard --------------------------------------------------------------------------------------------------------


def test_a_placed_hold_keeps_a_dataset_and_the_rest_goes(office: Office) -> None:
    office.given("data.collected")
    office.given("data.collected", activity="newsletter", values={"email": "ada@example.org"})
    office.given("hold.placed", statute="awr-52", reference="audit-1", datasets=["forms"], activity=None)
    outcome = office.erase()
    assert outcome.state == "partly"
    assert statutes(outcome) == {"forms/forms": "awr-52"}
    assert {row.dataset: row.outcome for row in outcome.datasets}["newsletter/newsletter"] == "erased"


def test_a_hold_binds_the_ledgers_copy_also_when_no_system_has_one_any_more(office: Office) -> None:
    office.given("data.collected")
    office.given("data.deleted", "2026-03-03T08:00:00Z", categories=["*"])
    office.given("hold.placed", "2026-03-04T08:00:00Z", statute="awr-52", reference="audit-1")
    assert statutes(office.erase()) == {"forms/forms": "awr-52"}


def test_a_hold_on_everyone_needs_no_person(office: Office) -> None:
    office.given("data.collected")
    office.given("hold.placed", who=None, statute="awr-52", reference="claim-9", activity=None)
    assert office.erase().state == "refused"
    office.given("hold.released", "2026-05-01T08:00:00Z", who=None, reference="claim-9", activity=None)
    assert office.erase().state == "erased"


def test_a_statement_that_promises_a_minimum_holds_by_itself(office: Office) -> None:
    pack = {"organisation": "directcode", "activity": "customers", "system": None}
    office.given(
        "contract.signed",
        "2024-01-01T08:00:00Z",
        **pack | {"activity": None},
        reference="c-1",
        party="subject",
        kind="service",
        from_="2024-01-01",
    )
    office.given("data.collected", **pack, reference="c-1", values={"company-name": "Voorbeeld BV", "name": "Ada"})
    office.given("contract.ended", "2026-04-01T08:00:00Z", **pack | {"activity": None}, reference="c-1")
    outcome = office.erase(organisation="directcode")
    assert statutes(outcome) == {"customers/tax": "awr-52"}
    assert outcome.state == "partly"


@pytest.mark.parametrize(
    ("ground", "statute"),
    [("unlawful", "GDPR-18(1)(b)"), ("claims", "GDPR-18(1)(c)"), ("accuracy", None), ("objection", None)],
)
def test_restrictions_of_18_1_b_and_c_keep_data_from_being_erased(
    office: Office, ground: str, statute: str | None
) -> None:
    office.given("data.collected")
    office.given("restriction.placed", "2026-03-05T08:00:00Z", ground=ground, activity=None)
    outcome = office.erase()
    assert statutes(outcome) == ({"forms/forms": statute} if statute else {})
    if statute:
        office.given("restriction.lifted", "2026-03-06T08:00:00Z", ground=ground, activity=None)
        assert office.erase().state == "erased"


@pytest.mark.parametrize(("right", "statute"), [("access", "GDPR-15"), ("portability", "GDPR-20"), ("erasure", None)])
def test_an_open_request_is_answered_before_it_becomes_impossible(
    office: Office, right: str, statute: str | None
) -> None:
    office.given("data.collected")
    office.given("request.received", "2026-05-20T08:00:00Z", right=right, reference="r-1", activity=None)
    outcome = office.erase()
    assert statutes(outcome) == ({"forms/forms": statute} if statute else {})
    if statute:
        office.given("request.answered", "2026-05-21T08:00:00Z", reference="r-1", outcome="fulfilled", activity=None)
        assert office.erase().state == "erased"


def test_one_client_only(office: Office) -> None:
    feedback = {"activity": "feedback", "values": {"feedback-text": "fine"}, "system": "govmetric"}
    office.given("data.collected", client="gemeente-a", **feedback)
    office.given("data.collected", client="gemeente-b", **feedback)
    with office.open() as wired:
        token = f"~{wired.keys.token('klantinfocus', 'gemeente-a')}"
    outcome = office.erase(client=token)
    assert {(row.dataset, row.client) for row in outcome.datasets if row.outcome == "erased"} >= {
        ("feedback/feedback", token)
    }
    with office.open() as wired:
        left = {scope.client for scope, _ in wired.keys.scopes_of(office_person(wired))}
        assert left == {f"~{wired.keys.token('klantinfocus', 'gemeente-b')}"}


def office_person(wired: Any) -> str:
    found = wired.keys.resolve([name := Identifier("klantinfocus", "customer-number", "K-1")])[name]
    assert isinstance(found, str)
    return found


def test_a_shared_email_does_not_carry_an_erasure_to_another_person(office: Office) -> None:
    for who in ("K-1", "K-2"):
        subject = {
            "scheme": "customer-number",
            "value": who,
            "class": "enquirer",
            "also": [{"scheme": "email", "value": "fam@example.org"}],
        }
        office.given("data.collected", subject=subject)
    person, other = office.person("K-1"), office.person("K-2")
    with office.open() as wired:
        wired.registers.catch_up()
        found = wired.registers.resolved([person])
    assert found.people == {person}
    assert other in found.candidates


def test_an_email_of_one_person_alone_goes_with_them(office: Office) -> None:
    """Reliability 23: no identifier of an erased person leads to their facts, also one under which nothing was kept."""
    also = [{"scheme": "email", "value": "ada@example.org"}]
    office.given(
        "data.collected", subject={"scheme": "customer-number", "value": "K-1", "class": "enquirer", "also": also}
    )
    assert office.erase().state == "erased"
    with office.open() as wired:
        names = [
            Identifier("klantinfocus", "email", "ada@example.org"),
            Identifier("klantinfocus", "customer-number", "K-1"),
        ]
        assert all(isinstance(found, Fence) for found in wired.keys.resolve(names).values())


# --- two people sign --------------------------------------------------------------------------------------------------


@pytest.fixture
def ordered(office: Office) -> tuple[Office, str]:
    """An order that waits for two signatures."""
    office.set(approval="two-people")
    office.given("data.collected")
    for name, role in (("po-1", "privacy-officer"), ("po-2", "privacy-officer"), ("fg", "dpo")):
        office.add_approver(name, role)
    outcome = office.erase()
    assert outcome.state == "waiting"
    assert outcome.case is not None
    return office, outcome.case


def carried_on(office: Office, case: str, *notes: str) -> str:
    with office.open() as wired:
        wired.registers.catch_up()
        for note in notes:
            wired.erasures.approve(case, note)
        return wired.erasures.carry_on(case)


def test_nothing_goes_before_the_second_signature(ordered: tuple[Office, str]) -> None:
    office, case = ordered
    assert carried_on(office, case) == "waiting"
    assert carried_on(office, case, office.note(case, "po-1")) == "waiting"
    assert office.person()
    assert carried_on(office, case, office.note(case, "po-2")) == "done"
    (row,) = office.rows("erasures")
    assert (row["approval"], row["approved_by"]) == ("two-people", ["po-1", "po-2"])


def test_not_one_of_a_hundred_wrong_approvals_counts(ordered: tuple[Office, str]) -> None:
    """Reliability 47: one approver alone, the same twice, expired, replayed, altered, another order, a stranger."""
    office, case = ordered
    office.given("data.collected", who="K-2")
    other = office.erase("K-2").case
    assert other is not None
    good, elsewhere = office.note(case, "po-1"), office.note(other, "po-2")
    stranger = Signer("po-2", b"s" * 32)
    office.signers["stranger"] = stranger
    assert carried_on(office, case, good) == "waiting"
    dice = random.Random(47)
    wrong = [
        good,  # the same person twice
        elsewhere,  # an approval of another order
        office.note(case, "stranger"),
        office.note(case, "fg", role="dpo"),
        office.note(case, "po-2", role="dpo"),
        office.note(case, "po-2", "object"),
        office.note(case, "po-2", order="0" * 64),  # an altered order
        office.note(case, "po-2", ledger="0" * 32),
        office.note(case, "po-2", expires=office.now),
        office.note(case, "po-2", signed=office.now - timedelta(days=9), expires=office.now - timedelta(days=2)),
        office.note(case, "po-2", signed=office.now + timedelta(days=1), expires=office.now + timedelta(days=2)),
        office.note(case, "po-2", expires=office.now + timedelta(days=99)),
        office.note(case, "po-2").replace("word approve", "word approve "),
        office.note(case, "po-2") + good.rpartition("\n\n")[2],
        "",
        "pdl-approval/1\n",
    ]
    second = office.note(case, "po-2")
    while len(wrong) < 100:
        at = dice.randrange(len(second) - 1)
        letter = chr(dice.randrange(33, 127))
        if letter != second[at]:
            wrong.append(second[:at] + letter + second[at + 1 :])
    for note in wrong:
        with pytest.raises(ApprovalRefused):
            carried_on(office, case, note)
    assert carried_on(office, case) == "waiting"
    assert carried_on(office, case, second) == "done"


def test_an_approval_that_expired_while_the_second_was_awaited_counts_no_longer(ordered: tuple[Office, str]) -> None:
    office, case = ordered
    assert carried_on(office, case, office.note(case, "po-1", valid="P1D")) == "waiting"
    office.later(days=2)
    assert carried_on(office, case, office.note(case, "po-2")) == "waiting"


def test_the_data_protection_officer_halts_and_nobody_goes_on(ordered: tuple[Office, str]) -> None:
    """GDPR Art. 38(6): supervises, never executes."""
    office, case = ordered
    carried_on(office, case, office.note(case, "po-1"))
    with office.open() as wired:
        wired.erasures.object(case, office_note(wired, office, case))
    with pytest.raises(ApprovalRefused, match="decided already"):
        carried_on(office, case, office.note(case, "po-2"))
    with office.open() as wired:
        assert wired.erasures.carry_on(case) == "refused"
        assert wired.erasures.resume() == []
    assert office.rows("erasures")[0]["state"] == "halted"
    assert office.person()


def office_note(wired: Any, office: Office, case: str) -> str:
    said = Approval(
        wired.log.ledger_id,
        case,
        wired.erasures.order_of(case),
        "object",
        "dpo",
        office.now,
        office.now + timedelta(days=1),
    )
    return office.signers["fg"].sign(str(said))


def test_a_hold_that_came_after_the_order_still_holds(ordered: tuple[Office, str]) -> None:
    office, case = ordered
    office.given("hold.placed", "2026-05-30T08:00:00Z", statute="awr-52", reference="late", activity=None)
    assert carried_on(office, case, office.note(case, "po-1"), office.note(case, "po-2")) == "refused"
    assert office.person()
    row = office.rows("erasures")[0]
    assert row["state"] == "refused"
    assert {kept["statute"] for kept in row["kept"]} == {"awr-52"}


def test_one_key_signs_for_one_name(office: Office) -> None:
    office.given("data.collected")
    signer = office.add_approver("po-1")
    with office.open() as wired, pytest.raises(ApprovalRefused):
        wired.erasures.add_approver("po-2", "privacy-officer", signer.key.public)


def test_a_removed_approver_counts_no_longer(ordered: tuple[Office, str]) -> None:
    office, case = ordered
    assert carried_on(office, case, office.note(case, "po-1")) == "waiting"
    with office.open() as wired:
        wired.erasures.remove_approver("po-1")
    assert carried_on(office, case, office.note(case, "po-2")) == "waiting"


def test_a_cooling_off_passes_and_the_next_command_goes_on(office: Office) -> None:
    office.set(approval="cooling-off", cooling_off="P3D")
    office.given("data.collected")
    assert office.erase().state == "waiting"
    office.later(days=2)
    with office.open() as wired:
        assert len(wired.erasures.open_cases()) == 1
    office.later(days=3)
    with office.open() as wired:
        assert wired.erasures.open_cases() == []
    assert office.rows("erasures")[0]["state"] == "closed"


# --- it reaches everyone ----------------------------------------------------------------------------------------------


@pytest.fixture
def shared(office: Office) -> Office:
    office.given("data.collected", reference="ticket-7")
    office.given(
        "data.shared", recipient="Drukkerij Noord", purpose="send-information", categories=["name"], basis="consent"
    )
    return office


def tasks_of(office: Office, case: str | None) -> dict[str, dict[str, Any]]:
    assert case is not None
    with office.open() as wired:
        erasure = wired.erasures.decisions.case(case)
        found = wired.erasures.tasks(erasure)
    assert not isinstance(found, Erased)
    return {f"{task[1]} {task[0]}": found[task[0]] for task in erasure.tasks}


def test_orders_messages_and_the_letter_are_written_before_the_keys_die(shared: Office) -> None:
    case = shared.erase().case
    found = tasks_of(shared, case)
    order = found[f"order {case}.1"]
    assert (order["system"], order["activity"], order["datasets"], order["references"]) == (
        "crm",
        "forms",
        ["forms"],
        ["ticket-7"],
    )
    assert order["subject"] == {"scheme": "customer-number", "value": "K-1"}
    notice = found[f"notice {case}.2"]
    assert (notice["recipient"], notice["categories"], notice["operation"]) == ("Drukkerij Noord", ["name"], "erasure")
    letter = found[f"confirmation {case}.3"]["letter"]
    assert all("Ada Voorbeeld" in text and "Drukkerij Noord" in text and "crm" in text for text in letter.values())
    assert letter["nl"].startswith("KLANTINFOCUS B.V.\n")
    stored = shared.bytes_of_everything()
    assert b"Voorbeeld" not in stored
    assert b"Drukkerij" not in stored


class Topic:
    """Keeps what is published, and fails when told to."""

    def __init__(self) -> None:
        self.messages: list[aftercare.Message] = []
        self.fail_after = 10**9

    def send(self, messages: Any) -> None:
        for message in messages:
            if len(self.messages) >= self.fail_after:
                raise ConnectionError
            self.messages.append(message)


def test_an_order_is_published_once_and_again_only_after_a_crash(shared: Office) -> None:
    case = shared.erase().case
    topic = Topic()
    topic.fail_after = 1
    with shared.open() as wired, pytest.raises(ConnectionError):
        aftercare.publish(wired, topic)
    topic.fail_after = 99
    with shared.open() as wired:
        assert aftercare.publish(wired, topic) == 2
        assert aftercare.publish(wired, topic) == 0
    assert [message.task for message in topic.messages] == [f"{case}.1", f"{case}.1", f"{case}.2"]
    assert topic.messages[0] == topic.messages[1]


def answer_all(office: Office, case: str | None) -> None:
    office.given("data.deleted", "2026-06-02T08:00:00Z", who="K-1", system="crm", categories=["*"], order=f"{case}.1")
    office.given(
        "recipient.acknowledged",
        "2026-06-03T08:00:00Z",
        who=None,
        activity=None,
        notification=f"{case}.2",
        outcome="impossible",
    )


def test_answers_are_noted_and_the_last_one_ends_the_case_key(shared: Office) -> None:
    case = shared.erase().case
    assert case is not None
    shared.later(days=3)
    answer_all(shared, case)
    assert [row["state"] for row in shared.rows("notifications")] == ["done", "impossible", "prepared"]
    shared.look_after()
    assert tasks_of(shared, case)
    with shared.open() as wired:
        erasure = wired.erasures.decisions.case(case)
        erasure.hand_over([f"{case}.3"], shared.now.isoformat())
        wired.erasures.decisions.save(erasure)
    shared.look_after()
    with shared.open() as wired:
        assert isinstance(wired.erasures.tasks(wired.erasures.decisions.case(case)), Erased)
        assert isinstance(wired.keys.open({erasure.key})[erasure.key], Erased)


def test_the_dataset_stays_overdue_until_the_system_answered(shared: Office) -> None:
    case = shared.erase(dataset="forms").case
    shared.now = shared.now.replace(year=2029)
    assert [row["state"] for row in shared.rows("retention")] == ["overdue"]
    shared.given("data.deleted", "2028-12-02T08:00:00Z", who="K-1", system="crm", categories=["*"], order=f"{case}.1")
    assert shared.rows("retention") == []


def test_silence_is_escalated_and_the_case_key_dies_after_its_term(shared: Office) -> None:
    case = shared.erase().case
    assert case is not None
    shared.later(days=29)
    shared.look_after()
    assert {row["state"] for row in shared.rows("notifications")} == {"prepared"}
    assert tasks_of(shared, case)
    shared.later(days=5)
    shared.look_after()
    assert [row["state"] for row in shared.rows("notifications")] == ["silent", "silent", "prepared"]
    with shared.open() as wired:
        assert isinstance(wired.erasures.tasks(wired.erasures.decisions.case(case)), Erased)


# --- no step is lost --------------------------------------------------------------------------------------------------


class Killed(BaseException):
    """The machine died."""


STEPS = ("save", "destroy", "drop")


@pytest.mark.parametrize("number", range(1, 9))
@pytest.mark.parametrize("when", ["before", "after"])
def test_an_erasure_that_dies_at_any_step_is_finished_by_the_next_run(
    shared: Office, monkeypatch: pytest.MonkeyPatch, number: int, when: str
) -> None:
    """Every decision and every destruction is a step; the process dies before or after the numberth of them."""
    steps = 0

    def dying(real: Any) -> Any:
        def step(*arguments: Any, **options: Any) -> Any:
            nonlocal steps
            steps += 1
            if steps == number and when == "before":
                raise Killed
            done = real(*arguments, **options)
            if steps == number and when == "after":
                raise Killed
            return done

        return step

    with monkeypatch.context() as patch:
        patch.setattr(Decisions, "save", dying(Decisions.save))
        patch.setattr(Decisions, "save_all", dying(Decisions.save_all))
        patch.setattr(WrappedKeyStore, "destroy_each", dying(WrappedKeyStore.destroy_each))
        died = False
        try:
            shared.erase()
        except Killed:
            died = True
    shared.look_after()
    cases = [row for row in shared.rows("erasures") if row["state"] == "closed"]
    if not cases:
        assert died
        assert number == 1
        shared.erase()
        cases = shared.rows("erasures")
    assert [row["keys"] for row in cases] == [2]
    case = cases[0]["case"]
    assert len(tasks_of(shared, case)) == 3
    with shared.open() as wired:
        who = wired.keys.resolve([name := Identifier("klantinfocus", "customer-number", "K-1")])[name]
        assert isinstance(who, Fence)
        assert list(disagreements(wired.log, wired.keys)) == []


def test_every_decision_of_an_erasure_is_a_line_of_the_log_and_names_nobody(
    office: Office, caplog: pytest.LogCaptureFixture
) -> None:
    office.given("data.collected")
    with caplog.at_level(logging.INFO, "pdl.decision"):
        case = office.erase().case
    with office.open() as wired:
        stands = [(record.stream, record.topic) for record in wired.log.decisions() if record.stream == case]
    assert [(line.__dict__["stream"], line.__dict__["decision"]) for line in caplog.records] == stands
    assert "ledger.keys.destroyed.v1" in dict.fromkeys(topic for _, topic in stands)
    assert "request" not in caplog.text


def test_ciphertext_goes_out_of_the_log_and_everything_verifies(shared: Office) -> None:
    """Reliability 9: earlier checkpoints and proofs hold although what was sealed is gone."""
    with shared.open() as wired:
        note = wired.checkpoint()
        before = [record.state for record in wired.log.read(0, 10)]
    shared.erase()
    with shared.open() as wired:
        after = [record.state for record in wired.log.read(0, 2)]
        assert all(len(short) < len(long) for short, long in zip(after, before, strict=False))
        assert note in [text for _, text in wired.log.checkpoints()]
        report = verify(wired.log, lambda r: leaf_of(r.stream, r.version, r.topic, r.state), keys=[wired.signer.key])
        assert report.ok
        assert list(disagreements(wired.log, wired.keys)) == []
    assert shared.rows("erasures")[0]["ciphertext_removed"]
