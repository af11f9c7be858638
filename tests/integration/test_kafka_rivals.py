"""Consumers that do not know of each other, over one ledger: the mark decides, and nothing is lost or doubled."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from kafka import KafkaAdminClient, TopicPartition

from consumers.kafka.consume import Consumption, Plan
from consumers.settings import Settings
from ledger.domain.errors import BatchAlreadyRecorded, StoreUnavailable
from ledger.service import Input, Receipt

pytestmark = pytest.mark.kafka


class SharedLedger:
    """What the ledger promises of marks, in memory: a batch moves its mark forward, or is refused whole."""

    def __init__(self) -> None:
        self.marks: dict[str, int] = {}
        self.rows: list[tuple[str, int]] = []
        self.failing = 0
        self.refused = 0
        self._lock = threading.Lock()

    def mark(self, stream: str) -> int | None:
        return self.marks.get(stream)

    def record(self, inputs: Sequence[Input], stream: str, mark: int) -> Receipt:
        with self._lock:
            if self.failing:
                self.failing -= 1
                raise StoreUnavailable("the disk is full.")
            if inputs[0].place <= self.marks.get(stream, -1):
                self.refused += 1
                raise BatchAlreadyRecorded("somebody else was here")
            self.marks[stream] = mark
            self.rows += [(stream, given.place) for given in inputs]
        return Receipt(len(inputs), 0, 0, (), {}, len(self.rows))


class Quiet:
    def __init__(self) -> None:
        self.sentences: list[str] = []

    def advance(self, receipt: Receipt) -> None: ...

    def idle(self) -> None: ...

    def say(self, sentence: str) -> None:
        self.sentences.append(sentence)


def run(ledger: SharedLedger, topic: Any, group: str, report: Quiet) -> None:
    plan = Plan((topic.address,), (topic.name,), group, until_end=True)
    settings = Settings(batch_facts=50, kafka_session_seconds=1)
    Consumption(ledger, plan, settings, report, stopping=lambda: False, wait=time.sleep).run()


def complete(ledger: SharedLedger, total: int) -> bool:
    places = sorted(ledger.rows)
    return len(places) == total == len(set(places))


@pytest.mark.parametrize(
    "groups", [("one", "one", "one"), ("one", "two", "three")], ids=["one group", "zombies in groups of their own"]
)
def test_rivals_record_every_offset_once(make_topic: Callable[..., Any], groups: tuple[str, ...]) -> None:
    topic = make_topic(partitions=3)
    for partition in range(3):
        topic.send([b"x"] * 1500, partition=partition)
    ledger = SharedLedger()
    rivals = [threading.Thread(target=run, args=(ledger, topic, f"{topic.name}-{group}", Quiet())) for group in groups]
    for rival in rivals:
        rival.start()
    for rival in rivals:
        rival.join(60)
    assert not any(rival.is_alive() for rival in rivals), "a rival waits for records that it let go by"
    run(ledger, topic, f"{topic.name}-last", Quiet())
    assert complete(ledger, 4500)


def test_a_full_disk_is_waited_for(make_topic: Callable[..., Any]) -> None:
    topic = make_topic()
    topic.send([b"x"] * 120)
    ledger, report = SharedLedger(), Quiet()
    ledger.failing = 2
    run(ledger, topic, topic.name, report)
    assert complete(ledger, 120)
    assert any("disk is full" in sentence for sentence in report.sentences)


def test_records_that_kafka_removed_unread_are_said(make_topic: Callable[..., Any]) -> None:
    topic = make_topic()
    topic.send([b"x"] * 100)
    ledger, report = SharedLedger(), Quiet()
    run(ledger, topic, topic.name, report)
    topic.send([b"x"] * 100)
    admin = KafkaAdminClient(bootstrap_servers=topic.address)
    admin.delete_records({TopicPartition(topic.name, 0): 150})
    admin.close()
    run(ledger, topic, topic.name, report)
    assert complete(ledger, 150)
    assert any("removed offsets 100 to 149" in sentence for sentence in report.sentences)


def test_a_partition_that_another_reader_still_records_is_no_topic_that_lost_records(
    make_topic: Callable[..., Any],
) -> None:
    """While we look where a partition stands, its former owner records what was just published."""
    topic = make_topic(partitions=1)

    class Handed(SharedLedger):
        def mark(self, stream: str) -> int | None:
            for _ in range(5):
                topic.send([b"x"])
                self.marks[stream] = self.marks.get(stream, -1) + 1
            return self.marks[stream]

    ledger, report = Handed(), Quiet()
    run(ledger, topic, f"{topic.name}-late", report)
    assert ledger.marks
    assert report.sentences == []
