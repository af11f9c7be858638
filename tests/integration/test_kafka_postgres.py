"""Several `pdl consume` over one PostgreSQL: every record once, in order, also when the server drops everybody."""

from __future__ import annotations

import json
import signal
import subprocess
import time
from collections.abc import Callable
from typing import Any

import psycopg
import pytest

from ledger.postgres import Address
from ledger.store.postgres import SCHEMA, PostgresEventLog

pytestmark = pytest.mark.kafka
EACH = 3_000


@pytest.fixture
def stores(postgres_url: str) -> dict[str, str]:
    return {f"PDL_{name}_DATABASE": postgres_url for name in ("LOG", "KEYS", "REGISTERS")}


def reader(pdl: Any, topic: Any, stores: dict[str, str]) -> subprocess.Popen[str]:
    started: subprocess.Popen[str] = pdl.start(
        "consume", "--bootstrap-servers", topic.address, "--topic", topic.name, "--group", topic.name,
        PDL_BATCH_FACTS="100", **stores,
    )  # fmt: skip
    return started


def test_two_readers_share_partitions_and_survive_a_server_that_drops_them(
    pdl: Any, make_topic: Callable[..., Any], make_bodies: Any, stores: dict[str, str], postgres_url: str
) -> None:
    topic = make_topic(partitions=2)
    pdl("ingest", "-", **stores)
    for partition in range(2):
        topic.send(make_bodies(range(partition * EACH, (partition + 1) * EACH)), partition=partition)
    readers = [reader(pdl, topic, stores) for _ in range(2)]
    with psycopg.connect(postgres_url, autocommit=True) as outside:
        outside.execute(f"SET search_path TO {SCHEMA}")
        wanted, dropped, deadline = 2 * EACH, 0, time.monotonic() + 120
        while time.monotonic() < deadline:
            (size,) = outside.execute("SELECT COALESCE(MAX(notification_id), 0) FROM stored_events").fetchone() or (0,)
            if size >= wanted:
                break
            if dropped < 3 and size >= (dropped + 1) * wanted // 5:
                dropped += 1
                outside.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                    " WHERE datname = current_database() AND pid <> pg_backend_pid()"
                )
            time.sleep(0.02)
    for process in readers:
        process.send_signal(signal.SIGTERM)
    said = [process.communicate(timeout=60) for process in readers]
    assert [process.returncode for process in readers] == [0, 0], said
    assert all("Traceback" not in err for _, err in said)
    assert dropped == 3
    log = PostgresEventLog(Address(postgres_url, SCHEMA), create=False)
    try:
        streams = [state for name, state in log.sources().items() if name.startswith("kafka:")]
        assert [state.mark for state in streams] == [EACH - 1, EACH - 1]
        records = log.read(0, 10 * EACH)
        assert [record.position for record in records] == list(range(1, 2 * EACH + 1))
        for stream in {record.stream for record in records}:
            assert [r.version for r in records if r.stream == stream] == list(range(1, EACH + 1)), "order is kept"
    finally:
        log.close()
    status = json.loads(pdl("status", "--format", "json", **stores))
    assert (status["events"], status["duplicates"], status["quarantined"]) == (2 * EACH, 0, 0)
    assert pdl("verify", **stores).startswith("OK")
