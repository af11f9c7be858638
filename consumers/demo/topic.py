"""The year through a real Apache Kafka: published to a topic as its services would, and consumed from there."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

import orjson
from kafka import KafkaProducer
from kafka.admin import KafkaAdminClient, NewTopic

from consumers.cli.progress import bar
from consumers.demo.year import Message, Year
from consumers.kafka.consume import Consumption, Plan

if TYPE_CHECKING:
    from consumers.wiring import Wired
    from ledger.service import Receipt

PARTITIONS: Final = 3
GROUP: Final = "pdl-demo"
_LARGEST_BYTES: Final = 8 * 1024 * 1024
_STRUCTURED: Final = [("content-type", b"application/cloudevents+json")]
_SHOWN_EVERY: Final = 2_000


def published(address: str, year: Year) -> str:
    """Publish the year to a topic of its own, and return the topic's name.

    What belongs to one organisation keeps its order (one partition). Some services publish in binary mode.
    """
    topic = f"pdl-demo-{year.seed}-{year.people}-{year.end:%Y%m%d}"
    _make(address, topic)
    producer = KafkaProducer(
        bootstrap_servers=address,
        linger_ms=20,
        batch_size=256 * 1024,
        max_request_size=_LARGEST_BYTES,
        acks="all",
        compression_type=None,
    )
    try:
        with bar("publishing to Kafka") as shown:
            for number, message in enumerate(year, 1):
                headers, body = as_record(message)
                producer.send(
                    topic,
                    value=body,
                    headers=headers,
                    key=message.organisation.encode(),
                    timestamp_ms=int(message.arrived.timestamp() * 1000),
                )
                if number % _SHOWN_EVERY == 0:
                    shown.moved(_SHOWN_EVERY, f"{number:,} messages")
            producer.flush()
    finally:
        producer.close()
    return topic


def _make(address: str, topic: str) -> None:
    admin = KafkaAdminClient(bootstrap_servers=address)
    try:
        if topic in admin.list_topics():
            return
        # The messages carry the times of the year: a broker that keeps a week would remove most of them unread.
        configuration = {"max.message.bytes": str(_LARGEST_BYTES), "retention.ms": "-1"}
        admin.create_topics(
            [NewTopic(name=topic, num_partitions=PARTITIONS, replication_factor=1, topic_configs=configuration)]
        )
    finally:
        admin.close()


def as_record(message: Message) -> tuple[list[tuple[str, bytes]], bytes]:
    """Headers and value: structured mode, or binary mode where the service prefers it and the event is whole."""
    if not message.binary:
        return _STRUCTURED, message.body
    event: dict[str, Any] = orjson.loads(message.body)
    data = event.pop("data")
    content = event.pop("datacontenttype")
    headers = [(f"ce_{name}", str(value).encode()) for name, value in event.items()]
    return [*headers, ("content-type", content.encode())], orjson.dumps(data)


def consumed(wired: Wired, address: str, topic: str, add: Callable[[Receipt], None]) -> None:
    """Read the topic to its end into the ledger, as `pdl consume --until-end` does."""
    waiting = threading.Event()
    with bar("consuming") as shown:

        class Report:
            """Counts batches and moves the bar."""

            def advance(self, receipt: Receipt) -> None:
                """A batch was recorded."""
                add(receipt)
                shown.moved(receipt.recorded, f"position {receipt.position:,}")

            def idle(self) -> None:
                """Nothing to do: the registers follow when all of it is recorded."""

            def say(self, sentence: str) -> None:
                """Something to know."""
                shown.say(sentence)

        plan = Plan((address,), (topic,), GROUP, until_end=True)
        Consumption(wired.sink, plan, wired.settings, Report(), stopping=lambda: False, wait=waiting.wait).run()
