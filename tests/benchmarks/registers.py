"""Registers and judge: rebuilding against the library's own reader, findings against the write path, judging against decoding."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Sequence
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
from projections.judgement import Bench, Judged
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
        touched = _touched(ledger, path, people)
        memory = [_memory(path, events, count) for count in (people // 4, people * 2)]
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
    again, everyone, part = touched
    say(
        f"a contract ends: judged again {again} of {everyone} people, in              {part:6.3f}  of the time that judging everyone takes"
    )
    say(
        f"peak memory of judging {events} events of {people // 4} / of {people * 2} people       {memory[0]:.0f} / {memory[1]:.0f} MiB  (bounded by the batch)"
    )


_CITING = 50


def _touched(ledger: Ledger, path: Path, people: int) -> tuple[int, int, float]:
    """How many people are judged again when a contract ends that some of them cite, of how many; and how long it takes."""
    shares = [
        _shared(number, number if number < _CITING else number % people, "cited" if number < _CITING else "other")
        for number in range(_CITING * 10)
    ]
    write_path.record(ledger, [_contract("signed", "cited"), _contract("signed", "other"), *shares], "shares")
    judged: list[int] = []
    judge = Bench.people

    def counted(bench: Bench, chunk: Iterable[bytes]) -> tuple[set[bytes], list[Judged]]:
        everyone, results = judge(bench, chunk)
        judged.append(len(everyone))
        return everyone, results

    Bench.people = counted  # type: ignore[method-assign]
    try:
        with Projections(path / "touched.db", ledger.log, ledger.packs) as projections:
            projections.catch_up(judge=False)
            whole = _timed(projections.catch_up)
            everyone = sum(judged)
            judged.clear()
            write_path.record(ledger, [_contract("ended", "cited")], "ends")
            part = _timed(projections.catch_up)
            return sum(judged), everyone, part / whole
    finally:
        Bench.people = judge  # type: ignore[method-assign]


def _rebuild(ledger: Ledger, path: Path) -> tuple[float, float]:
    """Seconds for every register but findings, and for findings."""
    with Projections(path, ledger.log, ledger.packs) as projections:
        start = time.perf_counter()
        projections.catch_up(judge=False)
        middle = time.perf_counter()
        projections.catch_up()
        return middle - start, time.perf_counter() - middle


def _contract(said: str, reference: str) -> bytes:
    more = {"party": "zivver", "kind": "processor", "from": "2026-01-01"} if said == "signed" else {}
    day = "2025-12-01" if said == "signed" else "2026-01-02"
    return _event(f"contract-{said}-{reference}", f"contract.{said}", day, reference=reference, **more)


def _shared(number: int, person: int, contract: str) -> bytes:
    act = {"activity": "forms", "categories": ["email"], "purpose": "answer-question", "basis": "contract"}
    subject = {"scheme": "email", "value": f"person.{person:07d}@example.org"}
    more = act | {"recipient": "zivver", "service": "secure-mail", "country": "NL", "contract": contract}
    return _event(f"share-{number}", "data.shared", "2026-02-01", subject=subject, **more)


def _event(id_: str, type_: str, day: str, **data: Any) -> bytes:
    event = {"specversion": "1.0", "id": id_, "source": "/bench", "type": f"pdl.{type_}.v1", "time": f"{day}T08:00:00Z"}
    return orjson.dumps(event | {"data": {"organisation": "klantinfocus", **data}})


def _memory(path: Path, events: int, people: int) -> float:
    """Peak memory in MiB of a process that judges everyone and does nothing else."""
    place = path / f"people-{people}"
    place.mkdir()
    ledger = write_path.open_ledger(place)
    write_path.record(ledger, list(bodies(events, people)))
    with Projections(place / "registers.db", ledger.log, ledger.packs) as projections:
        projections.catch_up(judge=False)
    done = subprocess.run([sys.executable, "-c", _JUDGING, place], check=True, capture_output=True)
    return int(done.stdout) / 1024


_JUDGING = """
import sys
from pathlib import Path
from ledger.policy.packs import builtin_packs
from ledger.store.sqlite import SQLiteEventLog
from projections.answers import Projections
place = Path(sys.argv[1])
with Projections(place / "registers.db", SQLiteEventLog(place / "log.db", create=False), builtin_packs()) as projections:
    projections.catch_up()
# Of this program alone: the peak that getrusage tells begins with that of the process that started it.
print(next(line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM")))
"""


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
