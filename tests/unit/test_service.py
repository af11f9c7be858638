"""Recording: every input ends as recorded, duplicate or quarantined; nothing personal is stored in the clear."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from ledger.access import Accesses
from ledger.decisions import DISCARDED
from ledger.domain.errors import BatchAlreadyRecorded, KeyMissing, Tampered, Unreadable
from ledger.erasure import Erasures, Standing
from ledger.evidence.tree import leaf_hash
from ledger.fsck import disagreements
from ledger.keys import Erased, Identifier
from ledger.keys.memory import MemoryKeyStore
from ledger.outcomes import Superseded, Value, Withheld, withheld
from ledger.policy.packs import builtin_packs
from ledger.sealing import header_of, leaf_of, opened
from ledger.service import Input, Ledger, Receipt
from ledger.store.sqlite import SQLiteEventLog

EMAIL = "wouter.zandstra@example.org"
PERSON = Identifier("klantinfocus", "email", EMAIL)
NOW = datetime(2026, 6, 1, 12, 0, tzinfo=UTC)


def event(
    event_id: str, kind: str = "data.collected", time: str = "2026-03-02T08:00:00Z", **data: Any
) -> dict[str, Any]:
    base: dict[str, Any] = {
        "organisation": "klantinfocus",
        "activity": "forms",
        "subject": {"scheme": "email", "value": EMAIL, "class": "enquirer"},
    }
    if kind == "data.collected":
        base |= {"values": {"name": "Wouter Zandstra", "message": "Please call"}, "origin": "subject"}
    if kind == "data.used":
        base |= {"purpose": "answer-question", "operation": "contact", "categories": ["email"]}
    body = {name: value for name, value in (base | data).items() if value is not None}
    return {
        "specversion": "1.0",
        "id": event_id,
        "source": "/forms",
        "type": f"pdl.{kind}.v1",
        "time": time,
        "data": body,
    }


class House:
    """A ledger on SQLite with keys in memory, and a clock that stands where it is put."""

    def __init__(self, path: Path) -> None:
        self.now = NOW
        self.log = SQLiteEventLog(path / "log.db", create=True)
        self.keys = MemoryKeyStore()
        self.ledger = Ledger(self.log, self.keys, builtin_packs(), lambda: self.now)
        self.erasures = Erasures(self.log, self.keys, lambda: self.now, approval="none", alone=True)
        self._next = 0

    def record(self, *events: dict[str, Any] | bytes, **options: Any) -> Receipt:
        inputs = [
            Input(self._next + index, one if isinstance(one, bytes) else json.dumps(one).encode())
            for index, one in enumerate(events)
        ]
        self._next += len(events)
        return self.ledger.record(inputs, "test", self._next - 1, **options)

    def person(self) -> str:
        found = self.keys.resolve([PERSON])[PERSON]
        assert isinstance(found, str)
        return found

    def erase(self, **options: Any) -> str:
        self.now += timedelta(hours=1)
        return self.erasures.erase("klantinfocus", self.person(), [], reason="request", **options).state

    def headers(self) -> list[Any]:
        return [header_of(record.state) for record in self.log.read(0, 1000) if record.topic.startswith("pdl.")]

    def contents(self) -> list[dict[str, Any]]:
        states = [record.state for record in self.log.read(0, 1000) if record.topic.startswith("pdl.")]
        return list(opened(states, self.keys))


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    made = House(tmp_path)
    yield made
    made.log.close()


def test_every_input_is_recorded_duplicate_or_quarantined(house: House) -> None:
    receipt = house.record(
        event("a"), event("a"), event("a", time="2026-03-03T08:00:00Z"), b"{", event("b", organisation="nobody")
    )
    assert (receipt.recorded, receipt.duplicate, receipt.quarantined) == (1, 1, 3)
    assert [(problem.place, problem.reason) for problem in receipt.problems] == [
        (3, "undecodable"),
        (4, "unknown-organisation"),
        (2, "conflicting-duplicate"),
    ]


def test_a_repeat_in_a_later_batch_is_a_duplicate_and_makes_no_key(house: House) -> None:
    house.record(event("a"))
    keys = len(house.keys._keys)
    assert house.record(event("a")).duplicate == 1
    assert house.record(event("a", time="2026-03-03T08:00:00Z")).problems[0].reason == "conflicting-duplicate"
    assert len(house.keys._keys) == keys + 1  # The quarantine's own.


def test_a_repeat_written_in_another_key_order_is_still_the_same_event(house: House) -> None:
    house.record(event("a"))
    backwards = dict(reversed(list(event("a").items())))
    assert house.record(json.dumps(backwards, indent=2).encode()).duplicate == 1


def test_nothing_personal_stands_in_a_stored_record(house: House) -> None:
    house.record(
        event(
            "a",
            reference="ticket-Zandstra",
            actor={"role": "account-manager", "id": "acc-zandstra"},
            client="Zandstra BV",
        )
    )
    stored = b"".join(record.state for record in house.log.read(0, 10))
    assert b"andstra" not in stored
    assert b"Please call" not in stored
    (header,) = house.headers()
    assert header.role == "account-manager"
    assert header.reference.startswith("~")
    assert header.client.startswith("~")


def test_what_was_sealed_opens_again(house: House) -> None:
    house.record(event("a", reference="ticket-7"))
    (content,) = house.contents()
    assert content["forms/forms"] == {"name": "Wouter Zandstra", "message": "Please call"}
    assert content["identity"]["data"]["subject"]["value"] == EMAIL
    assert content["identity"]["data"]["reference"] == "ticket-7"
    assert "values" not in content["identity"]["data"]


def test_an_altered_header_or_ciphertext_is_tampered(house: House) -> None:
    house.record(event("a"))
    state = house.log.read(0, 1)[0].state
    for altered in (state.replace(b"enquirer", b"customer"), state[:-1] + bytes([state[-1] ^ 1])):
        with pytest.raises(Tampered):
            list(opened([altered], house.keys))


def test_a_key_that_is_unknown_is_missing_and_not_erased(house: House) -> None:
    house.record(event("a"))
    with pytest.raises(KeyMissing):
        list(opened([house.log.read(0, 1)[0].state], MemoryKeyStore()))


def test_after_an_erasure_the_record_stays_and_its_values_are_erased(house: House) -> None:
    house.record(event("a"))
    assert house.erase() == "erased"
    (content,) = house.contents()
    assert all(isinstance(part, Erased) for part in content.values())
    assert house.headers()[0].categories == ("name", "message")


def test_a_late_fact_about_an_erased_person_is_recorded_without_values_or_key(house: House) -> None:
    house.record(event("a"))
    house.erase()
    before = len(house.keys._keys)
    receipt = house.record(
        event("late", time="2026-04-01T08:00:00Z"), event("use", "data.used", time="2026-07-01T08:00:00Z")
    )
    assert receipt.recorded == 2
    assert len(house.keys._keys) == before
    for header in house.headers()[1:]:
        assert header.fenced
        assert header.person is None
        assert header.sections == ()


def test_an_erased_person_who_comes_back_is_somebody_new(house: House) -> None:
    house.record(event("a"))
    old = house.person()
    house.erase()
    house.record(event("b", time="2026-07-01T08:00:00Z"), event("late", time="2026-04-01T08:00:00Z"))
    returned, late = house.headers()[1:]
    assert returned.person not in {None, old}
    assert late.person is None
    assert house.contents()[1]["forms/forms"]["name"] == "Wouter Zandstra"
    house.record(event("later", time="2026-04-02T08:00:00Z"))
    assert house.headers()[-1].person is None


def test_a_repeat_of_an_erased_fact_is_a_duplicate(house: House) -> None:
    house.record(event("a"))
    house.erase()
    assert house.record(event("a")).duplicate == 1


def test_one_dataset_goes_and_the_rest_stays(house: House) -> None:
    news = event(
        "n",
        activity="newsletter",
        values={"email": EMAIL},
        subject={"scheme": "email", "value": EMAIL, "class": "subscriber"},
    )
    house.record(event("a"), news)
    assert house.erase(dataset="newsletter") == "erased"
    first, second = house.contents()
    assert first["forms/forms"]["name"] == "Wouter Zandstra"
    assert isinstance(second["newsletter/newsletter"], Erased)
    assert not isinstance(second["identity"], Erased)
    house.record({**news, "id": "n2", "time": "2026-03-03T08:00:00Z"})
    assert house.headers()[-1].erased == ("newsletter/newsletter",)
    house.record({**news, "id": "n3", "time": "2026-08-03T08:00:00Z"})
    assert house.contents()[-1]["newsletter/newsletter"] == {"email": EMAIL}


def test_a_late_fact_leaves_no_value_under_the_new_key_of_a_dataset_that_was_erased_in_between(house: House) -> None:
    house.record(event("a"), event("n", activity="newsletter", values={"email": EMAIL}))
    house.erase(dataset="forms")
    house.record(event("b", time="2026-08-03T08:00:00Z"), event("late", time="2026-04-01T08:00:00Z"))
    again, late = house.contents()[-2:]
    assert again["forms/forms"]["name"] == "Wouter Zandstra"
    assert "forms/forms" not in late
    assert house.headers()[-1].erased == ("forms/forms",)


def test_a_hold_outranks_an_erasure_and_is_named(house: House) -> None:
    house.record(event("a"))
    held = Standing("forms/forms", "", held=True, statute="awr-52")
    outcome = house.erasures.erase("klantinfocus", house.person(), [held], reason="request")
    assert outcome.state == "refused"
    assert [(row.dataset, row.outcome, row.statute) for row in outcome.datasets] == [("forms/forms", "held", "awr-52")]
    assert house.contents()[0]["forms/forms"]["name"] == "Wouter Zandstra"
    assert house.log.decisions()[-1].topic == "ledger.erasure.refused.v1"


def test_a_rehearsal_touches_nothing(house: House) -> None:
    house.record(event("a"))
    size = house.log.size()
    assert house.erasures.rehearse(house.person(), []).state == "erased"
    assert house.log.size() == size
    assert house.contents()[0]["forms/forms"]["name"] == "Wouter Zandstra"


@pytest.mark.parametrize("step", ["prepare", "destroy", "keys_destroyed", "close"])
@pytest.mark.parametrize("after", [False, True])
def test_an_erasure_that_crashes_at_any_step_is_finished_by_the_next_run(
    house: House, step: str, after: bool, monkeypatch: Any
) -> None:
    house.record(event("a"))
    person = house.person()
    owner, name = (house.keys, "destroy_each") if step == "destroy" else (house.erasures.decisions, "save_all")
    real, calls = getattr(owner, name), 0
    wanted = {"destroy": 1, "prepare": 1, "keys_destroyed": 2, "close": 3}[step]

    def crash(*args: Any, **named: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls != wanted:
            return real(*args, **named)
        if after:
            real(*args, **named)
        raise KeyboardInterrupt

    monkeypatch.setattr(owner, name, crash)
    with pytest.raises(KeyboardInterrupt):
        house.erasures.erase("klantinfocus", person, [], reason="request")
    monkeypatch.undo()
    again = Erasures(house.log, house.keys, lambda: house.now, approval="none", alone=True)
    again.resume()
    assert again.open_cases() == []
    assert again.resume() == []
    assert house.log.generation() == 1
    assert all(isinstance(part, Erased) for part in house.contents()[0].values())


def test_an_operators_own_words_are_sealed(house: House) -> None:
    house.record(event("a"))
    house.erasures.erase("klantinfocus", house.person(), [], reason="Mr Zandstra called")
    assert b"Zandstra" not in b"".join(record.state for record in house.log.read(0, 10))


def test_values_that_the_statement_prohibits_are_not_kept(house: House) -> None:
    visit = event(
        "v",
        organisation="infactor",
        activity="website",
        subject={"scheme": "ip", "value": "203.0.113.7", "class": "visitor"},
        values={"ip-address": "203.0.113.7", "browser": "Lynx"},
        origin="device",
    )
    assert house.record(visit).recorded == 1
    (header,) = house.headers()
    assert header.categories == ("ip-address", "browser")
    assert set(header.dropped) == {"ip-address", "browser"}
    assert header.sections == ()
    assert house.keys.resolve([Identifier("infactor", "ip", "203.0.113.7")]) == {
        Identifier("infactor", "ip", "203.0.113.7"): None
    }


def test_an_unknown_category_and_an_unknown_activity_are_facts(house: House) -> None:
    house.record(event("a", values={"shoe-size": 43, "name": "W"}), event("b", activity="dating", values={"name": "W"}))
    one, two = house.contents()
    assert one["forms/unlisted"] == {"shoe-size": 43}
    assert two["undeclared/unlisted"] == {"name": "W"}
    assert house.headers()[1].activity.startswith("~")


def test_the_name_of_a_client_is_kept_for_those_who_may_see_it(house: House) -> None:
    house.record(
        event("i", "client.instructed", subject=None, activity=None, client="webshop-noord", instruction="configure")
    )
    (row,) = house.log.names()
    assert row.token == house.headers()[0].client
    assert b"webshop" not in row.sealed


def test_a_quarantined_input_waits_sealed_and_can_be_tried_again(house: House) -> None:
    house.record(event("a", organisation="later"))
    (row,) = house.log.quarantine()
    assert b"andstra" not in row.sealed
    assert b"Zandstra" in house.ledger.quarantined_input(row).body
    assert house.ledger.retry(row, "retry:1") == "waiting"
    house.ledger.packs = {**house.ledger.packs, "later": house.ledger.packs["klantinfocus"]}
    assert house.ledger.retry(row, "retry:2") == "recorded"
    assert [one.state for one in house.log.quarantine()] == ["recorded"]


def test_what_was_recorded_after_all_can_be_erased_and_not_be_seen_in_the_quarantine(house: House) -> None:
    house.record(event("q-1", organisation="later"))
    house.ledger.packs["later"] = house.ledger.packs["klantinfocus"]
    (row,) = house.log.quarantine()
    assert house.ledger.retry(row, "quarantine:1") == "recorded"
    (row,) = house.log.quarantine()
    with pytest.raises(Unreadable, match="settled"):
        house.ledger.quarantined_input(row)
    assert list(disagreements(house.log, house.keys)) == []


def test_what_is_given_up_is_a_decision_once_and_its_content_goes(house: House) -> None:
    house.record(b"{Zandstra", b"{other")
    accesses = Accesses(house.log, house.keys, house.erasures, lambda: house.now)
    row, other = house.log.quarantine()
    accesses.discard(row, "a developer's test")
    accesses.discard(row, "again, after a crash")
    (said,) = house.log.decisions(DISCARDED)
    assert b"developer" not in said.state
    assert [one.state for one in house.log.quarantine()] == ["discarded", "waiting"]
    assert house.log.quarantine(row.number)[0].sealed == b""
    with pytest.raises(Unreadable):
        accesses.discard(house.log.quarantine(row.number)[0], "twice")
    assert house.ledger.quarantined_input(other).body == b"{other"
    assert list(disagreements(house.log, house.keys)) == []
    house.log.settle_quarantine(other.number, "discarded")
    (problem,) = disagreements(house.log, house.keys)
    assert "no decision" in problem


def test_a_file_offered_again_adds_nothing_to_the_quarantine(house: House) -> None:
    house.record(b"{", repeatable=True)
    receipt = house.record(b"{", repeatable=True)
    assert (receipt.duplicate, receipt.quarantined) == (1, 0)


def test_a_batch_is_recorded_once(house: House) -> None:
    house.record(event("a"))
    with pytest.raises(BatchAlreadyRecorded):
        house.ledger.record([Input(0, json.dumps(event("z")).encode())], "test", 0)


def test_unknown_fields_and_odd_times_are_counted_by_source(house: House) -> None:
    house.record(
        event("a", colour="red"), event("b", time="1970-01-01T00:00:00Z"), event("c", time="2031-01-01T00:00:00Z")
    )
    tallies = house.log.sources()["/forms"].tallies
    assert tallies == {"recorded": 3, "unknown-field:colour": 1, "implausible-time": 2}


def test_the_leaf_in_the_tree_is_that_of_the_stored_record(house: House) -> None:
    house.record(event("a"), event("b"))
    tile = house.log.tile(0, 0)
    assert tile == b"".join(leaf_hash(leaf_of(*record[1:])) for record in house.log.read(0, 10))


def test_keys_destroyed_while_a_batch_is_sealed_are_not_used(house: House, monkeypatch: Any) -> None:
    house.record(event("a"))
    real = house.log.append

    def append(batch: Any) -> int:
        monkeypatch.undo()
        house.erase()
        return real(batch)

    monkeypatch.setattr(house.log, "append", append)
    house.record(event("b", time="2026-03-05T08:00:00Z"))
    assert house.headers()[-1].fenced


def seen(house: House) -> list[Any]:
    access = Accesses(house.log, house.keys, house.erasures, lambda: house.now)
    records = [record for record in house.log.read(0, 1000) if record.topic.startswith("pdl.")]
    return list(access.reveal(["klantinfocus"], [], "request", records).values())


def test_a_rectified_value_is_superseded_and_the_new_one_is_the_value(house: House) -> None:
    correction = event("r", "data.rectified", time="2026-03-04T08:00:00Z", values={"name": "Wouter Sandstra"})
    house.record(event("a"), correction)
    first, second = seen(house)
    assert first["forms/forms"]["name"] == Superseded("Wouter Zandstra", datetime(2026, 3, 4, 8, tzinfo=UTC), "r")
    assert first["forms/forms"]["message"] == Value("Please call")
    assert second["forms/forms"]["name"] == Value("Wouter Sandstra")


def test_a_value_collected_after_a_correction_is_not_superseded_by_it(house: House) -> None:
    correction = event("r", "data.rectified", time="2026-03-01T08:00:00Z", values={"name": "Wouter Sandstra"})
    house.record(event("a"), correction)
    assert seen(house)[0]["forms/forms"]["name"] == Value("Wouter Zandstra")


def test_an_erased_value_is_erased_also_if_it_was_rectified_before(house: House) -> None:
    house.record(event("a"), event("r", "data.rectified", time="2026-03-04T08:00:00Z", values={"name": "W"}))
    house.erase()
    assert all(isinstance(part, Erased) for sections in seen(house) for part in sections.values())


def test_a_reader_who_opens_nothing_sees_that_it_is_withheld_and_not_that_it_is_gone(house: House) -> None:
    house.record(event("a"))
    assert withheld(house.headers()[0], "ask") == {"identity": Withheld("ask"), "forms/forms": Withheld("ask")}


def test_that_somebody_looked_is_in_the_log_before_a_value_is_shown(house: House) -> None:
    house.record(event("a"))
    house.keys._keys.clear()
    with pytest.raises(KeyMissing):
        seen(house)
    assert house.log.decisions()[-1].topic == "ledger.values.revealed.v1"


def test_a_system_answers_an_erasure_under_its_case_although_nobody_can_be_found_by_name_any_more(house: House) -> None:
    house.record(event("a", system="crm"))
    old = house.person()
    house.now += timedelta(hours=1)
    case = house.erasures.erase("klantinfocus", old, [], reason="request").case
    deleted = {"values": None, "categories": ["*"], "system": "crm", "order": case}
    house.record(event("d", "data.deleted", time="2026-07-01T08:00:00Z", **deleted))
    house.record(event("e", "data.deleted", time="2026-07-02T08:00:00Z", **{**deleted, "order": "case-of-nobody"}))
    answered, unanswered = house.headers()[-2:]
    assert (answered.person, answered.sections, answered.fenced) == (old, (), False)
    assert unanswered.person is None


def test_an_answer_about_someone_who_is_not_erased_is_recorded_beside_one_who_is(house: House) -> None:
    news = {"activity": "newsletter", "values": {"email": EMAIL}}
    other = {"scheme": "email", "value": "other.person@example.org", "class": "enquirer"}
    house.record(event("a"), event("n", **news), event("o", subject=other))
    person = house.person()
    house.now += timedelta(hours=1)
    case = house.erasures.erase("klantinfocus", person, [], reason="request", dataset="newsletter").case
    gone = house.keys.resolve([Identifier("klantinfocus", "email", other["value"])]).popitem()[1]
    assert isinstance(gone, str)
    house.erasures.erase("klantinfocus", gone, [], reason="request")
    deleted = {"values": None, "categories": ["*"], "system": "crm", "order": case}
    also = {"scheme": "email", "value": EMAIL, "also": [{"scheme": "email", "value": other["value"]}]}
    receipt = house.record(
        event("late", time="2026-04-01T08:00:00Z", subject=other),
        event("d", "data.deleted", time="2026-07-01T08:00:00Z", activity="newsletter", **deleted),
        event("e", "data.deleted", time="2026-07-01T08:00:00Z", activity="newsletter", subject=also, **deleted),
    )
    assert receipt.recorded == 3
    late, answered, linked = house.headers()[-3:]
    assert (late.person, answered.person, linked.person) == (None, person, person)
    assert linked.also == ()
