"""The certificate of an erasure: whole or refused, and what came later is a supplement."""

from __future__ import annotations

import random
from typing import Any

import pytest

from consumers.certificates import issue
from ledger.domain.errors import ErasureRefused
from ledger.evidence.certificate import compose, digest, verify
from ledger.evidence.note import Signer
from tests.office import Office, office

__all__ = ["office"]


def certified(office: Office, case: str | None) -> str:
    assert case is not None
    with office.open() as wired:
        wired.registers.catch_up()
        return issue(wired, case)


@pytest.fixture
def erased(office: Office) -> tuple[Office, str]:
    """Somebody erased after two people signed, whose data one system held and one recipient had."""
    office.set(approval="two-people")
    office.given("data.collected")
    office.given(
        "data.shared", recipient="Drukkerij Noord", purpose="send-information", categories=["name"], basis="consent"
    )
    case = office.erase().case
    assert case is not None
    for name in ("po-1", "po-2"):
        office.add_approver(name)
        note = office.note(case, name)
        with office.open() as wired:
            wired.erasures.approve(case, note)
    with office.open() as wired:
        assert wired.erasures.carry_on(case) == "done"
    office.look_after()
    return office, case


def test_it_verifies_without_a_data_directory_and_names_what_was_done(erased: tuple[Office, str]) -> None:
    office, case = erased
    text = certified(office, case)
    with office.open() as wired:
        key = wired.signer.key
        keys = wired.erasures.decisions.case(case).key_ids
    verdict = verify(text.encode(), key)
    assert verdict.problems == ()
    assert (verdict.ok, verdict.case, verdict.number) == (True, case, 1)
    assert all(f"\nkey {id_} " in text for id_ in keys)
    for said in (
        "approval two-people",
        "signed po-1 privacy-officer",
        "signed po-2",
        "irreversible not claimed",
        "none: alone = true",
        "crm forms",
        "schemes customer-number",
    ):
        assert said in text
    for value in ("Voorbeeld", "ada@example.org", "Drukkerij", "K-1"):
        assert value not in text


def test_every_altered_byte_is_refused(erased: tuple[Office, str]) -> None:
    """Reliability 24: 0 accepted, of every byte flipped, every byte left out, and a thousand mutants."""
    content = certified(*erased).encode()
    dice = random.Random(24)
    assert verify(content).ok
    for at in range(len(content)):
        flipped = bytearray(content)
        flipped[at] ^= 1 << dice.randrange(8)
        assert not verify(bytes(flipped)).ok, at
    for _ in range(1_000):
        at, length = dice.randrange(len(content)), dice.randrange(1, 9)
        mutant = content[:at] + dice.choice((b"", dice.randbytes(length), content[:length])) + content[at + length :]
        assert mutant == content or not verify(mutant).ok
    for more in (b"\n", b" ", b"x", content):
        assert not verify(content + more).ok
        assert not verify(more + content).ok


def test_a_key_that_is_believed_is_compared(erased: tuple[Office, str]) -> None:
    content = certified(*erased).encode()
    assert verify(content, Signer("somebody", b"k" * 32).key).problems


def test_one_who_signs_with_a_key_of_their_own_cannot_borrow_the_proofs(erased: tuple[Office, str]) -> None:
    text = certified(*erased)
    with erased[0].open() as wired:
        real = str(wired.signer.key)
        name = wired.signer.key.name
    forger = Signer(name, b"f" * 32)
    forged = forger.sign(text[: text.rindex("\n\n") + 1].replace(real, str(forger.key)))
    assert not verify(forged.encode()).ok


def test_it_is_given_again_as_it_was_and_answers_make_a_supplement(erased: tuple[Office, str]) -> None:
    office, case = erased
    first = certified(office, case)
    office.later(minutes=5)
    assert certified(office, case) == first
    office.given("data.deleted", "2026-06-02T08:00:00Z", system="crm", categories=["*"], order=f"{case}.1")
    second = certified(office, case)
    assert "Supplement" in second
    assert f"supplements {digest(first)}\n" in second
    assert f"task {case}.1 crm forms - done" in second
    office.later(days=1)
    third = certified(office, case)
    assert f"supplements {digest(first)}\n" in third
    assert "irreversible 2026-06-02" in third
    assert all(verify(text.encode()).ok for text in (first, second, third))
    assert [row["number"] for row in office.rows("certificates")] == [1, 2, 3]


def test_an_approval_that_is_left_out_is_missed(erased: tuple[Office, str], monkeypatch: pytest.MonkeyPatch) -> None:
    """A certificate of two people that shows one signature does not hold, even if the ledger itself signed it."""
    office, case = erased

    def short(about: Any, signer: Signer) -> str:
        return compose(about._replace(signed=about.signed[:1]), signer)

    monkeypatch.setattr("consumers.certificates.compose", short)
    assert "two people" in verify(certified(office, case).encode()).problems[0]


def test_where_nothing_was_destroyed_nothing_is_certified(office: Office) -> None:
    office.given("data.collected")
    office.given("hold.placed", statute="awr-52", reference="audit", activity=None)
    case = office.erase().case
    with pytest.raises(ErasureRefused):
        certified(office, case)
