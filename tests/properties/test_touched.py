"""Whom a fact of an organisation touches: everyone whose judgement it changes, and (for the plain cases) nobody else."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.domain.envelope import Envelope, decode
from ledger.domain.facts import Fact, fact_of
from ledger.policy.judge import judge_person, retention_status
from ledger.policy.timeline import Organisation, Topic, grouped, without_retracted
from ledger.sealing import MAGIC, header_of
from projections.answers import Projections
from projections.judgement import Bench
from tests.memory_log import MemoryLog
from tests.properties.histories import NOW, OF_ORGANISATION, PACKS, START, World, event_of, histories
from tests.properties.test_rebuild import dump, found_by, judged, quick

Event = dict[str, Any]


def fact(event: Event) -> Fact:
    read = decode(json.dumps(event).encode())
    assert isinstance(read, Envelope), read
    return fact_of(read)


@st.composite
def pasts(draw: st.DrawFn) -> tuple[str, list[Fact], list[Fact]]:
    """An organisation's name, facts of people, and facts of its own."""
    world = World(draw, PACKS[draw(st.sampled_from([*PACKS]))])
    own_kinds = [name for name in OF_ORGANISATION if name != "fact.retracted"]
    mine = [event_of(world, "data.collected", 0, person=True)]
    for number in range(1, draw(st.integers(2, 9))):
        kind = draw(st.sampled_from(["data.shared", "data.used", "data.deleted", *own_kinds, "request.received"]))
        mine.append(event_of(world, kind, number, person=True))
    own = [
        event_of(world, draw(st.sampled_from(own_kinds)), number, person=False)
        for number in range(20, 20 + draw(st.integers(1, 6)))
    ]
    return world.organisation, [fact(event) for event in mine], [fact(event) for event in own]


def result(name: str, mine: list[Fact], own: list[Fact]) -> tuple[Any, Mapping[Topic, datetime]]:
    """What is found and kept of these people, and what was asked about the organisation."""
    timeline = Organisation(own, first=own[0] if own else None)
    asked: dict[Topic, datetime] = {}
    timeline.asked = asked
    people = grouped(without_retracted(mine))
    found = [
        (judge_person(PACKS[name], theirs, timeline), retention_status(PACKS[name], theirs, timeline))
        for theirs in people.values()
    ]
    return found, asked


@settings(quick, max_examples=400)
@given(pasts(), st.data())
def test_a_fact_that_changes_a_judgement_touches_what_was_asked(
    past: tuple[str, list[Fact], list[Fact]], data: st.DataObject
) -> None:
    name, mine, own = past
    new = data.draw(st.sampled_from(own))
    before, asked_before = result(name, mine, [other for other in own if other is not new])
    after, asked_after = result(name, mine, own)
    if before != after:
        changes = Organisation(own).changes(new)
        assert any(change.touches(asked_before) for change in changes), "arriving"
        assert any(change.touches(asked_after) for change in changes), "retracted"


@quick
@given(histories(), st.data())
def test_facts_that_arrive_and_are_taken_back_in_any_steps_leave_what_the_judge_says_from_scratch(
    events: list[Event], data: st.DataObject
) -> None:
    log = MemoryLog()
    with Projections(None, log, PACKS, page=data.draw(st.integers(1, 4)), window=data.draw(st.integers(1, 6))) as step:
        for event in events:
            log.record(event, recorded=NOW)
            if data.draw(st.booleans()):
                step.catch_up()
                assert found_by(step) == judged(log, NOW)
        step.catch_up()
        with Projections(None, log, PACKS) as scratch:
            scratch.catch_up()
            assert dump(step) == dump(scratch)


# --- nobody else ----------------------------------------------------------------------------------------------------------


def _event(number: int, type_: str, person: int | None = None, days: int = 0, **data: Any) -> Event:
    subject = {} if person is None else {"subject": {"scheme": "email", "value": f"p{person}@example.org"}}
    return {
        "specversion": "1.0",
        "id": f"t-{number}",
        "source": "/touch",
        "type": f"pdl.{type_}.v1",
        "time": (START + timedelta(days=days)).isoformat(),
        "data": {"organisation": "klantinfocus", **subject, **data},
    }


def _share(number: int, person: int, recipient: str, days: int, **more: Any) -> Event:
    act = {"activity": "forms", "categories": ["email"], "purpose": "answer-question", "basis": "contract"}
    return _event(number, "data.shared", person, days, recipient=recipient, **act, **more)


