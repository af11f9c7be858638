"""What stands beside the log cannot be edited unseen: each table that commits with it is compared with it."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ledger.fsck import disagreements
from tests.unit.test_service import House, event

EDITS = {
    "an id is changed": "UPDATE event_id SET id = 'other' WHERE position = 1",
    "an id leads elsewhere": "UPDATE event_id SET position = 999 WHERE position = 1",
    "the ids are gone": "DELETE FROM event_id",
    "a source is renamed": "UPDATE source SET name = '/other'",
    "the decisions are gone": "DELETE FROM decision",
    "a decision is another": "UPDATE decision SET topic = 'ledger.erasure.refused.v1' WHERE position = 3",
    "the generations are gone": "DELETE FROM generation",
    "a generation has another time": "UPDATE generation SET time = '2020-01-01T00:00:00+00:00'",
    "the mark is gone": "DELETE FROM tracking WHERE application_name = 'test'",
    "the mark is set back": "UPDATE tracking SET notification_id = 0 WHERE application_name = 'test'",
    "the count of recorded is lower": "UPDATE tally SET count = count - 1 WHERE kind = 'recorded'",
    "the counts are gone": "DELETE FROM tally",
    "a quarantined input is gone": "DELETE FROM quarantine",
    "a quarantined input is another": "UPDATE quarantine SET sealed = zeroblob(60)",
    "a quarantined input stands elsewhere": "UPDATE quarantine SET place = 77",
    "a name is another": "UPDATE name SET sealed = zeroblob(30)",
    "a name belongs to another token": "UPDATE name SET token = '~0000000000000000'",
}


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    made = House(tmp_path)
    configure = event(
        "i", "client.instructed", subject=None, activity=None, client="webshop-noord", instruction="configure"
    )
    made.record(event("a"), configure, b"{")
    made.erase()
    made.record(event("b", time="2026-07-01T08:00:00Z"))
    yield made
    made.log.close()


def test_a_log_that_nobody_touched_agrees_with_itself(house: House) -> None:
    assert list(disagreements(house.log, house.keys)) == []


def test_a_log_shorter_than_its_keys_have_seen_is_told(house: House) -> None:
    house.keys.saw_log(house.log.size())
    assert list(disagreements(house.log, house.keys)) == []
    house.keys.saw_log(house.log.size() + 5)
    assert ["restore the newest log" in said for said in disagreements(house.log, house.keys)] == [True]


def test_a_batch_that_arrives_while_the_log_is_compared_is_no_disagreement(house: House, monkeypatch: Any) -> None:
    real = house.log.ids

    def ids(after: int, upto: int) -> list[tuple[int, str, str]]:
        monkeypatch.undo()
        house.record(event("c", time="2026-07-02T08:00:00Z"), b"[")
        return real(after, upto)

    monkeypatch.setattr(house.log, "ids", ids)
    assert list(disagreements(house.log, house.keys)) == []
    assert list(disagreements(house.log, house.keys)) == []


def test_a_source_may_be_called_like_a_stream(house: House) -> None:
    house.record({**event("s", time="2026-07-03T08:00:00Z"), "source": "test"}, event("t", time="2026-07-03T08:00:00Z"))
    assert list(disagreements(house.log, house.keys)) == []


@pytest.mark.parametrize("edit", EDITS)
def test_an_edit_beside_the_log_is_found(house: House, tmp_path: Path, edit: str) -> None:
    with sqlite3.connect(tmp_path / "log.db") as other:
        assert other.execute(EDITS[edit]).rowcount > 0
    other.close()
    assert list(disagreements(house.log, house.keys)) != []


def test_a_ciphertext_may_be_gone_only_where_its_key_was_destroyed(house: House) -> None:
    """Reliability 9: who takes away what could still be read is found out."""
    erased, live = (
        {section.key for section in header.sections} for header in (house.headers()[0], house.headers()[-1])
    )
    everything = range(1, house.log.size() + 1)
    assert house.log.remove_ciphertexts(everything, erased) == 1
    assert list(disagreements(house.log, house.keys)) == []
    assert house.log.remove_ciphertexts(everything, live) == 1
    assert any("was never destroyed" in said for said in disagreements(house.log, house.keys))
