"""A case of erasure with log, keys and registers in PostgreSQL: signed, followed up, certified, and a run of the retention periods."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from consumers.aftercare import follow_up, pending
from consumers.certificates import issue
from consumers.lock import only_writer
from consumers.wiring import Wired, open_ledger
from ledger.domain.errors import Busy
from ledger.evidence.certificate import verify
from ledger.fsck import disagreements
from tests.office import Office, office

__all__ = ["office"]


STORES = ("log_database", "keys_database", "registers_database")


@contextmanager
def reader(office: Office) -> Iterator[Wired]:
    """One of several `pdl consume`."""
    with open_ledger(office.data, write=True, create=True, command="consume", clock=lambda: office.now) as wired:
        yield wired


def test_two_readers_do_not_begin_a_ledger_at_once(office: Office, postgres_url: str) -> None:
    """Each would draw a root of epoch 1, the second over the first."""
    office.set(**dict.fromkeys(STORES, postgres_url))
    office.data.mkdir()
    with only_writer(office.data, "consume"), pytest.raises(Busy, match="pdl consume"), reader(office):
        pytest.fail("two begin")
    with reader(office) as one:
        root = [root.id for root in one.keys._vault.roots.held()]  # type: ignore[attr-defined]
    with only_writer(office.data, "erase"), reader(office) as other:
        assert [root.id for root in other.keys._vault.roots.held()] == root  # type: ignore[attr-defined]


def test_readers_side_by_side_decide_one_after_the_other(office: Office, postgres_url: str) -> None:
    """What `--publish-orders` does is a decision: no two processes take it at once."""
    office.set(**dict.fromkeys(STORES, postgres_url))
    office.given("data.collected")
    office.erase()
    with reader(office) as one, reader(office) as other:
        with one.deciding("consume"):
            assert len(list(pending(one))) == 1
            follow_up(one)
            with pytest.raises(Busy, match="pdl consume"), other.deciding("consume"):
                pytest.fail("two decide")
        with only_writer(office.data, "erase"), pytest.raises(Busy, match="pdl erase"), other.deciding("consume"):
            pytest.fail("two decide")
        with other.deciding("consume"):
            assert len(list(pending(other))) == 1


def test_a_case_goes_the_whole_way_in_postgresql(office: Office, postgres_url: str) -> None:
    office.set(**dict.fromkeys(STORES, postgres_url), approval="two-people")
    office.given("data.collected")
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
    office.given("data.deleted", "2026-06-02T08:00:00Z", system="crm", categories=["*"], order=f"{case}.1")
    assert [row["state"] for row in office.rows("notifications")] == ["done", "prepared"]
    with office.open() as wired:
        wired.registers.catch_up()
        assert verify(issue(wired, case).encode(), wired.signer.key).ok
        assert list(disagreements(wired.log, wired.keys)) == []
    office.later(days=9)
    office.given(
        "data.used", "2026-06-03T08:00:00Z", purpose="answer-question", operation="contact", categories=["email"]
    )
    assert "use-after-erasure" in {row["code"] for row in office.rows("findings")}
    office.given("data.collected", "2023-01-01T08:00:00Z", who="K-2")
    with office.open() as wired:
        wired.registers.catch_up()
        due, organisations = wired.due(office.now)
        swept = wired.sweeps.run(due, organisations, wired, halted={}, confirmed_by={})
    assert [row.outcome for row in swept] == ["erased"]
