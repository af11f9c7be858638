"""Whatever happens to readers, broker and disk: every offset ends once, in order, as a record or in quarantine (reliability 32, 35, 37, 42).

The short forms run with every test run; the whole (`make soak`) are the same tests with larger numbers.
"""

from __future__ import annotations

import json
import os
import random
import signal
import sqlite3
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
from kafka import KafkaAdminClient, KafkaProducer
from kafka.admin import NewTopic

from consumers.kafka.broker import JarBroker, jars
from consumers.kafka.consume import Consumption, Plan
from consumers.settings import Settings
from consumers.wiring import Sink, now
from ledger.domain.errors import StoreUnavailable
from ledger.keys.sqlite import open_key_store
from ledger.policy.packs import builtin_packs
from ledger.service import Input, Ledger, Receipt
from ledger.store import EventLog
from ledger.store.sqlite import SQLiteEventLog

pytestmark = pytest.mark.kafka
ROOT = Path(__file__).parents[2]
CANARY = "canary@value.example"
SOON = {"PDL_BATCH_FACTS": "50", "PDL_KAFKA_SESSION_SECONDS": "1"}
WHOLE = pytest.mark.slow


def poison(number: int, make_event: Callable[..., dict[str, Any]]) -> bytes:
    """One of the ways in which a message cannot be recorded; each holds a value that nobody may see."""
    wrong_type = make_event(number, type="pdl.data.invented.v1")
    wrong_schema = make_event(number, data={"organisation": "klantinfocus", "origin": CANARY})
    sealed = {name: value for name, value in make_event(number).items() if name != "data"} | {
        "datacontenttype": "application/vnd.pdl.sealed", "pdlkeyid": "0011223344556677", "data_base64": "QUJD" * 40,
    }  # fmt: skip
    kinds = [
        b'{"value": "' + CANARY.encode(),
        json.dumps(wrong_type).encode(),
        json.dumps(wrong_schema).encode(),
        b"[" * 10_000 + CANARY.encode(),
        json.dumps(sealed).encode(),
        b'"' + CANARY.encode() + b"x" * 2_000_000 + b'"',
    ]
    return kinds[number % len(kinds)]


