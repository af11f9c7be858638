"""From a real broker into the ledger: every record once, whatever happens to the process that reads it."""

from __future__ import annotations

import json
import signal
import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from typing import Any

import pytest

pytestmark = pytest.mark.kafka


def consume(topic: Any, *more: str) -> tuple[str, ...]:
    return ("consume", "--bootstrap-servers", topic.address, "--topic", topic.name, "--group", topic.name, *more)


def recorded(pdl: Any) -> int:
    return int(pdl.json("status")["events"])


def test_every_record_is_recorded_once_over_several_runs(
    pdl: Any, make_topic: Callable[..., Any], make_bodies: Any
) -> None:
    topic = make_topic(partitions=3)
    for partition in range(3):
        topic.send(make_bodies(range(partition * 100, partition * 100 + 100)), partition=partition)
    assert pdl.json(*consume(topic, "--until-end")) == {"recorded": 300, "duplicate": 0, "quarantined": 0}
    assert pdl.json(*consume(topic, "--until-end")) == {"recorded": 0, "duplicate": 0, "quarantined": 0}
    topic.send(make_bodies(range(300, 310)), partition=1)
    assert pdl.json(*consume(topic, "--until-end")) == {"recorded": 10, "duplicate": 0, "quarantined": 0}
    status = pdl.json("status")
    assert (status["events"], status["duplicates"], status["quarantined"]) == (310, 0, 0)


def test_the_stream_is_named_by_cluster_topic_and_partition(
    pdl: Any, make_topic: Callable[..., Any], make_bodies: Any
) -> None:
    topic = make_topic(partitions=2)
    topic.send(make_bodies(range(5)), partition=1)
    pdl.json(*consume(topic, "--until-end"))
    (name,) = (name for name in pdl.json("status")["sources"] if name.startswith("kafka:"))
    _, cluster, topic_id, partition = name.split(":")
    assert partition == "1"
    assert cluster
    assert topic_id != topic.name
    assert pdl.json("status")["sources"][name]["mark"] == 4


def size_of(pdl: Any) -> int:
    """How many records the log has now, seen from outside while somebody writes."""
    try:
        with closing(sqlite3.connect(f"file:{pdl.data / 'log.db'}?mode=ro", uri=True, timeout=5)) as log:
            return int(log.execute("SELECT COALESCE(MAX(rowid), 0) FROM stored_events").fetchone()[0])
    except sqlite3.OperationalError:
        return 0


def test_a_killed_consumer_loses_and_doubles_nothing(
    pdl: Any, make_topic: Callable[..., Any], make_bodies: Any
) -> None:
    topic = make_topic(partitions=2)
    for partition in range(2):
        topic.send(make_bodies(range(partition * 3000, partition * 3000 + 3000)), partition=partition)
    small = {"PDL_BATCH_FACTS": "20", "PDL_KAFKA_SESSION_SECONDS": "1"}
    kills = 0
    while size_of(pdl) < 6000 and kills < 5:
        seen = size_of(pdl)
        process = pdl.start(*consume(topic), **small)
        deadline = time.monotonic() + 30
        while size_of(pdl) == seen and time.monotonic() < deadline:
            time.sleep(0.02)
        process.send_signal(signal.SIGKILL)
        process.communicate(timeout=30)
        kills += 1
    assert kills > 1, "the consumer was killed with work left to do"
    pdl.json(*consume(topic, "--until-end"), **small)
    status = pdl.json("status")
    assert (status["events"], status["duplicates"], status["quarantined"]) == (6000, 0, 0)
    assert pdl.json("verify")["ok"]


def test_sigterm_finishes_the_batch_and_says_what_was_done(
    pdl: Any, make_topic: Callable[..., Any], make_bodies: Any
) -> None:
    topic = make_topic()
    topic.send(make_bodies(range(500)))
    process = pdl.start(*consume(topic, "--format", "json"))
    deadline = time.monotonic() + 40
    while time.monotonic() < deadline and not ((pdl.data / "log.db").exists() and recorded(pdl) == 500):
        time.sleep(0.2)
    process.send_signal(signal.SIGTERM)
    out, err = process.communicate(timeout=30)
    assert process.returncode == 0, err
    assert json.loads(out) == {"recorded": 500, "duplicate": 0, "quarantined": 0}


