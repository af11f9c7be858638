"""A real Apache Kafka for these tests: PDL_TEST_KAFKA if set, else a container engine, else the jars from Maven.

Under CI=true its absence is a failure; elsewhere the tests that need it are skipped, loudly.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import uuid
import warnings
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

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
        from kafka import KafkaAdminClient, KafkaProducer
        from kafka.admin import NewTopic

        self.name = f"test-{uuid.uuid4().hex[:12]}"
        self.address = address
        self._admin = KafkaAdminClient(bootstrap_servers=address)
        self._admin.create_topics([NewTopic(name=self.name, num_partitions=partitions, replication_factor=1)])
        self._producer = KafkaProducer(bootstrap_servers=address, max_request_size=16 * 1024 * 1024)
        self._transactional: list[KafkaProducer] = []

    def send(self, bodies: Sequence[bytes | None], *, partition: int = 0, headers: Sequence[tuple[str, bytes]] = ()) -> None:
        for body in bodies:
            self._producer.send(self.name, body, partition=partition, headers=list(headers))
        self._producer.flush()

    def transaction(self) -> Any:
        from kafka import KafkaProducer

        producer = KafkaProducer(bootstrap_servers=self.address, transactional_id=uuid.uuid4().hex)
        self._transactional.append(producer)
        producer.init_transactions()
        producer.begin_transaction()
        return producer

    def remake(self, partitions: int) -> None:
        from kafka.admin import NewTopic

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


class Pdl:
    """The command `pdl` on a data directory of its own, in processes of its own."""

    def __init__(self, data: Path) -> None:
        self.data = data

    def _environment(self, more: dict[str, str]) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith("PDL_")}
        return kept | {"PDL_DATA": str(self.data), "PYTHONPATH": str(ROOT)} | more

    def start(self, *arguments: str, **environment: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", "consumers.cli", *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=self._environment(environment),
            cwd=self.data.parent,
        )

    def __call__(self, *arguments: str, status: int = 0, **environment: str) -> str:
        process = self.start(*arguments, **environment)
        out, err = process.communicate(timeout=120)
        assert process.returncode == status, f"{arguments[0]}: {process.returncode}\n{out}\n{err}"
        assert "Traceback" not in err
        self.said = err
        return out

    def json(self, *arguments: str, **environment: str) -> Any:
        lines = self(*arguments, "--format", "json", **environment).splitlines()
        assert len(lines) == 1
        return json.loads(lines[0])

    def rows(self, *arguments: str) -> list[Any]:
        return [json.loads(line) for line in self(*arguments, "--format", "json").splitlines()]


@pytest.fixture
def pdl(tmp_path: Path) -> Pdl:
    """`pdl` on an empty data directory."""
    return Pdl(tmp_path / "ledger")


def event(number: int, **more: Any) -> dict[str, Any]:
    """A collection that an organisation of the built-in packs may make."""
    return {
        "specversion": "1.0",
        "id": f"e-{number}",
        "source": "https://forms.example/test",
        "type": "pdl.data.collected.v1",
        "time": "2026-03-01T12:00:00+01:00",
        "data": {
            "organisation": "klantinfocus",
            "activity": "forms",
            "subject": {"scheme": "email", "value": f"person{number % 50}@canary.example", "class": "enquirer"},
            "values": {"email": f"person{number % 50}@canary.example", "message": "please call"},
            "origin": "subject",
            "system": "crm",
        },
    } | more


@pytest.fixture
def make_event() -> Callable[..., dict[str, Any]]:
    """Makes events by number."""
    return event


@pytest.fixture
def make_bodies() -> Callable[[range], list[bytes]]:
    """Makes the bytes of events by number."""
    return lambda numbers: [json.dumps(event(number)).encode() for number in numbers]


