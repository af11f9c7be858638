"""Registers and judge: rebuilding against the library's own reader, findings against the write path, judging against decoding."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import orjson
from eventsourcing.cryptography import AESCipher
from eventsourcing.domain import CanMutateAggregate, MetaDomainEvent
from eventsourcing.persistence import DatetimeAsISO, JSONTranscoder, Mapper
from eventsourcing.sqlite import SQLiteApplicationRecorder, SQLiteDatastore
from eventsourcing.utils import Environment

from ledger.domain.envelope import Envelope, decode
from ledger.domain.facts import fact_of
from ledger.policy.judge import judge
from ledger.service import Ledger
from projections.answers import Projections
from tests.benchmarks import write_path
from tests.benchmarks.traffic import bodies

ROUNDS = 3
_PAGE = 5_000


class Noted(CanMutateAggregate[str], metaclass=MetaDomainEvent):
    """The same event as a domain event of the library: everything in it, personal data included, under its cipher."""

    originator_id: str
    originator_version: int
    timestamp: datetime
    type: str
    data: dict[str, Any]


def run(events: int, people: int, say: Callable[[str], None]) -> None:
    """Measure everything behind the append, in shuffled rounds of one run; medians."""
    given = list(bodies(events, people))
    with write_path.folder() as path:
        ledger = write_path.open_ledger(path)
        recording = write_path.record(ledger, given)
        reader = _library(given, path)
        taken: dict[str, list[float]] = {
            "library reader": [],
            "registers": [],
            "findings": [],
            "decode": [],
            "judge": [],
        }
        for number in range(ROUNDS):
            taken["library reader"].append(_read_with_library(reader))
            plain, findings = _rebuild(ledger, path / f"registers-{number}.db")
            taken["registers"].append(plain)
            taken["findings"].append(findings)
            taken["decode"].append(_timed(lambda: [decode(body) for body in given]))
            taken["judge"].append(_timed(lambda: _judge(ledger, given)))
    median = {name: statistics.median(seconds) for name, seconds in taken.items()}
    for name, seconds in median.items():
        say(f"  {name:22} {seconds / events * 1e6:8.2f} us an event {events / seconds:10,.0f} events/s")
    say(
        f"rebuilding all registers but findings / library reader with mapper {median['library reader'] / median['registers']:6.2f}  (reach 5)"
    )
    say(
        f"findings register / write path                                     {recording / median['findings']:6.2f}  (later goal 0.3)"
    )
    say(
        f"pdl judge / decoding alone                                         {median['decode'] / median['judge']:6.2f}  (later goal 0.2)"
    )


def _rebuild(ledger: Ledger, path: Path) -> tuple[float, float]:
    """Seconds for every register but findings, and for findings."""
    with Projections(path, ledger.log, ledger.packs) as projections:
        start = time.perf_counter()
        projections.catch_up(judge=False)
        middle = time.perf_counter()
        projections.catch_up()
        return middle - start, time.perf_counter() - middle


def _library(given: Sequence[bytes], path: Path) -> tuple[SQLiteApplicationRecorder, Mapper[str]]:
    """The same events stored as the library stores domain events, to be read by its own reader and mapper."""
    transcoder = JSONTranscoder()
    transcoder.register(DatetimeAsISO())
    recorder = SQLiteApplicationRecorder(SQLiteDatastore(str(path / "library.db"), originator_id_type="text"))
    recorder.create_table()
    cipher = AESCipher(Environment("", {"CIPHER_KEY": AESCipher.create_key(32)}))
    mapper: Mapper[str] = Mapper(transcoder, cipher=cipher)
    for at in range(0, len(given), _PAGE):
        events = [_as_library(at + index, orjson.loads(body)) for index, body in enumerate(given[at : at + _PAGE])]
        recorder.insert_events([mapper.to_stored_event(event) for event in events])
    return recorder, mapper


def _as_library(number: int, message: dict[str, Any]) -> Noted:
    return Noted(
        originator_id=message["source"],
        originator_version=number,
        timestamp=datetime.fromisoformat(message["time"]),
        type=message["type"],
        data=message["data"],
    )


def _read_with_library(reader: tuple[SQLiteApplicationRecorder, Mapper[str]]) -> float:
    recorder, mapper = reader
    start = time.perf_counter()
    at: int | None = 1
    while at is not None:
        page = recorder.select_notifications(at, _PAGE)
        for notification in page:
            mapper.to_domain_event(notification)
        at = page[-1].id + 1 if page else None
    return time.perf_counter() - start


def _judge(ledger: Ledger, given: Sequence[bytes]) -> None:
    facts = [fact_of(found) for found in map(decode, given) if isinstance(found, Envelope)]
    judge(ledger.packs["klantinfocus"], facts)


def _timed(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start