def test_the_next_consumer_of_the_group_reads_on_where_the_ledger_stands(
    pdl: Any, make_topic: Callable[..., Any], make_bodies: Any
) -> None:
    topic = make_topic(partitions=2)
    topic.send(make_bodies(range(40)), partition=0)
    pdl.json(*consume(topic, "--until-end"))
    topic.send(make_bodies(range(40, 60)), partition=1)
    other = pdl.json(
        "consume",
        "--bootstrap-servers",
        topic.address,
        "--topic",
        topic.name,
        "--group",
        f"{topic.name}-other",
        "--until-end",
    )
    assert other["recorded"] == 20, "another group starts at the ledger's mark, not at the group's offsets"


def test_a_topic_made_anew_is_another_stream(pdl: Any, make_topic: Callable[..., Any], make_bodies: Any) -> None:
    topic = make_topic()
    topic.send(make_bodies(range(30)))
    pdl.json(*consume(topic, "--until-end"))
    topic.remake(1)
    topic.send(make_bodies(range(100, 110)))
    assert pdl.json(*consume(topic, "--until-end"))["recorded"] == 10
    assert len([name for name in pdl.json("status")["sources"] if name.startswith("kafka:")]) == 2


def test_aborted_transactions_are_never_seen(pdl: Any, make_topic: Callable[..., Any], make_bodies: Any) -> None:
    topic = make_topic()
    topic.send(make_bodies(range(5)))
    for numbers, commit in ((range(100, 150), False), (range(5, 10), True), (range(200, 250), False)):
        producer = topic.transaction()
        for body in make_bodies(numbers):
            producer.send(topic.name, body, partition=0)
        producer.flush()
        (producer.commit_transaction if commit else producer.abort_transaction)()
    assert pdl.json(*consume(topic, "--until-end")) == {"recorded": 10, "duplicate": 0, "quarantined": 0}


def test_structured_and_binary_events_are_read_alike(pdl: Any, make_topic: Callable[..., Any], make_event: Any) -> None:
    topic = make_topic()
    first, second, third = (make_event(number) for number in (1, 2, 3))
    topic.send([json.dumps(first).encode()])
    topic.send([json.dumps(second).encode()], headers=[("content-type", b"application/cloudevents+json")])
    attributes = [(f"ce_{name}", third[name].encode()) for name in ("specversion", "id", "source", "type", "time")]
    topic.send([json.dumps(third["data"]).encode()], headers=[*attributes, ("content-type", b"application/json")])
    assert pdl.json(*consume(topic, "--until-end")) == {"recorded": 3, "duplicate": 0, "quarantined": 0}


def test_poison_waits_in_quarantine_and_stops_nothing(
    pdl: Any, make_topic: Callable[..., Any], make_bodies: Any, make_event: Any
) -> None:
    topic = make_topic()
    wrong_type = json.dumps(make_event(900, type="pdl.data.invented.v1")).encode()
    wrong_schema = json.dumps(
        make_event(901, data={"organisation": "klantinfocus", "origin": "canary@value.example"})
    ).encode()
    poison = [b"{", None, b"[" * 10_000, b"\xff\xfe\x00", b'"' + b"x" * 10_000_000 + b'"', wrong_type, wrong_schema]
    good = make_bodies(range(len(poison)))
    topic.send([body for pair in zip(poison, good, strict=True) for body in pair])
    counted = pdl.json(*consume(topic, "--until-end"))
    assert counted == {"recorded": len(good), "duplicate": 0, "quarantined": len(poison)}
    waiting = pdl.rows("quarantine", "list")
    assert [row["offset"] for row in waiting] == list(range(0, 2 * len(poison), 2))
    assert {row["topic"] for row in waiting} == {topic.name}
    assert {row["partition"] for row in waiting} == {0}
    assert {row["reason"] for row in waiting} == {"undecodable", "too-large", "unknown-type", "schema"}
    assert "canary" not in json.dumps(waiting) + pdl.said


def test_an_absent_broker_is_said_at_once(pdl: Any) -> None:
    started = time.monotonic()
    pdl("consume", "--bootstrap-servers", "127.0.0.1:1", "--topic", "t", status=3)
    assert "no Kafka broker answers at 127.0.0.1:1" in pdl.said
    assert time.monotonic() - started < 30


def test_a_missing_topic_is_said(pdl: Any, make_topic: Callable[..., Any]) -> None:
    topic = make_topic()
    pdl("consume", "--bootstrap-servers", topic.address, "--topic", f"{topic.name}-not", "--until-end", status=2)
    assert "does not exist" in pdl.said
