"""Helper processes read pages beside the one that folds; without them, or when one ends early, the pages are the same."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ledger.domain.errors import Tampered
from ledger.sealing import Record
from projections.page import Page
from projections.reading import LONG, helpers_for, pages
from projections.register import Reader
from tests.memory_log import MemoryLog


def _log(events: int) -> MemoryLog:
    log = MemoryLog()
    for number in range(events):
        data = {"organisation": "klantinfocus", "activity": "forms", "categories": ["email"], "origin": "subject"}
        log.record(
            {
                "specversion": "1.0",
                "id": f"e-{number}",
                "source": "/a",
                "type": "pdl.data.collected.v1" if number % 7 else "pdl.consent.given.v1",
                "time": "2026-02-01T10:00:00Z",
                "data": data | {"subject": {"scheme": "email", "value": f"p{number}@example.org"}}
                if number % 7
                else {
                    "organisation": "klantinfocus",
                    "purpose": "newsletter",
                    "method": "box",
                    "subject": {"scheme": "email", "value": "ada@example.org"},
                },
            }
        )
        if number % 10 == 0:
            log.decide("case", "ledger.test.v1", at="2026-02-01T10:00:00+00:00", datasets=[["", "forms/forms"]])
    return log


def _told(found: Iterator[Page]) -> list[Any]:
    return [
        (page.after, page.mark, page.groups, page.decisions, [*page.details(["pdl.consent.given.v1"])])
        for page in found
    ]


def _children() -> set[str]:
    """Processes of ours that have not been waited for; a broker or database of other tests may be among them."""
    return {pid for file in Path("/proc/self/task").glob("*/children") for pid in file.read_text("ascii").split()}


@pytest.fixture(autouse=True)
def _no_helper_stays() -> Iterator[None]:
    before = _children()
    yield
    assert _children() <= before


@pytest.mark.parametrize("helpers", [1, 2, 3])
def test_helpers_read_the_same_pages_in_the_same_order(helpers: int) -> None:
    log = _log(45)
    alone = [
        (*told[:2], [tuple(group) for group in told[2]], *told[3:]) for told in _told(pages(log, 0, log.size(), 7))
    ]
    helped = _told(pages(log, 0, log.size(), 7, helpers=helpers))
    assert len(alone) == 8
    assert [told[:2] for told in helped] == [told[:2] for told in alone]
    for one, other in zip(alone, helped, strict=True):
        assert [group[3:] for group in one[2]] == [tuple(group)[3:] for group in other[2]]
        assert one[3:] == other[3:]


def test_a_helper_that_ends_early_only_costs_time() -> None:
    class Broken(MemoryLog):
        def reader(self) -> Reader:
            raise RuntimeError

    log, broken = _log(20), Broken()
    broken.records = log.records
    assert [told[:2] for told in _told(pages(broken, 0, log.size(), 3, helpers=2))] == [
        told[:2] for told in _told(pages(log, 0, log.size(), 3))
    ]


def test_an_unreadable_header_is_told_here() -> None:
    log = _log(20)
    last = log.records[-1]
    log.records[-1] = Record(last.position, last.stream, last.version, last.topic, b"\x01\x00\x00\x00\x02{x")
    with pytest.raises(Tampered, match="pdl verify"):
        _told(pages(log, 0, log.size(), 4, helpers=2))


def test_who_stops_reading_lets_the_helpers_go() -> None:
    log = _log(40)
    stretch = pages(log, 0, log.size(), 1, helpers=2)
    next(stretch)
    stretch.close()


def test_short_stretches_busy_machines_and_logs_that_are_not_shared_need_nobody(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    log = _log(1)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1}, raising=False)
    monkeypatch.setattr(os, "getloadavg", lambda: (0.5, 0.5, 0.5))
    assert helpers_for(log, LONG) == (2 if threading.active_count() == 1 else 0)
    monkeypatch.setattr(os, "getloadavg", lambda: (8.0, 0.5, 0.5))
    assert helpers_for(log, LONG) == 0
    monkeypatch.setattr(os, "getloadavg", lambda: (0.5, 0.5, 0.5))
    assert helpers_for(log, LONG - 1) == 0
    log.shareable = False
    assert helpers_for(log, LONG) == 0
