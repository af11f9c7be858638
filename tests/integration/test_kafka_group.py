"""Several `pdl consume` on one PostgreSQL share the partitions without configuration, whoever stalls, dies or comes back."""

from __future__ import annotations

import json
import random
import signal
import subprocess
import time
from collections.abc import Callable
from typing import Any

import psycopg
import pytest
from kafka import KafkaAdminClient

pytestmark = pytest.mark.kafka
PARTITIONS = 4
ROUND = 60


def consume(topic: Any, *more: str) -> tuple[str, ...]:
    return ("consume", "--bootstrap-servers", topic.address, "--topic", topic.name, "--group", topic.name, *more)


def outcome(url: str) -> dict[str, list[int]]:
    """The offsets of each Kafka stream, in the order of the log."""
    with psycopg.connect(url) as connection:
        rows = connection.execute(
            "SELECT originator_id, originator_version FROM pdl_log.stored_events"
            " WHERE originator_id LIKE 'kafka:%' ORDER BY notification_id"
        ).fetchall()
    found: dict[str, list[int]] = {}
    for stream, version in rows:
        found.setdefault(stream, []).append(version - 1)
    return found


def joined(topic: Any, count: int) -> None:
    """Wait until so many readers share the topic."""
    admin = KafkaAdminClient(bootstrap_servers=topic.address)
    try:
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline:
            group = admin.describe_groups([topic.name])[topic.name]
            if len(group["members"]) == count and group["group_state"] == "Stable":
                return
            time.sleep(0.3)
    finally:
        admin.close()
    pytest.fail(f"{count} readers did not come together")


@pytest.mark.parametrize("rounds", [3, pytest.param(50, marks=pytest.mark.slow)])
def test_readers_that_stall_die_and_come_back_share_the_partitions(
    pdl: Any, postgres_url: str, make_topic: Callable[..., Any], make_bodies: Any, rounds: int
) -> None:
    topic, chance = make_topic(partitions=PARTITIONS), random.Random(11)
    stores = {f"PDL_{name}_DATABASE": postgres_url for name in ("LOG", "KEYS", "REGISTERS")}
    soon = stores | {"PDL_BATCH_FACTS": "20", "PDL_KAFKA_SESSION_SECONDS": "1"}
    topic.send(make_bodies(range(10)), partition=0)
    pdl(*consume(topic, "--until-end"), **soon)
    sent = [10] + [0] * (PARTITIONS - 1)
    readers: list[subprocess.Popen[str]] = [pdl.start(*consume(topic), **soon) for _ in range(3)]
    try:
        joined(topic, len(readers))
        for number in range(rounds):
            for partition in range(PARTITIONS):
                start = 1_000_000 * partition + 1_000 + number * ROUND
                topic.send(make_bodies(range(start, start + ROUND)), partition=partition)
                sent[partition] += ROUND
            victim = chance.randrange(len(readers))
            if number % 3 == 2:
                readers[victim].send_signal(signal.SIGKILL)
                readers[victim].communicate(timeout=60)
                readers[victim] = pdl.start(*consume(topic), **soon)
                time.sleep(1)
            else:
                readers[victim].send_signal(signal.SIGSTOP)  # Longer than its session: the others take its partitions.
                time.sleep(2 + chance.random())
                readers[victim].send_signal(signal.SIGCONT)
        joined(topic, len(readers))
        deadline = time.monotonic() + 120
        while sum(map(len, outcome(postgres_url).values())) < sum(sent) and time.monotonic() < deadline:
            time.sleep(0.5)
    finally:
        for reader in readers:
            reader.send_signal(signal.SIGTERM)
        ended = [reader.communicate(timeout=120) for reader in readers]
    assert [reader.returncode for reader in readers] == [0] * len(readers), [said for _, said in ended]
    found = outcome(postgres_url)
    assert sorted(map(len, found.values())) == sorted(sent)
    for offsets in found.values():
        assert offsets == list(range(len(offsets))), "each offset once, and in order"
    counted = [json.loads(line) for out, _ in ended for line in out.splitlines() if line.startswith("{")]
    assert all(row["quarantined"] == 0 for row in counted)
    status = pdl.json("status", **stores)
    assert (status["events"], status["quarantined"]) == (sum(sent), 0)
    assert pdl.json("verify", **stores)["ok"]