def _collection(number: int, person: int, activity: str = "recruitment", **more: Any) -> Event:
    return _event(number, "data.collected", person, activity=activity, categories=["email"], origin="subject", **more)


_SIGNED: dict[str, Any] = {"reference": "dpa", "party": "zivver", "kind": "processor", "from": "2023-01-02"}
_HISTORY = [
    *(_share(number, number, "zivver", 100) for number in range(10)),
    *(_share(20 + number, number, "zivver", 300, contract="dpa") for number in range(10, 13)),
    *(_share(40 + number, number, "zivver", 300, contract="other") for number in range(13, 16)),
    *(_share(60 + number, number, "stranger", 300) for number in range(16, 19)),
    *(_collection(80 + number, number, client="client-a", reference="ref-1") for number in range(20, 24)),
    *(_collection(100 + number, number, client="client-b", reference="ref-1") for number in range(24, 28)),
    *(_collection(120 + number, number, client="client-a", reference="ref-2") for number in range(28, 32)),
    *(_collection(140 + number, number, "feedback", client="client-b") for number in range(32, 36)),
    _event(200, "contract.signed", days=10, **_SIGNED),
]


@pytest.mark.parametrize(
    ("event", "people"),
    [
        (_event(300, "contract.ended", reference="dpa", days=200), range(10, 13)),
        (_event(300, "contract.ended", reference="dpa", days=50), range(13)),
        (_event(300, "contract.ended", reference="nothing", days=50), ()),
        (_event(300, "control.executed", control="external-audit"), ()),
        (_event(300, "breach.detected", reference="b"), ()),
        (_event(300, "warranty.given", client="client-c", parts=["consent-given"]), ()),
        (_event(300, "client.instructed", client="client-b", instruction="destroy"), range(32, 36)),
        (
            _event(300, "milestone.reached", milestone="procedure.closed", client="client-a"),
            (*range(20, 24), *range(28, 32)),
        ),
        (
            _event(300, "milestone.reached", milestone="procedure.closed", client="client-a", reference="ref-2"),
            range(28, 32),
        ),
        (_event(300, "milestone.reached", milestone="procedure.closed", reference="ref-1"), range(20, 28)),
        (_event(300, "milestone.reached", milestone="moon.landed", client="client-a"), ()),
    ],
)
def test_only_those_are_judged_again_who_asked(event: Event, people: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    log = MemoryLog()
    log.record(*_HISTORY)
    seen: Counter[bytes] = Counter()
    judge = Bench.people
    monkeypatch.setattr(Bench, "people", lambda self, chunk: (seen.update(chunk), judge(self, chunk))[1])
    with Projections(None, log, PACKS) as projections:
        projections.catch_up()
        seen.clear()
        log.record(event)
        projections.catch_up()
    wanted = {bytes.fromhex(log.person("klantinfocus", "email", f"p{person}@example.org")[:16]) for person in people}
    assert set(seen) == wanted


def test_what_an_organisation_said_before_is_not_read_again() -> None:
    log = MemoryLog()
    log.record(*_HISTORY, *(_event(400 + number, "control.executed", control="external-audit") for number in range(60)))
    with Projections(None, log, PACKS) as projections:
        projections.catch_up()
        read: list[int] = []
        at = log.at
        log.at = lambda positions: (read.extend(positions), at(positions))[1]  # type: ignore[method-assign]
        log.record(_share(301, 1, "stranger", 400))
        projections.catch_up()
    assert len(read) < 10


def test_a_use_after_an_erasure_that_was_taken_back_is_no_finding() -> None:
    log = MemoryLog()
    used = _event(
        1, "data.used", 1, activity="forms", categories=["email"], purpose="answer-question", operation="contact"
    )
    log.record(used)
    record = log.records[0]
    late = msgspec.structs.replace(header_of(record.state), person=None, fenced=True, after_erasure=True)
    clear = msgspec.json.encode(late)
    log.records[0] = record._replace(state=MAGIC + len(clear).to_bytes(4, "big") + clear)
    with Projections(None, log, PACKS) as projections:
        projections.catch_up()
        assert [row["code"] for row in projections.rows("findings", now=NOW)] == ["use-after-erasure"]
        log.record(_event(2, "fact.retracted", source="/touch", id="t-1", reason="never-happened"))
        projections.catch_up()
        assert [*projections.rows("findings", now=NOW)] == []