def mixed(count: int, make_event: Callable[..., dict[str, Any]], *, start: int = 0) -> list[bytes]:
    """Events of many people, one in a hundred of them poison."""

    def good(number: int) -> bytes:
        event = make_event(number)
        event["data"]["subject"]["value"] = f"person{number}@canary.example"
        return json.dumps(event).encode()

    numbers = range(start, start + count)
    return [poison(number // 100, make_event) if number % 100 == 50 else good(number) for number in numbers]


def outcome(data: Path) -> dict[str, tuple[list[int], list[int]]]:
    """What became of each stream: the offsets of its records in the order of the log, and those in quarantine."""
    with closing(sqlite3.connect(f"file:{data / 'log.db'}?mode=ro", uri=True, timeout=30)) as log:
        found: dict[str, tuple[list[int], list[int]]] = {}
        rows = log.execute("SELECT originator_id, originator_version FROM stored_events ORDER BY rowid").fetchall()
        for stream, version in rows:
            if stream.startswith("kafka:"):
                found.setdefault(stream, ([], []))[0].append(version - 1)
        for stream, place in log.execute("SELECT stream, place FROM quarantine ORDER BY number").fetchall():
            found.setdefault(stream, ([], []))[1].append(place)
        return found


def accounted(data: Path, sent: Sequence[int]) -> None:
    """Each partition's offsets once, in order; `sent` is how many messages each partition has."""
    found = outcome(data)
    assert sorted(len(recorded) + len(waiting) for recorded, waiting in found.values()) == sorted(sent)
    for recorded, waiting in found.values():
        assert recorded == sorted(recorded), "the order of the partition is kept"
        assert sorted(recorded + waiting) == list(range(len(recorded) + len(waiting))), "each offset once"


def size_of(data: Path) -> int:
    try:
        with closing(sqlite3.connect(f"file:{data / 'log.db'}?mode=ro", uri=True, timeout=5)) as log:
            return int(log.execute("SELECT COALESCE(MAX(rowid), 0) FROM stored_events").fetchone()[0])
    except sqlite3.OperationalError:
        return 0


def consume(topic: Any, *more: str) -> tuple[str, ...]:
    return ("consume", "--bootstrap-servers", topic.address, "--topic", topic.name, "--group", topic.name, *more)


@pytest.mark.parametrize("count", [600, pytest.param(20_000, marks=WHOLE)])
def test_poison_waits_sealed_and_delays_and_reorders_nothing(
    pdl: Any, make_topic: Callable[..., Any], make_event: Any, count: int
) -> None:
    topic = make_topic(partitions=2)
    for partition in range(2):
        topic.send(mixed(count, make_event, start=partition * count), partition=partition)
    counted, told = pdl.json(*consume(topic, "--until-end"), **SOON, PDL_LOG="json"), pdl.said
    assert counted == {"recorded": 2 * count * 99 // 100, "duplicate": 0, "quarantined": 2 * count // 100}
    accounted(pdl.data, [count, count])
    waiting = pdl.rows("quarantine", "list")
    assert all(
        row["topic"] == topic.name and row["partition"] in {0, 1} and row["offset"] % 100 == 50 for row in waiting
    )
    assert len({row["reason"] for row in waiting}) == 5
    assert CANARY not in told + json.dumps(waiting)
    stored = b"".join(file.read_bytes() for file in pdl.data.rglob("*") if file.is_file())
    assert CANARY.encode() not in stored
    batches = [
        line
        for line in map(json.loads, filter(lambda line: line[:1] == "{", told.splitlines()))
        if line["event"] == "batch"
    ]
    assert max(line["milliseconds"] for line in batches) < 30_000  # Not a measure of speed: nothing waits for a poison.


@pytest.mark.parametrize("cycles", [2, pytest.param(200, marks=WHOLE)])
def test_readers_that_are_killed_lose_and_double_nothing(
    pdl: Any, make_topic: Callable[..., Any], make_event: Any, cycles: int
) -> None:
    topic, chance = make_topic(partitions=2), random.Random(7)
    sent, kills = [0, 0], 0
    while kills < cycles:
        for partition in range(2):
            topic.send(mixed(400, make_event, start=100_000 * partition + sent[partition]), partition=partition)
            sent[partition] += 400
        seen = size_of(pdl.data)
        process = pdl.start(*consume(topic), **SOON)
        deadline = time.monotonic() + 30
        while size_of(pdl.data) == seen and time.monotonic() < deadline and process.poll() is None:
            time.sleep(0.02)
        time.sleep(chance.random() * 0.15)
        process.send_signal(signal.SIGKILL)
        process.communicate(timeout=30)
        kills += 1
    pdl.json(*consume(topic, "--until-end"), **SOON)
    accounted(pdl.data, sent)
    status = pdl.json("status")
    assert status["duplicates"] == 0
    before = {name: pdl.rows("register", name) for name in ("findings", "collections", "retention")}
    pdl("rebuild")
    assert {name: pdl.rows("register", name) for name in before} == before
    assert pdl.json("verify")["ok"]


class Slow:
    """A reader whose every batch takes long, now and then longer than the rest of the world waits."""

    def __init__(self, sink: Sink, chance: random.Random) -> None:
        self._sink, self._chance = sink, chance

    def mark(self, stream: str) -> int | None:
        return self._sink.mark(stream)

    def record(self, inputs: Sequence[Input], stream: str, mark: int) -> Receipt:
        time.sleep(self._chance.random() * 0.02)
        return self._sink.record(inputs, stream, mark)


class Quiet:
    def advance(self, receipt: Receipt) -> None: ...

    def idle(self) -> None: ...

    def say(self, sentence: str) -> None: ...


@contextmanager
def a_ledger(data: Path) -> Iterator[Ledger]:
    """A ledger of its own over the same files, as another process would open it, without the lock that forbids that."""
    log: EventLog = SQLiteEventLog(data / "log.db", create=True)
    keys = open_key_store(data, ledger_id=log.ledger_id, create=log.size() == 0)
    try:
        yield Ledger(log, keys, builtin_packs(), now)
    finally:
        keys.close()
        log.close()


@pytest.mark.parametrize("count", [1_000, pytest.param(20_000, marks=WHOLE)])
@pytest.mark.parametrize("groups", [("one",) * 4, ("one", "two", "three", "four")], ids=["one group", "zombies"])
def test_four_readers_of_one_partition_record_it_once(
    tmp_path: Path, make_topic: Callable[..., Any], make_event: Any, groups: tuple[str, ...], count: int
) -> None:
    topic = make_topic()
    topic.send(mixed(count, make_event))
    with a_ledger(tmp_path):
        pass
    failures: list[BaseException] = []

    def read(group: str, seed: int) -> None:
        try:
            with a_ledger(tmp_path) as ledger:
                sink, settings = Sink(ledger, repeatable=False), Settings(batch_facts=40, kafka_session_seconds=1)
                plan = Plan((topic.address,), (topic.name,), f"{topic.name}-{group}", until_end=True)
                slow = Slow(sink, random.Random(seed))
                Consumption(slow, plan, settings, Quiet(), stopping=lambda: False, wait=time.sleep).run()
        except BaseException as error:  # noqa: BLE001 -- seen below
            failures.append(error)

    readers = [threading.Thread(target=read, args=(group, seed)) for seed, group in enumerate(groups)]
    for reader in readers:
        reader.start()
    for reader in readers:
        reader.join(600)
    assert failures == []
    assert not any(reader.is_alive() for reader in readers)
    accounted(tmp_path, [count])


def test_a_disk_that_is_full_stops_reading_and_reading_goes_on_by_itself(
    pdl: Any, make_topic: Callable[..., Any], make_bodies: Any
) -> None:
    topic = make_topic()
    topic.send(make_bodies(range(3_000)))
    process = pdl.start(*consume(topic, "--format", "json"), file_bytes="2000000:", **SOON)
    told = ""
    while "full" not in told:
        line = process.stderr.readline()
        assert line, "it stopped without a word"
        told += line
    part = size_of(pdl.data)
    subprocess.run(["prlimit", "--pid", str(process.pid), "--fsize=unlimited:"], check=True)
    deadline = time.monotonic() + 90
    while size_of(pdl.data) < 3_000 and time.monotonic() < deadline:
        time.sleep(0.2)
    process.send_signal(signal.SIGTERM)
    out, err = process.communicate(timeout=60)
    assert part < 3_000
    assert process.returncode == 0, err
    assert json.loads(out) == {"recorded": 3_000, "duplicate": 0, "quarantined": 0}
    accounted(pdl.data, [3_000])
    assert pdl.json("verify")["ok"]


@pytest.mark.slow
def test_a_broker_that_is_killed_again_and_again_is_read_on(pdl: Any, make_event: Any) -> None:
    try:
        broker = JarBroker(jars(ROOT / ".cache" / "kafka"))
    except StoreUnavailable as exc:
        if os.environ.get("CI") == "true":
            pytest.fail(f"no Apache Kafka for the tests: {exc}")
        pytest.skip(str(exc))
    topic, sent = "killed", 0
    try:
        broker.start()
        admin = KafkaAdminClient(bootstrap_servers=broker.address)
        admin.create_topics([NewTopic(name=topic, num_partitions=1, replication_factor=1)])
        admin.close()
        process = pdl.start(
            "consume", "--bootstrap-servers", broker.address, "--topic", topic, "--format", "json", **SOON
        )
        for _ in range(5):
            producer = KafkaProducer(bootstrap_servers=broker.address, acks="all", max_request_size=16 * 1024 * 1024)
            for body in mixed(500, make_event, start=sent):
                producer.send(topic, body)
            producer.flush()
            producer.close()
            sent += 500
            time.sleep(1)
            assert broker._process is not None
            broker._process.kill()
            broker._process.wait()
            time.sleep(2)
            broker.start()
        deadline = time.monotonic() + 120
        while size_of(pdl.data) < sent * 99 // 100 and time.monotonic() < deadline:
            time.sleep(0.5)
        process.send_signal(signal.SIGTERM)
        out, err = process.communicate(timeout=60)
        assert process.returncode == 0, err
    finally:
        broker.close()
    assert json.loads(out) == {"recorded": sent * 99 // 100, "duplicate": 0, "quarantined": sent // 100}
    accounted(pdl.data, [sent])
