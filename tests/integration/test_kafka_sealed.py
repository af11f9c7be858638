"""Sealed transport over a real broker: its own log files hold no plaintext, and a destroyed key closes what is left in them."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from kafka import KafkaAdminClient
from kafka.admin import NewTopic

from consumers.kafka.broker import JarBroker, jars
from consumers.kit import Publisher, Unpublished, events, read_key
from ledger.domain.errors import StoreUnavailable

pytestmark = pytest.mark.kafka
ROOT = Path(__file__).parents[2]
TOPIC = "sealed"
CANARY = "b7e1-canary@value.example"
SOURCE = "https://crm.example/events"


@pytest.fixture
def own_broker() -> Iterator[JarBroker]:
    """A broker whose files can be read."""
    try:
        broker = JarBroker(jars(ROOT / ".cache" / "kafka"))
    except StoreUnavailable as exc:
        if os.environ.get("CI") == "true" and not os.environ.get("PDL_TEST_KAFKA"):
            pytest.fail(f"no Apache Kafka for the tests: {exc}")
        pytest.skip(f"only the files of a broker of our own can be read: {exc}")
    try:
        broker.start()
        admin = KafkaAdminClient(bootstrap_servers=broker.address)
        admin.create_topics([NewTopic(name=TOPIC, num_partitions=1, replication_factor=1)])
        admin.close()
        yield broker
    finally:
        broker.close()


def collected(number: int) -> events.DataCollected:
    return events.DataCollected(
        organisation="klantinfocus",
        activity="forms",
        subject=events.Subject(scheme="email", value=CANARY, class_="enquirer"),
        values={"email": CANARY, "message": f"call {number}"},
        origin="subject",
        reference=f"ticket {CANARY}",
    )


def segments(broker: JarBroker) -> bytes:
    """Every byte that the broker keeps of its topics."""
    return b"".join(file.read_bytes() for file in (broker._home / "logs").rglob("*") if file.is_file())


def test_the_brokers_files_hold_no_plaintext_and_a_destroyed_key_closes_them(
    pdl: Any, own_broker: JarBroker, tmp_path: Path
) -> None:
    key_file = tmp_path / "key.json"
    pdl("ingest-key", "rotate")
    pdl("ingest-key", "publish", "--out", str(key_file))
    consume = ("consume", "--bootstrap-servers", own_broker.address, "--topic", TOPIC, "--until-end")
    with Publisher([own_broker.address], TOPIC, source=SOURCE, key=read_key(key_file)) as publish:
        made = [publish(collected(number)) for number in range(20)]
        publish.send(made[0])
    with Publisher([own_broker.address], TOPIC, source=SOURCE, key=read_key(key_file), compact=True) as publish:
        for number in range(20, 40):
            publish(collected(number))
    assert pdl.json(*consume) == {"recorded": 40, "duplicate": 1, "quarantined": 0}
    example = [
        sys.executable,
        str(ROOT / "examples" / "producers" / "publish.py"),
        own_broker.address,
        TOPIC,
        str(key_file),
    ]
    subprocess.run(example, check=True, timeout=60, env=os.environ | {"PYTHONPATH": str(ROOT)})
    assert pdl.json(*consume) == {"recorded": 2, "duplicate": 1, "quarantined": 0}
    assert len(pdl.json("subject", "email", CANARY)["trail"]) == 40

    with Publisher([own_broker.address], TOPIC, source=SOURCE, key=read_key(key_file)) as publish:
        for number in range(40, 45):
            publish(collected(number))
    kept = segments(own_broker)
    assert kept.count(SOURCE.encode()) >= 46, "these are the files that hold the records"
    assert CANARY.encode() not in kept
    assert b"ada@example.org" not in kept
    pdl("ingest-key", "rotate")
    pdl("ingest-key", "destroy", read_key(key_file).id)
    assert pdl.json(*consume) == {"recorded": 0, "duplicate": 0, "quarantined": 5}
    assert {row["reason"] for row in pdl.rows("quarantine", "list")} == {"sealed-unreadable"}
    own_broker.stop()
    private = b"".join(file.read_bytes() for file in pdl.data.rglob("*") if file.is_file())
    assert CANARY.encode() not in private, "nor does the ledger"


def test_what_the_broker_does_not_acknowledge_is_named(broker: str) -> None:
    client = {"max_block_ms": 2_000, "delivery_timeout_ms": 2_500, "request_timeout_ms": 2_000}
    with (
        pytest.raises(Unpublished) as refused,
        Publisher([broker], "no-such-topic", source=SOURCE, **client) as publish,
    ):
        publish(collected(1), event_id="e-77")
    assert refused.value.ids == ("e-77",)
