"""A real Apache Kafka for these tests: PDL_TEST_KAFKA if set, else a container engine, else the jars from Maven.

Under CI=true its absence is a failure; elsewhere the tests that need it are skipped, loudly.
"""

from __future__ import annotations

import os
import time
import uuid
import warnings
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from kafka import KafkaAdminClient, KafkaProducer
from kafka.admin import NewTopic

from consumers.kafka.broker import kafka
from ledger.domain.errors import StoreUnavailable

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def broker() -> Iterator[str]:
    """`host:port` of a broker."""
    running = kafka(os.environ.get("PDL_TEST_KAFKA"), cache=ROOT / ".cache" / "kafka")
    try:
        address = running.__enter__()
    except StoreUnavailable as exc:
        if os.environ.get("CI") == "true":
            pytest.fail(f"no Apache Kafka for the tests: {exc}")
        warnings.warn(f"TESTS WITHOUT KAFKA: {exc}", pytest.PytestWarning, stacklevel=1)
        pytest.skip(f"no Apache Kafka: {exc}")
    try:
        yield address
    finally:
        running.__exit__(None, None, None)


class Topic:
    """A topic of its own for one test."""

    def __init__(self, address: str, partitions: int) -> None:
        self.name = f"test-{uuid.uuid4().hex[:12]}"
        self.address = address
        self._admin = KafkaAdminClient(bootstrap_servers=address)
        self._admin.create_topics([NewTopic(name=self.name, num_partitions=partitions, replication_factor=1)])
        self._producer = KafkaProducer(bootstrap_servers=address, max_request_size=16 * 1024 * 1024)
        self._transactional: list[KafkaProducer] = []

    def send(
        self, bodies: Sequence[bytes | None], *, partition: int = 0, headers: Sequence[tuple[str, bytes]] = ()
    ) -> None:
        for body in bodies:
            self._producer.send(self.name, body, key=b"k", partition=partition, headers=list(headers))
        self._producer.flush()

    def transaction(self) -> Any:
        producer = KafkaProducer(bootstrap_servers=self.address, transactional_id=uuid.uuid4().hex)
        self._transactional.append(producer)
        producer.init_transactions()
        producer.begin_transaction()
        return producer

    def remake(self, partitions: int) -> None:
        self._admin.delete_topics([self.name])
        deadline = time.monotonic() + 20
        while self.name in self._admin.list_topics() and time.monotonic() < deadline:
            time.sleep(0.1)
        self._admin.create_topics([NewTopic(name=self.name, num_partitions=partitions, replication_factor=1)])

    def close(self) -> None:
        for producer in (self._producer, *self._transactional):
            producer.close(timeout=5)
        self._admin.close()


@pytest.fixture
def make_topic(broker: str) -> Iterator[Callable[..., Topic]]:
    """Makes topics; `make_topic(partitions=2)`."""
    made: list[Topic] = []

    def make(partitions: int = 1) -> Topic:
        made.append(Topic(broker, partitions))
        return made[-1]

    yield make
    for topic in made:
        topic.close()
