"""What a real broker hands over at the edges: odd headers, open transactions, topics made anew under the reader's feet."""

from __future__ import annotations

import json
import re
import signal
import sqlite3
import time
import urllib.request
from collections.abc import Callable
from contextlib import closing
from typing import Any

import pytest
from kafka.record import default_records

from consumers.kafka.client import tolerate

pytestmark = pytest.mark.kafka
SOON = {"PDL_KAFKA_SESSION_SECONDS": "1", "PDL_KAFKA_STALL_SECONDS": "2"}


def consume(topic: Any, *more: str) -> tuple[str, ...]:
    return ("consume", "--bootstrap-servers", topic.address, "--topic", topic.name, "--group", topic.name, *more)


def size_of(pdl: Any) -> int:
    try:
        with closing(sqlite3.connect(f"file:{pdl.data / 'log.db'}?mode=ro", uri=True, timeout=5)) as log:
            return int(log.execute("SELECT COALESCE(MAX(rowid), 0) FROM stored_events").fetchone()[0])
    except sqlite3.OperationalError:
        return 0


def wait_for(pdl: Any, events: int, seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while size_of(pdl) < events and time.monotonic() < deadline:
        time.sleep(0.1)
    assert size_of(pdl) == events


class _Name(str):
    """A header's name that kafka-python sends as these bytes, which are no UTF-8."""

    __slots__ = ()

    def encode(self, *_: Any) -> bytes:
        return b"caf\xe9"


def test_a_header_whose_name_is_no_utf8_stops_nothing(
    pdl: Any, make_topic: Callable[..., Any], make_bodies: Any, make_event: Any
) -> None:
    topic = make_topic()
    first, second, third = make_bodies(range(3))
    topic.send([first])
    topic.send([second], headers=[(_Name("odd"), b"value"), ("content-type", b"application/cloudevents+json")])
    topic.send([third])
    assert pdl.json(*consume(topic, "--until-end")) == {"recorded": 3, "duplicate": 0, "quarantined": 0}


@pytest.mark.parametrize("name", ["content-type", "naïve", ""])
def test_ordinary_names_are_read_as_the_client_reads_them(name: str) -> None:
    tolerate()
    builder = default_records.DefaultRecordBatchBuilder(2, 0, 0, -1, -1, -1, 10_000)
    builder.append(0, 1_700_000_000_000, b"k", b"value", [(name, b"x"), (_Name("odd"), None)])
    from consumers.kafka.client import TolerantBatch  # noqa: PLC0415 -- beside the client's own

    (record,) = TolerantBatch(bytearray(builder.build()))
    assert record.headers == [(name, b"x"), ("caf\\xe9", None)]
    assert (record.key, record.value) == (b"k", b"value")


def test_a_topic_made_anew_while_it_is_read_is_noticed(
    pdl: Any, make_topic: Callable[..., Any], make_bodies: Any
) -> None:
    topic = make_topic()
    topic.send(make_bodies(range(30)))
    process = pdl.start(*consume(topic, "--format", "json"), **SOON)
    wait_for(pdl, 30)
    topic.remake(1)
    topic.send(make_bodies(range(100, 200)))
    wait_for(pdl, 130)
    process.send_signal(signal.SIGTERM)
    out, err = process.communicate(timeout=30)
    assert json.loads(out) == {"recorded": 130, "duplicate": 0, "quarantined": 0}, err
    marks = [state["mark"] for name, state in pdl.json("status")["sources"].items() if name.startswith("kafka:")]
    assert sorted(marks) == [29, 99]


def test_an_open_transaction_is_told_and_read_when_it_ends(
    pdl: Any, make_topic: Callable[..., Any], make_bodies: Any
) -> None:
    topic = make_topic()
    topic.send(make_bodies(range(5)))
    producer = topic.transaction()
    for body in make_bodies(range(5, 8)):
        producer.send(topic.name, body, partition=0)
    producer.flush()
    topic.send(make_bodies(range(8, 12)))
    process = pdl.start(*consume(topic, "--metrics-port", "0", "--format", "json"), **SOON, PDL_LOG="json")
    wait_for(pdl, 5)
    said: list[dict[str, Any]] = []
    port = 0
    while not any(line.get("event") == "stalled" for line in said):
        line = process.stderr.readline()
        found = re.search(r"127\.0\.0\.1:(\d+)/metrics", line)
        port = int(found.group(1)) if found else port
        said += [json.loads(line)] if line.startswith("{") else []
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
        measured = answer.read().decode()
    assert f'pdl_stalled{{partition="0",topic="{topic.name}"}} 1.0' in measured
    assert 'pdl_inputs_total{outcome="recorded"} 5.0' in measured
    assert size_of(pdl) == 5
    producer.abort_transaction()
    wait_for(pdl, 9)
    process.send_signal(signal.SIGTERM)
    out, err = process.communicate(timeout=30)
    assert json.loads(out) == {"recorded": 9, "duplicate": 0, "quarantined": 0}
    said += [json.loads(line) for line in err.splitlines() if line.startswith("{")]
    batches = [line for line in said if line["event"] == "batch"]
    assert [(line["first"], line["recorded"]) for line in batches] == [(0, 5), (8, 4)]
    assert any(line["event"] == "moving again" for line in said)
    assert "canary" not in f"{said}{measured}"
