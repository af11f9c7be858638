"""A broker that goes away and comes back: the consumer waits, says so, and reads on."""

from __future__ import annotations

import json
import os
import signal
import time
from pathlib import Path
from typing import Any

import pytest
from kafka import KafkaAdminClient, KafkaProducer
from kafka.admin import NewTopic

from consumers.kafka.broker import JarBroker, jars
from ledger.domain.errors import StoreUnavailable

pytestmark = pytest.mark.kafka
ROOT = Path(__file__).parents[2]
TOPIC = "restarted"


def send(address: str, bodies: list[bytes]) -> None:
    producer = KafkaProducer(bootstrap_servers=address)
    for body in bodies:
        producer.send(TOPIC, body)
    producer.flush()
    producer.close()


def wait_for(pdl: Any, events: int) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if (pdl.data / "log.db").exists() and pdl.json("status")["events"] == events:
            return
        time.sleep(0.3)
    pytest.fail(f"{events} events were not recorded in time")


def test_a_broker_that_comes_back_is_read_on(pdl: Any, make_bodies: Any) -> None:
    try:
        broker = JarBroker(jars(ROOT / ".cache" / "kafka"))
    except StoreUnavailable as exc:
        if os.environ.get("CI") == "true" and not os.environ.get("PDL_TEST_KAFKA"):
            pytest.fail(f"no Apache Kafka for the tests: {exc}")
        pytest.skip(f"only a broker of our own can be stopped: {exc}")
    try:
        broker.start()
        admin = KafkaAdminClient(bootstrap_servers=broker.address)
        admin.create_topics([NewTopic(name=TOPIC, num_partitions=1, replication_factor=1)])
        admin.close()
        send(broker.address, make_bodies(range(200)))
        process = pdl.start("consume", "--bootstrap-servers", broker.address, "--topic", TOPIC, "--format", "json")
        wait_for(pdl, 200)
        broker.stop()
        time.sleep(6)
        broker.start()
        send(broker.address, make_bodies(range(200, 300)))
        wait_for(pdl, 300)
        process.send_signal(signal.SIGTERM)
        out, err = process.communicate(timeout=30)
    finally:
        broker.close()
    assert process.returncode == 0, err
    assert json.loads(out) == {"recorded": 300, "duplicate": 0, "quarantined": 0}
    assert "the broker does not answer; waiting for it" in err
