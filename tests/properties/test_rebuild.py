"""Registers do not depend on how the log was cut, on the order of arrival, or on a crash; findings are those of `pdl judge`."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Callable
from datetime import datetime, timedelta
from itertools import count
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ledger.domain.errors import StoreUnavailable
from ledger.policy.findings import at, row
from ledger.policy.judge import judge
from ledger.policy.packs import builtin_packs
from ledger.postgres import Address
from projections.answers import Projections
from projections.page import Bound
from projections.postgres import PostgresTables
from projections.registers import REGISTERS
from projections.registers.uses import Uses
from tests.memory_log import MemoryLog
from tests.properties.histories import NOW, START, histories

PACKS = builtin_packs()
settings.register_profile(
    "projections", deadline=None, suppress_health_check=list(HealthCheck), max_examples=30, report_multiple_bugs=False
)
quick = settings.get_profile("projections")


def logged(events: list[dict[str, Any]], recorded: list[datetime] | None = None) -> MemoryLog:
    log = MemoryLog()
    for number, event in enumerate(events):
        log.record(event, recorded=NOW if recorded is None else recorded[number])
    return log


def dump(projections: Projections) -> list[tuple[Any, ...]]:
    """Every row of every table."""
    return rows_of(projections._store.db)


def rows_of(db: sqlite3.Connection) -> list[tuple[Any, ...]]:
    names = [
        name
        for (name,) in db.execute(
            "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%' ORDER BY name"
        )
    ]
    return [(name, *found) for name in names for found in sorted(db.execute(f"SELECT * FROM {name}"), key=repr)]


def rows(projections: Projections, name: str, **more: Any) -> list[Any]:
    return list(projections.rows(name, **({"now": NOW} | more)))


def judged(log: MemoryLog, now: datetime, known: datetime | None = None) -> list[dict[str, Any]]:
    """What `pdl judge` says of the same facts; the ledger's notes on sources stand elsewhere."""
    facts = [fact for fact in log.facts() if fact.time <= now and (known is None or (fact.recorded or now) <= known)]
    found = [finding for organisation in PACKS for finding in judge(PACKS[organisation], facts)]
    return sorted([row(finding) for finding in at(found, now)], key=str)


def found_by(projections: Projections, **more: Any) -> list[dict[str, Any]]:
    shown = rows(projections, "findings", **more)
    return sorted([{name: found[name] for name in row_names()} for found in shown], key=str)


def row_names() -> tuple[str, ...]:
    return (
        "rule",
        "also",
        "law",
        "code",
        "severity",
        "organisation",
        "activity",
        "dataset",
        "about",
        "since",
        "until",
        "message",
    )


@quick
@given(histories(), st.data())
def test_following_the_log_in_any_steps_gives_what_a_rebuild_gives(
    events: list[dict[str, Any]], data: st.DataObject
) -> None:
    whole = Projections(None, logged(events), PACKS)
    whole.catch_up()
    log = MemoryLog()
    step = Projections(None, log, PACKS, page=data.draw(st.integers(1, 5)), window=data.draw(st.integers(1, 7)))
    for event in events:
        log.record(event, recorded=NOW)
        if data.draw(st.booleans()):
            step.catch_up()
    step.catch_up()
    assert dump(step) == dump(whole)
    step.rebuild()
    assert dump(step) == dump(whole)


@settings(quick, max_examples=5)
@given(events=histories(), page=st.integers(1, 5), window=st.integers(1, 7))
def test_registers_on_postgres_are_those_on_sqlite(
    make_address: Callable[[], Address], events: list[dict[str, Any]], page: int, window: int
) -> None:
    """However the log is cut: every row that any register shows, and after a rebuild again."""
    log = logged(events)
    store = PostgresTables(make_address())
    with (
        Projections(None, log, PACKS) as one,
        Projections(None, log, PACKS, page=page, window=window, store=store) as other,
    ):
        one.catch_up()
        other.catch_up()
        for name in REGISTERS:
            assert rows(other, name) == rows(one, name), name
        before = {name: rows(other, name) for name in REGISTERS}
        other.rebuild()
        assert {name: rows(other, name) for name in REGISTERS} == before


@settings(quick, max_examples=10)
@given(histories(), st.integers(1, 5), st.integers(1, 3))
def test_who_helps_reading_changes_nothing(events: list[dict[str, Any]], page: int, helpers: int) -> None:
    log = logged(events)
    with (
        Projections(None, log, PACKS, helpers=0) as alone,
        Projections(None, log, PACKS, page=page, helpers=helpers) as helped,
    ):
        alone.catch_up()
        helped.catch_up()
        assert dump(helped) == dump(alone)
        with (
            alone.folded(Bound(NOW - timedelta(days=300)), ["collections", "findings"]) as one,
            helped.folded(Bound(NOW - timedelta(days=300)), ["collections", "findings"]) as other,
        ):
            assert rows_of(one.db) == rows_of(other.db)


@quick
@given(histories())
def test_the_register_of_findings_is_what_the_judge_says_of_the_same_facts(events: list[dict[str, Any]]) -> None:
    log = logged(events)
    with Projections(None, log, PACKS) as projections:
        projections.catch_up()
        assert found_by(projections) == judged(log, NOW)


@quick
@given(histories(), st.randoms())
def test_the_order_of_arrival_changes_no_finding_and_no_state(events: list[dict[str, Any]], chance: Any) -> None:
    one, other = logged(events), logged(chance.sample(events, len(events)))
    with Projections(None, one, PACKS) as first, Projections(None, other, PACKS) as second:
        first.catch_up()
        second.catch_up()
        assert found_by(first) == found_by(second)
        for name in ("collections", "uses", "disclosures", "retention", "processing"):
            assert rows(first, name) == rows(second, name), name


@settings(quick, max_examples=12)
@given(histories(max_size=8), st.integers(0, 1400), st.integers(0, 8))
def test_as_of_and_known_at_show_what_the_judge_says_of_what_was_true_and_known_then(
    events: list[dict[str, Any]], day: int, known: int
) -> None:
    log = logged(events, [START + timedelta(days=2000 + number) for number in range(len(events))])
    then, knowledge = START + timedelta(days=day), START + timedelta(days=2000 + known)
    late = START + timedelta(days=3000)
    with Projections(None, log, PACKS) as projections:
        projections.catch_up()
        assert found_by(projections, now=late, as_of=then) == judged(log, then)
        assert found_by(projections, now=late, as_of=then, known_at=knowledge) == judged(log, then, knowledge)
        assert found_by(projections, now=late, known_at=knowledge) == judged(log, knowledge, knowledge)
        for name in REGISTERS:
            known_rows = rows(projections, name, now=late, known_at=knowledge)
            short = logged(
                events[: known + 1], [START + timedelta(days=2000 + number) for number in range(len(events))]
            )
            with Projections(None, short, PACKS) as then_only:
                then_only.catch_up()
                if name not in {"sources", "quarantine"}:
                    assert known_rows == rows(then_only, name, now=knowledge), name


@quick
@given(histories(max_size=10), st.integers(0, 60))
def test_a_crash_at_any_statement_loses_nothing_and_doubles_nothing(
    events: list[dict[str, Any]], statement: int
) -> None:
    log = logged(events)
    with Projections(None, log, PACKS) as whole, Projections(None, log, PACKS, page=3, window=4) as cut:
        whole.catch_up()
        seen = count()

        def trace(_: str) -> None:
            if next(seen) == statement:
                cut._store.db.interrupt()

        cut._store.db.set_trace_callback(trace)
        with contextlib.suppress(StoreUnavailable):
            cut.catch_up()
        cut._store.db.set_trace_callback(None)
        cut.catch_up()
        assert dump(cut) == dump(whole)


def test_a_register_of_another_version_rebuilds_itself(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    used = {
        "purpose": "answer-question",
        "operation": "contact",
        "categories": ["email"],
        "activity": "forms",
        "organisation": "klantinfocus",
    }
    subject = {"subject": {"scheme": "email", "value": "ada@example.org"}}
    event = {
        "specversion": "1.0",
        "id": "e",
        "source": "/a",
        "type": "pdl.data.used.v1",
        "time": START.isoformat(),
        "data": used | subject,
    }
    log = logged([event])
    with Projections(tmp_path / "registers.db", log, PACKS) as projections:
        projections.catch_up()
        before = dump(projections)
        projections._store.db.execute("UPDATE use SET events = 99")
    monkeypatch.setattr(Uses, "version", 2)
    with Projections(tmp_path / "registers.db", log, PACKS) as projections:
        assert projections.lag()["uses"].lag == 1
        assert projections.lag()["collections"].lag == 0
        projections.catch_up()
        assert [found for found in dump(projections) if found[0] == "use"] == [
            found for found in before if found[0] == "use"
        ]
